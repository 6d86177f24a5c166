# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict, and how its numbers are written."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, field

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import Poll
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import to_settle

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


@dataclass(frozen=True)
class Score:
    """Where one metric stands, by its counter that is proven least; odds are to 1."""

    counter: str
    seen: Poll
    history: t.Optional[tuple[float, float]]  # bad requests and requests of the past, where it is the baseline
    harm: float
    harm_needed: float
    safe: float
    safe_needed: float
    limit: float
    limit_needed: t.Optional[float]
    margin: float
    phi: float

    def numbers(self) -> dict[str, t.Any]:
        """Return what C(Verdict.metrics) holds."""
        seen = self.seen
        return {
            **{name: value for name, value in vars(self).items() if name not in ("seen", "history")},
            "canary": counts(seen.canary_bad, seen.canary),
            "baseline": counts(seen.baseline_bad, seen.baseline),
            "compared_with": "history" if self.history else "baseline",
        }

    def praise(self) -> str:
        line = compared(self.counter, self.seen, self.history)
        return f"{line}; less than {100 * self.margin:.3g} points worse, odds {odds_line(self.safe, self.safe_needed)}"

    def doubt(self) -> str:
        """Return how far both questions are."""
        line = compared(self.counter, self.seen, self.history)
        harm, safe = odds_line(self.harm, self.harm_needed), odds_line(self.safe, self.safe_needed)
        return f"{line}; odds of harm {harm}, of safety {safe}"

    def settle(self, baseline: float, judged: float) -> str:
        """Return what would settle it, from the baseline's rate and the seconds judged so far."""
        if not self.seen.canary:
            return "the canary gets no requests"
        rest = to_settle(
            self.seen,
            baseline,
            self.margin,
            self.phi,
            self.safe_needed / max(self.safe, 1e-100),
            self.harm_needed / max(self.harm, 1e-100),
        )
        speed = self.seen.canary / judged if judged > 0.0 else math.inf
        minutes = max(rest / speed / 60.0, 1.0)
        return f"about {rest:.0f} more canary requests would settle it, about {minutes:.0f} min at {speed:.2g}/s"


def counts(bad: float, requests: float) -> dict[str, float]:
    return {"bad": bad, "requests": requests, "rate": bad / requests if requests else 0.0}


def compared(name: str, poll: Poll, history: t.Optional[tuple[float, float]] = None) -> str:
    """Return C(errors: canary 1.17% (7/600) against baseline 0.07% (4/5400))."""
    line = f"{name}: canary {share(poll.canary_bad, poll.canary)}"
    if history:
        return f"{line} against baseline {share(*history)} of history"
    if not poll.baseline:
        return f"{line}, no baseline traffic"
    return f"{line} against baseline {share(poll.baseline_bad, poll.baseline)}"


def share(bad: float, requests: float) -> str:
    return f"{percent(bad / requests if requests else 0.0)} ({bad:.0f}/{requests:.0f})"


def percent(rate: float) -> str:
    return f"{100.0 * rate:.2f}%"


def to_one(odds: float) -> str:
    """Return C(472:1), C(3.3:1), C(0.16:1)."""
    if odds >= 1e6:
        return "over 1000000:1"
    if odds < 0.01:
        return "under 0.01:1"
    return f"{odds:.0f}:1" if odds >= 10.0 else f"{odds:.2g}:1"


def odds_line(odds: float, needed: float) -> str:
    return f"{to_one(odds)} (needed {to_one(needed)})"
