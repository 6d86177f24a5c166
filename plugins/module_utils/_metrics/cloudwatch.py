# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source C(cloudwatch): what an ALB counted for each target group, minute by minute, one GetMetricData a poll.

CloudWatch is one to three minutes late, and an ALB reports nothing where nothing happened. So a minute counts once it
is C(delay) over, for both slots at once, and only if one of them had requests in it: with none in either, nobody can
tell a quiet minute from a lost one, and that is no data. Minutes are read again while they may still change.
"""

from __future__ import annotations

import math
import time
import typing as t
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import auth
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    Look,
    Places,
    Source,
    SourceError,
)

NAMESPACE = "AWS/ApplicationELB"
REQUESTS = "RequestCount"
ANSWERS = tuple(f"HTTPCode_Target_{first}XX_Count" for first in (2, 3, 4, 5))
TARGET_5XX = ANSWERS[-1]
ELB_5XX = "HTTPCode_ELB_5XX_Count"
RESPONSE_TIME = "TargetResponseTime"

# What is counted as bad: all failures, and its two parts for those who want only one.
ERRORS, TARGET_ERRORS, ELB_ERRORS = "errors", "target_errors", "elb_errors"
LATENCY = "latency"
LATENCY_MARGIN = 0.02

RECENT = 15 * 60.0  # what a first look shows
REVISED = 15 * 60.0  # how long a minute is read again
LATEST = 10 * 60.0  # no delay is learnt beyond it
SKEW = 5.0  # seconds that this machine's clock and CloudWatch's may differ unnoticed

Call = t.Callable[..., dict[str, t.Any]]
Key = tuple[str, str]  # arm (empty: the whole load balancer) and metric, with its statistic where it is no sum
Minutes = dict[float, dict[Key, float]]


class CloudWatch(Source):
    """Requests, 5xx answers and slow answers of both target groups of an ALB.

    C(call) makes an API call (C(service, operation, **arguments)), C(clock) tells epoch seconds; both are for tests.
    """

    name = "cloudwatch"
    late = True
    spec: t.ClassVar[dict[str, t.Any]] = {
        **auth.SPEC,
        "load_balancer": {"type": "str"},
        "edges": {"type": "list", "elements": "float", "default": []},
        "delay": {"type": "str", "default": "2m"},
        "period": {"type": "int", "default": 60},
    }

    def __init__(
        self,
        options: t.Mapping[str, t.Any],
        places: Places,
        call: t.Optional[Call] = None,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self._options, self._places, self._clock = options, places, clock
        self._call = call or _calls(options)
        self._period = float(options["period"])
        if self._period not in (1, 5, 10, 20, 30) and (self._period < 60 or self._period % 60):
            raise SourceError("period of the source cloudwatch is 60, as an ALB reports, or a multiple of it")
        try:
            self._delay = duration.seconds(options["delay"])
        except ValueError as error:
            raise SourceError(f"delay of the source cloudwatch: {error}") from None
        edges = sorted(options["edges"])
        if edges and edges[0] <= 0:
            raise SourceError("edges of the source cloudwatch must be greater than 0")
        for place in places.values():
            if not place.name:
                raise SourceError(
                    f"the source cloudwatch does not know the target group of {place.slot}: name it in slots"
                )
        self._slow = {f"{LATENCY}>{edge:g}": f"{RESPONSE_TIME} TC({edge:g}:)" for edge in edges}
        self._counters = [ERRORS, TARGET_ERRORS, ELB_ERRORS, *self._slow]
        self._dimensions: dict[str, list[dict[str, str]]] = {}
        self._ahead = 0.0  # of CloudWatch's clock before ours
        self._start: t.Optional[float] = None
        self._taken = -math.inf  # until when minutes were handed out
        self._settled = -math.inf
        self._minutes: Minutes = {}
        self._least: dict[tuple[str, str], float] = {}

    @property
    def resolution(self) -> float:
        return self._period

    def next(self, now: float, interval: float) -> float:
        """Return when the next minute is over for long enough."""
        waited = (self._now() - self._delay) % self._period
        return now + max(0.0, interval - self._period) + self._period - waited

    def counters(self) -> list[str]:
        return self._counters

    def metrics(self, history: t.Sequence[Sample]) -> list[dict[str, t.Any]]:
        edges = [name.partition(">")[2] for name in self._counters if name in self._slow]
        latency = [{"name": LATENCY, "edges": edges, "margin": LATENCY_MARGIN}] if edges else []
        return [{"name": ERRORS}, *latency]

    def choose(self, counters: t.Collection[str]) -> None:
        super().choose(counters)
        self._counters = [name for name in self._counters if name in counters]

    def read(self, at: float) -> t.Optional[Sample]:
        now = self._now()
        if self._start is None:
            # The minute of the shift itself holds requests from before it, such as those of a smoke test.
            self._start = self._taken = math.ceil(now / self._period) * self._period
            self._settled = self._boundary(now)
            nothing = Arm(0.0, dict.fromkeys(self._counters, 0.0))
            return Sample(at, nothing, nothing)
        settled = self._boundary(now)
        if settled <= max(self._start, self._settled):
            return None
        self._read(max(self._start, settled - REVISED - self._period))
        self._settled = settled
        reported = [minute for minute in self._minutes if self._reported(minute) and minute < settled]
        until = max(reported, default=-math.inf) + self._period
        if until <= self._taken:
            return Sample(at - (now - self._taken), None, None)
        self._taken = until
        arms = self._arms({minute: counts for minute, counts in self._minutes.items() if minute < until})
        return Sample(at - (now - until), arms[ARMS[0]], arms[ARMS[1]])

    def describe(self) -> list[Look]:
        since = self._boundary(self._now()) - RECENT
        minutes = self._ask(since)
        looks = []
        for arm, place in self._places.items():
            mine = {minute: counts for minute, counts in minutes.items() if (arm, REQUESTS) in counts}
            totals = self._totals(minutes)[arm] if mine else None
            age = self._now() - max(mine) - self._period if mine else None
            words = f"{NAMESPACE} of {', '.join(one['Value'] for one in self._dimensions[arm])}, the last 15 minutes"
            for counter in (REQUESTS, *self._counters):
                value = None if totals is None else totals[counter]
                looks.append(
                    Look(arm, place.slot, "requests" if counter == REQUESTS else counter, words, 1, value, age)
                )
        return looks

    def history(self, seconds: float, step: float) -> list[Sample]:
        until = self._boundary(self._now())
        minutes = self._ask(until - seconds)
        samples, sums = [], dict.fromkeys((REQUESTS, *self._counters), 0.0)
        for minute in sorted(minute for minute in minutes if minute < until):
            for name, value in self._totals({minute: minutes[minute]})[ARMS[0]].items():
                sums[name] += value
            bad = {name: sums[name] for name in self._counters}
            samples.append(Sample(minute + self._period, Arm(sums[REQUESTS], bad), None))
        return samples

    # Time

    def _now(self) -> float:
        """Return epoch seconds on CloudWatch's clock."""
        return self._clock() + self._ahead

    def _boundary(self, now: float) -> float:
        """Return the end of the last minute that is over for long enough."""
        return math.floor((now - self._delay) / self._period) * self._period

    # Counting

    def _reported(self, minute: float) -> bool:
        return any((arm, REQUESTS) in self._minutes[minute] for arm in ARMS)

    def _read(self, since: float) -> None:
        """Read the minutes from C(since) on again; what was believed to be whole and was not makes us wait longer."""
        answer = self._ask(since)
        revised = any(
            self._minutes[minute] != counts
            for minute, counts in answer.items()
            if minute in self._minutes and minute < self._taken
        )
        late = any(minute not in self._minutes for minute in answer if minute < self._taken)
        if revised or late:
            self._delay = min(self._delay + self._period, max(self._delay, LATEST))
        self._minutes.update(answer)

    def _arms(self, minutes: Minutes) -> dict[str, t.Optional[Arm]]:
        """Return the counts of both slots since the start; None where a number is none."""
        found: dict[str, t.Optional[Arm]] = {}
        for arm, totals in self._totals(minutes).items():
            if not all(math.isfinite(value) and value >= 0 for value in totals.values()):
                found[arm] = None
                continue
            for name, value in totals.items():
                # An answer that comes late may show that fewer were unanswered; a fall would be taken for a restart.
                self._least[arm, name] = totals[name] = max(value, self._least.get((arm, name), 0.0))
            found[arm] = Arm(totals[REQUESTS], {name: totals[name] for name in self._counters})
        return found

    def _totals(self, minutes: Minutes) -> dict[str, dict[str, float]]:
        sums = {arm: dict.fromkeys((REQUESTS, *self._counters), 0.0) for arm in ARMS}
        for counts in minutes.values():
            lost = unanswered(counts)
            for arm in ARMS:
                target = counts.get((arm, TARGET_5XX), 0.0)
                each = {REQUESTS: counts.get((arm, REQUESTS), 0.0), ERRORS: target + lost[arm]}
                each.update({TARGET_ERRORS: target, ELB_ERRORS: lost[arm]})
                each.update({name: counts.get((arm, metric), 0.0) for name, metric in self._slow.items()})
                for name in sums[arm]:
                    sums[arm][name] += each[name]
        return sums

    # Asking

    def _ask(self, since: float) -> Minutes:
        """Return what each minute from C(since) on counted, as far as CloudWatch has it."""
        dimensions = self._dimensions or self._find()
        keys = self._keys()
        queries = [
            {
                "Id": f"q{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": NAMESPACE,
                        "MetricName": metric.split()[0],
                        "Dimensions": dimensions[arm],
                    },
                    "Period": int(self._period),
                    "Stat": (metric.split()[1:] or ["Sum"])[0],
                },
            }
            for number, (arm, metric) in enumerate(keys)
        ]
        window = {"StartTime": _utc(since), "EndTime": _utc(self._now() + self._period)}
        minutes: Minutes = {}
        status: dict[str, str] = {}
        more: dict[str, str] = {}
        while True:
            answer = self._made(
                "cloudwatch",
                "get_metric_data",
                MetricDataQueries=queries,
                ScanBy="TimestampAscending",
                **window,
                **more,
            )
            for result in answer["MetricDataResults"]:
                key = keys[int(result["Id"][1:])]
                status[result["Id"]] = str(result.get("StatusCode") or "Complete")
                for moment, value in zip(result["Timestamps"], result["Values"]):
                    minute = math.floor(moment.timestamp() / self._period) * self._period
                    minutes.setdefault(minute, {})[key] = float(value)
            if not answer.get("NextToken"):
                break
            more = {"NextToken": answer["NextToken"]}
        self._set_clock(answer)
        wrong = sorted({word for word in status.values() if word != "Complete"})
        if wrong:
            said = "; ".join(str(one.get("Value")) for one in answer.get("Messages") or [])
            raise SourceError(f"CloudWatch answers {' and '.join(wrong)}{f': {said}' if said else ''}")
        return minutes

    def _keys(self) -> list[Key]:
        """Return what is asked for: of the load balancer itself only what no target group has."""
        elb = {ERRORS, ELB_ERRORS} & set(self._counters)
        metrics = [REQUESTS, *(ANSWERS if elb else (TARGET_5XX,))]
        metrics += [metric for name, metric in self._slow.items() if name in self._counters]
        return [(arm, metric) for arm in ARMS for metric in metrics] + ([("", ELB_5XX)] if elb else [])

    def _set_clock(self, answer: t.Mapping[str, t.Any]) -> None:
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        try:
            told = parsedate_to_datetime(headers["date"]).timestamp()
        except (KeyError, TypeError, ValueError):
            return
        if abs(told - self._now()) > SKEW:
            self._ahead = told - self._clock()

    def _find(self) -> dict[str, list[dict[str, str]]]:
        """Return CloudWatch's names of load balancer and target groups; asks for those that their ARNs do not tell."""
        groups = {arm: place.name for arm, place in self._places.items()}
        balancer = load_balancer(str(self._options.get("load_balancer") or ""))
        unknown = [name for name in groups.values() if "targetgroup/" not in name]
        if unknown or not balancer:
            arns = [name for name in groups.values() if name.startswith("arn:")]
            which = {"Names": unknown} if unknown else {"TargetGroupArns": arns}
            found = self._made("elbv2", "describe_target_groups", **which)["TargetGroups"]
            known = {group["TargetGroupName"]: group["TargetGroupArn"] for group in found}
            groups = {arm: known.get(name, name) for arm, name in groups.items()}
            behind = sorted({arn for group in found for arn in group.get("LoadBalancerArns") or []})
            if not balancer and len(behind) != 1:
                raise SourceError(
                    f"the target groups are behind {len(behind)} load balancers: name one in load_balancer of the "
                    "source cloudwatch"
                )
            balancer = balancer or load_balancer(behind[0])
        if "/" not in balancer:
            found = self._made("elbv2", "describe_load_balancers", Names=[balancer])["LoadBalancers"]
            balancer = load_balancer(found[0]["LoadBalancerArn"])
        names = {
            arm: {"LoadBalancer": balancer, "TargetGroup": name.rpartition(":")[2]} for arm, name in groups.items()
        }
        names[""] = {"LoadBalancer": balancer}
        self._dimensions = {
            arm: [{"Name": name, "Value": value} for name, value in each.items()] for arm, each in names.items()
        }
        return self._dimensions

    def _made(self, service: str, operation: str, **arguments: t.Any) -> dict[str, t.Any]:
        try:
            return self._call(service, operation, **arguments)
        except ReleaseError as error:
            raise SourceError(str(error)) from error


