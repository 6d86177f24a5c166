# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The games are fair: exactly, by enumeration, where that is possible; and they grow as fast as theory says."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import (
    MOST,
    Capital,
    Harm,
    Limit,
    Poll,
    Safe,
    Starvation,
    average,
    cornfield,
    slow_down,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import (
    requests_to_fail,
    requests_to_pass,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.past import (
    Baseline,
    dispersion,
    highest_rate,
)


def noncentral(canary: int, stable: int, bad: int, ratio: float) -> dict[int, float]:
    """Return the law of the canary's bad requests given all bad ones: Fisher's noncentral hypergeometric."""
    weights = {
        k: math.comb(canary, k) * math.comb(stable, bad - k) * ratio**k
        for k in range(max(0, bad - stable), min(canary, bad) + 1)
    }
    total = math.fsum(weights.values())
    return {k: weight / total for k, weight in weights.items()}


def _chance(total: int, k: int, rate: float) -> float:
    logs = math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
    return math.exp(logs + k * math.log(rate) + (total - k) * math.log1p(-rate))


def binomial(total: int, rate: float) -> dict[int, float]:
    return {k: _chance(total, k, rate) for k in range(total + 1)}


TABLES = [
    (canary, stable, bad)
    for canary, stable in ((1, 9), (3, 3), (5, 20), (12, 4), (10, 90))
    for bad in range(1, min(canary + stable, 30) + 1)
]


def harm(**options) -> Harm:
    return Harm(**{"tolerance": 1.25, "floor": 0.001, "null_ratio": 1.0, **options})


def decided(game: Harm) -> bool:
    return game.capital.total >= 125.0 and game.worth(0.001)


@pytest.mark.parametrize("baseline", [1e-5, 0.001, 0.02, 0.3, 0.9])
@pytest.mark.parametrize("null_ratio", [1.0, 1.5])
def test_harm_is_fair_when_the_canary_is_no_worse_whatever_the_number_of_bad_requests(baseline, null_ratio):
    for canary, stable, bad in TABLES:
        for ratio in (null_ratio, 0.8 * null_ratio):
            expected = 0.0
            for k, chance in noncentral(canary, stable, bad, ratio).items():
                game = harm(null_ratio=null_ratio)
                game.add(Poll(canary, k, stable, bad - k), baseline)
                expected += chance * game.capital.total
            assert expected <= 1 + 1e-9, (canary, stable, bad, ratio)


@pytest.mark.parametrize("past, margin", [(0.001, 0.005), (0.02, 0.005), (0.3, 0.02)])
def test_nearness_is_fair_when_the_odds_ratio_is_at_its_edge_or_beyond(past, margin):
    for canary, stable, bad in TABLES:
        ratio = Safe(past, margin, 1.25).ratio
        for worse in (1.0, 1.5):
            expected = 0.0
            for k, chance in noncentral(canary, stable, bad, ratio * worse).items():
                game = Safe(past, margin, 1.25)
                game.add(Poll(canary, k, stable, bad - k), past)
                expected += chance * game._near.total
            assert expected <= 1 + 1e-9, (canary, stable, bad)


def test_the_edge_of_nearness_is_a_lower_bound_of_the_hypergeometric_mean():
    for (canary, stable, bad), ratio in itertools.product(TABLES, (1.0, 1.25, 3.0, 50.0)):
        mean = math.fsum(k * chance for k, chance in noncentral(canary, stable, bad, ratio).items())
        edge = cornfield(canary, stable, bad, ratio)
        assert edge <= mean + 1e-9
        assert edge * (stable - bad + edge) == pytest.approx(ratio * (canary - edge) * (bad - edge), abs=1e-6)


@pytest.mark.parametrize("limit", [0.001, 0.05, 0.3])
def test_the_hard_limit_is_fair_at_and_below_the_limit(limit):
    for total, rate in itertools.product((1, 5, 40), (limit, limit / 3)):
        expected = 0.0
        for k, chance in binomial(total, rate).items():
            game = Limit(500.0, limit)
            game.add(Poll(total, k, 100, 0))
            expected += chance * game.capital.total
        assert expected <= 1 + 1e-9


@pytest.mark.parametrize("past, margin", [(0.001, 0.005), (0.02, 0.05)])
def test_safety_is_fair_when_the_canary_is_at_its_margin_or_worse(past, margin):
    for total, rate in itertools.product((1, 5, 40), (past + margin, past + 3 * margin)):
        expected = 0.0
        for k, chance in binomial(total, rate).items():
            game = Safe(past, margin, 1.25)
            game.add(Poll(total, k, 0, 0), past)
            expected += chance * game._under.total
        assert expected <= 1 + 1e-9


def test_against_the_past_it_is_fair_up_to_the_limit_of_the_past():
    for rate in (0.002, 0.01):
        expected = 0.0
        for k, chance in binomial(60, rate).items():
            game = harm(past_limit=0.01)
            game.add(Poll(60, k, 0, 0), 0.005)
            expected += chance * game.capital.total
        assert expected <= 1 + 1e-9


def test_starvation_is_fair_when_the_canary_gets_half_its_weight():
    expected = 0.0
    for k, chance in binomial(60, 0.05).items():
        game = Starvation()
        game.add(Poll(k, 0, 60 - k, 0), 0.1)
        expected += chance * game.capital.total
    assert expected <= 1 + 1e-9


def test_dispersion_keeps_a_game_fair_in_expectation():
    expected = 0.0
    for k, chance in binomial(40, 0.05).items():
        game = Limit(500.0, 0.05)
        game.add(Poll(40, k, 0, 0), phi=3.0)
        expected += chance * game.capital.total
    assert expected <= 1 + 1e-9


def test_one_poll_alone_cannot_decide_a_comparison_but_two_can():
    games = [harm(), harm()]
    for place in (1, 2):
        before = average([game.capital for game in games])
        games[0].add(Poll(50, 50, 450, 0), 0.001)
        games[1].add(Poll(50, 0, 450, 0), 0.001)
        slow_down([game.capital for game in games], before, 125.0, 2)
        assert average([game.capital for game in games]) == pytest.approx(125.0 ** (place / 2))


@pytest.mark.parametrize("phi, least", [(1.0, 2), (2.0, 4)])
def test_a_handful_of_failed_requests_is_enough_when_everything_fails(phi, least):
    game = Limit(500.0, 0.05)
    needed = next(k for k in range(1, 50) if [game.add(Poll(1, 1, 9, 0), phi), game.proven()][1])
    assert least <= needed <= 3 * phi


def test_a_regression_that_begins_after_an_hour_of_health_is_still_found():
    game, rng = harm(), random.Random(1)
    for _unused in range(720):
        game.add(Poll(50, rng.random() < 0.05, 450, rng.random() < 0.45), 0.001)
    polls = 0
    while not decided(game):
        polls += 1
        game.add(Poll(50, 3, 450, 0), 0.001)
        assert polls <= 6
    assert game.capital.since.canary <= 50 * 20, "the estimate is of the time since it began, not of the whole hour"


def test_an_effect_below_tolerance_or_floor_is_not_worth_a_rollback():
    tolerated = harm(tolerance=3.0)
    for _unused in range(200):
        tolerated.add(Poll(500, 10, 500, 5), 0.01)
    assert tolerated.capital.total > 125.0
    assert not tolerated.worth(0.01)
    low = harm(floor=0.05)
    for _unused in range(2000):
        low.add(Poll(500, 20, 500, 1), 0.001)
    assert low.capital.total > 125.0
    assert not low.worth(0.001)


def test_a_burst_on_both_arms_proves_nothing():
    game = harm()
    for _unused in range(50):
        game.add(Poll(50, 30, 450, 270), 0.001)
    assert 0.25 < game.capital.total < 2.0, "nor does it cost the evidence there was"


def test_without_stable_traffic_the_comparison_stands_still():
    game = harm()
    for _unused in range(50):
        game.add(Poll(50, 30, 0, 0), 0.001)
    assert game.capital.total == 1.0


def test_a_limit_both_arms_are_over_is_no_fault_of_the_release():
    game = Limit(500.0, 0.05)
    game.add(Poll(50, 30, 450, 200))
    assert game.proven()
    assert game.shared()
    game = Limit(500.0, 0.05)
    game.add(Poll(50, 30, 450, 5))
    assert not game.shared()


def test_capital_neither_overflows_nor_dies():
    game = Capital([0.5, 0.3, 0.2], reserve=0.2)
    for _unused in range(50):
        game.play(Poll(1, 1, 0, 0), [1e6, 1e6, -1e6], phi=1.0)
    assert game.total == MOST
    for _unused in range(50):
        game.play(Poll(1, 1, 0, 0), [-1e6, -1e6, -1e6], phi=1.0)
    assert game.total >= 0.0
    assert math.isfinite(game.total)


def test_dispersion_is_near_one_for_independent_and_near_ten_for_clusters_of_ten():
    rng = random.Random(3)

    def half(rate: float, cluster: int) -> int:
        return cluster * sum(rng.random() < rate for _unused in range(2000 // cluster))

    for cluster in (1, 10):
        halves = [Poll(2000, half(0.01, cluster), 2000, half(0.01, cluster)) for _unused in range(180)]
        assert dispersion(halves, 1.0) == pytest.approx(cluster, rel=0.25, abs=0.15)


def test_dispersion_is_the_prior_where_only_one_instance_or_no_failure_was_seen():
    assert dispersion([Poll(0, 0, 500, 5)] * 30, 2.0) == 2.0
    assert dispersion([Poll(250, 0, 250, 0)] * 30, 2.0) == 2.0
    assert dispersion([], 1.0) == 1.0


def test_a_burst_on_the_whole_fleet_is_not_dispersion():
    assert dispersion([Poll(250, 50, 250, 50)] * 30, 1.0) == 1.0


def test_the_limit_of_the_past_is_clopper_pearson():
    polls = [Poll(500, 1, 500, 0)] * 10
    law = binomial(10_000, highest_rate(polls, 0.0025))
    assert math.fsum(law[k] for k in range(11)) == pytest.approx(0.0025, rel=1e-6)
    assert highest_rate([], 0.0025) < 1.0


def test_the_baseline_forgets():
    baseline = Baseline()
    assert baseline.rate == pytest.approx(0.001)
    for _unused in range(1000):
        baseline.add(500, 50)
    assert baseline.rate == pytest.approx(0.1, rel=0.02)
    for _unused in range(1000):
        baseline.add(500, 0)
    assert baseline.rate < 0.001


TABLE = {
    0.0001: ((4850, 799, 385, 73), (680, 313, 57, 14)),
    0.001: ((12003, 1146, 483, 78), (1353, 504, 68, 15)),
    0.005: ((41498, 2385, 810, 94), (3721, 1134, 100, 17)),
    0.01: ((77819, 3851, 1183, 111), (6522, 1848, 133, 20)),
    0.02: ((149304, 6708, 1900, 141), (11984, 3222, 192, 24)),
}


@pytest.mark.parametrize("baseline", TABLE)
def test_the_table_of_what_a_verdict_takes(baseline):
    passing, failing = TABLE[baseline]
    for margin, requests in zip((0.001, 0.005, 0.01, 0.05), passing, strict=True):
        assert math.ceil(requests_to_pass(baseline, margin, 0.05)) == pytest.approx(requests, abs=1)
    for excess, requests in zip((0.005, 0.01, 0.05, 0.2), failing, strict=True):
        assert math.ceil(requests_to_fail(baseline, excess, 125.0, 0.1)) == pytest.approx(requests, abs=1)


def binomial_draw(rng: random.Random, total: int, rate: float) -> int:
    return sum(rng.random() < rate for _unused in range(total))


@pytest.mark.parametrize("baseline, excess", [(0.01, 0.05), (0.001, 0.05), (0.005, 0.2)])
def test_a_regression_is_found_with_about_the_requests_of_the_table(baseline, excess):
    rng, taken = random.Random(5), []
    for _unused in range(60):
        game, requests = harm(), 0
        while not decided(game):
            requests += 5
            game.add(Poll(5, binomial_draw(rng, 5, baseline + excess), 45, binomial_draw(rng, 45, baseline)), baseline)
        taken.append(requests)
    assert sum(taken) / len(taken) < 1.6 * requests_to_fail(baseline, excess, 125.0, 0.1)


@pytest.mark.parametrize("baseline, margin", [(0.001, 0.05), (0.01, 0.05), (0.001, 0.01)])
def test_a_healthy_canary_is_proven_safe_with_about_the_requests_of_the_table(baseline, margin):
    rng, taken = random.Random(6), []
    for _unused in range(60):
        game, requests = Safe(baseline, margin, 1.25), 0
        while game.total < 20.0:
            requests += 10
            poll = Poll(10, binomial_draw(rng, 10, baseline), 90, binomial_draw(rng, 90, baseline))
            game.add(poll, baseline)
        taken.append(requests)
    assert sum(taken) / len(taken) < 1.6 * requests_to_pass(baseline, margin, 0.05)
