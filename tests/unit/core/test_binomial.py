# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clopper-Pearson limits against the sums that define them."""

from __future__ import annotations

import math

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.binomial import lower_limit, upper_limit


def at_most(bad: int, total: int, rate: float) -> float:
    return math.fsum(math.comb(total, k) * rate**k * (1 - rate) ** (total - k) for k in range(bad + 1))


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9975])
@pytest.mark.parametrize("total", [1, 2, 7, 40])
def test_limits_solve_the_binomial_tail_they_are_defined_by(total, confidence):
    for bad in range(total):
        limit = upper_limit(bad, total, confidence)
        assert at_most(bad, total, limit) == pytest.approx(1 - confidence, rel=1e-9)
    for bad in range(1, total + 1):
        limit = lower_limit(bad, total, confidence)
        assert 1 - at_most(bad - 1, total, limit) == pytest.approx(1 - confidence, rel=1e-9)


@pytest.mark.parametrize(
    "bad, total, low, high",
    [(0, 100, 0.0, 0.036216693), (3, 100, 0.006229972, 0.085176053), (5, 10, 0.187086028, 0.812913972)],
)
def test_two_sided_95_percent_matches_published_values(bad, total, low, high):
    assert lower_limit(bad, total, 0.975) == pytest.approx(low, abs=1e-8)
    assert upper_limit(bad, total, 0.975) == pytest.approx(high, abs=1e-8)


def test_nothing_seen_rules_nothing_out():
    assert (lower_limit(0, 0, 0.95), upper_limit(0, 0, 0.95)) == (0.0, 1.0)
    assert upper_limit(5, 5, 0.95) == 1.0
    assert lower_limit(0, 5, 0.95) == 0.0


def test_a_million_requests_without_failure_follow_the_rule_of_three():
    assert upper_limit(0, 10**6, 0.95) == pytest.approx(-math.log(0.05) / 10**6, rel=1e-5)
    assert lower_limit(500_000, 10**6, 0.95) == pytest.approx(0.4991776, abs=1e-6)


@pytest.mark.parametrize("bad, total, confidence", [(-1, 5, 0.9), (6, 5, 0.9), (1, 5, 0.0), (1, 5, 1.0)])
def test_impossible_counts_are_refused(bad, total, confidence):
    with pytest.raises(ValueError):
        upper_limit(bad, total, confidence)
    with pytest.raises(ValueError):
        lower_limit(bad, total, confidence)
