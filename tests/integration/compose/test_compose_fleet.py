# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(compose_fleet) on a real engine: what it refuses, what makes it fail early, and that nothing else is touched."""

from __future__ import annotations

import re
import time
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.driver import ComposeFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError

from tests.integration.compose.conftest import ids
from tests.lab.compose.project import Project


def order(project: Project, slot: str = "", check_mode: bool = False, **asked: t.Any) -> dict[str, t.Any]:
    """Order something in C(slot), by default in the one that gets no requests."""
    options = {**project.fleet, **asked.pop("options", {})}
    params = {"slot": slot or project.idle(), "state": "staged", "revision": "", "weight": 0, **asked}
    params["revision"] = params["revision"] or project.other_revision()
    place = _fleet.Here(ComposeFleet(options), check_mode)
    return _fleet.run([place], params, None if check_mode else _fleet.Wait(60))


def retire(project: Project, slot: str = "", **asked: t.Any) -> dict[str, t.Any]:
    return order(project, slot, state="retired", **asked)


def networks(project: Project, service: str) -> set[str]:
    return {name for found in project.containers(service) for name in found["NetworkSettings"]["Networks"]}


def services(project: Project) -> tuple[str, str]:
    """Return the services of the slot that serves and of the other one."""
    return f"app-{project.serving()}", f"app-{project.idle()}"


def test_staging_twice_changes_nothing_the_second_time_and_retiring_takes_one_slot_down(shop: Project) -> None:
    serving, idle = services(shop)
    untouched, database = ids(shop, serving), ids(shop, "database")
    assert order(shop, check_mode=True)["changed"]
    assert ids(shop, idle) == []
    first = order(shop)
    assert (first["changed"], first["capacity"]) == (True, 2)
    assert sorted(first["instances"]) == ids(shop, idle)
    # Where the balancer looks, no address of one colour can ever become one of the other's.
    assert networks(shop, idle) & networks(shop, serving) & networks(shop, "balancer") == set()
    assert [part["after"] for part in first["diff"]] == [f"2 x {shop.other_revision()}\n"]
    second = order(shop)
    assert (second["changed"], second["instances"]) == (False, first["instances"])
    assert retire(shop)["changed"]
    assert not retire(shop)["changed"]
    assert (ids(shop, idle), ids(shop, serving), ids(shop, "database")) == ([], untouched, database)


def test_containers_that_get_requests_are_never_taken_away(shop: Project) -> None:
    slot, (serving, _idle) = shop.serving(), services(shop)
    running = ids(shop, serving)
    with pytest.raises(Refused, match=rf"{slot} gets 100 % of the requests and has 2 instances that answer them; not"):
        order(shop, slot, weight=100)
    with pytest.raises(Refused, match=f"{slot} gets 1 % of the requests"):
        retire(shop, slot, weight=1)
    assert ids(shop, serving) == running


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        ("unhealthy", r"app-SLOT-\d is unhealthy: its health check ended with status 1; it said: listening on"),
        (
            "crash",
            r"app-SLOT-\d (is in a restart loop|exited with status 2).*; it said: .*--no-such-opt",
        ),
        ("nowhere", r"the image zdt-shop:nowhere is not on this engine and cannot be pulled: "),
        ("unchecked", r"the service app-SLOT has no health check, so nobody could say when it is ready"),
    ],
)
def test_a_revision_that_cannot_come_up_fails_early_with_the_reason(
    shop: Project, revision: str, sentence: str
) -> None:
    started = time.monotonic()
    with pytest.raises(ReleaseError) as error:
        order(shop, revision=revision)
    assert re.search(sentence.replace("SLOT", shop.idle()), str(error.value)), error.value
    assert "\n" not in str(error.value)
    assert time.monotonic() - started < 30, "before the deadline of 60 s"
    retire(shop)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("container_name: mine", "container_name"),  # for more than one container Compose itself says so
        ('ports: ["127.0.0.1:39999:8080"]', "publishes the fixed host port 39999"),
        ("image: zdt-shop:v1", r"has the image 'zdt-shop:v1', not the released one: write 'image: \$\{APP_SLOT_IMAGE"),
        ("scale: 3", r"has a scale of its own.*write 'scale: \$\{APP_SLOT_SCALE:-0\}'"),
        ("networks: !reset []\n    network_mode: host", "has network_mode 'host'"),
    ],
)
def test_a_service_that_cannot_be_released_is_refused_before_anything_is_touched(
    shop: Project, lines: str, sentence: str
) -> None:
    _serving, idle = services(shop)
    (shop.folder / "unfit.yml").write_text(f"services:\n  {idle}:\n    {lines}\n")
    before = (shop.folder / ".env").read_bytes()
    with pytest.raises(ReleaseError, match=sentence.replace("SLOT", shop.idle().upper())):
        order(shop, options={"files": [shop.file, "lab.yml", "unfit.yml"]})
    assert (shop.folder / ".env").read_bytes() == before
    assert ids(shop, idle) == []
