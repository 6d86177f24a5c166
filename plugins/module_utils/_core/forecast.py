# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests a verdict will take: information per request (Kullback and Leibler 1951) against what is needed."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import CERTAIN, Poll
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import Options

RAMP = (10, 25, 50, 100)
LOWER = (5, 2, 1)  # first steps where the traffic is dense


@dataclass(frozen=True)
class Traffic:
    """What is known before a release: C(requests) a second of both slots together, from C(seen) of them, and of each
    counter its rate of bad requests and how much they cluster (phi)."""

    requests: float
    rates: t.Mapping[str, float]
    phi: t.Mapping[str, float]
    seen: float = 0.0


def divergence(rate: float, other: float) -> float:
    """Return the Kullback-Leibler divergence of two rates: the evidence one request brings, in nats."""
    rest = (1.0 - rate) * math.log((1.0 - rate) / (1.0 - other)) if rate < 1.0 else 0.0
    return rest + (rate * math.log(rate / other) if rate > 0.0 else 0.0)


def requests_to_pass(baseline: float, margin: float, beta: float) -> float:
    """Return how many canary requests prove a canary as good as the baseline less than C(margin) worse."""
    return math.log(2.0 / beta) / divergence(baseline, min(baseline + margin, CERTAIN))


def requests_to_fail(baseline: float, excess: float, needed: float, weight: float) -> float:
    """Return how many canary requests find an C(excess) that is there, the canary having C(weight) (0 to 1) of all."""
    return (math.log(needed) + 1.5) / information(baseline, excess, weight)


def information(baseline: float, excess: float, weight: float) -> float:
    """Return what one canary request and its share of baseline requests tell about C(excess): a 2x2 table, in nats."""
    canary = min(baseline + excess, 1.0)
    pooled = weight * canary + (1.0 - weight) * baseline
    return divergence(canary, pooled) + (1.0 / weight - 1.0) * divergence(baseline, pooled)


def to_settle(seen: Poll, baseline: float, margin: float, phi: float, safe: float, harm: float) -> float:
    """Return about how many more canary requests will decide: the smaller of what a pass and what a rollback needs.

    C(safe) and C(harm) are the factors by which their odds must still grow; C(phi) is the dispersion.
    """
    more = phi * math.log(max(safe, 1.0)) / divergence(baseline, min(baseline + margin, CERTAIN))
    excess = seen.canary_rate - seen.baseline_rate
    if excess > 0.0 and seen.baseline:
        weight = seen.canary / (seen.canary + seen.baseline)
        more = min(more, phi * math.log(max(harm, 1.0)) / information(seen.baseline_rate, excess, weight))
    return more


def step_seconds(options: Options, steps: t.Sequence[int], traffic: Traffic) -> list[float]:
    """Return how long the gate will take for each step before 100 %, in seconds, a healthy release given.

    Evidence is carried from step to step, as the gate does. C(inf) where there is no traffic.
    """
    elapsed = judged = 0.0
    found: list[float] = []
    for weight, later in zip(steps, steps[1:]):
        speed = weight / 100.0 * traffic.requests
        warm_up = max(options.initial_delay - elapsed, 0.0)
        least = max(options.min_step_duration, options.min_duration - elapsed)
        if options.analysis == "threshold":
            needed = float(options.min_requests)
        else:
            needed = max(float(options.min_requests), _to_prove(options, later, traffic) - judged)
        seconds = max(least, warm_up + needed / speed if speed else math.inf)
        # Counters are read at intervals, the first reading only begins to count.
        seconds += options.interval if not found else 0.0
        judged += speed * max(seconds - warm_up, 0.0) if speed else 0.0
        elapsed += seconds
        found.append(seconds)
    return found


def ramp(options: Options, traffic: Traffic) -> list[int]:
    """Return steps for C(traffic): doubling, so that each needs about the same time to prove what the next one risks.

    They begin below 10 % where requests come so fast that a smaller first step costs no more than C(min_step_duration).
    """
    steps = list(RAMP)
    for lower in LOWER:
        speed = lower / 100.0 * traffic.requests
        needed = max(float(options.min_requests), _to_prove(options, steps[0], traffic))
        if speed * options.min_step_duration < needed:
            break
        steps.insert(0, lower)
    return steps


def _to_prove(options: Options, later: int, traffic: Traffic) -> float:
    """Return how many canary requests prove that C(later) percent can be risked, of the slowest counter."""
    budget = options.impact_budget * 100.0 / later
    return max(
        traffic.phi.get(counter, 1.0)
        * requests_to_pass(traffic.rates.get(counter, 0.0), max(budget, metric.margin), options.beta)
        for metric in options.metrics
        for counter in metric.counters
    )
