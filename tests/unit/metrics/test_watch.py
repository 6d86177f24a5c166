# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is watched beside the counts: limits, comparisons, alerts; nothing unseen passes."""

from __future__ import annotations

import json
import threading
import time

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.live import Live
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place, Source, SourceError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.watch import (
    FAIL,
    HOLD,
    NO_DATA,
    OK,
    Gauge,
    Note,
    Watcher,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.watchers import WATCHERS

from tests.unit.metrics.recorded import Server, recorded

PLACES = {"stable": Place("blue", "v1"), "canary": Place("green", "v2")}
NAN = float("nan")


def watcher(name, **options):
    wanted = settings.parse({"source": {"haproxy": {}}, "watch": [{name: options}]})
    [(name, given)] = wanted.watch
    return WATCHERS[name](given, PLACES)


@pytest.mark.parametrize(
    ("limits", "canary", "stable", "status"),
    [
        ({"max": 0.9}, 0.9, None, OK),
        ({"max": 0.9}, 0.91, None, FAIL),
        ({"min": 10}, 9, None, FAIL),
        ({"max_ratio": 1.5}, 15, 10, OK),
        ({"max_ratio": 1.5}, 16, 10, FAIL),
        ({"min_ratio": 0.8}, 7, 10, FAIL),
        ({"max_ratio": 1.5}, 15, None, NO_DATA),
        ({"max_ratio": 1.5}, 15, NAN, NO_DATA),
        ({"max": 1}, None, 10, NO_DATA),
        ({"max": 1}, NAN, 10, NO_DATA),
        ({"max": 1, "min_ratio": 0.5}, 2, 2, FAIL),
    ],
)
def test_a_gauge_is_held_to_its_limits(limits, canary, stable, status):
    assert Gauge("cpu", "q", **limits).judge(canary, stable, warm_up=False).status == status


def test_failures_are_tolerated_as_often_as_failure_limit_says():
    gauge = Gauge("cpu", "q", max=1, failure_limit=2)
    notes = [gauge.judge(value, None, warm_up=False) for value in (2, 0, 2, 2)]
    assert [note.status for note in notes] == [OK, OK, OK, FAIL]
    assert notes[2].sentence == "cpu: canary 2 is over 1, 2 of 2 tolerated failures"
    assert notes[3].sentence == "cpu: canary 2 is over 1, 3 times (2 tolerated)"


def test_a_gauge_counts_nothing_while_the_canary_warms_up():
    gauge = Gauge("cpu", "q", max=1)
    assert gauge.judge(5, None, warm_up=True).status == OK
    assert gauge.judge(5, None, warm_up=False).status == FAIL


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"prometheus": {"url": "http://p", "gauges": {}}}, "prometheus of watch has no gauges"),
        ({"prometheus": {"url": "http://p", "gauges": {"cpu": {"query": "x"}}}}, "the gauge cpu has no limit"),
        ({"prometheus": {"url": "http://p", "gauges": {"cpu": {"max": 1}}}}, "the gauge cpu has no query"),
        ({"prometheus": {"url": "http://p", "gauges": {"cpu": {"query": "x", "most": 1}}}}, "has no option 'most'"),
        ({"prometheus": {"url": "http://p", "gauges": {"cpu": {"query": "x", "max": "big"}}}}, "must be a number"),
        ({"prometheus": {"url": "http://p", "gauges": {"cpu": "x"}}}, "is a mapping with its query and limits"),
        ({"prometheus": {"gauges": {}}}, "missing required arguments: url"),
        ({"alertmanager": {"url": "http://p", "labels": {}}}, "has no labels"),
        ({"alertmanager": {"url": "http://p", "labels": {"a": "b"}, "on_firing": "run"}}, "value of on_firing"),
        ({"nagios": {}}, "watch of the gate knows no 'nagios'"),
        ({"web": {}, "prometheus": {}}, "each entry of watch takes one name"),
        ("alertmanager", "each entry of watch takes one name"),
    ],
)
def test_wrong_options_are_one_sentence(entry, said):
    with pytest.raises(SourceError, match=said.replace("[", r"\[")):
        wanted = settings.parse({"source": {"haproxy": {}}, "watch": [entry]})
        [(name, given)] = wanted.watch
        WATCHERS[name](given, PLACES)


def prometheus_answer(*series):
    result = [{"metric": {"zd_counter": tag}, "value": [1000.0, str(value)]} for tag, value in series]
    return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


def gauges(url):
    return watcher("prometheus", url=url, gauges={"cpu": {"query": 'max(cpu{slot="$slot"})', "max_ratio": 1.5}})


@pytest.mark.parametrize(
    ("series", "status"),
    [
        ([("canary cpu", 0.5), ("stable cpu", 0.5), ("canary cpu@", 990), ("stable cpu@", 990)], OK),
        ([("canary cpu", 0.9), ("stable cpu", 0.5), ("canary cpu@", 990), ("stable cpu@", 990)], FAIL),
        ([("canary cpu", 0.9), ("stable cpu", 0.5), ("canary cpu@", 990), ("stable cpu@", 500)], NO_DATA),
        ([("canary cpu", "NaN"), ("stable cpu", 0.5)], NO_DATA),
        ([("stable cpu", 0.5)], NO_DATA),
    ],
)
def test_gauges_of_prometheus_are_read_with_their_age(series, status):
    with Server(prometheus_answer(*series)) as server:
        [note] = gauges(server.url).look(warm_up=False)
    assert note.status == status
    assert 'cpu{slot="green"}' in server.asked[0][1]["query"] and 'cpu{slot="blue"}' in server.asked[0][1]["query"]


