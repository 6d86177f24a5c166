# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Docker engine for all tests of Compose, with the revisions that they release."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.compose import images
from tests.lab.compose.engine import Engine, missing
from tests.lab.compose.project import Project

REVISIONS = {
    **dict.fromkeys(("v1", "v2", "r2", "r3"), "--stop-grace 0.2"),
    "unhealthy": "--unhealthy",
    "crash": "--no-such-option",
}


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    why = missing()
    if why:
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="zdt-", dir="/tmp"))
    with Engine(folder) as running, pytest.MonkeyPatch.context() as patch:
        # The driver in this process finds Compose as a user's does: as a plugin of the CLI.
        patch.setenv("DOCKER_CONFIG", running.environment["DOCKER_CONFIG"])
        for revision, options in REVISIONS.items():
            images.shop(running, revision, options)
        images.shop(running, "unchecked", health=False)
        yield running


@pytest.fixture(scope="session")
def shop(engine: Engine) -> Iterator[Project]:
    """The shop behind HAProxy, v1 in blue with two containers at first."""
    with Project(engine, engine.folder / "shop") as project:
        status, said = project.deploy("v1", "-e", "release_compose_capacity=2")
        assert status == 0, said
        yield project


# Strict: paced, keep-alive, no retries, POST too, and requests that take a second.
LOAD = {
    "rate": 60,
    "connections": 8,
    "post_path": "/",
    "post_share": 20,
    "slow_path": "/slow?seconds=1",
    "slow_share": 5,
}


def ids(project: Project, service: str) -> list[str]:
    return sorted(container["Id"] for container in project.containers(service))


def up_again(project: Project) -> None:
    """What came up from nothing stands: a second time nothing changes."""
    running = {name: ids(project, name) for name in ("balancer", "database", "app-blue")}
    assert [len(found) for found in running.values()] == [1, 1, 0]
    assert project.answer()[0] in (502, 503), "the slots are empty, and the balancer says so"
    assert project.weights() == {"blue": 100, "green": 0}
    status, said = project.run("compose_up")
    assert (status, re.findall(r"changed=(\d+)", said)) == (0, ["0"]), said
    assert {name: ids(project, name) for name in running} == running
