# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first bring-up of a Compose project: from a folder of files to an environment that can be released."""

from __future__ import annotations

import socket

from tests.integration.compose.conftest import up_again
from tests.lab.compose.engine import Engine
from tests.lab.compose.project import Project


def test_a_project_comes_up_from_nothing_or_ends_in_a_sentence(engine: Engine) -> None:
    with Project(engine, engine.folder / "unfit") as project, socket.socket() as taken:
        up_again(project)
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
