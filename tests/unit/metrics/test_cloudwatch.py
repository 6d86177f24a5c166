# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source cloudwatch on answers as boto3 gives them: late, with holes, changed afterwards, in pages, refused."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.cloudwatch import CloudWatch, unanswered
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place, SourceError

ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:"
BALANCER = f"{ARN}loadbalancer/app/shop-lb/0123456789abcdef"
GROUPS = {slot: f"{ARN}targetgroup/shop-{slot}/0123456789abcdef" for slot in ("blue", "green")}
PLACES = {"stable": Place("blue", "v1", GROUPS["blue"]), "canary": Place("green", "v2", GROUPS["green"])}
EPOCH = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
CODE = "HTTPCode_Target_{}XX_Count"


class Account:
    """CloudWatch of one account: what was put in is seen C(lag) seconds after its minute's end."""

    def __init__(self, lag: float = 60.0) -> None:
        self.lag, self.seconds, self.skew = lag, 0.0, 0.0
        self.data: dict[tuple[str, str, int], tuple[float, float]] = {}
        self.calls: list[tuple[str, dict[str, t.Any]]] = []
        self.status = "Complete"
        self.points_a_page = 10_000
        self.groups: list[dict[str, t.Any]] = []

    def clock(self) -> float:
        """Return epoch seconds on the controller's clock."""
        return EPOCH.timestamp() + self.seconds

    def put(self, minute: int, slot: str, metric: str, value: float, lag: float | None = None) -> None:
        """Count in one minute since the beginning; an empty slot is the load balancer itself."""
        self.data[slot, metric, minute] = (value, 60.0 * (minute + 1) + (self.lag if lag is None else lag))

    def serve(self, minute: int, slot: str, good: int, bad: int = 0, unanswered: int = 0, **more: t.Any) -> None:
        """Put in what a target group's minute comes to."""
        for metric, value in (
            ("RequestCount", good + bad + unanswered),
            (CODE.format(2), good),
            (CODE.format(5), bad),
        ):
            if value:
                self.put(minute, slot, metric, value, **more)

    def __call__(self, service: str, operation: str, **asked: t.Any) -> dict[str, t.Any]:
        self.calls.append((operation, asked))
        if operation == "describe_target_groups":
            return {"TargetGroups": self.groups}
        if operation == "describe_load_balancers":
            return {"LoadBalancers": [{"LoadBalancerArn": BALANCER}]}
        assert (service, operation) == ("cloudwatch", "get_metric_data")
        now = EPOCH + timedelta(seconds=self.seconds + self.skew)
        points = [(query["Id"], *point) for query in asked["MetricDataQueries"] for point in self._points(query, asked)]
        first = int(asked.get("NextToken") or 0)
        page = points[first : first + self.points_a_page]
        answer: dict[str, t.Any] = {
            "MetricDataResults": [
                {
                    "Id": query["Id"],
                    "Label": query["MetricStat"]["Metric"]["MetricName"],
                    "Timestamps": [at for id, at, _value in page if id == query["Id"]],
                    "Values": [value for id, _at, value in page if id == query["Id"]],
                    "StatusCode": self.status,
                }
                for query in asked["MetricDataQueries"]
            ],
            "Messages": [],
            "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(now, usegmt=True)}},
        }
        if first + self.points_a_page < len(points):
            answer["NextToken"] = str(first + self.points_a_page)
        return answer

    def _points(self, query: dict[str, t.Any], asked: dict[str, t.Any]) -> list[tuple[datetime, float]]:
        metric = query["MetricStat"]["Metric"]
        names = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        assert names["LoadBalancer"] == "app/shop-lb/0123456789abcdef"
        slot = names.get("TargetGroup", "/shop-").split("/")[1].partition("-")[2]
        name = metric["MetricName"] + ("" if query["MetricStat"]["Stat"] == "Sum" else query["MetricStat"]["Stat"])
        return [
            (EPOCH + timedelta(minutes=minute), value)
            for (whose, what, minute), (value, seen) in sorted(self.data.items())
            if (whose, what) == (slot, name)
            and seen <= self.seconds + self.skew
            and asked["StartTime"] <= EPOCH + timedelta(minutes=minute) < asked["EndTime"]
        ]


def source(account: Account, places: t.Any = None, **options: t.Any) -> CloudWatch:
    wanted = settings.parse({"source": {"cloudwatch": {"load_balancer": BALANCER, **options}}})
    return CloudWatch(wanted.source_options, places or PLACES, account, account.clock)