def unanswered(counts: t.Mapping[Key, float]) -> dict[str, float]:
    """Return how many of one minute's requests of each slot the load balancer itself had to answer with a 5xx.

    An ALB counts its own 5xx for the whole load balancer only. But a request that it gave to a target group and that no
    target answered is missing among the answers of that group. So each slot bears what is missing there, and both
    together no more than the load balancer's own 5xx: a client that hung up, or a WebSocket, is missing too.
    """
    own = counts.get(("", ELB_5XX), 0.0)
    missing = {
        arm: max(0.0, counts.get((arm, REQUESTS), 0.0) - sum(counts.get((arm, answer), 0.0) for answer in ANSWERS))
        for arm in ARMS
    }
    total = sum(missing.values())
    if total <= own or not total:
        return missing
    return {arm: math.floor(own * each / total) for arm, each in missing.items()}


def load_balancer(name: str) -> str:
    """Return C(app/NAME/ID) for the ARN of a load balancer, or of a listener or rule of it; other names as they are."""
    end = name.rpartition(":")[2]
    kind, slash, rest = end.partition("/")
    if slash and kind in ("loadbalancer", "listener", "listener-rule"):
        return "/".join(rest.split("/")[:3])
    return end


def behind(traffic: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return C(options) of this source, with what C(alb_traffic) says of the account and the load balancer."""
    named = [str(traffic[name]) for name in ("listener_arn", "rule_arn", "load_balancer") if traffic.get(name)]
    taken: dict[str, t.Any] = {"load_balancer": load_balancer(named[0])} if named else {}
    for name, option in auth.SPEC.items():
        for known in (name, *option.get("aliases", [])):
            if traffic.get(known) not in (None, ""):
                taken[name] = traffic[known]
    said = {name for name, option in auth.SPEC.items() if {name, *option.get("aliases", [])} & set(options)}
    return {**{name: value for name, value in taken.items() if name not in said}, **options}


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _calls(options: t.Mapping[str, t.Any]) -> Call:
    """Return what makes API calls; boto3 is imported by the first one, as most gates read something else."""
    services: dict[str, t.Any] = {}

    def call(service: str, operation: str, **arguments: t.Any) -> dict[str, t.Any]:
        from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.session import Service

        if service not in services:
            services[service] = Service(options, service)
        return t.cast("dict[str, t.Any]", services[service].call(operation, **arguments))

    return call