def test_a_gauge_is_one_number():
    said = "the gauge cpu gives 2 series: say which number counts"
    answer = prometheus_answer(("canary cpu", 1), ("canary cpu", 2))
    with Server(answer) as server, pytest.raises(SourceError, match=said):
        gauges(server.url).look(warm_up=False)


def test_an_expression_that_cannot_be_read_is_named():
    pytest.importorskip("jmespath")
    with pytest.raises(SourceError, match="the query of the gauge cpu is no JMESPath expression"):
        watcher("web", url="http://127.0.0.1:1", gauges={"cpu": {"query": "a.[", "max": 1}})


def test_gauges_may_stand_in_any_json_answer():
    pytest.importorskip("jmespath")
    with Server((200, b'{"queue": {"green": {"length": 12}}}')) as server:
        watched = watcher("web", url=server.url, gauges={"queue": {"query": "queue.$slot.length", "max": 10}})
        [note] = watched.look(warm_up=False)
        assert watched.describe() == ["canary (green): queue is 12"]
    assert note.status == FAIL and note.sentence == "queue: canary 12 is over 10, once (0 tolerated)"


@pytest.mark.parametrize(("on_firing", "status"), [("fail", FAIL), ("hold", HOLD)])
def test_alerts_with_the_labels_fail_or_hold(on_firing, status):
    with Server((200, recorded("alerts"))) as server:
        watched = watcher("alertmanager", url=server.url, labels={"app": "shop"}, on_firing=on_firing)
        [note] = watched.look(warm_up=False)
    assert note == Note("alertmanager", status, "alerts fire: HighLatency, QueueLong")
    path = server.asked[0][0]
    assert "filter=app%3D%22shop%22" in path and "silenced=false" in path and "inhibited=false" in path


def test_without_an_alert_all_is_well():
    with Server((200, b"[]")) as server:
        [note] = watcher("alertmanager", url=server.url, labels={"app": "shop"}).look(warm_up=False)
    assert note.status == OK


class Healthy(Source):
    """Counts of a canary without a fault."""

    name = "healthy"
    spec = {}
    quick = True

    def read(self, at):
        return Sample(at, Arm(1000 * at), Arm(1000 * at))

    def describe(self):
        return []

    def metrics(self, history):
        return []

    def counters(self):
        return ["errors"]


class Says(Watcher):
    """Says what a test lays down, the last of it again and again."""

    name = "says"
    spec = {}

    def __init__(self, *statuses):
        self.statuses = list(statuses)

    def look(self, warm_up):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, Exception):
            raise status
        return [Note("cpu", status, f"cpu {status}")]

    def describe(self):
        return []


def judged(*statuses, polls=15, **more):
    options = Options.from_dict(
        {"interval": 1, "initial_delay": 0, "min_duration": 2, "min_step_duration": 1, "dispersion": 1, **more}
    )
    now = [100.0]
    live = Live(Gate(options), options, Healthy(), PLACES, [Says(*statuses)], None, lambda: now[0])
    live.step(50, 100)
    for _poll in range(polls):
        heard = live.watched
        deadline = time.monotonic() + 5
        while live.look().status == "running" and live.watched == heard and time.monotonic() < deadline:
            time.sleep(0.001)
        if live.look().status != "running":
            break
        now[0] += 1.0
    return live.look(), live


def test_a_watched_failure_fails_a_canary_whose_counts_are_fine():
    verdict, live = judged(OK, OK, FAIL)
    assert (verdict.status, verdict.reason) == ("fail", "watch") and verdict.msg.startswith("FAIL after 2s: cpu fail")
    live.step(100, None)
    assert live.look().status == "fail", "it stays failed"


def test_what_holds_holds_until_it_is_over():
    verdict, live = judged(HOLD)
    assert (verdict.status, verdict.msg) == ("inconclusive", "INCONCLUSIVE after 0s: cpu hold")
    assert judged(OK)[0].status == "pass"


def test_nothing_unseen_passes():
    verdict, _live = judged(NO_DATA)
    assert (verdict.status, verdict.reason) == ("inconclusive", "no_data")
    verdict, _live = judged(SourceError("down"))
    assert verdict.status == "inconclusive" and "down" in verdict.msg


def test_a_watcher_that_hangs_lets_nothing_pass():
    hanging, answer = Says(OK), threading.Event()
    look = hanging.look
    hanging.look = lambda warm_up: answer.wait(20) and look(warm_up)
    try:
        options = Options.from_dict({"interval": 1, "initial_delay": 0, "min_duration": 2, "min_step_duration": 1})
        now = [100.0]
        live = Live(Gate(options), options, Healthy(), PLACES, [hanging], None, lambda: now[0])
        live.step(50, 100)
        statuses = []
        for _poll in range(40):
            statuses.append(live.look().status)
            now[0] += 1.0
        assert set(statuses) == {"running", "inconclusive"} and statuses[-1] == "inconclusive"
        assert "no answer for" in live.verdict.msg
    finally:
        answer.set()


def test_one_that_is_seen_again_passes():
    assert judged(NO_DATA, NO_DATA, NO_DATA, NO_DATA, OK)[0].status == "pass"