def polled(account: Account, one: CloudWatch, until: float) -> list[t.Any]:
    """Return the samples of all polls until a moment, each when the source says that it is due."""
    samples = []
    while account.seconds <= until:
        sample = one.read(account.seconds)
        if sample is not None:
            samples.append(sample)
        account.seconds = one.next(account.seconds, 60.0)
    return samples


def test_a_minute_counts_once_it_is_over_for_long_enough_and_for_both_slots_at_once():
    account = Account(lag=60.0)
    for minute in range(6):
        account.serve(minute, "blue", good=90, bad=minute)
        account.serve(minute, "green", good=10)
    account.seconds = 20.0  # the shift, in minute 0: its requests may be those of a smoke test
    one = source(account)
    one.choose(["errors"])
    first = one.read(20.0)
    assert (first.at, first.canary.requests, account.calls) == (20.0, 0, [])
    account.seconds = 180.0 + 59.0
    assert one.read(account.seconds) is None and account.calls == []
    account.seconds = 180.0 + 60.0
    second = one.read(account.seconds)
    assert (second.at, second.stable.requests, second.stable.bad) == (120.0, 91, {"errors": 1})
    assert second.canary.requests == 10
    (sample,) = polled(account, one, 300.0)
    assert (sample.at, sample.stable.bad, sample.canary.requests) == (180.0, {"errors": 1 + 2}, 20)
    assert [name for name, _asked in account.calls] == ["get_metric_data"] * 2, "one call for all queries of a poll"


def test_the_next_minute_is_asked_for_as_soon_as_it_counts():
    account = Account()
    one = source(account)
    account.seconds = 130.0
    assert one.next(1000.0, 60.0) == 1050.0
    assert one.next(1000.0, 300.0) == 1290.0
    assert one.resolution == 60.0


def test_late_data_are_waited_for_and_come_in_whole():
    account = Account(lag=170.0)
    for minute in range(1, 9):
        account.serve(minute, "blue", good=90)
        account.serve(minute, "green", good=8, bad=2)
    one = source(account)
    samples = [sample for sample in polled(account, one, 660.0) if sample.stable and sample.stable.requests]
    assert [sample.stable.requests for sample in samples] == [90 * n for n in range(1, len(samples) + 1)]
    assert samples[-1].canary.bad["errors"] == 2 * len(samples)


def test_errors_that_come_after_their_requests_are_counted_and_teach_to_wait_longer():
    account = Account(lag=60.0)
    for minute in range(1, 12):
        account.serve(minute, "blue", good=90)
        account.put(minute, "green", "RequestCount", 10)
        account.put(minute, "green", CODE.format(2), 8)
        account.put(minute, "green", CODE.format(5), 2, lag=150.0)
    one = source(account)
    one.choose(["target_errors"])
    samples = [sample for sample in polled(account, one, 700.0) if sample.canary and sample.canary.requests]
    assert samples[0].canary.bad["target_errors"] == 0, "not there yet after two minutes"
    last = samples[-1].canary
    assert last.bad["target_errors"] == 0.2 * last.requests, "each minute was read again, and then read later"
    assert account.seconds - samples[-1].at > 179


@pytest.mark.parametrize("night", ["quiet", "lost"])
def test_no_data_is_never_health(night):
    account = Account()
    one = source(account)
    gate = Gate(settings.parse({"source": "cloudwatch"}).options([{"name": "errors"}]))
    one.choose(["errors"])
    if night == "lost":
        for minute in range(1, 4):
            account.serve(minute, "blue", good=900)
            account.serve(minute, "green", good=300)
    gate.step(50, 0.0)
    verdicts = [gate.judge(sample) for sample in polled(account, one, 1200.0)]
    assert "pass" not in {verdict.status for verdict in verdicts[-8:]}
    assert (verdicts[-1].status, verdicts[-1].reason) == ("inconclusive", "no_data")


def test_a_minute_without_a_request_in_either_slot_is_no_data_of_both():
    account = Account()
    account.serve(1, "blue", good=90)
    account.serve(3, "green", good=10)
    samples = polled(account, source(account), 360.0)
    told = [(sample.stable and sample.stable.requests, sample.canary and sample.canary.requests) for sample in samples]
    assert told == [(0, 0), (None, None), (90, 0), (None, None), (90, 10)]


def test_a_slot_without_requests_beside_one_that_has_some_is_idle():
    account = Account()
    account.serve(1, "blue", good=90)
    account.seconds = 0.5
    one = source(account)
    one.read(0.5)
    account.seconds = 240.0
    sample = one.read(240.0)
    assert (sample.stable.requests, sample.canary.requests, sample.canary.bad["errors"]) == (90, 0, 0)


