# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether another process still lives: a number alone is not enough, because numbers are used again."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """One process: its number, and when it started in the kernel's own ticks (empty where /proc is not to be had)."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Return whether this very process still runs; one that is dead and not yet reaped does not."""
        return identify(self.pid) == self


def identify(pid: int) -> t.Optional[Process]:
    """Return the process that has the number C(pid) now, or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name, in brackets, may hold anything; state is the 3rd field, the start the 22nd.
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None if os.path.exists("/proc/self/stat") else _without_proc(pid)
    return None if fields[0] in ("Z", "X") else Process(pid, fields[19])


def _without_proc(pid: int) -> t.Optional[Process]:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return Process(pid, "")
