# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deaths at a chosen moment: a child does the work and is killed before the n-th system call that changes anything."""

from __future__ import annotations

import os
import signal
import typing as t
from collections.abc import Callable

# Everything of module os by which a driver changes the disk, makes it last, or signals.
SYSCALLS = (
    "open",
    "close",
    "mkdir",
    "chmod",
    "fchmod",
    "link",
    "unlink",
    "symlink",
    "rename",
    "fsync",
    "rmdir",
    "kill",
)


def killed_before(moment: int, work: Callable[[], object]) -> bool:
    """Do C(work) in a child that gets SIGKILL before its system call number C(moment); return whether it survived.

    Raises AssertionError when it failed by itself.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _count_down(moment)
            work()
            status = 0
        finally:
            os._exit(status)
    ended = os.waitpid(child, 0)[1]
    assert ended in (0, signal.SIGKILL), f"ended with {ended}"
    return ended == 0


def _count_down(left: int) -> None:
    kill = os.kill

    def dying(real: Callable[..., t.Any]) -> Callable[..., t.Any]:
        def call(*arguments: t.Any, **words: t.Any) -> t.Any:
            nonlocal left
            if left == 0:
                kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*arguments, **words)

        return call

    for name in SYSCALLS:
        setattr(os, name, dying(getattr(os, name)))
