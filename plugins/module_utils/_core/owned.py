# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection has made and what is there now: what an operator removes who leaves."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Owned:
    """One thing of ours: what it is, where it is, and what it says or is for."""

    kind: str
    name: str
    about: str = ""

    def plain(self) -> dict[str, t.Any]:
        """Return it as a module returns it."""
        return dict(vars(self))
