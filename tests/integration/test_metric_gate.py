# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(metric_gate) judges a real service: HAProxy, two revisions of the demo app, and a Prometheus that can go wrong."""

from __future__ import annotations

import json
import time

import pytest

from tests.lab.hosts.haproxy import free_port
from tests.lab.hosts.playbook import Playbook
from tests.lab.metrics.alertmanager import Alertmanager
from tests.lab.metrics.prometheus import Prometheus
from tests.lab.metrics.world import World

QUICK = {
    "interval": "500ms",
    "initial_delay": "0",
    "min_duration": "2s",
    "min_step_duration": "1s",
    "max_duration": "40s",
    "dispersion": 1,
}
SLOTS = {"blue": "shop_blue", "green": "shop_green"}
REVISIONS = {"blue": "v1", "green": "v2"}
SECRET = "a-token-that-nobody-may-see"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A service whose canary gets half of the requests, about 300 of them a second."""
    with World.open(tmp_path_factory.mktemp("world")) as world:
        world.traffic()
        world.prometheus.wait_for('http_requests_total{version="v2"}')
        world.prometheus.wait_for('haproxy_backend_http_requests_total{proxy="shop_green"} > 0')
        yield world


@pytest.fixture
def healthy(world):
    """The same, both slots without a fault before and after the test."""
    yield world
    world.fault("green", error_rate=0.0)
    world.fault("blue", error_rate=0.0)


@pytest.fixture
def gate(tmp_path):
    """Return what runs one metric_gate."""

    def run(source, *options, rescue=None, **more):
        project = Playbook(tmp_path)
        arguments = {"canary": "green", "slots": SLOTS, "revisions": REVISIONS, **QUICK, "source": source, **more}
        task = {"zerodowntime.bluegreen.metric_gate": arguments, "register": "result"}
        tasks = [{"block": [task], "rescue": rescue}] if rescue else [task]
        return project.run(tasks, *options)

    return run


def test_a_good_canary_passes_by_what_the_application_counts(world, gate):
    run = gate({"prometheus": {"url": world.prometheus.url, "exporter": "app"}})
    assert run.result["status"] == "pass", run.output
    assert run.code == 0 and run.result["changed"] is False
    assert run.result["msg"].startswith("PASS after ")
    assert run.result["metrics"]["errors"]["canary"]["requests"] > 50
    assert "[shop] RUNNING after" in run.lines
    assert run.result["samples"]["columns"][:3] == ["at", "stable_requests", "stable_errors"]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param({"exporter": "app"}, id="application"),
        pytest.param({"exporter": "haproxy"}, id="balancer"),
        pytest.param(
            {
                "requests": 'http_requests_total{version="$revision"}',
                "bad": {"errors": 'sum(http_requests_total{version="$revision",status="500"})'},
            },
            id="own queries",
        ),
    ],
)
def test_a_canary_that_fails_a_fifth_of_its_requests_is_found_within_a_few_polls(healthy, gate, source):
    healthy.fault("green", error_rate=0.2)
    run = gate({"prometheus": {"url": healthy.prometheus.url, **source}}, rescue=[{"debug": {"msg": "rolled back"}}])
    assert run.result["status"] == "fail", run.output
    assert run.result["failed"] is True and run.result["reason"] in ("worse", "limit")
    assert "rolled back" in run.output
    assert len(run.result["samples"]["rows"]) <= 5


def test_what_the_balancer_itself_counts_judges_without_any_metric_server(healthy, gate):
    healthy.fault("green", error_rate=0.2)
    run = gate({"haproxy": healthy.haproxy.options}, weight=50)
    assert run.result["status"] == "fail", run.output
    healthy.fault("green", error_rate=0.0)
    assert gate({"haproxy": healthy.haproxy.options}, weight=50).result["status"] == "pass"


def test_all_at_once_is_compared_with_the_past_of_the_slot_that_served(healthy, gate):
    healthy.fault("green", error_rate=0.2)
    source = {"prometheus": {"url": healthy.prometheus.url, "exporter": "app"}}
    run = gate(source, preset="blue_green", weight=100, lookback="10s", metrics=[{"name": "errors", "limit": 0.8}])
    assert (run.result["status"], run.result["reason"]) == ("fail", "worse"), run.output
    assert run.result["metrics"]["errors"]["compared_with"] == "history" and "of history" in run.result["msg"]


def test_thresholds_alone_judge_those_who_want_only_them(healthy, gate):
    healthy.fault("green", error_rate=0.2)
    run = gate({"haproxy": healthy.haproxy.options}, preset="thresholds", metrics=[{"name": "errors", "limit": 0.1}])
    assert run.result["status"] == "fail", run.output
    assert run.result["msg"].endswith("over the limit of 10% once (0 tolerated)")


def test_probes_by_the_preview_route_judge_a_canary_that_has_no_traffic(healthy, gate):
    source = {"http": {"url": healthy.haproxy.url + "/", "headers": {"X-Release-Slot": "$slot"}, "probes": 20}}
    healthy.fault("green", error_rate=0.5)
    run = gate(source)
    assert run.result["status"] == "fail", run.output
    assert run.result["metrics"]["errors"]["baseline"]["bad"] == 0
    assert "probes, not users" in run.result["source"][0]["query"]


def test_any_json_answer_judges(healthy, gate):
    pytest.importorskip("jmespath", reason="an optional dependency")
    healthy.fault("green", error_rate=0.5)
    query = "sum%20by%20(status)%20(http_requests_total%7Bversion=%22$revision%22%7D)"
    source = {
        "url": f"{healthy.prometheus.url}/api/v1/query?query={query}",
        "requests": "sum(data.result[].to_number(value[1]))",
        "bad": {"errors": "sum(data.result[?metric.status=='500'].to_number(value[1]))"},
    }
    assert gate({"web": source}).result["status"] == "fail"


def test_a_load_beside_it_judges(healthy, tmp_path):
    healthy.fault("green", error_rate=0.5)
    report = str(tmp_path / "load.json")
    load = {"url": healthy.haproxy.url + "/", "header": "X-Version", "rate": 100, "report": report}
    arguments = {"canary": "green", "revisions": REVISIONS, **QUICK, "source": {"load_test": {"report": report}}}
    run = Playbook(tmp_path).run(
        [
            {
                "block": [
                    {"zerodowntime.bluegreen.load_test": {"state": "started", **load}},
                    {"zerodowntime.bluegreen.metric_gate": arguments, "register": "result"},
                ],
                "always": [{"zerodowntime.bluegreen.load_test": {"state": "finished", "report": report}}],
            }
        ]
    )
    assert run.result["status"] == "fail", run.output


@pytest.mark.parametrize(("limit", "status"), [({"max": 1}, "fail"), ({"max_ratio": 3}, "pass")])
def test_a_gauge_out_of_its_limits_fails_a_canary_without_errors(world, gate, limit, status):
    gauge = {"query": 'sum(rate(http_requests_total{version="$revision"}[5s]))', "failure_limit": 1, **limit}
    watch = [{"prometheus": {"url": world.prometheus.url, "gauges": {"speed": gauge}}}]
    run = gate({"haproxy": world.haproxy.options}, watch=watch)
    assert run.result["status"] == status, run.output
    assert run.result["watch"][0]["name"] == "speed"


def test_a_verdict_that_is_not_in_fail_on_fails_no_task(healthy, gate):
    healthy.fault("green", error_rate=0.5)
    run = gate({"haproxy": healthy.haproxy.options}, fail_on=["error"])
    assert run.code == 0 and run.result["status"] == "fail"


def test_a_picture_is_drawn_where_it_is_asked_for(healthy, gate, tmp_path):
    healthy.fault("green", error_rate=0.5)
    run = gate({"haproxy": healthy.haproxy.options}, picture=str(tmp_path / "gate.svg"))
    assert run.result["status"] == "fail"
    assert "FAIL after" in (tmp_path / "gate.svg").read_text()


def test_a_dry_run_says_what_it_would_have_done_and_passes(healthy, gate):
    healthy.fault("green", error_rate=0.5)
    run = gate({"haproxy": healthy.haproxy.options}, dry_run=True)
    assert run.code == 0 and run.result["status"] == "pass"
    assert run.result["msg"].startswith("DRY RUN, it would have been FAIL")


def test_a_canary_without_series_neither_passes_nor_fails(world, gate):
    run = gate(
        {"prometheus": {"url": world.prometheus.url, "exporter": "app"}},
        revisions={"blue": "v1", "green": "v3"},
        fail_on=["fail", "inconclusive"],
    )
    assert run.result["status"] == "inconclusive" and run.result["reason"] == "no_data", run.output
    assert run.code != 0


def test_check_mode_looks_at_the_source_and_judges_nothing(world, gate):
    run = gate({"prometheus": {"url": world.prometheus.url, "exporter": "app"}}, "--check")
    assert run.code == 0 and run.result["status"] == "running"
    looks = {(look["arm"], look["counter"]): look for look in run.result["source"]}
    assert looks["stable", "requests"]["series"] == 2
    assert 0 <= looks["stable", "requests"]["age"] < 10


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        ({"prometheus": {"exporter": "app"}}, {}, "prometheus at http://127.0.0.1:1: connection refused"),
        (
            {"prometheus": {"url": "prometheus:9090", "exporter": "app"}},
            {},
            "is not a url such as http://prometheus:9090",
        ),
        ({"prometheus": {}}, {}, "needs an exporter (app, envoy, haproxy"),
        ({"prometheus": {"exporter": "app"}, "haproxy": {}}, {}, "a gate reads one source"),
        ({"prometheus": {"exporter": "app", "querries": 1}}, {}, "querries"),
        ({"haproxy": {}}, {}, "the source haproxy needs socket and slots here"),
        ({"haproxy": {"socket": "/nowhere/admin.sock"}}, {}, "cannot reach haproxy at /nowhere/admin.sock"),
        ({"http": {"url": "http://127.0.0.1:1/$slot"}}, {}, "connection refused"),
        ({"prometheus": {"exporter": "app"}}, {"min_duration": "soon"}, "'soon' is not a duration"),
        ({"prometheus": {"exporter": "app"}}, {"metrics": [{"nam": "errors"}]}, "has no option 'nam'"),
        ({"prometheus": {"exporter": "app"}}, {"revisions": {}}, "the revision of blue is not known"),
        ({"prometheus": {"exporter": "app"}}, {"weight": 101}, "it is the canary's percent"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_waits(gate, source, more, said):
    if "prometheus" in source:
        source["prometheus"].setdefault("url", "http://127.0.0.1:1")
    run = gate(source, **more)
    assert run.code != 0
    assert said in run.result["msg"].lower() + run.result["msg"], run.output
    assert "\n" not in run.result["msg"] and "Traceback" not in run.output


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ({"requests": 'x{slot="$slot"', "bad": {"errors": "up{a='$slot'}"}}, "the query requests of stable"),
        ({"requests": 'x{slot="$slot"}', "bad": {"errors": "up{a='$slot'}"}}, "has no requests of blue, the stable"),
        ({"requests": 'rate(http_requests_total{slot="$slot"}[1m])', "bad": {"errors": "up"}}, "uses rate()"),
        ({"requests": "http_requests_total", "bad": {"errors": "up"}}, "asks both slots the same"),
    ],
)
def test_a_wrong_query_is_named(world, gate, queries, said):
    run = gate({"prometheus": {"url": world.prometheus.url, **queries}})
    assert run.code != 0 and said in run.result["msg"], run.output


@pytest.mark.parametrize("where", ["closed", "refusing"])
def test_a_secret_is_shown_nowhere(world, gate, where):
    url = "http://127.0.0.1:1" if where == "closed" else f"{world.haproxy.url}/nothing"
    source = {"url": url, "exporter": "app", "bearer_token": SECRET, "headers": {"X-Key": SECRET + "2"}}
    run = gate({"prometheus": source}, "-vvv")
    assert run.code != 0 and run.result["msg"].startswith("Prometheus at")
    assert SECRET not in run.output + run.lines + json.dumps(run.result)


class TestAlerts:
    """A real Alertmanager: what fires stops a canary without errors, what is to be expected is silenced meanwhile."""

    @pytest.fixture
    def alertmanager(self, tmp_path):
        alertmanager = Alertmanager(tmp_path / "alertmanager", free_port()).start()
        yield alertmanager
        alertmanager.stop()

    @pytest.fixture
    def watched(self, healthy, gate, alertmanager):
        def run(*options, fail_on=("fail",), **more):
            watch = [{"alertmanager": {"url": alertmanager.url, "labels": {"app": "shop"}, **more}}]
            return gate({"haproxy": healthy.haproxy.options}, *options, watch=watch, fail_on=list(fail_on))

        return run

    def test_an_alert_with_the_labels_stops_a_canary_without_errors(self, watched, alertmanager):
        alertmanager.fire(alertname="QueueLong", app="shop")
        alertmanager.fire(alertname="DiskFull", app="another")
        run = watched(on_firing="hold")
        assert run.result["status"] == "inconclusive" and run.result["reason"] == "watch", run.output
        assert run.result["msg"].endswith("an alert fires: QueueLong")

    def test_what_is_silenced_for_the_window_stops_nothing_and_is_heard_again_afterwards(self, watched, alertmanager):
        alertmanager.fire(alertname="Restarting", app="shop")
        run = watched(silence={"alertname": "Restarting", "app": "shop"})
        assert run.result["status"] == "pass", run.output
        said = "alerts with alertname=Restarting, app=shop"
        assert f"[shop] silenced {said} for as long as the gate judges" in run.lines
        assert f"[shop] {said} are silenced no longer" in run.lines
        [silence] = alertmanager.silences()
        assert silence["status"]["state"] == "expired"
        assert silence["createdBy"] == "zerodowntime.bluegreen" and silence["comment"] == "a release to green"
        assert watched().result["status"] == "fail"

    def test_check_mode_silences_nothing(self, watched, alertmanager):
        run = watched("--check", silence={"alertname": "Restarting"})
        assert "[shop] alerts with alertname=Restarting will be silenced" in run.lines
        assert alertmanager.silences() == []

    def test_one_that_is_not_there_is_named_before_anything_is_judged_and_no_secret_is_shown(self, watched):
        run = watched("-vvv", url="http://127.0.0.1:1", bearer_token=SECRET, silence={"alertname": "Restarting"})
        assert run.code != 0 and run.result["msg"] == "Alertmanager at http://127.0.0.1:1: connection refused"
        assert "RUNNING" not in run.lines
        assert SECRET not in run.output + run.lines + json.dumps(run.result)


class TestThePast:
    """C(gate_replay) says of the past what C(metric_gate) said, or would have said, when it was the present."""

    @pytest.fixture
    def replay(self, world, tmp_path):
        def run(*options, **arguments):
            source = {"prometheus": {"url": world.prometheus.url, "exporter": "app"}}
            # Five points are proven by a hundred requests: a machine that is busy sends no more in these seconds.
            metrics = [{"name": "errors", "margin": 0.05}]
            gate = {**QUICK, "lookback": "20s", "source": source, "metrics": metrics}
            task = {"canary": "green", "revisions": REVISIONS, "gate": gate, **arguments}
            tasks = [{"zerodowntime.bluegreen.gate_replay": task, "register": "result"}]
            return Playbook(tmp_path).run(tasks, *options)

        return run

    def test_an_incident_is_stopped_where_the_live_gate_stopped_it(self, healthy, gate, replay, tmp_path):
        time.sleep(2)  # until the scrapes have forgotten the faults of other tests
        start = time.time()
        time.sleep(3)
        healthy.fault("green", error_rate=0.2)
        live = gate({"prometheus": {"url": healthy.prometheus.url, "exporter": "app"}})
        time.sleep(3)
        run = replay(start=f"{start:.3f}", steps=[{"weight": 50}], picture=str(tmp_path / "incident.svg"))
        assert live.result["status"] == run.result["status"] == "fail", run.output
        assert run.code == 0, "what is over fails nothing"
        assert 3 <= run.result["seconds"] < 12
        assert run.result["spared"] > 10
        assert run.result["msg"].startswith("it would have stopped the release at 20")
        assert run.result["verdicts"][0]["status"] == "running"
        assert (tmp_path / "incident.svg").read_text().startswith("<svg")

    def test_two_halves_of_one_fleet_raise_no_alarm(self, healthy, replay):
        healthy.prometheus.wait_for('count_over_time(http_requests_total{version="v1",status="200"}[30s]) >= 18', 60)
        run = replay(mode="aa", start="18s", revisions={"blue": "v1"}, fail_on=["fail"])
        assert run.code == 0, run.output
        assert run.result["counts"]["fail"] == 0 and run.result["counts"]["pass"] >= 1, run.result
        assert run.result["phi"]["errors"] >= 1

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"start": "soon"}, "'soon' is no time"),
            ({"start": "1h", "end": "2h"}, "must be before end"),
            ({"start": "1h", "gate": {"source": {"haproxy": {}}}}, "the source haproxy keeps no past"),
            ({"start": "1h", "gate": "http"}, "the gate must be a mapping of options, not text"),
            ({"start": "1h", "steps": [{"weight": 500}]}, "500 is no percent"),
            ({"start": "2020-01-01T00:00:00Z", "end": "2020-01-01T01:00:00Z"}, "there are no data in that time"),
        ],
    )
    def test_what_is_wrong_is_one_sentence(self, replay, arguments, said):
        run = replay(**arguments)
        assert run.code != 0 and said in run.result["msg"], run.output
        assert "\n" not in run.result["msg"]


class TestASourceThatBreaks:
    """A Prometheus of its own for each test: what dies, hangs or grows old gives no verdict about the release."""

    @pytest.fixture
    def prometheus(self, world, tmp_path):
        targets = {"shop": [f"127.0.0.1:{port}" for ports in world.apps.values() for port in ports]}
        prometheus = Prometheus(tmp_path / "prometheus", free_port(), targets).start()
        prometheus.wait_for('http_requests_total{version="v2"}')
        yield prometheus
        prometheus.stop()

    @pytest.fixture
    def judged(self, prometheus, tmp_path):
        """Begin to judge, break the source by the test's own means after the first readings, and return the run."""

        def run(harm, **source):
            project = Playbook(tmp_path)
            arguments = {
                "canary": "green",
                "revisions": REVISIONS,
                **QUICK,
                "min_duration": "10s",
                "no_data_limit": 3,
                "source": {"prometheus": {"url": prometheus.url, "exporter": "app", "timeout": 1, **source}},
            }
            process = project.start([{"zerodowntime.bluegreen.metric_gate": arguments, "register": "result"}])
            seen = ""
            while "odds of harm" not in seen:
                line = process.stderr.readline()
                assert line, seen
                seen += line
            harm()
            return project.end(process)

        return run

    def test_it_dies(self, prometheus, judged):
        run = judged(prometheus.stop)
        assert run.result["status"] == "inconclusive" and run.result["reason"] == "no_data", run.output
        assert "connection refused" in run.result["msg"]

    def test_it_hangs(self, prometheus, judged):
        run = judged(prometheus.pause)
        prometheus.resume()
        assert run.result["status"] == "inconclusive", run.output
        assert "answer within 1 s" in run.result["msg"]

    def test_it_answers_late_and_the_gap_is_counted_afterwards(self, prometheus, judged):
        def late():
            prometheus.pause()
            time.sleep(2.5)
            prometheus.resume()

        run = judged(late)
        assert run.result["status"] == "pass", run.output

    def test_it_answers_with_an_error(self, prometheus, judged):
        def overloaded():
            prometheus.stop()
            prometheus.start("--query.max-samples=1")

        run = judged(overloaded)
        assert run.result["status"] == "inconclusive" and run.result["reason"] == "no_data", run.output
        assert "it answers 422 (query processing would load too many samples" in run.result["msg"]

    def test_it_answers_with_old_data(self, prometheus, judged):
        def forget_the_targets():
            # A new process that never knew the targets marks none of their series as stale.
            prometheus.stop()
            prometheus.config.write_text("{}")
            prometheus.start()

        run = judged(forget_the_targets, max_age="3s")
        assert run.result["status"] == "inconclusive" and run.result["reason"] == "no_data", run.output
        assert prometheus.query('http_requests_total{version="v2"}'), "the data were gone, not old"
