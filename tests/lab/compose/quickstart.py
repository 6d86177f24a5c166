# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of C(./quickstart --platform compose): the project of the example on the engine that runs here."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.engine import DEFAULT
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.engine import Engine as Api
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

from tests.lab.compose import images
from tests.lab.compose.engine import Engine
from tests.lab.compose.project import Project
from tests.lab.hosts.world import CHECKOUT, COLLECTION, MARK, SLOTS, end

CONTAINERS = 2
# Containers take their time; the story is to stay short.
PACE = {"release_steps": [50, 100], "release_bake_time": "2s"}


class Running(Engine):
    """The engine that runs on this machine, whosever it is; nothing here starts or stops it."""

    def __init__(self) -> None:
        self.address = os.environ.get("DOCKER_HOST") or DEFAULT
        self.api = Api(self.address)
        self.socket = Path(self.api.path)

    @property
    def environment(self) -> dict[str, str]:
        """The user's own, with this engine."""
        return {"DOCKER_HOST": self.address}

    def must_do(self) -> None:
        """Raise RuntimeError with a sentence when it cannot be used."""
        try:
            self.api.get("/_ping")
        except ReleaseError as error:
            raise RuntimeError(f"--platform compose needs a Docker engine that runs: {error}") from error
        if os.geteuid():
            raise RuntimeError("--platform compose needs root: the socket of the balancer in its container is root's")
        with contextlib.suppress(OSError):
            if not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
                return
        raise RuntimeError("--platform compose needs Compose v2, the plugin 'docker compose'")


@dataclass(frozen=True)
class Door:
    """The balancer, as its users see it."""

    url: str
    port: int


class ComposeWorld:
    """What C(Story) asks of a world, in containers; usable as a context manager."""

    where = "Compose files and inventory are those of docs/examples/compose"

    def __init__(self, variables: t.Mapping[str, t.Any], haproxy: str | None) -> None:
        self.engine = Running()
        self._variables, self._haproxy = {**variables, **PACE}, haproxy
        self._kept = False

    def __enter__(self) -> ComposeWorld:
        self.engine.must_do()
        self.folder = Path(tempfile.mkdtemp(prefix="zdt-shop-", dir="/tmp"))
        self.project = Project(self.engine, self.folder, "haproxy", self._haproxy, self._variables)
        try:
            self.project.__enter__()
        except BaseException:
            end(self.folder)
            raise
        self.balancer = Door(self.project.url, self.project.port)
        return self

    def __exit__(self, *_error: object) -> None:
        if not self._kept:
            self.project.close()
            end(self.folder)

    def picture(self) -> list[str]:
        """Return what there is, line by line."""
        version = self.engine.api.get("/version")["Version"]
        slots = (f"  {slot:<6} the service app-{slot}, with {CONTAINERS} containers when it serves" for slot in SLOTS)
        listens = f"HAProxy listens at {self.balancer.url}, in a container of Docker {version}."
        files = f"{self.where}, in the folder {self.folder}"
        return [f"{listens} Behind it are the two slots of the app shop:", *slots, files]

    def build(self, revision: str, *options: str) -> None:
        images.shop(self.engine, revision, " ".join(options))

    def command(self, playbook: str, *options: str) -> list[str]:
        return ["ansible-playbook", f"zerodowntime.bluegreen.{playbook}", "-i", "inventory.yml", *options]

    def run(self, playbook: str, *options: str, say: t.Callable[[str], None] = lambda line: None) -> int:
        # The others get as many as the slot that serves has.
        first = [] if self.project.containers("app-blue") else ["-e", f"release_compose_capacity={CONTAINERS}"]
        process = self.project.start(playbook, *options, *(first if playbook == "deploy" else []))
        assert process.stdout
        for line in process.stdout:
            say(line.rstrip())
        return process.wait()

    def report(self, revision: str) -> dict[str, t.Any] | None:
        with contextlib.suppress(StopIteration):
            return self.project.report(revision)
        return None

    def weights(self) -> dict[str, int]:
        return self.project.weights()

    def keep(self) -> None:
        """Leave all of it running; a shell belongs to it by C(. ./env)."""
        self._kept = True
        link = self.folder / "collections" / COLLECTION
        link.parent.mkdir(parents=True)
        link.symlink_to(CHECKOUT)
        names = ("DOCKER_HOST", "DOCKER_CONFIG", "PATH", "LC_ALL")
        needed = {
            **{name: value for name, value in self.project.environment.items() if name in names},
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            MARK: str(self.folder),
        }
        (self.folder / "env").write_text("".join(f"export {name}={shlex.quote(of)}\n" for name, of in needed.items()))

    def revision_of_ones_own(self) -> list[str]:
        """Return the commands that make the revision v4."""
        return [
            f"docker compose -f {self.project.file} -f lab.yml ps",
            r"printf 'FROM zdt-shop:v2\nENV REVISION=v4\n' | docker build -t zdt-shop:v4 -    # a revision of your own",
        ]


def stop(folder: Path) -> None:
    """End what C(keep) left in C(folder)."""
    Running().compose(folder, "-f", "compose.haproxy.yml", "-f", "lab.yml", "down", "--volumes", check=False)
    end(folder)
