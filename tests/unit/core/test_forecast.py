# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a gate will take, held against the gate itself, and the steps it chooses."""

from __future__ import annotations

import math

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import Traffic, ramp, step_seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample

STEPS = [10, 25, 50, 100]


def traffic(requests, rate=0.001, phi=1.0):
    return Traffic(requests, {"errors": rate}, {"errors": phi})


def judged(options, steps, speed, rate):
    """Return the seconds of each step of a gate that sees a healthy canary, failures spread evenly."""
    gate, now, found = Gate(options), 0.0, []
    counted = {"stable": 0.0, "canary": 0.0}
    for weight, later in zip(steps, steps[1:], strict=False):
        begun = now
        gate.step(weight, now, later)
        while True:
            now += options.interval
            counted["canary"] += options.interval * speed * weight / 100
            counted["stable"] += options.interval * speed * (100 - weight) / 100
            arms = {arm: Arm(requests, {"errors": requests * rate}) for arm, requests in counted.items()}
            if gate.judge(Sample(now, **arms)).status == "pass":
                break
        found.append(now - begun)
    return found


@pytest.mark.parametrize(("speed", "rate"), [(20, 0.001), (50, 0.001), (50, 0.005), (500, 0.001)])
def test_the_forecast_is_what_the_gate_takes(speed, rate):
    options = Options(dispersion=1.0)
    forecast = math.fsum(step_seconds(options, STEPS, traffic(speed, rate)))
    assert forecast == pytest.approx(math.fsum(judged(options, STEPS, speed, rate)), rel=0.35)


def test_evidence_is_carried_from_step_to_step():
    options = Options(initial_delay=0, min_duration=0, min_step_duration=0)
    first, second = step_seconds(options, [10, 20, 100], traffic(50))
    (alone,) = step_seconds(options, [20, 100], traffic(50))
    assert second == pytest.approx(alone - options.interval - (first - 0) * 0.5, rel=0.01)


def test_without_traffic_a_gate_never_ends():
    assert step_seconds(Options(), STEPS, traffic(0.0))[0] == math.inf


def test_thresholds_take_their_least_requests():
    options = Options(analysis="threshold", initial_delay=0, min_duration=0, min_step_duration=0, min_requests=20)
    assert step_seconds(options, [10, 100], traffic(4)) == [pytest.approx(20 / 0.4 + options.interval)]


def test_a_ramp_begins_lower_where_that_costs_no_time():
    assert ramp(Options(), traffic(10)) == STEPS
    assert ramp(Options(), traffic(60)) == [5, *STEPS]
    assert ramp(Options(), traffic(1000)) == [1, 2, 5, *STEPS]


def test_a_ramp_of_failures_that_cluster_begins_later():
    assert ramp(Options(), traffic(100, phi=4.0)) == STEPS
