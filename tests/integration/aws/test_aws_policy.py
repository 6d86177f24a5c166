# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each action of the documented policy is needed: without it AWS refuses something that a release does.

That all of them together are enough is shown by C(test_aws_releases.py), whose releases may do nothing else.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="needs the Python package moto")
pytest.importorskip("hcl2", reason="needs the Python package python-hcl2")

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet, _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import fleet as aws_fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.alb import ALBTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.fleet import AsgFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

from tests.lab.aws.cloud import Cloud
from tests.lab.aws.grouped import Grouped
from tests.lab.aws.shop import Shop
from tests.unit.docs.test_aws_examples import statements

ACTIONS = {action for statement in statements() for action in statement["actions"]}
# Of the services that fleet and traffic use. AWS itself asks for RunInstances, when a group gets a launch template.
OURS = ("autoscaling:", "ec2:", "elasticloadbalancing:")
NEEDED = sorted(action for action in ACTIONS if action.startswith(OURS) and action != "ec2:RunInstances")
BLUE, GREEN = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}


@pytest.fixture(scope="module")
def shop() -> Iterator[Grouped]:
    with Cloud() as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws_fleet, "AGAIN", 0.0)
        yield Grouped(Shop(cloud, delay=0), blue=1)


def release(shop: Grouped, revision: str) -> list[str]:
    """Move traffic and back, stage C(revision) over a failed try and retire it; return what could not be looked at."""
    options = {"template_data": {}, **shop.options, "retries": 1}
    traffic = ALBTraffic({**shop.shop.traffic, "retries": 1})
    moved = _traffic.move(traffic, {"weights": GREEN, "expect": BLUE, "force": True})
    _traffic.move(traffic, {"weights": BLUE, "expect": GREEN})
    unseen = [str(of) for of in moved["after"]["facts"]["attributes"].values() if "unknown" in of]
    fleet = AsgFleet({**options, "ami": shop.ami(revision)})
    if not fleet.words(shop.group("blue")["Instances"][0]["InstanceId"], 3):
        unseen.append("AccessDenied: the last lines of an instance")
    slot = {"slot": "green", "weight": 0}
    staged = {**slot, "state": "staged", "revision": revision}
    _fleet.begin(AsgFleet({**options, "ami": shop.ami(f"{revision}-bad")}), staged)
    shop.cloud.wait("a first try runs", lambda: bool(shop.group("green")["Instances"]))
    place = _fleet.Here(fleet)
    _fleet.run([place], staged, _fleet.Wait(30.0))
    _fleet.run([place], {**slot, "state": "retired"}, None)
    return unseen


@pytest.mark.parametrize("action", NEEDED)
def test_without_this_action_something_is_refused(shop: Grouped, action: str) -> None:
    shop.cloud.key = "lab"
    _clean(shop)
    shop.cloud.enforce(ACTIONS - {action})
    revision = f"without-{NEEDED.index(action)}"
    refused: list[str] = []
    try:
        refused = release(shop, revision)
    except ReleaseError as error:
        refused = [str(error)]
    assert any("AccessDenied" in sentence for sentence in refused), refused


def test_with_all_of_them_nothing_is(shop: Grouped) -> None:
    shop.cloud.key = "lab"
    _clean(shop)
    shop.cloud.enforce(ACTIONS)
    assert release(shop, "with-all") == []


def _clean(shop: Grouped) -> None:
    """Put everything back by a key that may do everything."""
    options: dict[str, t.Any] = {"template_data": {}, **shop.options}
    _traffic.move(ALBTraffic(shop.shop.traffic), {"weights": BLUE, "force": True})
    _fleet.run([_fleet.Here(AsgFleet(options))], {"slot": "green", "state": "retired", "weight": 0}, None)
    shop.cloud.wait("green is empty", lambda: not shop.group("green")["Instances"])
