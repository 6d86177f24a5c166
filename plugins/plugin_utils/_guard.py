# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of a worker: a signal, or the death of the controller, becomes one exception in the work."""

from __future__ import annotations

import ctypes
import os
import signal
import types
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._shift import Interrupted
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _controller

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


class Guard:
    """Within the block, the first of SIGTERM, SIGINT, SIGHUP and the controller's death raises Interrupted, once."""

    def __init__(self) -> None:
        self._parent = _controller.pid()
        self._before: dict[int, t.Any] = {}
        self._pending: Interrupted | None = None

    def __enter__(self) -> Guard:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._interrupt)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if self.orphaned:
            raise Interrupted("the controller died")
        return self

    def __exit__(self, *unused: t.Any) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def orphaned(self) -> bool:
        """Whether the controller is gone."""
        return os.getppid() != self._parent

    def shield(self) -> None:
        """Make this process deaf to signals, the task's own timeout too: a restore runs to its end."""
        self._pending = None
        self._deafen()

    def check(self) -> None:
        """Raise what a signal has raised, if it was lost on the way: nobody sees an exception within C(__del__)."""
        if self._pending is not None:
            raise self._pending

    def _deafen(self) -> None:
        for number in (*_SIGNALS, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, number: int, frame: types.FrameType | None) -> None:
        # A SIGTERM follows a SIGINT at once; the second must not hit the restore of the first.
        self._deafen()
        died = number == signal.SIGTERM and self.orphaned
        self._pending = Interrupted("the controller died" if died else f"{signal.Signals(number).name} received")
        raise self._pending