def test_what_the_balancer_answers_itself_belongs_to_the_slot_whose_answers_are_missing():
    account = Account()
    account.serve(1, "blue", good=90)
    account.serve(1, "green", good=2, bad=1, unanswered=7)
    account.put(1, "", "HTTPCode_ELB_5XX_Count", 7)
    account.seconds = 0.5
    one = source(account)
    one.read(0.5)
    account.seconds = 240.0
    sample = one.read(240.0)
    assert sample.canary.bad == {"errors": 8, "target_errors": 1, "elb_errors": 7}
    assert sample.stable.bad == {"errors": 0, "target_errors": 0, "elb_errors": 0}


def test_both_slots_together_bear_no_more_than_the_balancers_own_errors():
    counts = {("stable", "RequestCount"): 60.0, ("canary", "RequestCount"): 20.0, ("", "HTTPCode_ELB_5XX_Count"): 8.0}
    assert unanswered(counts) == {"stable": 6, "canary": 2}
    assert unanswered({**counts, ("", "HTTPCode_ELB_5XX_Count"): 0.0}) == {"stable": 0, "canary": 0}
    assert unanswered({**counts, ("", "HTTPCode_ELB_5XX_Count"): 500.0}) == {"stable": 60, "canary": 20}


def test_only_what_is_judged_is_asked_for():
    account = Account()
    account.seconds = 0.5
    one = source(account, edges=[0.5])
    one.choose(["target_errors", "latency>0.5"])
    one.read(0.5)
    account.seconds = 240.0
    one.read(240.0)
    queries = [query["MetricStat"] for query in account.calls[-1][1]["MetricDataQueries"]]
    assert [(one["Metric"]["MetricName"], one["Stat"]) for one in queries] == [
        ("RequestCount", "Sum"),
        ("HTTPCode_Target_5XX_Count", "Sum"),
        ("TargetResponseTime", "TC(0.5:)"),
    ] * 2


def test_slow_answers_are_counted_by_cloudwatch_beyond_each_edge():
    account = Account()
    account.serve(1, "green", good=10)
    account.put(1, "green", "TargetResponseTimeTC(0.25:)", 4)
    account.seconds = 0.5
    one = source(account, edges=[1, 0.25])
    assert one.metrics([])[1] == {"name": "latency", "edges": ["0.25", "1"], "margin": 0.02}
    one.read(0.5)
    account.seconds = 240.0
    bad = one.read(240.0).canary.bad
    assert (bad["latency>0.25"], bad["latency>1"]) == (4, 0)


def test_an_answer_in_pages_is_read_whole():
    account = Account()
    for minute in range(1, 5):
        account.serve(minute, "blue", good=90)
    account.seconds, account.points_a_page = 0.5, 3
    one = source(account)
    one.read(0.5)
    account.seconds = 600.0
    assert one.read(600.0).stable.requests == 360
    assert len(account.calls) > 1


@pytest.mark.parametrize("status", ["InternalError", "PartialData", "Forbidden"])
def test_an_answer_that_is_not_whole_is_none(status):
    account = Account()
    account.status = status
    with pytest.raises(SourceError, match=f"CloudWatch answers {status}"):
        source(account).describe()


def test_a_number_that_is_none_is_no_data_of_its_slot():
    account = Account()
    account.serve(1, "blue", good=90)
    account.serve(1, "green", good=9)
    account.put(1, "green", CODE.format(5), float("nan"))
    account.seconds = 0.5
    one = source(account)
    one.read(0.5)
    account.seconds = 240.0
    sample = one.read(240.0)
    assert (sample.canary, sample.stable.requests) == (None, 90)


def test_the_clock_is_cloudwatchs_own():
    account = Account()
    account.skew = -3600.0  # ours is an hour ahead
    for minute in range(-62, -55):
        account.serve(minute, "blue", good=90)
    one = source(account)
    one.describe()
    one.read(0.0)
    account.seconds = 60 * 4.0 + 1
    assert one.read(account.seconds).stable.requests == 90 * 2


def test_a_first_look_says_what_each_group_counted_lately_and_nothing_is_nothing():
    account = Account()
    account.seconds = 600.0
    for minute in range(5):
        account.serve(minute, "blue", good=90, bad=1)
    looks = source(account).describe()
    lines = [str(look) for look in looks if look.counter in ("requests", "errors")]
    assert lines == [
        "stable (blue): requests 455, 5m00s old",
        "stable (blue): errors 5, 5m00s old",
        "canary (green): requests has no data",
        "canary (green): errors has no data",
    ]
    assert "targetgroup/shop-blue/0123456789abcdef" in looks[0].query


