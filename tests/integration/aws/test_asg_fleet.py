# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots as Auto Scaling groups, in the lab: what is staged, what ends a wait early, and that nothing stays behind."""

from __future__ import annotations

import contextlib
import time
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError

pytest.importorskip("moto", reason="needs the Python package moto")

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import fleet as aws_fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.fleet import AsgFleet

from tests.lab.aws.cloud import Cloud
from tests.lab.aws.grouped import Grouped
from tests.lab.aws.shop import Shop

DEADLINE = 30.0
PROCESSES = ["AZRebalance", "ReplaceUnhealthy"]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


@pytest.fixture
def shop(cloud: Cloud) -> Grouped:
    return Grouped(Shop(cloud))


def driver(shop: Grouped, **options: t.Any) -> AsgFleet:
    return AsgFleet({"template_data": {}, **shop.options, **options})


def ask(shop: Grouped, params: dict[str, t.Any], wait: float | None = DEADLINE, **options: t.Any) -> dict[str, t.Any]:
    place = _fleet.Here(driver(shop, **options))
    return _fleet.run([place], params, None if wait is None else _fleet.Wait(wait))


def stage(shop: Grouped, revision: str, slot: str = "green", program: str = "", **more: t.Any) -> dict[str, t.Any]:
    ami = shop.ami(revision, program)
    return ask(shop, {"slot": slot, "state": "staged", "revision": revision, "weight": 0}, ami=ami, **more)


def retire(shop: Grouped, slot: str, weight: int = 0, **more: t.Any) -> dict[str, t.Any]:
    return ask(shop, {"slot": slot, "state": "retired", "weight": weight}, None, **more)


def test_tags_and_versions_of_releases_are_listed_as_ours(shop: Grouped) -> None:
    assert _fleet.observe(driver(shop), owned=True)["owned"] == []
    stage(shop, "v2")
    listed = {(thing["kind"], thing["name"]) for thing in _fleet.observe(driver(shop), owned=True)["owned"]}
    names = [("tag", f"{shop.names[slot]}: zerodowntime:kept") for slot in ("blue", "green")]
    assert {*names, ("tag", f"{shop.names['green']}: zerodowntime:staged")} < listed
    assert [name.endswith(" version 2") for kind, name in listed if kind == "launch template version"] == [True]


def test_a_revision_is_staged_in_as_many_instances_as_serve_by_a_version_pinned_by_number(shop: Grouped) -> None:
    shop.autoscaling.set_desired_capacity(AutoScalingGroupName=shop.names["blue"], DesiredCapacity=3)
    result = stage(shop, "v2")
    green = result["slots"]["green"]
    assert (result["capacity"], green["ready"], green["revision"]) == (3, 3, "v2")
    assert {one["revision"] for one in green["instances"]} == {"2"}
    assert (shop.pinned("green"), shop.pinned("blue")) == ("2", "1")
    assert shop.versions()[2] == {"ImageId": shop.ami("v2"), "InstanceType": "t3.micro"}, "the rest is that of blue"
    assert shop.size("blue") == (3, 4, 3), "the way back does not shrink, and may grow"
    assert (shop.suspended("green"), shop.suspended("blue")) == ([], [])


def test_a_second_call_changes_nothing_and_needs_no_dear_client(shop: Grouped) -> None:
    stage(shop, "v2")
    before = (shop.group("green"), shop.group("blue"))
    shop.calls()
    again = stage(shop, "v2")
    assert not again["changed"]
    assert (shop.group("green"), shop.group("blue")) == before
    assert all(call.startswith("Describe") for call in shop.calls())
    assert len(shop.versions()) == 2


def test_check_mode_changes_nothing_and_says_what_would(shop: Grouped) -> None:
    shop.ami("v2")
    shop.calls()
    params = {"slot": "green", "state": "staged", "revision": "v2", "weight": 0}
    result = _fleet.run([_fleet.Here(driver(shop, ami=shop.ami("v2")), check_mode=True)], params, None)
    assert result["changed"]
    assert result["diff"][0]["after"] == f"2 x v2 ({shop.ami('v2')})\n"
    assert all(call.startswith("Describe") for call in shop.calls())


