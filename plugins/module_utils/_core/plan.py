# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan: the mutations a call would make, each with its before and after."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One object that would change, as text an operator recognises."""

    where: str
    before: str
    after: str


def diff(changes: t.Sequence[Change]) -> list[dict[str, str]]:
    """Return the changes in the shape that C(--diff) prints."""
    return [
        {
            "before_header": change.where,
            "after_header": change.where,
            "before": _line(change.before),
            "after": _line(change.after),
        }
        for change in changes
    ]


def _line(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
