# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of a Compose project that are killed at a known moment: the ground of C(hosts/killing.py) on a real engine.

Each release makes containers of its own, and each resume takes them away again.
"""

from __future__ import annotations

import socket
import tempfile
import typing as t
from pathlib import Path

from tests.lab.compose import images
from tests.lab.compose.engine import Engine
from tests.lab.compose.project import Project
from tests.lab.hosts.killing import Ground, Run
from tests.lab.hosts.nginx import newest_nginx
from tests.lab.hosts.world import MARK, end

DRIVERS = ("compose-haproxy", "compose-nginx")


class _Balancer:
    """What the ground asks of a balancer, of the one in the project's container."""

    def __init__(self, project: Project) -> None:
        self.url = project.url
        self.state = project.folder / "balancer"
        self.map = self.state / "zerodowntime.map"

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.state / "admin.sock"))
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def stop(self) -> None:
        """It ends with its project."""


class ComposeGround(Ground):
    """The shop of two slots in containers, behind C(driver), one of DRIVERS; C(engine) is one of its own by default."""

    def __init__(self, driver: str, engine: Engine | None = None, **variables: t.Any) -> None:
        super().__init__(driver.removeprefix("compose-"), **variables)
        self._own = engine is None
        self.engine = engine or Engine(Path(tempfile.mkdtemp(prefix="zdt-", dir="/tmp")))

    def __enter__(self) -> ComposeGround:
        if self._own:
            self.engine.start()
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        try:
            if hasattr(self, "project"):
                self.project.close()
                end(self.project.folder)
        finally:
            if self._own:
                self.engine.stop()

    def deploy(self, container: bool = False, *options: str) -> Run:
        images.shop(self.engine, f"r{self.serial + 1}")
        return super().deploy(container, *options)

    def environment(self) -> dict[str, str]:
        return {**self.project.environment, MARK: str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def _open(self) -> None:
        newest = newest_nginx() if self.driver == "nginx" else None
        kind = "haproxy" if self.driver == "haproxy" else "nginx" if newest else "nginx-1.22"
        variables = {key: value for key, value in self.variables.items() if not key.startswith("release_hosts_")}
        folder = Path(tempfile.mkdtemp(prefix="kills-", dir=self.engine.folder))
        self.project = Project(self.engine, folder, kind, newest, {"release_drain_timeout": "1s", **variables})
        # The seconds in which a lock goes stale are those of the ground.
        self.project.variables["release_journal"] = {"store": "file", "path": str(folder / "journal"), "ttl": "6s"}
        self.project.__enter__()
        self.folder = self.project.folder
        self.balancers = [_Balancer(self.project)]
        images.shop(self.engine, "first")
        self.must("deploy", "-e", "release_revision=first")
