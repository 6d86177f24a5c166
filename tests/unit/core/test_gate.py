# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: each one with its line, live and replayed, over good numbers and over numbers that are none."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import Poll
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import to_settle
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Metric, Options, replay
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import to_one

DECIDED = ("pass", "fail")


def options(**given) -> Options:
    return Options.from_dict({"initial_delay": 0, "dispersion": 1, "metrics": ["errors"], **given})


class Feed:
    """Cumulative counters of two slots, one reading every C(interval) seconds."""

    def __init__(self, interval: float = 10.0, at: float = 0.0) -> None:
        self.at, self.interval = at, interval
        self.totals = [0, 0, 0, 0]

    def sample(self) -> Sample:
        canary, canary_bad, stable, stable_bad = self.totals
        return Sample(self.at, Arm(stable, {"errors": stable_bad}), Arm(canary, {"errors": canary_bad}))

    def next(self, canary: int, canary_bad: int, stable: int, stable_bad: int) -> Sample:
        self.at += self.interval
        self.totals = [a + b for a, b in zip(self.totals, (canary, canary_bad, stable, stable_bad), strict=True)]
        return self.sample()


def begun(weight: int | None = 10, next_weight: int | None = None, history=(), **given) -> tuple[Gate, Feed]:
    gate, feed = Gate(options(**given), history), Feed()
    gate.step(weight, 0.0, next_weight)
    assert gate.judge(feed.sample()).status == "running"
    return gate, feed


