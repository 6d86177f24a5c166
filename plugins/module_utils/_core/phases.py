# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a release: in each state, what each command makes of it, or the sentence that refuses it.

C(resume) and C(sweep) are for a release whose run is dead. That it is dead is proven by whoever takes its lock over, so
their cells do not ask again; a release that a living run holds never reaches them.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

PHASES = ("Progressing", "Paused", "Healthy", "Degraded")
OUTCOMES = ("Promoted", "RolledBack", "Aborted")
COMMANDS = ("promote", "abort", "rollback", "pause", "resume", "retry", "deploy", "sweep")


class Refusal(Exception):
    """A change that the state of the release forbids, in one sentence; nothing was changed."""

    kind = "refused"

    def __init__(self, sentence: str, **facts: t.Any) -> None:
        super().__init__(sentence)
        self.facts = facts


@dataclass(frozen=True)
class State:
    """Where a release stands; C(outcome) is empty until it has one, C(phase) only where nothing was released yet."""

    phase: str
    outcome: str = ""

    def __str__(self) -> str:
        return f"{self.phase or 'never released'}{f' ({self.outcome})' if self.outcome else ''}"


NOTHING = State("")
PROGRESSING = State("Progressing")
PAUSED = State("Paused")
PROMOTED = State("Healthy", "Promoted")
ROLLED_BACK = State("Healthy", "RolledBack")
ABORTED = State("Healthy", "Aborted")
DEGRADED = State("Degraded")
DEGRADED_PROMOTED = State("Degraded", "Promoted")

Cell = t.Union[State, str]

TABLE: t.Mapping[State, t.Mapping[str, Cell]] = {
    NOTHING: {
        "promote": "nothing was released here yet, so nothing waits for promote: run deploy",
        "abort": "nothing was released here yet, so there is nothing to abort",
        "rollback": "nothing was released here yet, so there is no traffic on record to put back",
        "pause": "nothing was released here yet, so there is nothing to pause",
        "resume": NOTHING,
        "retry": "nothing was released here yet, so there is nothing to retry: run deploy",
        "deploy": PROGRESSING,
        "sweep": NOTHING,
    },
    PROGRESSING: {
        "promote": "it is not paused, so nothing waits for promote",
        "abort": ABORTED,
        "rollback": ROLLED_BACK,
        "pause": PAUSED,
        "resume": ROLLED_BACK,
        "retry": "it has not ended: run abort first, then retry",
        "deploy": "it has not ended: wait for it, or run abort first; when its run died, run resume",
        "sweep": ROLLED_BACK,
    },
    PAUSED: {
        "promote": PROGRESSING,
        "abort": ABORTED,
        "rollback": ROLLED_BACK,
        "pause": PAUSED,
        "resume": ROLLED_BACK,
        "retry": "it has not ended: run abort first, then retry",
        "deploy": "it is paused: run promote to go on or abort to take it back, then deploy",
        "sweep": ROLLED_BACK,
    },
    PROMOTED: {
        "promote": PROMOTED,
        "abort": "it is promoted already, there is nothing left to abort: run rollback to put the old traffic back",
        "rollback": ROLLED_BACK,
        "pause": "it is promoted already, there is nothing left to pause",
        "resume": PROMOTED,
        "retry": "it is promoted already, there is nothing to retry: run deploy for another revision",
        "deploy": PROGRESSING,
        "sweep": PROMOTED,
    },
    ROLLED_BACK: {
        "promote": "it was rolled back, so nothing waits for promote: run retry to start it anew",
        "abort": ROLLED_BACK,
        "rollback": ROLLED_BACK,
        "pause": "it was rolled back, there is nothing left to pause",
        "resume": ROLLED_BACK,
        "retry": PROGRESSING,
        "deploy": PROGRESSING,
        "sweep": ROLLED_BACK,
    },
    ABORTED: {
        "promote": "it was aborted, so nothing waits for promote: run retry to start it anew",
        "abort": ABORTED,
        "rollback": ABORTED,
        "pause": "it was aborted, there is nothing left to pause",
        "resume": ABORTED,
        "retry": PROGRESSING,
        "deploy": PROGRESSING,
        "sweep": ABORTED,
    },
    DEGRADED: {
        "promote": "it is degraded, no step forward is allowed: run rollback",
        "abort": ABORTED,
        "rollback": ROLLED_BACK,
        "pause": "it is degraded, there is nothing left to pause: run rollback",
        "resume": ROLLED_BACK,
        "retry": "it is degraded: run rollback first, then retry",
        "deploy": "it is degraded: run rollback first, then deploy",
        # A schedule must not repeat every minute what failed and asked for a person: it reports.
        "sweep": DEGRADED,
    },
    DEGRADED_PROMOTED: {
        "promote": "it is promoted already, but degraded: run resume to finish it or rollback to take it back",
        "abort": "it is promoted already, there is nothing left to abort: run rollback to put the old traffic back",
        "rollback": ROLLED_BACK,
        "pause": "it is promoted already, there is nothing left to pause",
        "resume": PROMOTED,
        "retry": "it is promoted already, there is nothing to retry: run resume to finish it",
        "deploy": "it is promoted but degraded: run resume to finish it or rollback to take it back, then deploy",
        "sweep": DEGRADED_PROMOTED,
    },
}


def state(phase: t.Optional[str], outcome: t.Optional[str]) -> State:
    """Return the row of the table for a release record's C(phase) and C(outcome); raises ValueError for unknown ones.

    An outcome counts only in C(Healthy), and C(Promoted) in C(Degraded) too, where it decides what is left to be done.
    """
    if phase not in (None, "", *PHASES) or outcome not in (None, "", *OUTCOMES):
        raise ValueError(f"a release cannot be {phase!r} with the outcome {outcome!r}")
    if phase == "Healthy":
        if not outcome:
            raise ValueError("a release that is Healthy has an outcome: Promoted, RolledBack or Aborted")
        return State("Healthy", outcome)
    if phase == "Degraded" and outcome == "Promoted":
        return DEGRADED_PROMOTED
    return State(phase or "")


def decide(now: State, command: str) -> State:
    """Return the state that C(command) leads to from C(now): the same one where it changes nothing.

    Raises Refusal with the table's sentence, ValueError for a command that does not exist.
    """
    if command not in COMMANDS:
        raise ValueError(f"{command!r} is not a command: there are {', '.join(COMMANDS)}")
    cell = TABLE[now][command]
    if isinstance(cell, str):
        raise Refusal(cell)
    return cell
