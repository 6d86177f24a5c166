# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests a verdict will take: information per request (Kullback and Leibler 1951) against what is needed."""

from __future__ import annotations

import math

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import CERTAIN, Poll


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
