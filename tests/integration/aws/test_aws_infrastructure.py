# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of the examples builds in the lab what a release needs, and never touches it again.

It needs the collections amazon.aws and community.aws; C(ZERODOWNTIME_AMAZON_AWS) names the folder that holds their
C(ansible_collections). The nightly step C(aws-infrastructure) of ./run-tests fetches them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytest.importorskip("moto", reason="needs the Python package moto")
pytest.importorskip("hcl2", reason="needs the Python package python-hcl2")

from tests.lab.aws.cloud import REGION, Cloud
from tests.lab.aws.environment import EXAMPLE, PACE
from tests.lab.aws.shop import SLOTS, Shop
from tests.unit.docs.test_aws_examples import PLAYBOOK, statements

MODULES = os.environ.get("ZERODOWNTIME_AMAZON_AWS", "")
pytestmark = pytest.mark.skipif(
    not MODULES, reason="needs the collections amazon.aws and community.aws: ./run-tests aws-infrastructure"
)


class Built:
    """What the playbook has built, and what it said."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.ground = Shop(cloud, "ground")  # a network to build in
        certificate = cloud.client("acm").request_certificate(DomainName="shop.example.com")["CertificateArn"]
        self.settings = {
            "infra_vpc_id": self.ground.vpc,
            "infra_public_subnets": self.ground.subnets,
            "infra_private_subnets": self.ground.subnets,
            "infra_certificate_arn": certificate,
            "infra_first_ami": self.ground.image("v1"),
            "infra_port": self.ground.port,
            "ansible_python_interpreter": sys.executable,
        }
        self.said = self.build()
        shown = re.search(r'"msg": (\{.*?\n {4}\})', self.said, re.S)
        assert shown, self.said
        self.outputs: dict[str, t.Any] = json.loads(shown.group(1))

    def build(self) -> str:
        """Run the playbook and return what it said."""
        status, said = self._playbook(str(PLAYBOOK), "-e", json.dumps(self.settings))
        assert status == 0, said
        return said

    def release(self, revision: str) -> tuple[int, str]:
        """Release a revision by the example's inventory, in the role that the playbook's policy is for."""
        inventory = yaml.safe_load(EXAMPLE.read_text())
        host = inventory["all"]["children"]["release_environments"]["hosts"]["shop-eu"]
        host["release_traffic"]["alb_traffic"].update(
            listener_arn=self.outputs["listener_arn"], slots=self.outputs["slots"]
        )
        host["release_verify"]["url"] = f"{self.cloud.url(self.outputs['listener_arn'])}/"
        host.update({"ansible_python_interpreter": sys.executable, **PACE})
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
        ami = self.ground.image(revision)
        self.cloud.enforce(self.policy_actions())
        try:
            return self._playbook(
                "zerodowntime.bluegreen.deploy",
                *("-i", "inventory.yml", "-e", f"release_revision={revision}", "-e", f"release_aws_ami={ami}"),
            )
        finally:
            self.cloud.key = "lab"

    def policy(self) -> list[dict[str, t.Any]]:
        """Return the statements of the policy that the playbook made."""
        iam = self.cloud.client("iam")
        (policy,) = (one for one in iam.list_policies(Scope="Local")["Policies"] if one["PolicyName"] == "shop-release")
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        document = version["PolicyVersion"]["Document"]
        if isinstance(document, str):
            document = json.loads(urllib.parse.unquote(document))
        return t.cast("list[dict[str, t.Any]]", document["Statement"])

    def policy_actions(self) -> set[str]:
        """Return all actions that it allows."""
        return {action for statement in self.policy() for action in statement["Action"]}

    def _playbook(self, *words: str) -> tuple[int, str]:
        paths = os.pathsep.join([os.environ["ANSIBLE_COLLECTIONS_PATH"], MODULES])
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), *words],
            cwd=self.folder,
            env={**os.environ, **self.cloud.environment, "ANSIBLE_COLLECTIONS_PATH": paths, "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    with Cloud() as cloud:
        yield Built(cloud, tmp_path_factory.mktemp("built"))


def weights(built: Built) -> dict[str, int]:
    found = built.cloud.weights(built.outputs["listener_arn"])
    return {slot: found[arn] for slot, arn in built.outputs["slots"].items()}


def sizes(built: Built) -> dict[str, tuple[int, int, int]]:
    answer = built.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return {
        slot: (one["MinSize"], one["MaxSize"], one["DesiredCapacity"])
        for slot in SLOTS
        for one in answer
        if one["AutoScalingGroupName"] == built.outputs["groups"][slot]
    }


def test_both_groups_are_in_one_forward_and_blue_serves(built: Built) -> None:
    assert weights(built) == {"blue": 100, "green": 0}
    assert sizes(built) == {"blue": (2, 10, 3), "green": (0, 10, 0)}
    health = built.cloud.client("elbv2")

    def healthy() -> bool:
        answer = health.describe_target_health(TargetGroupArn=built.outputs["slots"]["blue"])
        return [one["TargetHealth"]["State"] for one in answer["TargetHealthDescriptions"]] == ["healthy"] * 3

    built.cloud.wait("three healthy instances", healthy, 30.0)


def test_the_policy_is_that_of_terraform(built: Built) -> None:
    wanted = {statement["sid"]: set(statement["actions"]) for statement in statements()}
    assert {one["Sid"]: set(one["Action"]) for one in built.policy()} == wanted
    for one in built.policy():
        if one["Resource"] == "*":
            reads = all(action.partition(":")[2].startswith(("Describe", "Get")) for action in one["Action"])
            assert reads or "Condition" in one, one
        else:
            assert all(f":{REGION}:123456789012:" in arn for arn in one["Resource"]), one


def test_a_release_is_made_with_what_it_built_and_its_policy_alone(built: Built) -> None:
    status, said = built.release("v2")
    assert status == 0, said
    assert "Promoted" in said
    assert (weights(built), sizes(built)["green"]) == ({"blue": 0, "green": 100}, (2, 10, 3))


def test_a_second_run_changes_nothing_that_a_release_has_moved(built: Built) -> None:
    before = (weights(built), sizes(built))
    said = built.build()
    assert "changed=0" in said, said
    assert (weights(built), sizes(built)) == before