def test_the_group_that_stays_gets_its_bounds_back_and_no_tag_is_left(shop: Grouped) -> None:
    stage(shop, "v2")
    assert shop.tags("blue") == {"kept": "min=1 max=4 desired=2"}
    shop.calls()
    assert retire(shop, "blue")["changed"]
    assert "DescribeLaunchTemplateVersions" not in shop.calls()
    assert (shop.size("blue"), shop.size("green")) == ((0, 4, 0), (1, 4, 2)), "green serves as blue did"
    assert list(shop.tags("green")) == ["staged"]
    assert shop.tags("blue") == {}
    assert not retire(shop, "blue")["changed"]
    # And the way round again: what was staged first stands already as a version.
    shop.cloud.wait("blue is empty", lambda: not shop.group("blue")["Instances"])
    stage(shop, "v1", "blue")
    assert (shop.pinned("blue"), len(shop.versions())) == ("1", 2)


def test_a_taken_back_canary_leaves_the_stable_group_as_it_was(shop: Grouped) -> None:
    before = shop.size("blue")
    stage(shop, "v2")
    retire(shop, "green")
    assert (shop.size("blue"), shop.size("green")) == (before, (0, 4, 0))
    assert shop.tags("blue") == {}


def test_what_gets_requests_is_not_taken_away(shop: Grouped) -> None:
    with pytest.raises(Refused, match="blue gets 100 % of the requests and has 2 instances"):
        retire(shop, "blue", weight=100)
    assert shop.size("blue") == (1, 4, 2)


QUOTA = "You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket"


def test_a_launch_that_fails_ends_the_wait_early_with_awss_own_reason(shop: Grouped) -> None:
    shop.cloud.problem_of_launches = QUOTA
    began = time.monotonic()
    with pytest.raises(ReleaseError, match="green: AWS cannot launch an instance: You have requested more vCPU"):
        stage(shop, "v2")
    assert time.monotonic() - began < DEADLINE / 2
    assert shop.suspended("green") == [], "resumed, though the wait failed"
    shop.cloud.problem_of_launches = None
    retire(shop, "green")
    # What failed before is not held against a later try.
    assert stage(shop, "v2")["slots"]["green"]["ready"] == 2


def test_an_unhealthy_instance_ends_the_wait_early_with_its_reason(shop: Grouped) -> None:
    with pytest.raises(ReleaseError, match=r"is unhealthy: Health checks failed with these codes: \[503\]"):
        stage(shop, "bad", program="--unhealthy")
    assert shop.suspended("green") == []


def test_a_failed_health_check_is_waited_out_while_the_grace_period_runs(cloud: Cloud) -> None:
    shop = Grouped(Shop(cloud), grace=300)
    began = time.monotonic()
    with pytest.raises(ReleaseError, match=r"0 of 2 instances ready; i-\w+ is unhealthy: Health checks failed"):
        ask(
            shop,
            {"slot": "green", "state": "staged", "revision": "bad", "weight": 0},
            4.0,
            ami=shop.ami("bad", "--unhealthy"),
        )
    assert time.monotonic() - began >= 4


def test_a_target_group_that_nothing_uses_is_said_instead_of_waited_for(shop: Grouped) -> None:
    only = {"Type": "forward", "TargetGroupArn": shop.shop.groups["blue"]}
    shop.shop.elbv2.modify_listener(ListenerArn=shop.shop.listener, DefaultActions=[only])
    began = time.monotonic()
    with pytest.raises(ReleaseError, match="not health-checked: Target group is not configured to receive traffic"):
        stage(shop, "v2")
    assert time.monotonic() - began < DEADLINE / 2


def test_a_stable_group_that_would_follow_the_new_version_is_refused_before_there_is_one(shop: Grouped) -> None:
    template = {"LaunchTemplateId": shop.template, "Version": "$Latest"}
    shop.autoscaling.update_auto_scaling_group(AutoScalingGroupName=shop.names["blue"], LaunchTemplate=template)
    with pytest.raises(Refused, match=r"follows \$Latest .* Pin it: aws autoscaling"):
        stage(shop, "v2")
    assert len(shop.versions()) == 1
    assert shop.tags("green") == {}


def test_a_full_override_takes_nothing_over(shop: Grouped) -> None:
    data = {"ImageId": shop.ami("v2"), "InstanceType": "m7g.large"}
    params = {"slot": "green", "state": "staged", "revision": "v2", "weight": 0}
    assert ask(shop, params, template_data=data)["slots"]["green"]["ready"] == 2
    assert shop.versions()[2] == data


def test_an_ami_that_does_not_exist_and_a_revision_that_is_none_are_said(shop: Grouped) -> None:
    params = {"slot": "green", "state": "staged", "revision": "ami-00000000", "weight": 0}
    with pytest.raises(ReleaseError, match=r"image id '\[ami-00000000\]' does not exist"):
        ask(shop, params)
    with pytest.raises(ReleaseError, match="'1.4.2' is no AMI"):
        ask(shop, {**params, "revision": "1.4.2"})
    retire(shop, "green")
    assert shop.size("blue") == (1, 4, 2)


