# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Auto Scaling group as described by AWS means for a release."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import groups
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.groups import Bounds, Kept
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused

Raw = dict[str, t.Any]


def described(**more: t.Any) -> Raw:
    return {
        "AutoScalingGroupName": "shop-green",
        "MinSize": 1,
        "MaxSize": 4,
        "DesiredCapacity": 2,
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
        "TargetGroupARNs": ["arn:green"],
        "Instances": [],
        **more,
    }


def member(lifecycle: str = "InService", health: str = "Healthy") -> Raw:
    version = {"LaunchTemplateId": "lt-1", "Version": "3"}
    return {
        "InstanceId": "i-1",
        "AvailabilityZone": "eu-central-1a",
        "LifecycleState": lifecycle,
        "HealthStatus": health,
        "LaunchTemplate": version,
    }


def target(state: str, reason: str = "", description: str = "") -> Raw:
    return {"State": state, "Reason": reason, "Description": description}


HEALTHY = target("healthy")
FAILING = target("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]")
INITIAL = target("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")


@pytest.mark.parametrize(
    ("lifecycle", "targets", "patient", "state", "why"),
    [
        ("Pending", [], False, "starting", "is not in service yet (Pending)"),
        ("Pending:Wait", [HEALTHY], False, "starting", "is not in service yet (Pending:Wait)"),
        ("InService", [], False, "starting", "is not registered with its target group yet"),
        ("InService", [INITIAL], False, "starting", "Initial health checks in progress (Elb.InitialHealthChecking)"),
        ("InService", [HEALTHY], False, "ready", "is healthy"),
        ("InService", [HEALTHY, INITIAL], False, "starting", "is initial"),
        ("InService", [FAILING], True, "starting", "failed with these codes: [500]"),
        ("InService", [FAILING], False, "failed", "failed with these codes: [500] (Target.ResponseCodeMismatch)"),
        ("InService", [HEALTHY, FAILING], False, "failed", "is unhealthy"),
        ("Standby", [HEALTHY], False, "starting", "is not in service yet (Standby)"),
        ("Terminating", [HEALTHY], False, "stopping", "is on its way out (Terminating)"),
        ("Terminating:Wait", [], True, "stopping", "is on its way out (Terminating:Wait)"),
    ],
)
def test_an_instance_is_ready_when_it_is_in_service_and_every_target_group_calls_it_healthy(
    lifecycle: str, targets: list[Raw], patient: bool, state: str, why: str
) -> None:
    found = groups.instance(member(lifecycle), targets, patient)
    assert (found.id, found.revision, found.state) == ("i-1", "3", state)
    assert why in found.why


def test_an_instance_that_its_group_will_replace_is_not_ready() -> None:
    assert groups.instance(member(health="Unhealthy"), [HEALTHY], False).state == "failed"


def test_a_target_group_that_nothing_uses_will_never_be_healthy() -> None:
    reason = "Target group is not configured to receive traffic from the load balancer"
    assert reason in groups.unused([HEALTHY, target("unused", "Target.NotInUse", reason)])
    assert not groups.unused([HEALTHY, FAILING, target("unused", "Target.NotRegistered", "gone")])


def activity(number: int, status: str, message: str = "") -> Raw:
    return {"ActivityId": f"a{number}", "StatusCode": status, "StatusMessage": message}


QUOTA = activity(4, "Failed", "You have requested more vCPU capacity than your current vCPU limit of 32 allows.")
FULL = "We currently do not have sufficient t3.micro capacity in the Availability Zone you requested"


def test_a_launch_that_failed_since_the_order_is_told_in_awss_own_words() -> None:
    old = [activity(2, "Failed", "an older one"), activity(1, "Successful")]
    assert groups.launch_failure([QUOTA, activity(3, "InProgress"), *old], "a2").endswith("limit of 32 allows.")
    assert groups.launch_failure([activity(3, "InProgress"), *old], "a2") == ""
    assert groups.launch_failure([], "none") == ""
    assert groups.launch_failure([QUOTA], "none") != ""


def test_a_zone_without_capacity_is_a_failure_only_when_it_goes_on() -> None:
    assert groups.launch_failure([activity(n, "Failed", FULL) for n in (2, 1)], "a0") == ""
    assert FULL in groups.launch_failure([activity(n, "Failed", FULL) for n in (3, 2, 1)], "a0")


@pytest.mark.parametrize(
    "kept", [Kept(Bounds(1, 4, 2)), Kept(Bounds(0, 10, 3), "5f0e-1", groups.PROCESSES), Kept(Bounds(0, 1, 1), "none")]
)
def test_what_is_kept_fits_a_tag_and_comes_back_from_it(kept: Kept) -> None:
    assert groups.kept(kept.text()) == kept
    assert len(kept.text()) < 256
    assert "," not in kept.text(), "AWS refuses it in a tag"


@pytest.mark.parametrize("text", ["", "min=1", "min=x max=2 desired=1", "by hand"])
def test_a_tag_that_is_not_of_ours_keeps_nothing(text: str) -> None:
    assert groups.kept(text) is None


def test_a_group_is_read_with_what_a_release_wrote_into_its_tags() -> None:
    tags = [
        {"Key": groups.KEPT, "Value": "min=1 max=4 desired=2"},
        {"Key": groups.STAGED, "Value": "3 0123abcd shop 1.4.2"},
        {"Key": "Name", "Value": "shop"},
    ]
    group = groups.parse(described(Tags=tags, MinSize=2, HealthCheckGracePeriod=60))
    assert (group.bounds, group.whole) == (Bounds(2, 4, 2), Bounds(1, 4, 2))
    assert (group.staged.version, group.staged.revision, group.grace) == ("3", "shop 1.4.2", 60.0)
    assert groups.parse(described()).staged.revision == ""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"LaunchTemplate": None}, "no launch template of its own"),
        ({"TargetGroupARNs": []}, "attached to no target group"),
    ],
)
def test_a_group_that_cannot_be_a_slot_is_refused(change: Raw, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        groups.parse(described(**change))


def test_a_target_group_may_be_attached_as_a_traffic_source_and_a_warm_pool_is_no_fleet() -> None:
    sources = [{"Identifier": "arn:green", "Type": "elbv2"}, {"Identifier": "arn:lattice", "Type": "vpc-lattice"}]
    group = groups.parse(
        described(TargetGroupARNs=[], TrafficSources=sources, Instances=[member("Warmed:Stopped"), member()])
    )
    assert group.target_groups == ("arn:green",)
    assert [one["LifecycleState"] for one in group.instances] == ["InService"]
