# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict, and how its numbers are written."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import Poll

RUNNING, PASS, FAIL, INCONCLUSIVE, ERROR = "running", "pass", "fail", "inconclusive", "error"


@dataclass(frozen=True)
class Verdict:
    """C(status) is running, pass, fail, inconclusive or error; C(reason) one word for programs; C(msg) the one line.

    C(metrics) holds per metric plain numbers: C(harm), C(safe) and C(limit) are odds to 1 and C(*_needed) what
    decides; C(canary) and C(baseline) are C(bad), C(requests), C(rate) of all judged requests; C(phi) the dispersion.
    """

    status: str
    reason: str
    msg: str
    metrics: t.Mapping[str, t.Mapping[str, t.Any]] = field(default_factory=dict)


class Finding(t.NamedTuple):
    """A verdict without its time: what a rule returns."""

    status: str
    reason: str
    sentence: str
    metrics: t.Mapping[str, t.Mapping[str, t.Any]]


class Moment(t.NamedTuple):
    """Where the rollout stands: seconds since its first step and since this one, and whether it still warms up."""

    elapsed: float
    in_step: float
    warm_up: bool


def counts(bad: float, requests: float) -> dict[str, float]:
    return {"bad": bad, "requests": requests, "rate": bad / requests if requests else 0.0}


def compared(name: str, poll: Poll, history: t.Optional[Poll] = None) -> str:
    """Return C(errors: canary 1.17% (7/600) against baseline 0.07% (4/5400))."""
    line = f"{name}: canary {share(poll.canary_bad, poll.canary)}"
    if history is not None:
        past = share(history.canary_bad + history.baseline_bad, history.canary + history.baseline)
        return f"{line} against baseline {past} of history"
    if not poll.baseline:
        return f"{line}, no baseline traffic"
    return f"{line} against baseline {share(poll.baseline_bad, poll.baseline)}"


def share(bad: float, requests: float) -> str:
    return f"{percent(bad / requests if requests else 0.0)} ({bad:.0f}/{requests:.0f})"


def percent(rate: float) -> str:
    return f"{100.0 * rate:.2f}%"


def points(rate: float) -> str:
    return f"{100.0 * rate:.3g}"


def to_one(odds: float) -> str:
    """Return C(472:1), C(3.3:1), C(0.16:1)."""
    if odds >= 1e6:
        return "over 1000000:1"
    if odds < 0.01:
        return "under 0.01:1"
    return f"{odds:.0f}:1" if odds >= 10.0 else f"{odds:.2g}:1"


def odds_line(odds: float, needed: float) -> str:
    return f"{to_one(odds)} (needed {to_one(needed)})"
