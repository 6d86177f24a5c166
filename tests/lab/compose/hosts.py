# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several Docker hosts on one machine, reached over SSH: each an engine, an sshd, and the project at the same place.

What makes them different hosts is a mount namespace for each: at C(home) each sees a folder of its own, with its
engine's socket and its project. They share network and processes.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

import yaml

from tests.lab.compose import images
from tests.lab.compose.engine import Engine
from tests.lab.compose.engine import missing as no_engine
from tests.lab.compose.project import ENVIRONMENT, Project
from tests.lab.hosts import sshd


def missing() -> str | None:
    """Return why no Docker host can be made here, None when all is there."""
    why = no_engine() or sshd.missing()
    if not why and subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        why = "skipped: needs the right to make a mount namespace"
    return why


class DockerHosts:
    """The shop on hosts of C(names), one environment behind a HAProxy on each; usable as a context manager."""

    def __init__(self, names: t.Sequence[str], variables: t.Mapping[str, t.Any]) -> None:
        self.names, self._variables = names, variables
        self.projects: dict[str, Project] = {}

    def __enter__(self) -> DockerHosts:
        self._open = contextlib.ExitStack()
        try:
            self.top = Path(tempfile.mkdtemp(prefix="zdt-", dir="/tmp"))
            self._open.callback(shutil.rmtree, self.top, ignore_errors=True)
            self.home = self.top / "host"
            self.home.mkdir()
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def image(self, revision: str, *names: str) -> None:
        """Make the image of C(revision) on the hosts of C(names), on all of them by default."""
        for name in names or self.names:
            images.shop(self.projects[name].engine, revision, "--stop-grace 0.2")

    def run(self, playbook: str, *options: str) -> tuple[int, str]:
        """Run a playbook of the collection against all hosts; return its status and everything it said."""
        return self.first.run(playbook, *options)

    @property
    def first(self) -> Project:
        """The project whose folder holds the inventory and the reports."""
        return self.projects[self.names[0]]

    def _start(self) -> None:
        within = {}
        for name in self.names:
            folder = self.top / name
            folder.mkdir()
            own = f'mount --bind "{folder}" "{self.home}"; exec "$@"'
            engine = self._open.enter_context(Engine(folder, ["unshare", "--mount", "sh", "-ec", own, "sh"]))
            within[name] = ["nsenter", f"--mount=/proc/{engine.pid}/ns/mnt", "--"]
            project = Project(engine, folder / "shop", variables=self._variables)
            project.home = self.home / "shop"
            project.write()
            self._open.callback(project.close)
            self.projects[name] = project
        # A user's CLI finds Compose where it is installed; here it is a plugin of the engine's folder.
        config = {"DOCKER_CONFIG": str(self.home / "cli")}
        machines = self._open.enter_context(sshd.SshMachines(self.names, within=within, environment=config))
        (self.first.folder / "inventory.yml").write_text(yaml.safe_dump(self._inventory(machines), sort_keys=False))

    def _inventory(self, machines: sshd.SshMachines) -> dict[str, t.Any]:
        inventory = self.first.inventory()
        inventory["all"]["children"]["docker"] = {"hosts": machines.inventory(), "vars": {"ansible_pipelining": True}}
        environment = inventory["all"]["children"]["release_environments"]["hosts"][ENVIRONMENT]
        environment["release_traffic"]["haproxy_traffic"]["machines"] = list(self.names)
        environment["release_compose_machines"] = list(self.names)
        environment["release_compose_docker_host"] = f"unix://{self.home}/docker.sock"
        environment["release_journal"] |= {"machine": self.names[0]}
        return inventory
