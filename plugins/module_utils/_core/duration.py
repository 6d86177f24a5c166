# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations as people write them: C(300), C(30s), C(5m), C(1h30m)."""

from __future__ import annotations

import re
import typing as t

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def seconds(value: t.Any) -> float:
    """Return the seconds in C(value), a number or text such as C(90), C(30s), C(1h30m).

    Raises ValueError with a sentence for anything else, negative numbers included.
    """
    text = str(value).strip().lower()
    if not isinstance(value, bool):
        if _NUMBER.fullmatch(text):
            return float(text)
        if _WHOLE.fullmatch(text):
            return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    raise ValueError(f"{value!r} is not a duration; write 300, 30s, 5m or 1h30m")


def text(span: float) -> str:
    """Return C(span) seconds as people write it: C(0.5s), C(45s), C(2m05s), C(1h00m)."""
    if span < 10 and span != int(span):
        return f"{span:.1f}s"
    whole = int(round(span))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
