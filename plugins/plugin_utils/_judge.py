# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate as the engine asks it: a source that is polled, and the judgement of what it said."""

from __future__ import annotations

import typing as t


def open_judge(action: t.Any, gate: t.Any, canary: str) -> t.Any:
    return None
