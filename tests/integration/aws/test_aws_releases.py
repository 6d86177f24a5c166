# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases on the platform aws, in the lab and under load, by the playbooks that an operator starts."""

from __future__ import annotations

import json
import re
import time
import typing as t
from collections.abc import Iterator

import pytest
import yaml

pytest.importorskip("moto", reason="needs the Python package moto")
pytest.importorskip("hcl2", reason="needs the Python package python-hcl2")

from tests.lab.aws.cloud import Cloud
from tests.lab.aws.environment import Environment
from tests.lab.aws.grouped import Grouped
from tests.lab.aws.shop import Shop
from tests.unit.docs.test_aws_examples import environment, journal, statements

LOAD = {"rate": 40, "connections": 4, "post_path": "/", "post_share": 20, "max_duration": "5m"}
# Where an ALB needs minutes the lab's CloudWatch needs seconds; account and load balancer are those of the traffic.
GATE = {
    "source": {"cloudwatch": {"period": 1, "delay": "1s"}},
    "metrics": [{"name": "errors", "margin": 0.2}],
    "interval": "1s",
    "initial_delay": 0,
    "min_duration": "2s",
    "min_step_duration": "1s",
    "min_requests": 20,
    "no_data_limit": 30,
    "max_duration": "2m",
}
# Each changes something. One release makes so many of them, and no more.
WRITES = {
    "CreateLaunchTemplateVersion": 1,
    "CreateOrUpdateTags": 2,  # sizes kept before the groups are changed; processes resumed
    "SuspendProcesses": 1,
    "ResumeProcesses": 1,
    "UpdateAutoScalingGroup": 4,  # the floor of the one that serves, the canary; old one down, bounds back
    "ModifyListener": 2,  # one for each step
    "DeleteTags": 1,
}
# Needed at AWS, and no call that a lab could see: AWS itself asks for it when a group gets a launch template.
UNSEEN = {"ec2:RunInstances"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with Cloud() as cloud:
        cloud.client("dynamodb").create_table(**journal())
        variables = {"release_certificate": LOAD, "release_journal": environment()["release_journal"]}
        shop = Environment(Grouped(Shop(cloud)), tmp_path_factory.mktemp("shop"), variables)
        cloud.enforce(action for statement in statements() for action in statement["actions"])
        yield shop


@pytest.fixture(scope="module")
def good(shop: Environment) -> dict[str, t.Any]:
    """What the release of v2 came to: its calls, and its report."""
    shop.shop.ami("v2")
    shop.shop.calls()
    status, said = shop.deploy("v2", "-e", json.dumps({"release_gate": GATE}))
    calls = shop.shop.calls()
    assert status == 0, said
    return {"calls": calls, "report": shop.report("v2"), "said": said}


@pytest.fixture(scope="module")
def bad(shop: Environment, good: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the release of a revision came to that is never healthy."""
    shop.shop.ami("v3", "--unhealthy")
    # Somebody has left an instance in the slot that does not serve: it is not taken for one of v3.
    groups = shop.shop
    shop.cloud.wait("blue is empty", lambda: not groups.group("blue")["Instances"])
    groups.autoscaling.set_desired_capacity(AutoScalingGroupName=groups.names["blue"], DesiredCapacity=1)
    groups.shop.wait_healthy("blue", 1)
    before = (shop.shop.size("green"), shop.shop.pinned("green"))
    shop.shop.calls()
    status, said = shop.deploy("v3")
    assert shop.run("sweep")[0] == 0
    calls = shop.shop.calls()
    return {"calls": calls, "status": status, "said": said, "before": before, "report": shop.report("v3")}


def test_a_good_release_serves_drops_nothing_and_leaves_every_setting_as_it_was(
    shop: Environment, good: dict[str, t.Any]
) -> None:
    report = good["report"]
    assert (report["outcome"], report["dropped"], report["errors"]) == ("Promoted", 0, 0), report
    assert report["requests"] > 50
    assert shop.answer() == (200, "v2")
    assert shop.shop.shop.weights() == [0, 100]
    assert (shop.shop.size("blue"), shop.shop.size("green")) == ((0, 4, 0), (1, 4, 2))
    assert (shop.shop.suspended("green"), list(shop.shop.tags("green"))) == ([], ["staged"])
    assert shop.shop.pinned("green") == "2"


def test_the_calls_of_a_release_that_change_something_are_counted(good: dict[str, t.Any]) -> None:
    calls = good["calls"]
    # PutItem is the journal's: how often depends on how long it takes.
    writes = {call: calls.count(call) for call in set(calls) if not call.startswith(("Describe", "Get", "PutItem"))}
    assert writes == WRITES, sorted(calls)
    assert calls.count("PutItem") < 100


def test_a_release_asks_aws_no_oftener_than_its_waits_need(good: dict[str, t.Any]) -> None:
    reads = [call for call in good["calls"] if call.startswith("Describe")]
    # Looks between the waits, and in them two a second at most with what they look at; every quarter of one it was.
    assert len(reads) < 60 + 3 * good["report"]["seconds"], {call: reads.count(call) for call in set(reads)}


def test_a_bad_release_never_gets_a_request_and_says_why_in_awss_words(
    shop: Environment, bad: dict[str, t.Any]
) -> None:
    assert bad["status"] == 2, bad["said"]
    assert "ModifyListener" not in bad["calls"]
    report = bad["report"]
    assert (report["outcome"], report["dropped"], report["errors"]) == ("RolledBack", 0, 0), report
    assert "is unhealthy: Health checks failed with these codes: [503]" in report["failure"]
    assert (shop.shop.size("green"), shop.shop.pinned("green")) == bad["before"]
    assert (shop.shop.size("blue")[2], shop.shop.suspended("blue"), shop.shop.tags("green").keys()) == (
        0,
        [],
        {"staged"},
    )
    assert shop.answer() == (200, "v2")


def test_a_rollback_after_the_old_slot_was_retired_stages_it_again(shop: Environment, bad: dict[str, t.Any]) -> None:
    before = len(shop.shop.versions())
    status, said = shop.deploy("v4")
    assert status == 0, said
    assert shop.answer() == (200, "v4")
    status, said = shop.run("rollback")
    assert status == 0, said
    assert shop.answer() == (200, "v2")
    assert len(shop.shop.versions()) == before + 1, "v2 stands as a version already"
    assert (shop.shop.size("green"), shop.shop.size("blue")) == ((1, 4, 2), (0, 4, 0))


def test_a_release_passes_its_gate_by_what_cloudwatch_counted(good: dict[str, t.Any]) -> None:
    assert re.search(r"PASS after \S+: errors: canary 0\.00% \(0/\d\d+\) against baseline", good["said"]), good["said"]
    assert good["calls"].count("GetMetricData") >= 3


def test_a_release_whose_answers_fail_is_taken_back_by_what_cloudwatch_counted(shop: Environment) -> None:
    status, said = shop.deploy("v5", "-e", json.dumps({"release_gate": GATE}), program="--error-rate 0.5")
    assert status == 2, said
    assert re.search(r"FAIL after \S+: errors: canary \d\d\.\d+% .* against baseline 0\.00%", said), said
    report = shop.report("v5")
    assert (report["outcome"], report["dropped"]) == ("RolledBack", 0), report
    assert shop.answer() == (200, "v2")


def test_the_journal_is_in_the_table_that_the_infrastructure_made(shop: Environment, bad: dict[str, t.Any]) -> None:
    answer = shop.cloud.client("dynamodb").scan(TableName="shop-journal", ConsistentRead=True)
    (item,) = answer["Items"]
    assert shop.shop.shop.listener in item["journal"]["S"]
    revisions = [release["revision"] for release in json.loads(item["document"]["S"])["releases"]]
    assert revisions[:2] == ["v2", "v3"]


def test_on_a_quiet_night_the_gate_is_inconclusive(shop: Environment) -> None:
    gate = {
        **{name: value for name, value in GATE.items() if name != "no_data_limit"},
        "source": {"cloudwatch": {**GATE["source"]["cloudwatch"], "load_balancer": shop.shop.shop.listener}},
        "no_data_limit": 3,
        "canary": "blue",
        "slots": dict(shop.shop.shop.groups),
        "fail_on": ["inconclusive"],
    }
    play = [{"hosts": "shop-eu", "gather_facts": False, "tasks": [{"zerodowntime.bluegreen.metric_gate": gate}]}]
    (shop.folder / "night.yml").write_text(yaml.safe_dump(play))
    time.sleep(3)  # the last release's requests are over
    status, said = shop.run(str(shop.folder / "night.yml"))
    assert status == 2, said
    assert "no data: 3 polls in a row without a usable reading" in said


def test_the_documented_policy_is_enough_and_nothing_in_it_is_unused(
    good: dict[str, t.Any], bad: dict[str, t.Any]
) -> None:
    allowed = {action for statement in statements() for action in statement["actions"]}
    made = {*good["calls"], *bad["calls"]}
    names = {action.partition(":")[2] for action in allowed}
    assert made - names == set(), "made, and not allowed"
    unused = {action for action in allowed - UNSEEN if action.partition(":")[2] not in made}
    assert unused == set(), "allowed, and not made"
