# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first bring-up of a Compose project: from a folder of files to an environment that can be released."""

from __future__ import annotations

import re
import socket

import pytest

from tests.lab.compose.engine import Engine
from tests.lab.compose.project import Project


@pytest.mark.parametrize("balancer", ["haproxy", "nginx-1.22"])
def test_a_project_comes_up_from_nothing_and_a_second_time_nothing_changes(engine: Engine, balancer: str) -> None:
    with Project(engine, engine.folder / f"up{balancer.replace('.', '')}", balancer) as project:
        running = {name: [c["Id"] for c in project.containers(name)] for name in ("balancer", "database", "app-blue")}
        assert [len(ids) for ids in running.values()] == [1, 1, 0]
        assert project.answer()[0] in (502, 503), "the slots are empty, and the balancer says so"
        assert project.weights() == {"blue": 100, "green": 0}
        status, said = project.run("compose_up")
        assert (status, re.findall(r"changed=(\d+)", said)) == (0, ["0"]), said
        assert {name: [c["Id"] for c in project.containers(name)] for name in running} == running


def test_what_cannot_come_up_ends_in_a_sentence(engine: Engine) -> None:
    with Project(engine, engine.folder / "unfit") as project, socket.socket() as taken:
        project.close()
        overlay = project.folder / "lab.yml"
        good = overlay.read_text()
        overlay.write_text(good.replace("app-green:\n", "app-green:\n    scale: 3\n"))
        status, said = project.run("compose_up")
        assert (status, "the service app-green has a scale of its own" in said, "Traceback" in said) == (2, True, False)
        assert project.containers("database") == [], "refused before anything starts"

        taken.bind(("127.0.0.1", 0))
        taken.listen()
        overlay.write_text(good.replace(f":{project.port}:", f":{taken.getsockname()[1]}:"))
        status, said = project.run("compose_up")
        assert (status, "address already in use" in said, "Traceback" in said) == (2, True, False), said
