# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the past of the stable fleet tells: how often requests fail, how much they cluster, which edges are telling."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.binomial import upper_limit
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import CERTAIN, NOTHING, Poll
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.increments import Increments
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample

DECAY = 0.99  # what a poll leaves of the weight of the polls before it
PRIOR_BAD, PRIOR_REQUESTS = 0.5, 500.0  # a baseline nobody has seen yet: 0.1 %
EDGE_LEAST, EDGE_MOST = 0.0005, 0.5  # how often the past must have exceeded a latency edge for it to tell anything


class Baseline:
    """The baseline's rate so far, older polls counting less. It steers bets only: it is in no null hypothesis."""

    def __init__(self) -> None:
        self._bad = self._requests = 0.0

    def add(self, requests: float, bad: float) -> None:
        self._bad, self._requests = DECAY * self._bad + bad, DECAY * self._requests + requests

    @property
    def rate(self) -> float:
        return (self._bad + PRIOR_BAD) / (self._requests + PRIOR_REQUESTS)


def polls_of(history: t.Sequence[Sample], counters: t.Sequence[str]) -> dict[str, list[Poll]]:
    """Return the polls of each counter; the arms of C(history) are two halves of the stable fleet, or one and none."""
    increments = Increments(counters)
    found: dict[str, list[Poll]] = {name: [] for name in counters}
    for sample in history:
        for name, poll in (increments.add(sample, stable_idle=True, canary_idle=True) or {}).items():
            found[name].append(poll)
    return found


def whole(polls: t.Iterable[Poll]) -> tuple[float, float]:
    """Return bad requests and requests of both halves together."""
    total = NOTHING
    for poll in polls:
        total = total.plus(poll)
    return total.canary_bad + total.baseline_bad, total.canary + total.baseline


def telling(counters: t.Sequence[str], past: t.Mapping[str, t.Sequence[Poll]]) -> t.Sequence[str]:
    """Return the latency edges that tell something; all counters when there is only one or the past is silent."""

    def tells(name: str) -> bool:
        bad, requests = whole(past[name])
        return EDGE_LEAST * requests <= bad <= EDGE_MOST * requests and requests > 0.0

    return (len(counters) > 1 and [name for name in counters if tells(name)]) or counters


class Dispersion:
    """How much more than chance the bad requests cluster, C(phi) >= 1 (quasi-Poisson: Wedderburn 1974).

    It learns from polls of two halves of the stable fleet, of the past and of the rollout itself: a past of half an
    hour may hold no failure at all. Bursts that hit both halves cancel. C(prior) is the guess while there are few bad
    requests or only one half. Whoever bets uses what is known before a poll, so the bets stay fair.
    """

    def __init__(self, prior: float) -> None:
        self._squares, self._variance = 4.0 * prior, 4.0

    def add(self, halves: Poll) -> None:
        total, bad = halves.canary + halves.baseline, halves.canary_bad + halves.baseline_bad
        if total:
            self._squares += (halves.canary_bad - bad * halves.canary / total) ** 2
            self._variance += bad * halves.canary * halves.baseline / total**2

    @property
    def phi(self) -> float:
        return max(1.0, self._squares / self._variance)


def dispersion(halves: t.Iterable[Poll], prior: float) -> float:
    """Return what C(Dispersion) learns from polls of two halves of the stable fleet."""
    learnt = Dispersion(prior)
    for poll in halves:
        learnt.add(poll)
    return learnt.phi


def highest_rate(polls: t.Sequence[Poll], alpha: float) -> float:
    """Return the highest rate the past leaves possible for the old version, with confidence 1 - C(alpha)."""
    bad, requests = whole(polls)
    return min(upper_limit(round(bad), round(requests), 1.0 - alpha), CERTAIN)
