# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of a shift: opened before anything moves, and asked with what the balancers just said."""

from __future__ import annotations

import time

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import Traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _forecast
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._judge import open_judge

from tests.unit.metrics.recorded import Server, recorded

NAMES = {"blue": "shop_blue", "green": "shop_green"}
QUICK = {"interval": "10ms", "initial_delay": 0, "min_duration": 0, "min_step_duration": 0, "dispersion": 1}


class Action:
    """What an action offers to those it calls."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def sight(blue, green, *more):
    def view(blue, green):
        return {
            "slots": {
                slot: {"requests": counts[0], "bad": counts[1]} for slot, counts in (("blue", blue), ("green", green))
            }
        }

    views = {f"lb{n}": view(*counts) for n, counts in enumerate([(blue, green), *more], 1)}
    return Sight(None, "", views)


def judge(gate=None, seen=None, **more):
    gate = {"source": {"haproxy": {}}, **QUICK, **(gate or {})}
    action = Action()
    judge = open_judge(action, gate, "green", "blue", NAMES, None, seen or sight((100, 0), (0, 0)), **more)
    return judge, action


@pytest.mark.parametrize("gate", [None, {}, ""])
def test_without_a_gate_there_is_no_judge(gate):
    assert open_judge(Action(), gate, "green", "blue") is None


def test_the_balancers_own_counters_are_judged_from_what_the_engine_saw():
    opened, action = judge()
    opened.step(50, 100)
    for poll in range(1, 6):
        time.sleep(0.02)
        verdict = opened.look(sight((100 + 1000 * poll, 0), (1000 * poll, 300 * poll)))
    assert verdict.status == "fail"
    assert action.lines[0].startswith("the gate reads stable (blue): requests 100")
    assert opened.report()["status"] == "fail"


def test_a_balancer_that_reloads_counts_from_zero_and_the_other_goes_on():
    opened, _action = judge(seen=sight((1000, 0), (1000, 0), ((1000, 0), (1000, 0))))
    opened.step(50, 100)
    for counts in ((1000, 1000), (1100, 1100), (20, 1200)):
        time.sleep(0.02)
        one, two = counts
        opened.look(sight((one, 0), (one, 0), ((two, 0), (two, 0))))
    assert opened.report()["metrics"]["errors"]["canary"]["requests"] == 200 + 20 + 100


def test_probes_of_ours_are_no_traffic():
    opened, _action = judge(probes=lambda: {"blue": (500, 0), "green": (500, 0)})
    opened.step(50, 100)
    for poll in (0, 500):
        time.sleep(0.02)
        opened.look(sight((100 + poll, 0), (poll, 0)))
    assert opened.report()["metrics"]["errors"]["canary"]["requests"] == 0


def test_balancers_that_count_nothing_are_refused_before_anything_moves():
    with pytest.raises(ReleaseError, match="the balancers do not count the requests of blue: use another source"):
        judge(seen=sight((None, None), (None, None)))


def test_a_stable_slot_without_series_is_refused_before_anything_moves():
    with Server((200, recorded("nothing"))) as server:
        gate = {"source": {"prometheus": {"url": server.url, "exporter": "haproxy"}}}
        with pytest.raises(ReleaseError, match="the source prometheus has no requests of blue, the stable slot"):
            judge(gate)


def test_a_metric_that_the_source_does_not_count_is_refused():
    with pytest.raises(ReleaseError, match="the source haproxy does not count 'latency'; it counts errors"):
        judge({"metrics": ["errors", "latency"]})


def test_a_gate_given_as_text_is_refused():
    with pytest.raises(ReleaseError, match="write it as YAML, not as a JSON string"):
        open_judge(Action(), '{"source": {"haproxy": {}}}', "green", "blue")


def test_the_traffic_of_now_is_two_looks_at_the_balancers():
    opened, _action = judge({"interval": "10ms"}, sight((1000, 10), (0, 0)))
    now = opened.traffic(lambda: sight((1100, 11), (0, 0)))
    assert now is not None
    assert 50 < now.requests < 101  # 100 requests, a second apart at least
    assert now.rates["errors"] == pytest.approx(10.5 / 1500)


def test_a_gate_that_would_outlast_every_pause_is_refused_and_says_why():
    options = Options(max_duration=1800)
    slow = Traffic(0.2, {"errors": 0.001}, {"errors": 1.0}, seen=60.0)
    with pytest.raises(ReleaseError, match=r"at 0.2 requests/s the gate will take about .*release_pause_timeout"):
        _forecast.refuse(options, [10, 100], slow, 3600.0)
    _forecast.refuse(Options(on_inconclusive="promote"), [10, 100], slow, 3600.0)
    _forecast.refuse(options, [10, 100], Traffic(0.0, {}, {}), 3600.0)
    few = Traffic(0.3, {"errors": 0.001}, {"errors": 1.0}, seen=1.0)
    _forecast.refuse(options, [10, 100], few, 3600.0)  # one request in three seconds is no measurement


@pytest.mark.parametrize(
    ("traffic", "line"),
    [
        (None, "cannot be said: the source does not tell the traffic of now"),
        (Traffic(0.0, {}, {}), "cannot be said: there is no traffic now"),
        (Traffic(50.0, {"errors": 0.001}, {}), "at 50 requests/s the gate will take about 4m54s (10 % 4m54s)"),
        (Traffic(0.5, {"errors": 0.001}, {}), r"at 10 % it would be inconclusive after 30m"),
    ],
)
def test_how_long_the_gate_will_take_is_said(traffic, line):
    assert line in _forecast.sentence(Options(), [10, 100], traffic)
    assert _forecast.sentence(Options(), [100], traffic) == ""


def test_a_load_of_the_releases_own_counts_as_traffic():
    assert _forecast.joined(Traffic(1.0, {}, {}), 300.0) == Traffic(301.0, {}, {})
    assert _forecast.joined(None, 300.0) is None


def test_without_traffic_the_steps_that_the_gate_chooses_are_the_usual_ones():
    assert _forecast.choose("auto", Options(), None) == [10, 25, 50, 100]
    assert _forecast.choose([30, 100], Options(), None) == [30, 100]
