# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain thresholds judge as Argo Rollouts and Flagger do."""

from __future__ import annotations

import math

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options, Verdict
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample


class Rollout:
    """A gate with thresholds, and the counters that feed it: 500 stable and C(requests) canary requests a minute."""

    def __init__(self, **given) -> None:
        defaults = {"analysis": "threshold", "initial_delay": 0, "metrics": [{"name": "errors", "limit": 0.05}]}
        self.gate = Gate(Options.from_dict({**defaults, **given}))
        self.gate.step(10, 0.0, 25)
        self.at = self.requests = self.bad = 0
        self.gate.judge(self.sample())

    def sample(self) -> Sample:
        return Sample(float(self.at), Arm(9 * self.requests), Arm(self.requests, {"errors": self.bad}))

    def minute(self, bad: int, requests: int = 100) -> Verdict:
        self.at, self.requests, self.bad = self.at + 60, self.requests + requests, self.bad + bad
        return self.gate.judge(self.sample())


def test_a_rate_over_the_limit_fails_at_once_by_default():
    verdict = Rollout().minute(6)
    assert (verdict.status, verdict.reason) == ("fail", "limit")
    assert verdict.msg == "FAIL after 1m00s: errors: canary 6.00% (6/100); over the limit of 5% once (0 tolerated)"


def test_a_rate_at_the_limit_is_within_it():
    verdict = Rollout().minute(5)
    assert (verdict.status, verdict.reason) == ("pass", "within_limits")
    assert verdict.msg == "PASS after 1m00s: errors: canary 5.00% (5/100); within the limit of 5%"


def test_failure_limit_is_how_many_failures_are_tolerated_in_the_whole_rollout():
    rollout = Rollout(failure_limit=2)
    assert [rollout.minute(bad).status for bad in (9, 0, 9, 0, 0)] == ["pass"] * 5
    rollout.gate.step(25, rollout.at, 50)
    verdict = rollout.minute(9)
    assert verdict.status == "fail"
    assert verdict.msg.endswith("over the limit of 5% 3 times (2 tolerated)")
    assert verdict.metrics["errors"]["failures"] == 3


def test_too_few_requests_are_no_judgement_until_there_are_enough():
    rollout = Rollout(min_requests=50)
    for _unused in range(4):
        verdict = rollout.minute(10, requests=10)
        assert (verdict.status, verdict.reason) == ("running", "collecting")
    assert verdict.msg == "RUNNING after 4m00s: 40 canary requests, 50 make a judgement"
    assert rollout.minute(10, requests=10).status == "fail"


def test_no_canary_traffic_never_passes():
    rollout = Rollout(max_duration="10m")
    seen = [rollout.minute(0, requests=0) for _unused in range(10)]
    assert {verdict.status for verdict in seen[:-1]} == {"running"}
    assert (seen[-1].status, seen[-1].reason) == ("inconclusive", "not_enough_data")


def test_each_step_needs_a_judgement_of_its_own():
    rollout = Rollout()
    assert rollout.minute(0).status == "pass"
    rollout.gate.step(25, rollout.at, 50)
    assert rollout.minute(0, requests=10).status == "running"
    assert rollout.minute(0).status == "pass"


def test_the_warm_up_is_not_judged():
    rollout = Rollout(initial_delay="5m")
    assert [rollout.minute(100).reason for _unused in range(4)] == ["warm_up"] * 4
    assert rollout.minute(0).status == "pass"


def test_errors_of_the_source_in_a_row_over_their_limit_are_an_error():
    rollout = Rollout(consecutive_error_limit=3)
    seen = [rollout.gate.judge(None) for _unused in range(4)]
    assert [verdict.status for verdict in seen] == ["running"] * 3 + ["error"]
    assert seen[-1].reason == "source"
    assert seen[-1].msg == "ERROR after 0s: the source failed 4 times in a row"
    assert rollout.minute(0).status == "pass"


def test_answers_without_numbers_are_inconclusive_in_the_end():
    rollout = Rollout(no_data_limit=3)
    seen = [rollout.gate.judge(Sample(60.0 * at, Arm(500), Arm(math.nan))) for at in (1, 2, 3)]
    assert [verdict.status for verdict in seen] == ["running", "running", "inconclusive"]
    assert seen[-1].reason == "no_data"


@pytest.mark.parametrize("bad, status", [(0, "pass"), (100, "fail")])
def test_the_baseline_plays_no_part(bad, status):
    rollout = Rollout()
    rollout.at, rollout.requests, rollout.bad = 60, 100, bad
    assert rollout.gate.judge(Sample(60.0, Arm(900, {"errors": 900}), Arm(100, {"errors": bad}))).status == status
