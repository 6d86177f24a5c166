# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source prometheus on recorded answers: what counts, what is no data, and what each failure says."""

from __future__ import annotations

import base64
import socket
import time
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import promql, settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.prometheus import Prometheus
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place, SourceError

from tests.unit.metrics.recorded import Server, changed, recorded

PLACES = {"stable": Place("blue", "v1", "shop_blue"), "canary": Place("green", "v2", "shop_green")}
SECRET = "a-token-that-nobody-may-see"
FIRST, SECOND = (200, recorded("two_slots_first")), (200, recorded("two_slots_second"))


def prometheus(url: str, **options: t.Any) -> Prometheus:
    given = {"url": url, "exporter": "app", "edges": ["0.01"], **options}
    wanted = settings.parse({"source": {"prometheus": given}})
    return Prometheus(wanted.source_options, PLACES)


def test_one_call_reads_every_counter_of_both_slots():
    with Server(FIRST, SECOND) as server:
        source = prometheus(server.url)
        first, second = source.read(100.0), source.read(103.0)
    assert len(server.asked) == 2 and {path for path, _form, _headers in server.asked} == {"/api/v1/query"}
    assert first.stable.requests == first.canary.requests == 0, "what was counted before is the origin"
    assert 200 < second.stable.requests < 1000 and second.stable.bad == {"errors": 0, "latency>0.01": 0}
    assert 0.1 < second.canary.bad["errors"] / second.canary.requests < 0.4
    assert second.canary.bad["latency>0.01"] == second.canary.requests


def test_the_stable_instances_are_counted_in_two_halves_too():
    with Server(FIRST, SECOND) as server:
        source = prometheus(server.url)
        source.read(100.0)
        second = source.read(103.0)
    assert second.halves is not None and all(half.requests > 0 for half in second.halves)
    assert sum(half.requests for half in second.halves) == second.stable.requests


def test_a_reading_bears_the_time_of_the_scrape():
    with Server(FIRST) as server:
        assert prometheus(server.url).read(100.0).at == pytest.approx(100.0 - 0.1, abs=0.05)


def test_nothing_newer_is_no_reading():
    with Server(FIRST, FIRST, SECOND, FIRST) as server:
        source = prometheus(server.url)
        assert source.read(100.0) is not None
        assert source.read(101.0) is None
        newest = source.read(103.0)
        assert newest is not None
        assert source.read(104.0) is None, "a replica that is behind brings nothing new"


def _set(where: t.Callable[[dict[str, str]], bool], value: str) -> t.Callable[[list[dict[str, t.Any]]], None]:
    def change(series: list[dict[str, t.Any]]) -> None:
        chosen = [one for one in series if where(one["metric"])]
        assert chosen, "the recorded answer has no such series"
        for one in chosen:
            one["value"][1] = value

    return change


def _drop(tag: str) -> t.Callable[[list[dict[str, t.Any]]], None]:
    def change(series: list[dict[str, t.Any]]) -> None:
        series[:] = [one for one in series if not one["metric"]["zd_counter"].startswith(tag)]

    return change


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1"])
@pytest.mark.parametrize("tag", ["canary requests", "canary errors"])
def test_a_number_that_is_none_is_no_data_of_that_slot(tag, value):
    body = changed("two_slots_second", _set(lambda metric: metric["zd_counter"] == tag, value))
    with Server((200, body)) as server:
        sample = prometheus(server.url).read(100.0)
    assert sample.canary is None and sample.stable is not None


def test_requests_without_series_are_no_data():
    with Server((200, changed("two_slots_second", _drop("canary requests")))) as server:
        sample = prometheus(server.url).read(100.0)
    assert sample.canary is None and sample.stable is not None


def test_errors_without_series_are_none_at_all():
    body = changed("two_slots_second", _drop("canary errors"))
    with Server(FIRST, (200, body)) as server:
        source = prometheus(server.url)
        source.read(100.0)
        assert source.read(103.0).canary.bad["errors"] == 0


def test_the_first_error_counts_from_zero():
    with Server((200, changed("two_slots_first", _drop("canary errors"))), SECOND) as server:
        source = prometheus(server.url)
        source.read(100.0)
        assert source.read(103.0).canary.bad["errors"] > 100, "the series appeared with all of its errors"


def test_one_instance_that_restarts_counts_from_zero_and_the_others_go_on():
    def restarted(metric: dict[str, str]) -> bool:
        return metric["zd_counter"] == "stable requests" and metric["instance"] == "app1:8000"

    second = (200, changed("two_slots_second", _set(restarted, "7")))
    with Server(FIRST, second) as restart, Server(FIRST, SECOND) as none:
        with_restart, without = prometheus(restart.url), prometheus(none.url)
        with_restart.read(100.0)
        without.read(100.0)
        requests, all_requests = with_restart.read(103.0).stable.requests, without.read(103.0).stable.requests
    assert 7 < requests < all_requests


