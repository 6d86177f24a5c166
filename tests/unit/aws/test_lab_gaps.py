# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab behaves as AWS is documented to, where moto alone is kinder: one test for each closed gap."""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="the lab needs the Python package moto")
from botocore.exceptions import ClientError

from tests.lab.aws.cloud import Cloud
from tests.lab.aws.shop import Shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Cloud() as cloud:
        yield Shop(cloud, delay=1)


def refused(code: str, words: str) -> t.Any:
    return pytest.raises(ClientError, match=rf"\({code}\).*{words}")


def group(shop: Shop, name: str, **more: t.Any) -> t.Any:
    """Make an Auto Scaling group of 2 (1 to 3) with a template of its own, and return the client."""
    data = {"ImageId": shop.image("v1"), "InstanceType": "t3.micro"}
    shop.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    client = shop.cloud.client("autoscaling")
    client.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=1,
        MaxSize=3,
        DesiredCapacity=2,
        LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
        VPCZoneIdentifier=",".join(shop.subnets),
        **more,
    )
    return client


def test_targets_are_initial_then_healthy_and_draining_when_they_leave(shop: Shop) -> None:
    (target,) = shop.launch("blue", "v1")
    assert shop.states("blue")[target] == "initial"
    shop.wait_healthy("blue", 1)
    shop.elbv2.deregister_targets(TargetGroupArn=shop.groups["blue"], Targets=[{"Id": target}])
    assert shop.states("blue")[target] == "draining"
    shop.cloud.wait("drained", lambda: target not in shop.states("blue"))


def test_a_target_whose_health_check_fails_is_unhealthy_with_the_reason(shop: Shop) -> None:
    (target,) = shop.launch("green", "v2", options="--unhealthy")

    def health() -> dict[str, str]:
        answer = shop.elbv2.describe_target_health(TargetGroupArn=shop.groups["green"])
        found = {one["Target"]["Id"]: one["TargetHealth"] for one in answer["TargetHealthDescriptions"]}
        return t.cast("dict[str, str]", found.get(target, {}))

    # Until its process listens, the checks fail for another reason.
    shop.cloud.wait("unhealthy", lambda: health().get("Reason") == "Target.ResponseCodeMismatch")
    assert health() == {
        "State": "unhealthy",
        "Reason": "Target.ResponseCodeMismatch",
        "Description": "Health checks failed with these codes: [503]",
    }


def test_a_target_group_that_nothing_refers_to_is_unused(shop: Shop) -> None:
    arn = shop.group("nobodys", kind="ip")
    shop.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": 9}])
    (one,) = shop.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    assert (one["TargetHealth"]["State"], one["TargetHealth"]["Reason"]) == ("unused", "Target.NotInUse")


@pytest.mark.parametrize("weight", [-1, 1000])
def test_a_weight_outside_0_to_999_is_refused(shop: Shop, weight: int) -> None:
    with refused("ValidationError", "must be between 0 and 999"):
        shop.elbv2.modify_listener(ListenerArn=shop.listener, DefaultActions=[shop.forward(weight, 0)])


def test_an_unknown_target_group_is_refused(shop: Shop) -> None:
    action = {"Type": "forward", "TargetGroupArn": shop.groups["blue"] + "f"}
    with refused("TargetGroupNotFound", "not found"):
        shop.elbv2.modify_listener(ListenerArn=shop.listener, DefaultActions=[action])
    assert shop.weights() == [100, 0]


def test_a_desired_size_outside_min_and_max_is_refused(shop: Shop) -> None:
    client = group(shop, "sized")
    with refused("ValidationError", "value 0 is below min value 1"):
        client.set_desired_capacity(AutoScalingGroupName="sized", DesiredCapacity=0)
    with refused("ValidationError", "value 4 is above max value 3"):
        client.set_desired_capacity(AutoScalingGroupName="sized", DesiredCapacity=4)
    with refused("ValidationError", "must be between the specified min size:1 and max size:3"):
        client.update_auto_scaling_group(AutoScalingGroupName="sized", DesiredCapacity=0)


def test_a_launch_template_version_must_exist(shop: Shop) -> None:
    client = group(shop, "versioned")
    template = {"LaunchTemplateName": "versioned", "Version": "9"}
    with refused("ValidationError", "version 9 does not exist"):
        client.update_auto_scaling_group(AutoScalingGroupName="versioned", LaunchTemplate=template)


def test_a_version_takes_what_it_does_not_say_from_its_source_and_a_token_makes_one_only(shop: Shop) -> None:
    data = {"ImageId": shop.image("v1"), "InstanceType": "t3.micro"}
    shop.ec2.create_launch_template(LaunchTemplateName="sourced", LaunchTemplateData=data)
    asked: dict[str, t.Any] = {
        "LaunchTemplateName": "sourced",
        "SourceVersion": "1",
        "ClientToken": "once",
        "LaunchTemplateData": {"ImageId": shop.image("v2")},
    }
    answers = [shop.ec2.create_launch_template_version(**asked)["LaunchTemplateVersion"] for _turn in (1, 2)]
    assert [answer["VersionNumber"] for answer in answers] == [2, 2]
    assert answers[0]["LaunchTemplateData"]["InstanceType"] == "t3.micro"


def test_a_table_has_an_id(shop: Shop) -> None:
    client = shop.cloud.client("dynamodb")
    made = client.create_table(
        TableName="lab",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]
    assert made["TableId"] == client.describe_table(TableName="lab")["Table"]["TableId"]


def test_a_metric_is_found_by_all_its_dimensions_only(shop: Shop) -> None:
    client, now = shop.cloud.client("cloudwatch"), datetime.datetime.now(datetime.UTC)
    pair = [{"Name": "LoadBalancer", "Value": "app/x/1"}, {"Name": "TargetGroup", "Value": "targetgroup/y/2"}]
    client.put_metric_data(
        Namespace="Lab", MetricData=[{"MetricName": "RequestCount", "Value": 5, "Timestamp": now, "Dimensions": pair}]
    )
    window = {"StartTime": now - datetime.timedelta(minutes=2), "EndTime": now + datetime.timedelta(minutes=2)}
    found = [
        client.get_metric_statistics(
            Namespace="Lab", MetricName="RequestCount", Dimensions=pair[:n], Period=60, Statistics=["Sum"], **window
        )["Datapoints"]
        for n in (1, 2)
    ]
    assert (found[0], [point["Sum"] for point in found[1]]) == ([], [5.0])