def test_instances_of_an_earlier_try_are_replaced_not_waited_for(shop: Grouped) -> None:
    with pytest.raises(ReleaseError):
        stage(shop, "bad", program="--unhealthy")
    left = {one["InstanceId"] for one in shop.group("green")["Instances"]}
    result = stage(shop, "v2")
    assert result["slots"]["green"]["ready"] == 2
    assert not left & {one["id"] for one in result["slots"]["green"]["instances"] if one["state"] == "ready"}


def test_a_run_that_was_killed_in_the_wait_is_settled_by_the_next_process_that_retires(shop: Grouped) -> None:
    shop.autoscaling.suspend_processes(AutoScalingGroupName=shop.names["green"], ScalingProcesses=["AZRebalance"])
    params = {"slot": "green", "state": "staged", "revision": "v2", "weight": 0}
    _fleet.begin(driver(shop, ami=shop.ami("v2")), params)
    assert shop.suspended("green") == PROCESSES
    retire(shop, "green")
    assert shop.suspended("green") == ["AZRebalance"], "what a user has suspended stays suspended"
    assert (shop.size("blue"), shop.tags("blue")) == ((1, 4, 2), {})


def test_a_first_release_that_was_killed_in_the_wait_is_settled_and_keeps_its_instances(cloud: Cloud) -> None:
    shop = Grouped(Shop(cloud), blue=0)
    params = {"slot": "blue", "state": "staged", "revision": "v1", "capacity": 1, "weight": 100}
    _fleet.begin(driver(shop, ami=shop.ami("v1")), params)
    assert shop.suspended("blue") == PROCESSES
    settled = {"slot": "blue", "state": "settled"}
    assert ask(shop, settled, None)["changed"]
    assert (shop.suspended("blue"), list(shop.tags("blue")), shop.size("blue")) == ([], ["staged"], (0, 4, 1))
    assert not ask(shop, settled, None)["changed"]


def test_a_first_release_takes_its_size_from_its_own_group_and_changes_no_other(cloud: Cloud) -> None:
    shop = Grouped(Shop(cloud), blue=0)
    shop.autoscaling.update_auto_scaling_group(AutoScalingGroupName=shop.names["blue"], MinSize=0, MaxSize=3)
    before = shop.group("green")
    ami = shop.ami("v1")
    params = {"slot": "blue", "state": "staged", "revision": "v1", "capacity": 2, "weight": 100}
    assert ask(shop, params, ami=ami)["slots"]["blue"]["ready"] == 2
    assert (shop.size("blue"), list(shop.tags("blue")), shop.suspended("blue")) == ((0, 3, 2), ["staged"], [])
    assert shop.group("green") == before


# Each call is tried once, so that the second try is the driver's own.
IMPATIENT = {"retries": 1, "timeout": 1.0}


@pytest.mark.parametrize(
    ("kind", "when"),
    [("error", "before"), ("html", "before"), ("html", "after"), ("reset", "after"), ("denied", "before")],
)
def test_no_call_that_fails_loses_a_setting(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, kind: str, when: str
) -> None:
    """Stage and retire; then again with each of their writes failing in turn, and retire until it is told done."""
    monkeypatch.setattr(aws_fleet, "AGAIN", 0.0)
    shop = Grouped(Shop(cloud))
    before = (shop.size("blue"), shop.suspended("blue"), shop.suspended("green"))
    revisions = ("v2", "v3")
    amis = [shop.ami(revision) for revision in revisions]
    shop.calls()
    stage(shop, "v2")
    retire(shop, "green")
    writes = sorted({call for call in shop.calls() if not call.startswith("Describe")})
    assert len(writes) >= 6
    for number, operation in enumerate(writes):
        shop.cloud.wait("green is empty", lambda: not shop.group("green")["Instances"])
        shop.cloud.faults.plan(operation, kind, when=when, times=4)
        params = {"slot": "green", "state": "staged", "revision": revisions[number % 2], "weight": 0}
        with contextlib.suppress(ReleaseError):
            ask(shop, params, 10.0, ami=amis[number % 2], **IMPATIENT)
        for _try in range(6):
            with contextlib.suppress(ReleaseError):
                retire(shop, "green", **IMPATIENT)
                break
        cloud.faults.clear()
        retire(shop, "green")
        after = (shop.size("blue"), shop.suspended("blue"), shop.suspended("green"))
        assert after == before, f"{operation} {kind} {when}"
        assert shop.size("green")[2] == 0
        assert (shop.tags("blue"), list(shop.tags("green"))) == ({}, ["staged"])