@pytest.mark.parametrize(("max_age", "usable"), [("1h", True), ("50ms", False)])
def test_data_older_than_max_age_are_no_data(max_age, usable):
    with Server(FIRST) as server:
        sample = prometheus(server.url, max_age=max_age).read(100.0)
    assert (sample.stable is not None) is usable


def test_data_are_old_by_themselves_after_three_of_their_own_periods():
    def later(seconds: float) -> bytes:
        def change(series: list[dict[str, t.Any]]) -> None:
            for one in series:
                one["value"][0] += seconds

        return changed("two_slots_second", change)

    with Server(FIRST, SECOND, (200, later(8.0)), (200, later(12.0))) as server:
        source = prometheus(server.url)
        for at in (100.0, 103.0):
            assert source.read(at).stable is not None
        assert source.read(111.0) is None, "late, but not dead"
        assert source.read(115.0).stable is None


def test_what_each_query_returns_is_described():
    with Server(SECOND) as server:
        looks = {(look.arm, look.counter): look for look in prometheus(server.url).describe()}
    assert str(looks["stable", "requests"]).startswith("stable (blue): requests ")
    assert looks["stable", "requests"].series == 2 and 0 < looks["stable", "requests"].age < 2
    assert looks["stable", "errors"].value == 0, "no series of errors yet means none"
    assert looks["canary", "errors"].series == 2


def test_a_described_slot_without_series_has_no_data():
    with Server((200, recorded("nothing"))) as server:
        looks = prometheus(server.url).describe()
    assert all(look.value is None for look in looks)
    assert str(looks[0]) == "stable (blue): requests has no data"


def test_a_wrong_query_is_found_among_the_others():
    with Server((400, recorded("parse_error"))) as server, pytest.raises(SourceError) as caught:
        prometheus(server.url).describe()
    assert "the query requests of stable" in str(caught.value) and "unclosed left parenthesis" in str(caught.value)


def test_history_is_two_halves_of_the_stable_fleet():
    with Server((200, recorded("history_time")), (200, recorded("history"))) as server:
        samples = prometheus(server.url).history(40, 1)
    assert len(samples) > 30
    assert all(one.at < two.at for one, two in zip(samples, samples[1:], strict=False))
    last = samples[-1]
    assert last.stable.requests > 1000 and last.canary.requests > 1000
    assert last.stable.requests == pytest.approx(last.canary.requests, rel=0.2)
    form = server.asked[-1][1]
    assert "v2" not in form["query"] and float(form["end"]) - float(form["start"]) == pytest.approx(40)


def test_one_instance_has_no_second_half():
    def keep_one(series: list[dict[str, t.Any]]) -> None:
        series[:] = [one for one in series if one["metric"]["instance"] == "app1:8000"]

    with Server((200, recorded("history_time")), (200, changed("history", keep_one))) as server:
        samples = prometheus(server.url).history(40, 1)
    assert samples[-1].stable.requests > 1000 and all(sample.canary is None for sample in samples)


def test_a_histogram_offers_its_edges():
    with Server((200, recorded("edges"))) as server:
        source = prometheus(server.url, edges=None)
        assert source.counters()[:3] == ["errors", "latency>0.005", "latency>0.01"]
        assert "latency>+Inf" not in source.counters()
        assert source.metrics([]) == [{"name": "errors"}], "nobody knows yet which edge tells something"


def test_chosen_counters_only_are_asked_for():
    with Server(FIRST) as server:
        source = prometheus(server.url)
        source.choose(["errors"])
        source.read(100.0)
    assert "bucket" not in server.asked[-1][1]["query"] and "5.." in server.asked[-1][1]["query"]


def test_a_metric_nobody_counts_is_refused():
    with pytest.raises(SourceError, match="does not count 'timeouts'; it counts errors, latency>0.01"):
        prometheus("http://127.0.0.1:1").choose(["timeouts"])


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, b'{"status": "error", "error": "the store is down"}', "it answers 503 (the store is down)"),
        (500, b"oops", "it answers 500 (Internal Server Error)"),
        (422, recorded("execution_error"), "it answers 422 (found duplicate series"),
        (401, b"", "are username and password, or bearer_token, right?"),
        (403, b"", "this user may not ask for it"),
        (302, b"", "it answers 302 and points to http://elsewhere.example.com/"),
        (200, b"<html>login</html>", "the answer is not JSON: is this the address of Prometheus?"),
        (200, b'{"status": "success"', "the answer is not JSON"),
        (200, b"[]", "no result in its answer"),
        (200, b'{"status": "error", "error": "busy"}', "busy"),
        (200, recorded("scalar"), "the answer is a scalar"),
    ],
)
def test_each_failure_is_one_sentence_without_the_secret(status, body, said):
    with Server((status, body)) as server, pytest.raises(SourceError) as caught:
        prometheus(server.url, bearer_token=SECRET).read(100.0)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value) and SECRET not in str(caught.value)


