# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's CloudWatch says what an ALB counts: requests, answers of targets by family and time, and its own 5xx."""

from __future__ import annotations

import datetime
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="the lab needs the Python package moto")
from tests.lab.aws.cloud import Cloud, dimension
from tests.lab.aws.shop import Shop


def ask(url: str) -> int:
    """Return the status of one answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return t.cast(int, answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def counted(cloud: Cloud, metric: str, dimensions: t.Mapping[str, str], stat: str = "Sum") -> float:
    """Return what CloudWatch has of a metric, added up over the last minutes."""
    now = datetime.datetime.now(datetime.UTC)
    query = {
        "Metric": {
            "Namespace": "AWS/ApplicationELB",
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        },
        "Period": 60,
        "Stat": stat,
    }
    answer = cloud.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "q", "MetricStat": query}],
        StartTime=now - datetime.timedelta(minutes=3),
        EndTime=now + datetime.timedelta(minutes=1),
    )
    return sum(answer["MetricDataResults"][0]["Values"])


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Cloud(latencies=True) as cloud:
        yield Shop(cloud)


def test_a_5xx_of_the_balancer_is_counted_for_the_balancer_only_and_no_answer_of_a_target(shop: Shop) -> None:
    # Nobody listens there, so it is unhealthy; and where no target is healthy all get requests.
    dead = shop.group("dead", kind="ip")
    shop.elbv2.register_targets(TargetGroupArn=dead, Targets=[{"Id": "127.16.255.1", "Port": shop.port}])
    listener = shop.elbv2.create_listener(
        LoadBalancerArn=shop.balancer,
        Port=81,
        Protocol="HTTP",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": dead}],
    )["Listeners"][0]["ListenerArn"]

    def states() -> list[str]:
        answer = shop.elbv2.describe_target_health(TargetGroupArn=dead)["TargetHealthDescriptions"]
        return [one["TargetHealth"]["State"] for one in answer]

    shop.cloud.wait("unhealthy", lambda: states() == ["unhealthy"])
    assert {ask(f"{shop.cloud.url(listener)}/") for _turn in range(7)} == {503}
    balancer = {"LoadBalancer": dimension(shop.balancer)}
    group = {**balancer, "TargetGroup": dimension(dead)}
    shop.cloud.wait("published", lambda: counted(shop.cloud, "HTTPCode_ELB_5XX_Count", balancer) == 7)
    assert counted(shop.cloud, "RequestCount", group) == 7
    for metric in ("HTTPCode_Target_5XX_Count", "HTTPCode_Target_2XX_Count", "HTTPCode_ELB_5XX_Count"):
        assert counted(shop.cloud, metric, group) == 0
    assert counted(shop.cloud, "TargetResponseTime", group, "SampleCount") == 0


def test_answers_of_targets_are_counted_by_family_and_slow_ones_by_their_time(shop: Shop) -> None:
    cloud = shop.cloud
    shop.launch("blue", "v1", options="--slow 0.15")
    shop.wait_healthy("blue", 1)
    assert {ask(f"{shop.url}/") for _turn in range(5)} == {200}
    assert ask(f"{shop.url}/nowhere") == 404
    blue = {"LoadBalancer": dimension(shop.balancer), "TargetGroup": dimension(shop.groups["blue"])}
    cloud.wait("published", lambda: counted(cloud, "HTTPCode_Target_2XX_Count", blue) == 5)
    cloud.wait("404 too", lambda: counted(cloud, "HTTPCode_Target_4XX_Count", blue) == 1)
    cloud.wait("timed", lambda: counted(cloud, "TargetResponseTime", blue, "SampleCount") == 6)
    assert counted(cloud, "TargetResponseTime", blue, "TC(0.1:)") >= 5
    assert counted(cloud, "TargetResponseTime", blue, "TC(5:)") == 0
