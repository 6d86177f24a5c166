# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification: how sure a proof is, counted exactly over everything that could have been seen."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verification import (
    MOST_PROBES,
    REFUTE,
    judge,
    sample_needed,
)

# Percents of the canary: asked for, and before.
MOVES = [(5, 0), (25, 5), (50, 25), (100, 50), (100, 0), (0, 100), (0, 5), (0, 50), (95, 100), (60, 40)]
CLOSE = [(10, 5), (51, 50), (6, 5), (50, 48)]


def chance(asked: int, before: int, real: int, total: int, verdict: str) -> float:
    """Return the probability of a verdict on C(total) requests when the canary really gets C(real) percent."""
    return math.fsum(
        binomial(seen, total, real / 100) for seen in range(total + 1) if judge(asked, before, seen, total) == verdict
    )


def binomial(seen: int, total: int, rate: float) -> float:
    if rate in (0.0, 1.0):
        return float(seen == total * rate)
    ways = math.lgamma(total + 1) - math.lgamma(seen + 1) - math.lgamma(total - seen + 1)
    return math.exp(ways + seen * math.log(rate) + (total - seen) * math.log1p(-rate))


@pytest.mark.parametrize(("asked", "before"), [*MOVES, *CLOSE])
@pytest.mark.parametrize("size", [lambda needed: 5, lambda needed: needed, lambda needed: 3 * needed])
def test_traffic_that_followed_is_practically_never_refuted(
    asked: int, before: int, size: Callable[[int], int]
) -> None:
    total = min(size(sample_needed(asked, before)), MOST_PROBES)
    assert chance(asked, before, asked, total, "refuted") <= REFUTE


@pytest.mark.parametrize(("asked", "before"), MOVES)
def test_the_needed_sample_mostly_verifies_traffic_that_followed(asked: int, before: int) -> None:
    assert chance(asked, before, asked, sample_needed(asked, before), "verified") >= 0.8


@pytest.mark.parametrize(("asked", "before"), MOVES)
def test_traffic_that_stayed_is_hardly_ever_verified(asked: int, before: int) -> None:
    assert chance(asked, before, before, sample_needed(asked, before), "verified") <= 0.01


@pytest.mark.parametrize(("asked", "before"), MOVES)
def test_traffic_that_stayed_is_refuted_with_three_times_the_sample(asked: int, before: int) -> None:
    assert chance(asked, before, before, 3 * sample_needed(asked, before), "refuted") >= 0.9


@pytest.mark.parametrize(
    ("asked", "before", "seen", "total", "verdict"),
    [
        (0, 100, 0, 0, "undecided"),
        (0, 100, 0, 5, "verified"),
        (0, 100, 1, 1000, "refuted"),  # one request where none belongs
        (100, 0, 5, 5, "verified"),
        (100, 0, 999, 1000, "refuted"),
        (5, 0, 0, 20, "undecided"),
        (5, 0, 1, 20, "verified"),  # before, none could come
        (50, 0, 0, 40, "refuted"),
        (51, 50, 200, 399, "undecided"),  # too close to tell apart: as many as one may ask have to agree
        (51, 50, 200, 400, "verified"),
        (10, 10, 2, 19, "undecided"),  # nothing moved: twenty that agree
        (10, 10, 2, 20, "verified"),
    ],
)
def test_verdicts(asked: int, before: int, seen: int, total: int, verdict: str) -> None:
    assert judge(asked, before, seen, total) == verdict


@pytest.mark.parametrize(("asked", "before", "needed"), [(100, 0, 5), (0, 100, 5), (5, 0, 104), (50, 0, 8), (7, 7, 20)])
def test_a_switch_needs_few_requests_and_a_small_step_many(asked: int, before: int, needed: int) -> None:
    assert sample_needed(asked, before) == needed


def test_a_smaller_step_needs_a_larger_sample() -> None:
    sizes = [sample_needed(50 + step, 50) for step in (1, 2, 5, 10, 20, 40)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)
