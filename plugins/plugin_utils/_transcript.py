# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks and instances said, for the folder of reports: capped, and without what C(no_log) hides."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

MOST = 256 * 1024
MOST_OF_ONE = 16 * 1024
# Where modules put what a person wants to read.
_WORDS = ("msg", "stdout", "stderr", "module_stdout", "module_stderr")


class Transcript:
    """Collects in order; what is beyond C(MOST) characters is left out, and said to be."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._left = MOST

    def add(self, who: str, what: str, words: str) -> None:
        """Add what C(who) said about C(what); of long words the end, where failures stand."""
        kept = (
            words
            if len(words) <= MOST_OF_ONE
            else f"[{len(words) - MOST_OF_ONE} characters before]\n" + (words[-MOST_OF_ONE:])
        )
        part = f"== {who}: {what}\n{kept.rstrip()}\n"
        if self._left <= 0:
            return
        self._left -= len(part)
        self._parts.append(part if self._left > 0 else "== the rest was left out\n")

    def text(self) -> str:
        """Return all of it."""
        return "".join(self._parts)


def words_of(answer: Mapping[str, t.Any]) -> str:
    """Return what a task's result says to a person."""
    if "censored" in answer:
        return "hidden by no_log"
    found = [str(answer[name]).strip() for name in _WORDS if answer.get(name)]
    found += [words_of(item) for item in answer.get("results") or [] if isinstance(item, Mapping)]
    return "\n".join(part for part in found if part) or ("failed" if answer.get("failed") else "said nothing")
