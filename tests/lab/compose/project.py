# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project of C(docs/examples/compose) on an engine of the lab: its balancer, its slots, its database.

Images and ports are the lab's, by an overlay; the Compose files and the balancers' configurations are the example's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from tests.lab.compose import images
from tests.lab.compose.engine import Engine

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/examples/compose"
ENVIRONMENT = "shop-eu"
BALANCERS = ("haproxy", "nginx", "nginx-1.22")
SERVICES = {"blue": "app-blue", "green": "app-green"}

# Minutes of production in seconds.
PACE: dict[str, t.Any] = {
    "release_steps": [20, 100],
    "release_gate": None,
    "release_bake_time": "1s",
    "release_progress_deadline": "60s",
    "release_drain_timeout": "10s",
    "release_scale_down_delay": "0",
    "release_abort_scale_down_delay": "0",
}


class Project:
    """The shop behind C(balancer), one of BALANCERS, in C(folder); usable as a context manager."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        balancer: str = "haproxy",
        program: str | None = None,
        variables: t.Mapping[str, t.Any] | None = None,
    ) -> None:
        self.engine, self.folder, self.balancer = engine, folder, balancer
        # Where the project lies for those who work on it.
        self.home = folder
        self._program = program
        self.variables = {**PACE, **(variables or {})}
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.file = "compose.haproxy.yml" if balancer == "haproxy" else "compose.yml"

    def __enter__(self) -> Project:
        """Bring the stack up from nothing: the slots are empty."""
        self.write()
        try:
            status, said = self.run("compose_up")
            if status:
                raise RuntimeError(said)
            self._await_front_door()
        except BaseException:
            self.close()
            raise
        return self

    def write(self) -> None:
        """Write the project and its inventory; nothing runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(EXAMPLES, self.folder, dirs_exist_ok=True)
        if self.balancer == "nginx-1.22":
            shutil.copy(EXAMPLES / "nginx-1.22/shop.conf", self.folder / "nginx/shop.conf")
        (self.folder / ".env").write_text(f"# the lab's\nSHOP_HOME={self.home}\nSHOP_DATABASE_PASSWORD=none\n")
        (self.folder / "lab.yml").write_text(self._overlay())
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(self.inventory(), sort_keys=False))
        (self.folder / "ansible.cfg").write_text("[defaults]\nnocolor = true\nlocalhost_warning = false\n")

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the project's containers and networks."""
        self.compose("down", "--volumes", "--timeout", "1", check=False)

    def compose(self, *words: str, check: bool = True) -> str:
        """Run Compose on the project, as an operator would."""
        return self.engine.compose(self.folder, "-f", self.file, "-f", "lab.yml", *words, check=check)

    def run(self, playbook: str, *options: str) -> tuple[int, str]:
        """Run a playbook of the collection; return its status and everything it said."""
        process = self.start(playbook, *options)
        said, _nothing = process.communicate(timeout=240)
        return process.returncode, said

    def start(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        """Start a playbook of the collection."""
        return subprocess.Popen(
            ["ansible-playbook", f"zerodowntime.bluegreen.{playbook}", "-i", "inventory.yml", *options],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def deploy(self, revision: str, *options: str) -> tuple[int, str]:
        """Release C(revision)."""
        return self.run("deploy", "-e", f"release_revision={revision}", *options)

    @property
    def environment(self) -> dict[str, str]:
        """What a run needs: this Python's Ansible, and the engine of the lab."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return {**os.environ, **self.engine.environment, "PATH": path, "LC_ALL": "C.UTF-8"}

    @property
    def fleet(self) -> dict[str, t.Any]:
        """The options of C(compose_fleet) for this project."""
        return {
            "project_src": str(self.folder),
            "services": SERVICES,
            "project_name": None,
            "files": [self.file, "lab.yml"],
            "env_file": ".env",
            "image": "zdt-shop",
            "variables": {},
            "docker_host": f"unix://{self.engine.socket}",
        }

    def report(self, revision: str) -> dict[str, t.Any]:
        """Return the newest report on a release of C(revision)."""
        files = sorted((self.folder / "reports").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        reports = (json.loads(file.read_text()) for file in reversed(files))
        return next(report for report in reports if report["revision"] == revision)

    def containers(self, service: str) -> list[dict[str, t.Any]]:
        """Return the containers of a service, as the engine inspects them."""
        labels = [f"com.docker.compose.project={self.folder.name}", f"com.docker.compose.service={service}"]
        listed = self.engine.api.get("/containers/json", all="1", filters=json.dumps({"label": labels}))
        return [self.engine.api.get(f"/containers/{one['Id']}/json") for one in listed]

    def weights(self) -> dict[str, int]:
        """Return the percent of the requests of each slot, from the balancer's own state."""
        if self.balancer == "haproxy":
            entry = (self.folder / "balancer/zerodowntime.map").read_text().split()[1]
            return dict(zip(SERVICES, map(int, entry.split(":")[:2]), strict=True))
        target = os.readlink(self.folder / "balancer/shop/current")
        parts = dict(part.split("-") for part in target.split("_"))
        return {slot: int(parts[slot]) for slot in SERVICES}

    def serving(self) -> str:
        """Return the slot that gets all requests."""
        return next(slot for slot, percent in self.weights().items() if percent == 100)

    def idle(self) -> str:
        """Return the slot that gets none."""
        return next(slot for slot, percent in self.weights().items() if percent == 0)

    def answer(self, slot: str = "") -> tuple[int, str]:
        """Return the status and the version of one answer of the front door, of a slot's preview where one is named."""
        request = urllib.request.Request(f"{self.url}/", headers={"X-Release-Slot": slot} if slot else {})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers.get("X-Version", "")
        except urllib.error.HTTPError as error:
            return error.code, ""

    def other_revision(self) -> str:
        """Return a revision that does not serve now, r2 or r3: the quickstart makes a v2 and a v3 of its own."""
        return "r2" if self.answer()[1] != "r2" else "r3"

    def _await_front_door(self) -> None:
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                self.answer()
                return
            time.sleep(0.1)
        raise RuntimeError("the balancer does not answer: " + self.compose("logs", "balancer", check=False)[-2000:])

    def _overlay(self) -> str:
        if self.balancer == "haproxy":
            image = images.haproxy(self.engine, self._program)
            entry = ["/usr/bin/balancer", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
        else:
            image = images.nginx(self.engine, self._program)
            (self.folder / "nginx/main").mkdir(exist_ok=True)
            # What the official image brings of its own.
            (self.folder / "nginx/main/nginx.conf").write_text(
                "user root root;\nworker_processes 2;\ndaemon off;\nerror_log /dev/stderr;\n"
                "events { worker_connections 1024; }\nhttp {\n    access_log off;\n"
                "    include /etc/nginx/conf.d/*.conf;\n}\n"
            )
            entry = ["/usr/bin/balancer", "-c", "/etc/nginx/conf.d/main/nginx.conf", "-e", "/dev/stderr"]
        return (
            "services:\n"
            f"  balancer:\n    image: {image}\n    entrypoint: {json.dumps(entry)}\n"
            f'    ports: !override ["127.0.0.1:{self.port}:80"]\n'
            "  app-blue:\n    healthcheck: !reset null\n"
            "  app-green:\n    healthcheck: !reset null\n"
            f"  database:\n    image: {images.database(self.engine)}\n    environment: {{SLOT: data}}\n"
        )

    def inventory(self) -> dict[str, t.Any]:
        name = "inventory.haproxy.yml" if self.balancer == "haproxy" else "inventory.yml"
        inventory: dict[str, t.Any] = yaml.safe_load((EXAMPLES / name).read_text().replace("/srv/shop", str(self.home)))
        inventory["all"]["children"]["release_environments"]["hosts"][ENVIRONMENT].update(
            ansible_python_interpreter=sys.executable,
            release_verify={"url": f"{self.url}/", "header": "X-Version"},
            release_compose_image="zdt-shop",
            release_compose_files=[self.file, "lab.yml"],
            release_compose_docker_host=f"unix://{self.engine.socket}",
            **{"release_journal": {"store": "file", "path": str(self.home / "journal")}, **self.variables},
        )
        return inventory


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