def test_the_past_is_the_stable_slots_minutes():
    account = Account()
    account.seconds = 600.0
    for minute in range(10):
        account.serve(minute, "blue", good=89, bad=1)
    one = source(account)
    one.choose(["errors"])
    past = one.history(1800.0, 60.0)
    assert [(sample.stable.requests, sample.stable.bad["errors"]) for sample in past] == [
        (90.0 * n, float(n)) for n in range(1, 9)
    ]
    assert {sample.canary for sample in past} == {None}
    assert past[1].at - past[0].at == 60.0


def test_names_are_looked_up_and_a_balancer_is_found_by_its_groups():
    account = Account()
    account.groups = [
        {"TargetGroupName": f"shop-{slot}", "TargetGroupArn": arn, "LoadBalancerArns": [BALANCER]}
        for slot, arn in GROUPS.items()
    ]
    named = {arm: Place(place.slot, name=f"shop-{place.slot}") for arm, place in PLACES.items()}
    for places, options, asked in (
        (PLACES, {"load_balancer": None}, {"TargetGroupArns": list(GROUPS.values())}),
        (named, {"load_balancer": None}, {"Names": ["shop-blue", "shop-green"]}),
    ):
        account.calls.clear()
        source(account, places, **options).describe()
        assert account.calls[0] == ("describe_target_groups", asked)
    account.calls.clear()
    source(account, PLACES, load_balancer="shop-lb").describe()
    assert account.calls[0] == ("describe_load_balancers", {"Names": ["shop-lb"]})
    account.groups[0]["LoadBalancerArns"] = []
    account.groups[1]["LoadBalancerArns"] = []
    with pytest.raises(SourceError, match="behind 0 load balancers: name one in load_balancer"):
        source(account, named, load_balancer=None).describe()


@pytest.mark.parametrize(
    "named",
    [
        f"{ARN}listener/app/shop-lb/0123456789abcdef/0123456789abcdef",
        f"{ARN}listener-rule/app/shop-lb/0123456789abcdef/0123456789abcdef/0123456789abcdef",
        "app/shop-lb/0123456789abcdef",
    ],
)
def test_a_listener_a_rule_or_cloudwatchs_own_name_tell_the_balancer_without_a_call(named):
    account = Account()
    source(account, load_balancer=named).describe()
    assert [name for name, _asked in account.calls] == ["get_metric_data"]


def test_in_a_release_the_balancer_and_the_way_to_aws_are_those_of_the_traffic():
    listener = f"{ARN}listener/app/shop-lb/0123456789abcdef/0123456789abcdef"
    traffic = {"alb_traffic": {"listener_arn": listener, "region": "eu-central-1", "profile": "ops", "slots": GROUPS}}
    for given, region in (
        ("cloudwatch", "eu-central-1"),
        ({"cloudwatch": {}}, "eu-central-1"),
        ({"cloudwatch": {"aws_region": "us-east-1"}}, "us-east-1"),
    ):
        wanted = settings.parse(settings.beside({"source": given}, traffic))
        options = wanted.source_options
        assert (options["load_balancer"], options["region"], options["profile"]) == (
            "app/shop-lb/0123456789abcdef",
            region,
            "ops",
        )
    other = {"source": {"haproxy": {}}}
    assert settings.beside(other, traffic) is other


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"period": 7}, "period of the source cloudwatch is 60, as an ALB reports, or a multiple of it"),
        ({"delay": "soon"}, "delay of the source cloudwatch: 'soon' is not a duration"),
        ({"edges": [0]}, "edges of the source cloudwatch must be greater than 0"),
        ({"edegs": [1]}, "source cloudwatch of the gate: Unsupported parameters|edegs"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, said):
    with pytest.raises(SourceError, match=said):
        source(Account(), **options)


def test_a_slot_without_a_target_group_is_one_sentence():
    with pytest.raises(SourceError, match="does not know the target group of green: name it in slots"):
        source(Account(), {**PLACES, "canary": Place("green")})


def test_a_refusal_of_aws_is_the_sources_error():
    def refused(service: str, operation: str, **asked: t.Any) -> dict[str, t.Any]:
        raise ReleaseError("AWS cloudwatch get_metric_data: AccessDenied: not authorized")

    with pytest.raises(SourceError, match="AccessDenied: not authorized"):
        CloudWatch(settings.parse({"source": "cloudwatch"}).source_options, PLACES, refused).describe()
