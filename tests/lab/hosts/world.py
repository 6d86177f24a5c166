# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small world to release in: HAProxy, the machines of two slots, builds of the demo app, and a user's project.

Usable as a context manager from quickstart, tests and benchmarks::

    with World() as world:
        world.build("v1")
        world.run("deploy", "-e", "release_revision=v1")
        world.report("v1")["outcome"]

The project is the one of C(docs/examples/hosts), at addresses of this world and at a quicker pace. Everything lies in
one folder, and everything that is started there carries the folder's name in its environment, so that all of it can
be found and ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.lab.hosts.haproxy import HAProxy

CHECKOUT = Path(__file__).resolve().parents[3]
EXAMPLES = CHECKOUT / "docs/examples/hosts"
COLLECTION = Path("ansible_collections/zerodowntime/bluegreen")
ENVIRONMENT = "shop-eu"
MARK = "ZERODOWNTIME_WORLD"
SLOTS = ("blue", "green")

# Below the range from which the kernel takes the ports of outgoing connections.
PORTS = range(10000, 30000)
PRESSES = 4
PRESS_SECONDS = 3.0
STOP_SECONDS = 3.0

# Minutes of production in seconds: a world serves one reader, not a shop.
PACE: dict[str, t.Any] = {
    "release_steps": [20, 50, 100],
    "release_gate": None,
    "release_bake_time": "3s",
    "release_progress_deadline": "60s",
    "release_drain_timeout": "10s",
    "release_scale_down_delay": "1s",
    "release_abort_scale_down_delay": "1s",
}