def test_a_secret_in_an_answer_is_blotted_out():
    with Server((500, f'{{"error": "bad token {SECRET}"}}'.encode())) as server, pytest.raises(SourceError) as caught:
        prometheus(server.url, bearer_token=SECRET).read(100.0)
    assert SECRET not in str(caught.value) and "bad token ********" in str(caught.value)


def test_an_answer_that_does_not_come_ends_with_the_timeout():
    with Server(FIRST, delay=3.0) as server:
        began = time.monotonic()
        with pytest.raises(SourceError, match="answer"):
            prometheus(server.url, timeout=0.3).read(100.0)
        assert time.monotonic() - began < 2.0


def test_nobody_there_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceError, match=f"Prometheus at {url}: connection refused"):
            prometheus(url).read(100.0)


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"bearer_token": SECRET}, "Authorization", f"Bearer {SECRET}"),
        (
            {"username": "ann", "password": SECRET},
            "Authorization",
            "Basic " + base64.b64encode(f"ann:{SECRET}".encode()).decode(),
        ),
        ({"headers": {"X-Scope-OrgID": "shop"}}, "X-scope-orgid", "shop"),
    ],
)
def test_who_asks_is_said_in_the_first_request(options, header, value):
    with Server(FIRST) as server:
        prometheus(server.url, **options).read(100.0)
    headers = {name.lower(): text for name, text in server.asked[0][2].items()}
    assert headers[header.lower()] == value


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "prometheus:9090"}, "is not a URL"),
        ({"url": "http://ann:pw@prometheus"}, "carries credentials"),
        ({"username": "a", "bearer_token": "b"}, "not both"),
        ({"exporter": None}, "needs an exporter"),
        ({"requests": 'rate(x{a="$slot"}[1m])'}, r"uses rate\(\)"),
        ({"bad": {"errors": "sum(increase(x[5m]))"}}, r"uses increase\(\)"),
        ({"requests": "x_total"}, "asks both slots the same"),
        ({"max_age": "soon"}, "max_age of prometheus"),
        ({"exporter": "squid"}, "value of exporter must be one of"),
    ],
)
def test_wrong_options_are_refused_before_anybody_is_asked(options, said):
    with pytest.raises(SourceError, match=said):
        prometheus(**{"url": "http://127.0.0.1:1", **options})


def test_what_a_query_needs_and_nobody_said_is_named():
    wanted = settings.parse({"source": {"prometheus": {"url": "http://127.0.0.1:1", "exporter": "haproxy"}}})
    with pytest.raises(SourceError, match=r"says \$name, but the name of blue is not known"):
        Prometheus(wanted.source_options, {"stable": Place("blue", "v1"), "canary": Place("green", "v2")})


@pytest.mark.parametrize("exporter", sorted(promql.EXPORTERS))
def test_every_exporter_asks_both_slots_for_their_own(exporter):
    queries = promql.EXPORTERS[exporter]
    for query in (queries.requests, *queries.bad.values(), queries.slower or queries.requests):
        filled = [place.fill(query, "it", promql.quoted, le="0.25") for place in PLACES.values()]
        assert filled[0] != filled[1] and "$" not in filled[0].replace("(@.+)?", "")
        assert promql.stamps(filled[0]).startswith("timestamp(")


def test_matchers_are_added_to_every_selector():
    query = 'a_count{v="1"} - ignoring(le) a_bucket{v="1",le="}"} + b{}'
    assert promql.narrowed(query, {"job": 'the "shop"'}) == (
        'a_count{v="1",job="the \\"shop\\""} - ignoring(le) '
        'a_bucket{v="1",le="}",job="the \\"shop\\""} + b{job="the \\"shop\\""}'
    )


def test_a_dollar_of_a_regular_expression_is_no_placeholder():
    place = Place("blue", 'v"1', "shop")
    assert place.fill('x{a=~"5..$",v="$revision",n="${name}$"}', "it", promql.quoted) == (
        'x{a=~"5..$",v="v\\"1",n="shop$"}'
    )


@pytest.mark.parametrize(
    ("query", "stamps"),
    [
        ("up", "timestamp(up)"),
        ('x{a="(}"}', 'timestamp(x{a="(}"})'),
        ('sum by (pod) (x{a="1"})', 'timestamp(x{a="1"})'),
        ("sum(x)", ""),
    ],
)
def test_the_age_of_a_query_is_that_of_its_first_selector(query, stamps):
    assert promql.stamps(query) == stamps
