# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HAProxy on loopback with the configuration that the role ships, for tests, benchmarks and quickstart."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import jinja2

TEMPLATE = Path(__file__).resolve().parents[3] / "roles/release_hosts/templates/haproxy.cfg.j2"


def rendered(**values: t.Any) -> str:
    """Return the role's template with these values."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(TEMPLATE.read_text()).render(**values)


class HAProxy:
    """One HAProxy of an app: C(start), C(reload), C(stop)."""

    def __init__(
        self,
        folder: Path,
        port: int,
        servers: t.Mapping[str, t.Sequence[str]],
        app: str = "shop",
        binary: str | None = None,
        weights: str = "100:0:0",
    ) -> None:
        found = binary or shutil.which("haproxy") or next(iter(Path("/usr/sbin").glob("haproxy")), None)
        if not found:
            raise FileNotFoundError("no haproxy on PATH")
        self.binary, self.folder, self.app, self.port = str(found), folder, app, port
        folder.mkdir(parents=True, exist_ok=True)
        self.map = folder / "zerodowntime.map"
        self.socket = folder / "admin.sock"
        self.config = folder / "haproxy.cfg"
        if not self.map.exists():
            self.map.write_text(f"{app} {weights}\n")
        self.config.write_text(
            rendered(
                app=app,
                bind=f"127.0.0.1:{port}",
                map=self.map,
                socket=self.socket,
                global_lines=["nbthread 2"],
                preview_from=["127.0.0.0/8"],
                health_path="/health",
                check_interval="200ms",
                slots={
                    slot: {
                        "backend": f"{app}_{slot}",
                        "servers": [{"name": f"s{n}", "address": a} for n, a in enumerate(addresses)],
                    }
                    for slot, addresses in servers.items()
                },
            )
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def options(self) -> dict[str, t.Any]:
        """The options of C(haproxy_traffic) for this balancer."""
        return {
            "socket": str(self.socket),
            "map": str(self.map),
            "slots": {slot: f"{self.app}_{slot}" for slot in ("blue", "green")},
        }

    @property
    def url(self) -> str:
        """The front door."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> HAProxy:
        """Start and wait until it answers; returns itself. Raises RuntimeError with HAProxy's own words."""
        self._launch()
        return self

    def reload(self) -> None:
        """Start a successor that takes the sockets over; the old process finishes what it has (-sf)."""
        self._launch("-x", str(self.socket), "-sf", *(str(p.pid) for p in self._processes if p.poll() is None))

    def stop(self) -> None:
        """End every process of this HAProxy."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def ask(self, command: str) -> str:
        """Return the answer of the runtime API."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def wait_until(self, slot: str, ready: int, seconds: float = 10.0) -> None:
        """Wait until C(slot) has C(ready) healthy servers. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rows = [line.split(",") for line in self.ask("show stat").splitlines()]
            row = next(r for r in rows if r[:2] == [f"{self.app}_{slot}", "BACKEND"])
            if int(row[rows[0].index("act")]) == ready:
                return
            time.sleep(0.05)
        raise TimeoutError(f"{slot} has no {ready} healthy servers after {seconds} s")

    def _launch(self, *arguments: str) -> None:
        log = open(self.folder / "haproxy.log", "ab")  # noqa: SIM115  # the child's for its life
        before = self._processes[-1].pid if self._processes else 0
        process = subprocess.Popen(
            [self.binary, "-db", "-f", str(self.config), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C at the terminal is not for HAProxy, which would die of it at once
        )
        log.close()
        self._processes.append(process)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError((self.folder / "haproxy.log").read_text())
            with contextlib.suppress(OSError, IndexError):
                pid = next(line for line in self.ask("show info").splitlines() if line.startswith("Pid:")).split()[1]
                if int(pid) == process.pid or (before and int(pid) != before):
                    return
            time.sleep(0.02)
        raise RuntimeError("HAProxy did not come up: " + (self.folder / "haproxy.log").read_text())


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def demo_apps(
    python: str, slots: t.Mapping[str, t.Sequence[int]], revisions: t.Mapping[str, str]
) -> t.Iterator[dict[str, list[subprocess.Popen[bytes]]]]:
    """Run the demo app for each port of each slot until the block ends."""
    script = Path(__file__).with_name("demo_app.py")
    running = {
        slot: [
            subprocess.Popen(
                [
                    python,
                    str(script),
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(port),
                    "--revision",
                    revisions[slot],
                    "--slot",
                    slot,
                ],
                stdin=subprocess.DEVNULL,
            )
            for port in ports
        ]
        for slot, ports in slots.items()
    }
    try:
        yield running
    finally:
        for process in (p for group in running.values() for p in group):
            process.kill()
            process.wait()


__all__ = ["HAProxy", "demo_apps", "free_port", "rendered"]