class World:
    """The world, from C(__enter__) to C(__exit__). C(variables) are release variables over those of the project.

    C(collections) is a folder with the collection installed, by default it is this checkout.
    """

    def __init__(
        self,
        machines: int = 1,
        variables: t.Mapping[str, t.Any] | None = None,
        haproxy: str | None = None,
        collections: Path | None = None,
    ) -> None:
        self.machines = {slot: [f"{slot}{number}" for number in range(1, machines + 1)] for slot in SLOTS}
        self.variables = {**PACE, **(variables or {})}
        self._haproxy = haproxy
        self._installed = collections
        self._runs: list[subprocess.Popen[str]] = []
        self._kept = False

    def __enter__(self) -> World:
        """Start HAProxy and write the project; the slots are empty. Raises RuntimeError with HAProxy's own words."""
        # The path of HAProxy's socket must be shorter than 108 bytes: never below a deep TMPDIR.
        parent = tempfile.gettempdir()
        self.folder = Path(tempfile.mkdtemp(prefix="zdt-world-", dir=parent if len(parent) < 60 else "/tmp")).resolve()
        try:
            self._addresses()
            self.balancer = self._balancer()
            self._project()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        if not self._kept:
            self.close()

    def build(self, revision: str, *options: str) -> None:
        """Make C(revision) of the app, a program with C(options) of the demo app, such as C(--error-rate 0.05)."""
        folder = self.folder / "builds" / revision
        folder.mkdir(parents=True)
        shutil.copy(CHECKOUT / "tests/lab/hosts/demo_app.py", folder / "shop.py")
        command = [sys.executable, "-B", str(folder / "shop.py"), "--revision", revision, *options]
        program = folder / "shop"
        program.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
        program.chmod(0o755)

    def command(self, playbook: str, *options: str) -> list[str]:
        """Return the command of a playbook of the collection, as a user types it in the project's folder."""
        return ["ansible-playbook", f"zerodowntime.bluegreen.{playbook}", "-i", "inventory.yml", *options]

    def start(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        """Start a playbook of the collection; its lines come by the pipe C(stdout), the live ones among them."""
        process = subprocess.Popen(
            self.command(playbook, *options),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a Ctrl-C at the terminal reaches the run once, from us
        )
        self._runs.append(process)
        return process

    def run(self, playbook: str, *options: str, say: t.Callable[[str], None] = lambda line: None) -> int:
        """Run a playbook of the collection and return its exit status; C(say) gets its lines as they come."""
        process = self.start(playbook, *options)
        assert process.stdout
        for line in process.stdout:
            say(line.rstrip())
        process.stdout.close()
        return process.wait()

    def environment(self) -> dict[str, str]:
        """Return the environment of everything in this world; a user's own settings of Ansible stay outside."""
        users = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        return {**users, **self._settings}

    @property
    def _settings(self) -> dict[str, str]:
        return {
            MARK: str(self.folder),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "TMPDIR": str(self.folder / "tmp"),
            "LC_ALL": "C.UTF-8",  # Ansible refuses to start where the user's locale has another encoding
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def report(self, revision: str) -> dict[str, t.Any] | None:
        """Return the newest report on a release of C(revision), None when there is none."""
        files = sorted((self.folder / "reports").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        reports = (json.loads(file.read_text()) for file in reversed(files))
        return next((report for report in reports if report["revision"] == revision), None)

    def weights(self) -> dict[str, int]:
        """Return the percent of the requests that HAProxy gives to each slot now."""
        entry = self.balancer.ask(f"show map {self.balancer.map}").split()
        return dict(zip(SLOTS, map(int, entry[-1].split(":")[:2]), strict=True))

    def keep(self) -> None:
        """Leave the world as it is when the block ends, until C(end); a shell belongs to it by C(. ./env)."""
        self._kept = True
        lines = (f"export {name}={shlex.quote(value)}\n" for name, value in self._settings.items())
        (self.folder / "env").write_text("".join(lines))

    def close(self) -> None:
        """End the world: runs put their traffic back first; then every process that carries the mark goes."""
        for run in self._runs:
            if run.poll() is None:
                _interrupt(run)
        end(self.folder)
        if hasattr(self, "balancer"):
            self.balancer.stop()

    def _addresses(self) -> None:
        # Each world has addresses of its own within 127.0.0.0/8, so that worlds never meet, not even at one port.
        net = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}"
        self.addresses = {
            name: f"{net}.{base + number}"
            for slot, base in zip(SLOTS, (10, 20), strict=True)
            for number, name in enumerate(self.machines[slot], start=1)
        }
        self.port = _free_port()

    def _balancer(self) -> HAProxy:
        servers = {slot: [f"{self.addresses[name]}:{self.port}" for name in self.machines[slot]] for slot in SLOTS}
        for attempt in range(5):
            try:
                with _marked(self.environment()):
                    return HAProxy(self.folder / "lb", _free_port(), servers, binary=self._haproxy).start()
            except RuntimeError:  # somebody else has taken the port meanwhile
                if attempt == 4:
                    raise
        raise AssertionError

    def _project(self) -> None:
        for name in ("tmp", "builds", "journal", *(f"machines/{name}" for name in self.addresses)):
            (self.folder / name).mkdir(parents=True)
        for name in ("start.yml", "stop.yml"):
            shutil.copy(EXAMPLES / name, self.folder)
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(self._inventory(), sort_keys=False))
        self._configure()

    def _configure(self) -> None:
        (self.folder / "ansible.cfg").write_text(
            "[defaults]\n"
            f"collections_path = {self._collections()}\n"
            f"home = {self.folder}/ansible\n"
            f"remote_tmp = {self.folder}/tmp\n"
            f"interpreter_python = {sys.executable}\n"
            "localhost_warning = false\n"
            "nocolor = true\n"
            "nocows = true\n"
            "display_ok_hosts = false\n"
            "display_skipped_hosts = false\n"
        )

    def _inventory(self) -> dict[str, t.Any]:
        """Return the inventory of the example with what is different here."""
        inventory: dict[str, t.Any] = yaml.safe_load((EXAMPLES / "inventory.yml").read_text())
        children = inventory["all"]["children"]
        # The balancer is on the controller's own machine, where no connection is needed.
        del children["balancers"]
        children["release_environments"]["hosts"][ENVIRONMENT].update(
            release_traffic={"haproxy_traffic": self.balancer.options},
            release_verify={"url": f"{self.balancer.url}/", "header": "X-Version"},
            release_journal={"store": "file", "path": str(self.folder / "journal")},
            **self.variables,
        )
        machines = children["shop_machines"]
        machines["vars"].update(
            ansible_connection="local",
            shop_home=f"{self.folder}/machines/{{{{ inventory_hostname }}}}",
            shop_program=f"{self.folder}/builds/{{{{ release_revision }}}}/shop",
            shop_port=self.port,
        )
        for slot in SLOTS:
            machines["children"][f"shop_{slot}"]["hosts"] = {
                name: {"ansible_host": self.addresses[name]} for name in self.machines[slot]
            }
        return inventory

    def _collections(self) -> Path:
        if self._installed:
            return self._installed
        if CHECKOUT.parts[-3:] == COLLECTION.parts:
            return CHECKOUT.parents[2]
        link = self.folder / "collections" / COLLECTION
        link.parent.mkdir(parents=True)
        link.symlink_to(CHECKOUT)
        return self.folder / "collections"


def end(folder: Path) -> None:
    """End every process of the world in C(folder), and remove the folder."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        give_up = time.monotonic() + STOP_SECONDS
        told: set[int] = set()
        while pids := set(processes(folder)):
            for pid in pids - told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            told |= pids
            if time.monotonic() > give_up:
                break
            time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def processes(folder: Path) -> Iterator[int]:
    """Yield the number of every process of the world in C(folder), its maker apart."""
    mark = f"{MARK}={folder}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(place.name) != os.getpid() and mark in (place / "environ").read_bytes().split(b"\0"):
                yield int(place.name)


def _interrupt(run: subprocess.Popen[str]) -> None:
    """Do what a person at the terminal does: Ctrl-C, and again when nothing happens (ansible-core may miss one)."""
    for _patience in range(PRESSES):
        run.send_signal(signal.SIGINT)
        # What it says now is read too: who writes into a pipe without a reader fails instead of putting traffic back.
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.communicate(timeout=PRESS_SECONDS)
            return


@contextlib.contextmanager
def _marked(environment: dict[str, str]) -> Iterator[None]:
    """Let children that are started within the block inherit C(environment)."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    """Return a port that nobody listens on at any address of this machine, and that no outgoing connection takes."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.choice(PORTS)
            probe.bind(("", port))
            return port
