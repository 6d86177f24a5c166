# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One environment on two Docker hosts, reached over SSH: brought up, released, and taken back, on both or on none."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.compose.conftest import LOAD, ids
from tests.lab.compose.guide import strict_load
from tests.lab.compose.hosts import DockerHosts, missing

HOSTS = ("docker1", "docker2")


@pytest.fixture(scope="module")
def hosts() -> Iterator[DockerHosts]:
    if why := missing():
        pytest.skip(why)
    # A machine that runs all the other tests, too, may let no heartbeat through for long.
    with DockerHosts(HOSTS, {"release_steps": [50, 100], "release_lease_ttl": "90s"}) as lab:
        yield lab


def answers(hosts: DockerHosts) -> list[str]:
    return [project.answer()[1] for project in hosts.projects.values()]


def test_two_docker_hosts_over_ssh_are_brought_up_and_released_together(hosts: DockerHosts) -> None:
    for revision in ("v1", "v2"):
        hosts.image(revision)
    status, said = hosts.run("compose_up")
    assert status == 0, said
    status, said = hosts.run("deploy", "-e", "release_revision=v1")
    assert (status, answers(hosts)) == (0, ["v1", "v1"]), said

    other = hosts.projects["docker2"]
    beside = strict_load(other.url, other.folder / "load.json", LOAD)
    status, said = hosts.run("deploy", "-e", "release_revision=v2", "-e", json.dumps({"release_certificate": LOAD}))
    found = beside()
    assert (status, answers(hosts)) == (0, ["v2", "v2"]), said
    for report in (hosts.first.report("v2"), found):
        assert (report["dropped"], report["requests"] > 100) == (0, True), report
    assert [len(ids(project, f"app-{slot}")) for project in hosts.projects.values() for slot in ("blue", "green")] == [
        0, 1, 0, 1
    ]  # fmt: skip


def test_a_revision_that_one_host_cannot_run_is_released_on_none(hosts: DockerHosts) -> None:
    hosts.image("v3", "docker1")
    status, said = hosts.run("deploy", "-e", "release_revision=v3")
    assert (status, answers(hosts)) == (2, ["v2", "v2"]), said
    assert "docker2: the image zdt-shop:v3 is not on this engine and cannot be pulled: " in said
    assert "Traceback" not in said
    assert [ids(project, f"app-{project.idle()}") for project in hosts.projects.values()] == [[], []]
