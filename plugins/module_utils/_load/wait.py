# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for good answers in a row."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.probe import Probe

QUIET = 2.0  # seconds of waiting without a line; then one every LINE_EVERY
LINE_EVERY = 5.0


@dataclass(frozen=True)
class Waited:
    """How a wait ended: C(fault) is empty when the answers were good, else one sentence."""

    last: Probe
    attempts: int
    seconds: float
    fault: str = ""


def wait(
    ask: t.Callable[[float], Probe],
    fault: t.Callable[[Probe], str],
    *,
    consecutive: int,
    interval: float,
    deadline: float,
    clock: t.Callable[[], float],
    sleep: t.Callable[[float], None],
    say: t.Callable[[str], None],
) -> Waited:
    """Probe until C(consecutive) answers in a row have no fault, at most C(deadline) seconds, at least once.

    C(ask) gets the seconds that are left and returns one probe; C(fault) says what is wrong with it.
    """
    began = clock()
    attempts = good = 0
    next_line = QUIET
    while True:
        probe = ask(max(1.0, deadline - (clock() - began)))
        attempts += 1
        wrong = fault(probe)
        good = 0 if wrong else good + 1
        spent = clock() - began
        if good >= consecutive:
            return Waited(probe, attempts, spent)
        if spent + interval > deadline:
            row = f"not {consecutive} good answers in a row" if consecutive > 1 else "no good answer"
            seen = wrong or f"{probe.url}: only {good} good at the end"
            words = f"{seen} ({row} within {duration.text(deadline)})" if attempts > 1 else seen
            return Waited(probe, attempts, spent, words)
        if spent >= next_line:
            next_line = spent + LINE_EVERY
            state = wrong or f"{probe.url}: {good} of {consecutive} good answers"
            say(f"waiting, {state}, {duration.text(max(0.0, deadline - spent))} left")
        sleep(interval)