def history(bad_every: int = 1000, requests: int = 250, polls: int = 180) -> list[Sample]:
    """Return a past of two halves of the fleet, one bad request in C(bad_every)."""
    return [
        Sample(
            -10.0 * (polls - place),
            Arm(requests * place, {"errors": requests * place // bad_every}),
            Arm(requests * place, {"errors": requests * place // bad_every}),
        )
        for place in range(polls)
    ]


def test_a_worse_canary_fails_with_the_odds_and_what_they_rest_on():
    gate, feed = begun()
    verdict = gate.judge(feed.next(50, 2, 450, 0))
    while verdict.status == "running":
        verdict = gate.judge(feed.next(50, 1, 450, 0))
    assert (verdict.status, verdict.reason) == ("fail", "worse")
    assert verdict.msg == (
        "FAIL after 30s: errors: canary 2.67% (4/150) against baseline 0.00% (0/1350); worse than the baseline; "
        f"odds {verdict.metrics['errors']['harm']:.0f}:1 (needed 125:1)"
    )


def test_a_healthy_canary_passes_with_the_margin_it_was_proven_to():
    gate, feed = begun(next_weight=10, history=history())
    verdict = gate.judge(feed.next(50, 0, 450, 0))
    while verdict.status == "running":
        verdict = gate.judge(feed.next(50, 0, 450, 1))
    assert (verdict.status, verdict.reason) == ("pass", "safe")
    odds = verdict.metrics["errors"]["safe"]
    assert odds >= 20.0
    assert verdict.msg == (
        "PASS after 1m00s: errors: canary 0.00% (0/300) against baseline 0.19% (5/2700); less than 5 points worse, "
        f"odds {to_one(odds)} (needed 20:1)"
    )


def test_what_a_late_source_tells_of_the_time_before_a_step_does_not_pass_it():
    metrics = [{"name": "errors", "margin": 0.1}]
    gate, feed = begun(next_weight=50, history=history(), metrics=metrics, min_duration=0, min_step_duration=1)
    verdict = gate.judge(feed.next(100, 0, 900, 0))
    while verdict.status == "running":
        verdict = gate.judge(feed.next(100, 0, 900, 0))
    assert verdict.status == "pass"
    gate.step(50, feed.at + 25.0, 100)
    verdicts = [gate.judge(feed.next(*counts)) for counts in ((100, 0, 900, 0), (100, 0, 900, 0), (40, 0, 40, 0))]
    assert [one.status for one in verdicts] == ["running"] * 3
    assert gate.judge(feed.next(40, 0, 40, 0)).status == "pass"


def test_a_canary_over_its_limit_fails_within_one_poll():
    gate, feed = begun()
    verdict = gate.judge(feed.next(50, 50, 450, 0))
    assert (verdict.status, verdict.reason) == ("fail", "limit")
    assert verdict.msg == (
        "FAIL after 10s: errors: canary 100.00% (50/50) against baseline 0.00% (0/450); over the limit of 5%; "
        "odds over 1000000:1 (needed 500:1)"
    )


def test_three_failed_requests_are_enough_when_everything_fails():
    gate, feed = begun()
    assert gate.judge(feed.next(2, 2, 18, 0)).status == "running"
    assert gate.judge(feed.next(1, 1, 9, 0)).reason == "limit"


def test_a_fail_is_final():
    gate, feed = begun()
    failed = gate.judge(feed.next(50, 50, 450, 0))
    assert all(gate.judge(sample) == failed for sample in (feed.next(5000, 0, 450, 0), None))


def test_a_common_outage_is_neither_pass_nor_fail_and_ends():
    gate, feed = begun(next_weight=10, history=history(), max_duration="1h", min_duration="5m")
    for _unused in range(29):
        assert gate.judge(feed.next(50, 0, 450, 0)).status == "running"
    seen = [gate.judge(feed.next(50, 30, 450, 270)) for _unused in range(20)]
    assert {verdict.status for verdict in seen} == {"inconclusive"}
    assert seen[0].reason == "environment"
    assert seen[0].msg.startswith("INCONCLUSIVE after 5m00s: errors: canary 60.00% (30/50) against baseline 60.00%")
    assert seen[0].msg.endswith("; the baseline is over the limit too: not the release")
    after = [gate.judge(feed.next(50, 0, 450, 0)) for _unused in range(3)]
    assert after[-1].reason != "environment"


def test_no_canary_traffic_ends_starved_or_without_evidence_never_in_a_pass():
    gate, feed = begun(next_weight=10, history=history())
    verdicts = [gate.judge(feed.next(0, 0, 450, 0)) for _unused in range(20)]
    assert verdicts[-1].reason == "starved"
    assert verdicts[-1].msg.startswith(
        "INCONCLUSIVE after 3m20s: starved: the canary got 0.00% (0/8100) of the requests instead of 10%; "
        "the router is not sending, or requests die uncounted"
    )
    gate, feed = begun(weight=None, history=history())
    verdicts = [gate.judge(feed.next(0, 0, 450, 0)) for _unused in range(181)]
    assert {verdict.status for verdict in verdicts[:-2]} == {"running"}
    assert verdicts[-1].reason == "not_enough_evidence"
    assert verdicts[-1].msg.endswith("the canary gets no requests")


def test_a_canary_that_gets_its_weight_is_not_starved():
    gate, feed = begun(weight=10, history=history(), max_duration="2h")
    rng = random.Random(2)
    for _unused in range(300):
        canary = sum(rng.random() < 0.1 for _unused in range(50))
        verdict = gate.judge(feed.next(canary, 0, 50 - canary, 0))
        assert verdict.reason != "starved"


@pytest.mark.parametrize(
    "odds, text",
    [
        (472.4, "472:1"),
        (10, "10:1"),
        (3.34, "3.3:1"),
        (0.161, "0.16:1"),
        (0.001, "under 0.01:1"),
        (1e9, "over 1000000:1"),
    ],
)
def test_odds_are_written_to_one(odds, text):
    assert to_one(odds) == text


def test_what_looks_worse_is_settled_sooner_by_a_rollback():
    alike, worse = Poll(500, 1, 4500, 9), Poll(500, 8, 4500, 9)
    assert to_settle(worse, 0.002, 0.005, 1.0, 1000.0, 5.0) < to_settle(alike, 0.002, 0.005, 1.0, 1000.0, 5.0)
    assert to_settle(alike, 0.002, 0.005, 2.0, 20.0, 125.0) == 2 * to_settle(alike, 0.002, 0.005, 1.0, 20.0, 125.0)


def test_not_enough_evidence_says_how_much_more_would_settle_it():
    gate, feed = begun()
    for place in range(180):
        verdict = gate.judge(feed.next(2, 0, 48, place % 15 == 0))
    assert (verdict.status, verdict.reason) == ("inconclusive", "not_enough_evidence")
    numbers = verdict.metrics["errors"]
    assert verdict.msg.startswith(
        "INCONCLUSIVE after 30m00s: errors: canary 0.00% (0/360) against baseline 0.14% (12/8640); odds of harm "
    )
    assert f"(needed 125:1), of safety {numbers['safe']:.2g}:1 (needed 20:1); about " in verdict.msg
    requests = int(verdict.msg.split("about ")[1].split()[0])
    minutes = int(verdict.msg.split("about ")[2].split()[0])
    assert 300 < requests < 900
    assert minutes == pytest.approx(requests / 0.2 / 60, abs=1)
    assert verdict.msg.endswith("min at 0.2/s")


def test_no_data_ends_inconclusive_and_the_gap_is_counted_when_it_ends():
    gate, feed = begun(no_data_limit=3)
    seen = [gate.judge(None) for _unused in range(3)]
    assert [verdict.status for verdict in seen] == ["running", "running", "inconclusive"]
    assert seen[-1].reason == "no_data"
    assert seen[-1].msg == "INCONCLUSIVE after 0s: no data: 3 polls in a row without a usable reading"
    feed.next(50, 1, 450, 1)
    feed.next(50, 1, 450, 1)
    verdict = gate.judge(feed.next(50, 1, 450, 1))
    assert verdict.metrics["errors"]["canary"] == {"bad": 3, "requests": 150, "rate": 0.02}
    assert verdict.metrics["errors"]["baseline"]["requests"] == 1350


def test_only_polls_in_a_row_without_data_count():
    gate, feed = begun(no_data_limit=3)
    for _unused in range(4):
        assert [gate.judge(None).status for _unused in range(2)] == ["running", "running"]
        gate.judge(feed.next(50, 0, 450, 0))


BAD_NUMBERS = [math.nan, math.inf, -math.inf, -1.0, None, "7", True]


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("place", ["requests", "bad"])
@pytest.mark.parametrize("arm", ["stable", "canary"])
def test_a_number_that_is_none_is_no_data(number, place, arm):
    gate, feed = begun()
    good = feed.next(50, 50, 450, 0)
    broken = Arm(number, {"errors": 0}) if place == "requests" else Arm(50, {"errors": number})
    arms = {"stable": good.stable, "canary": good.canary, arm: broken}
    assert gate.judge(Sample(good.at, **arms)).reason == "no_data"
    assert gate.judge(good).reason == "limit"


@pytest.mark.parametrize("arm", ["stable", "canary"])
def test_a_missing_arm_is_no_data(arm):
    gate, feed = begun()
    good = feed.next(50, 0, 450, 0)
    assert gate.judge(Sample(good.at, **{"stable": good.stable, "canary": good.canary, arm: None})).reason == "no_data"


def test_a_reading_that_is_not_newer_is_no_data():
    gate, feed = begun(no_data_limit=2)
    sample = feed.next(50, 0, 450, 0)
    assert gate.judge(sample).reason == "collecting"
    assert gate.judge(sample).reason == "no_data"
    assert gate.judge(Sample(sample.at - 5, sample.stable, sample.canary)).status == "inconclusive"


def test_an_absent_counter_of_bad_requests_is_zero():
    gate, _feed = begun()
    verdict = gate.judge(Sample(10.0, Arm(450), Arm(50)))
    assert verdict.metrics["errors"]["canary"] == {"bad": 0, "requests": 50, "rate": 0}


def test_a_counter_that_fell_is_a_restart_and_counts_from_zero():
    gate, feed = begun()
    gate.judge(feed.next(500, 5, 450, 0))
    verdict = gate.judge(Sample(20.0, Arm(900, {"errors": 0}), Arm(40, {"errors": 1})))
    assert verdict.metrics["errors"]["canary"] == {"bad": 6, "requests": 540, "rate": 6 / 540}


def test_an_error_series_that_went_away_makes_no_canary_healthy_and_its_return_none_sick():
    gate, feed = begun()
    gate.judge(feed.next(500, 5, 4500, 0))
    gone = gate.judge(Sample(20.0, Arm(4950, {"errors": 0}), Arm(550, {})))
    assert gone.reason == "no_data"
    back = gate.judge(Sample(30.0, Arm(5400, {"errors": 0}), Arm(600, {"errors": 6})))
    assert back.metrics["errors"]["canary"] == {"bad": 6, "requests": 600, "rate": 0.01}


def test_more_bad_requests_than_requests_are_clamped_and_healed_by_the_next_poll():
    gate, _feed = begun(alpha=1e-30)
    verdict = gate.judge(Sample(10.0, Arm(450, {"errors": 0}), Arm(10, {"errors": 12})))
    assert verdict.metrics["errors"]["canary"] == {"bad": 10, "requests": 10, "rate": 1}
    verdict = gate.judge(Sample(20.0, Arm(900, {"errors": 0}), Arm(20, {"errors": 13})))
    assert verdict.metrics["errors"]["canary"] == {"bad": 13, "requests": 20, "rate": 0.65}


def test_the_warm_up_is_not_judged_but_for_half_of_the_requests_failing():
    gate, feed = begun(initial_delay="60s")
    for _unused in range(5):
        verdict = gate.judge(feed.next(50, 10, 450, 0))
        assert (verdict.status, verdict.reason) == ("running", "warm_up")
    gate, feed = begun(initial_delay="60s")
    gate.judge(feed.next(50, 45, 450, 0))
    verdict = gate.judge(feed.next(50, 45, 450, 0))
    assert verdict.reason == "limit"
    assert "over the limit of 50% while warming up" in verdict.msg


def test_a_pass_waits_for_its_durations_and_requests():
    gate, feed = begun(next_weight=5, history=history(), min_duration="2m", min_step_duration="40s", min_requests=2000)
    passed = next(at for at in range(10, 2000, 10) if gate.judge(feed.next(50, 0, 450, 0)).status == "pass")
    assert passed == 400
    gate.step(5, passed, 10)
    later = next(at for at in range(10, 2000, 10) if gate.judge(feed.next(5000, 0, 450, 0)).status == "pass")
    assert later == 40


def test_a_pass_rests_on_new_requests():
    gate, feed = begun(weight=None, next_weight=10, history=history(), min_duration="2m")
    for _unused in range(11):
        assert gate.judge(feed.next(50, 0, 450, 0)).status == "running"
    assert [gate.judge(feed.next(0, 0, 450, 0)).status for _unused in range(2)] == ["running"] * 2
    assert gate.judge(feed.next(50, 0, 450, 0)).status == "pass"


def test_without_a_past_the_margin_is_measured_from_the_warm_up():
    gate, feed = begun(initial_delay="5m", metrics=[{"name": "errors", "floor": 0.05}])
    for _unused in range(29):
        gate.judge(feed.next(50, 1, 4500, 90))
    for _unused in range(100):
        verdict = gate.judge(feed.next(500, 12, 4500, 90))
    assert verdict.metrics["errors"]["safe"] < 1.0, "2.4 % is almost half a point over 2 %"


def test_evidence_runs_through_the_steps_and_the_next_weight_says_what_must_be_proven():
    given = {"history": history(), "min_step_duration": 1, "min_duration": 1, "min_requests": 1}
    gate, feed = begun(weight=None, next_weight=10, **given)
    margins, passed = [], []
    for following in (10, 25, 50, 100, None):
        gate.step(None, feed.at, following)
        verdict = gate.judge(feed.next(50, 0, 450, 0))
        while verdict.status == "running":
            verdict = gate.judge(feed.next(50, 0, 450, 0))
        margins.append(verdict.metrics["errors"]["margin"])
        passed.append((verdict.status, feed.at))
    assert margins == pytest.approx([0.05, 0.02, 0.01, 0.005, 0.005])
    assert passed[-1] == ("pass", passed[-2][1] + 10), "what one step proved needs no second proof"
    alone, feed = begun(weight=None, next_weight=100, **given)
    while alone.judge(feed.next(50, 0, 450, 0)).status == "running":
        pass
    assert ("pass", feed.at) == passed[-2], (
        "a ramp loses no data: the last margin is proven as early as by asking it first"
    )


def test_max_duration_counts_anew_in_each_step():
    gate, feed = begun(max_duration="5m", history=history())
    reasons = [gate.judge(feed.next(1, 0, 9, 0)).reason for _unused in range(30)]
    assert reasons.index("not_enough_evidence") == 29
    gate.step(10, feed.at)
    assert gate.judge(feed.next(1, 0, 9, 0)).status == "running"


def test_all_at_once_is_judged_against_the_past_and_says_so():
    gate, _feed = begun(weight=100, history=history())
    for place in range(1, 9):
        verdict = gate.judge(Sample(10.0 * place, None, Arm(500 * place, {"errors": 13 * place})))
        if verdict.status != "running":
            break
    assert (verdict.status, verdict.reason) == ("fail", "worse")
    assert "against baseline 0.10% (88/89500) of history; worse than the baseline" in verdict.msg
    assert verdict.metrics["errors"]["compared_with"] == "history"
    assert verdict.metrics["errors"]["harm_needed"] == pytest.approx(125 / 0.75)


def test_all_at_once_passes_too():
    gate, feed = begun(weight=100, history=history())
    verdict = gate.judge(feed.next(500, 0, 0, 0))
    while verdict.status == "running":
        verdict = gate.judge(feed.next(500, 0, 0, 0))
    assert verdict.status == "pass"


def test_all_at_once_without_a_past_can_only_be_judged_by_the_limit():
    gate, feed = begun(weight=100)
    for _unused in range(10):
        assert gate.judge(feed.next(500, 12, 0, 0)).status == "running"


def test_latency_is_the_plain_average_of_its_edges_and_a_pass_needs_them_all():
    given = options(metrics=[{"name": "latency", "edges": [0.1, 0.5]}])
    gate = Gate(given)
    gate.step(10, 0.0, 10)
    gate.judge(Sample(0.0, Arm(0), Arm(0)))
    arms = Arm(4500, {"latency>0.1": 900, "latency>0.5": 9}), Arm(500, {"latency>0.1": 100, "latency>0.5": 21})
    verdict = gate.judge(Sample(10.0, *arms))
    numbers = verdict.metrics["latency"]
    assert numbers["counter"] == "latency>0.5", "the edge that is proven least"
    assert numbers["safe"] < 1.0
    assert numbers["harm_needed"] == pytest.approx(100.0)
    assert numbers["harm"] == pytest.approx(10.0), "what one poll may bring to the average"
    verdict = gate.judge(Sample(20.0, *(Arm(2 * arm.requests, {k: 2 * v for k, v in arm.bad.items()}) for arm in arms)))
    verdict = gate.judge(Sample(30.0, *(Arm(3 * arm.requests, {k: 3 * v for k, v in arm.bad.items()}) for arm in arms)))
    assert (verdict.status, verdict.reason) == ("fail", "worse")
    assert "latency>0.5: canary 4.20%" in verdict.msg


def test_edges_that_the_past_hardly_or_mostly_exceeded_are_left_out():
    counters = {"latency>0.01": 800, "latency>0.1": 200, "latency>9": 0}
    past = [
        Sample(float(place), Arm(1000 * place, {name: bad * place for name, bad in counters.items()}), None)
        for place in range(3)
    ]
    gate = Gate(options(metrics=[{"name": "latency", "edges": [0.01, 0.1, 9]}]), past)
    gate.step(10, 10.0)
    verdict = gate.judge(Sample(11.0, Arm(0), Arm(0)))
    assert verdict.metrics["latency"]["counter"] == "latency>0.1"


def test_the_metric_that_is_proven_least_keeps_a_pass_waiting():
    gate = Gate(options(metrics=["errors", {"name": "timeouts", "margin": 0.001}]))
    gate.step(10, 0.0)
    for place in range(60):
        verdict = gate.judge(Sample(10.0 * place, Arm(4500 * place), Arm(500 * place)))
        if verdict.status == "pass":
            break
    assert verdict.metrics["timeouts"]["safe"] < verdict.metrics["errors"]["safe"]
    assert "timeouts: canary" in verdict.msg
    assert verdict.metrics["errors"]["harm_needed"] == pytest.approx(250.0)


def test_failures_that_cluster_are_learnt_during_the_rollout_and_count_from_the_next_poll_on():
    gate, feed = begun(dispersion="auto", dispersion_prior=1)
    half, phi = [0, 0], []
    for bad in (0, 10, 0, 10, 0):
        half = [half[0] + 225, half[1] + bad]
        sample = feed.next(50, 0, 450, bad)
        stable = sample.stable
        rest = Arm(stable.requests - half[0], {"errors": stable.bad["errors"] - half[1]})
        halves = Arm(half[0], {"errors": half[1]}), rest
        phi.append(gate.judge(replace(sample, halves=halves)).metrics["errors"]["phi"])
    assert phi[0] == 1.0
    assert 1.5 < phi[2] < phi[4], "ten at once, twice on one half"
    steady, feed = begun(dispersion="auto", dispersion_prior=1)
    for _unused in range(5):
        verdict = steady.judge(feed.next(50, 0, 450, 10))
    assert verdict.metrics["errors"]["phi"] == 1.0, "nobody said where they fell"


def test_judging_before_a_step_is_refused():
    with pytest.raises(ValueError, match="begin one"):
        Gate(options()).judge(None)


def test_verdicts_are_plain_data():
    gate, feed = begun(history=history())
    assert json.loads(json.dumps(gate.judge(feed.next(50, 1, 450, 1)).metrics))["errors"]["phi"] == 1.0


def healthy(rng: random.Random, feed: Feed) -> Sample:
    return feed.next(*(n for total in (50, 450) for n in (total, sum(rng.random() < 0.002 for _n in range(total)))))


def spoiled(rng: random.Random, sample: Sample) -> Sample | None:
    """Return the reading as a broken source, a restart or a confused clock would give it."""
    kind = rng.randrange(9)
    nonsense = rng.choice(BAD_NUMBERS)
    if kind == 0:
        return None
    if kind == 1:
        return Sample(sample.at, None, sample.canary)
    if kind == 2:
        return Sample(sample.at, sample.stable, Arm(nonsense, {"errors": 3}))
    if kind == 3:
        return Sample(sample.at, Arm(sample.stable.requests, {"errors": nonsense}), sample.canary)
    if kind == 4:
        return Sample(rng.choice((math.nan, -1e9, sample.at - rng.uniform(0, 60))), sample.stable, sample.canary)
    if kind == 5:
        return Sample(sample.at + rng.uniform(0, 4), sample.stable, sample.canary)
    if kind == 6:
        return Sample(sample.at, sample.stable, Arm(sample.canary.requests, {}))
    return sample


@pytest.mark.parametrize("seed", range(60))
def test_spoiled_readings_of_a_healthy_canary_never_fail_it(seed):
    rng = random.Random(seed)
    # So small an alpha that chance plays no part: only a reading taken for what it is not could fail it.
    gate, feed = begun(next_weight=25, history=history(bad_every=500), max_duration="10h", alpha=1e-5)
    for _unused in range(200):
        sample = healthy(rng, feed)
        if rng.random() < 0.02:
            arm = rng.choice((0, 2))
            feed.totals[arm : arm + 2] = [0, 0]
        if rng.random() < 0.01:
            feed.totals = [0, 0, 0, 0]
        if rng.random() < 0.01:
            feed.at += rng.uniform(0, 7200)
        verdict = gate.judge(spoiled(rng, sample) if rng.random() < 0.5 else sample)
        assert verdict.status != "fail", verdict.msg


@pytest.mark.parametrize("seed", range(60))
def test_readings_that_say_nothing_about_the_canary_never_pass_and_never_fail(seed):
    rng = random.Random(1000 + seed)
    gate, feed = begun(next_weight=rng.choice((None, 5, 100)), history=history(), min_duration=0, min_requests=1)
    for _unused in range(100):
        sample = feed.next(0, 0, 450, rng.randrange(3))
        kind = rng.randrange(4)
        if kind == 0:
            sample = None
        elif kind == 1:
            sample = Sample(sample.at, sample.stable, None)
        elif kind == 2:
            sample = Sample(sample.at, sample.stable, Arm(rng.choice(BAD_NUMBERS), {"errors": rng.randrange(9)}))
        verdict = gate.judge(sample)
        assert verdict.status not in DECIDED, verdict.msg


@pytest.mark.parametrize("seed", range(40))
def test_replayed_from_its_samples_the_gate_says_the_same(seed):
    rng = random.Random(2000 + seed)
    given, past = options(max_duration="20m", min_duration=10), history()
    rate = rng.choice((0.001, 0.004, 0.05))
    gate, feed, steps, samples, live = Gate(given, past), Feed(), [], [], []
    ramp = [(5, 10), (10, 25), (25, 50), (50, 100), (100, None)]

    def begin() -> None:
        weight, following = ramp.pop(0)
        now = max([feed.at, *(sample.at for sample in samples if sample is not None and sample.at > 0)])
        steps.append((weight, now + rng.choice((0.0, 0.5)), following))
        gate.step(*steps[-1])

    begin()
    for _unused in range(150):
        canary_bad = sum(rng.random() < rate for _unused in range(50))
        sample = feed.next(50, canary_bad, 450, rng.randrange(2))
        sample = spoiled(rng, sample) if rng.random() < 0.2 else sample
        samples.append(sample)
        live.append(gate.judge(sample))
        if live[-1].status == "pass" and ramp:
            begin()
    assert replay(given, samples, steps, past) == live


OPTIONS_REFUSED = [
    ('{"alpha": 0.01}', "must be a mapping of options, not text"),
    (["errors"], "must be a mapping of options, not a list"),
    ({"alfa": 0.01}, "no option 'alfa'"),
    ({"alpha": 0}, "alpha of the gate is 0; it must be a number over 0 and under 0.5"),
    ({"alpha": 1}, "alpha of the gate is 1"),
    ({"beta": "x"}, "beta of the gate is 'x'"),
    ({"intervals": 1.5}, "it must be a whole number from 1 to 100"),
    ({"intervals": True}, "intervals of the gate is True"),
    ({"interval": "5 minutes"}, "interval of the gate: '5 minutes' is not a duration"),
    ({"min_duration": "1h"}, "could never pass"),
    ({"on_inconclusive": "retry"}, "it may be hold, promote, rollback"),
    ({"analysis": "bayes"}, "it may be sequential, threshold"),
    ({"dispersion": "none"}, "dispersion of the gate is 'none'"),
    ({"dispersion": float("nan")}, "dispersion of the gate is nan"),
    ({"dry_run": "maybe"}, "it may be true or false"),
    ({"metrics": []}, "at least one metric"),
    ({"metrics": "errors"}, "must be a list"),
    ({"metrics": [7]}, "metric 1 of the gate must be a mapping of options, not a int"),
    ({"metrics": [{"limit": 0.05}]}, "metric 1 of the gate has no name"),
    ({"metrics": ["errors", "errors"]}, "two metrics named 'errors'"),
    ({"metrics": [{"name": "errors", "limit": 5}]}, "limit of metric errors is 5"),
    ({"metrics": [{"name": "errors", "ratio": 2}]}, "no option 'ratio'"),
    ({"metrics": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.6}]}, "add up to 1 (a 0.5, b 0.6)"),
    ({"metrics": [{"name": "a", "share": 1}, "b"]}, "add up to 1 (a 1.0, b -)"),
    ({"metrics": [{"name": "latency", "edges": "0.1"}]}, "must be a list of latencies"),
    ({"metrics": [{"name": "latency", "edges": [0.1], "limit": 0.1}]}, "has edges, so no limit"),
]


@pytest.mark.parametrize("given, sentence", OPTIONS_REFUSED)
def test_wrong_options_are_refused_in_one_sentence(given, sentence):
    with pytest.raises(ValueError) as refused:
        Options.from_dict(given)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_may_be_texts_of_a_survey_and_empty_ones_are_defaults():
    given = {"alpha": "0.02", "beta": "", "intervals": "3", "interval": "5m", "dry_run": "true", "metrics": ["a", "b"]}
    made = Options.from_dict(given)
    assert (made.alpha, made.beta, made.intervals, made.interval, made.dry_run) == (0.02, 0.05, 3, 300.0, True)
    assert [metric.share for metric in made.metrics] == [0.5, 0.5]
    assert Options.from_dict({}) == Options()


def test_shares_left_open_get_an_equal_part_of_the_rest():
    made = Options.from_dict({"metrics": [{"name": "a", "share": 0.5}, "b", "c"]})
    assert [metric.share for metric in made.metrics] == [0.5, 0.25, 0.25]
    with pytest.raises(ValueError, match="add up to 1"):
        Options(metrics=(Metric("a", share=0.4),))
