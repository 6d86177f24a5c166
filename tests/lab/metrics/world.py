# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service under traffic that a gate can judge: HAProxy, two revisions of the demo app, clients, and Prometheus."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

from tests.lab.hosts.haproxy import HAProxy, demo_apps, free_port
from tests.lab.metrics.envoy import Envoy
from tests.lab.metrics.prometheus import Prometheus

EXPORTER = """
frontend metrics
    bind 127.0.0.1:{port}
    http-request use-service prometheus-exporter
"""


class World:
    """Blue is stable and runs C(v1) twice, green is the canary and runs C(v2) twice."""

    def __init__(
        self,
        haproxy: HAProxy,
        apps: t.Mapping[str, t.Sequence[int]],
        prometheus: Prometheus,
        envoy: Envoy | None = None,
    ) -> None:
        self.haproxy, self.apps, self.prometheus, self.envoy = haproxy, apps, prometheus, envoy
        self.running: t.Mapping[str, t.Sequence[subprocess.Popen[bytes]]] = {}
        self._ending = threading.Event()
        self._clients: list[threading.Thread] = []

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        folder: Path,
        weights: str = "50:50:0",
        with_envoy: bool = False,
        others: t.Mapping[str, str] | None = None,
    ) -> t.Iterator[World]:
        """Run it all until the block ends; C(others) are more jobs of Prometheus and their one address each."""
        apps = {slot: [free_port(), free_port()] for slot in ("blue", "green")}
        addresses = {slot: [f"127.0.0.1:{port}" for port in ports] for slot, ports in apps.items()}
        metrics = free_port()
        haproxy = HAProxy(folder / "haproxy", free_port(), addresses, weights=weights)
        haproxy.config.write_text(haproxy.config.read_text() + EXPORTER.format(port=metrics))
        targets = {"shop": [*addresses["blue"], *addresses["green"]], "haproxy": [f"127.0.0.1:{metrics}"]}
        targets.update({job: [address] for job, address in (others or {}).items()})
        envoy = None
        if with_envoy:
            split = dict(zip(("blue", "green"), map(int, weights.split(":")), strict=False))
            envoy = Envoy(folder / "envoy", (free_port(), free_port()), apps, split)
            targets["envoy"] = [envoy.metrics]
        prometheus = Prometheus(folder / "prometheus", free_port(), targets, paths={"envoy": Envoy.PATH})
        world = cls(haproxy, apps, prometheus, envoy)
        with demo_apps(sys.executable, apps, {"blue": "v1", "green": "v2"}) as world.running:
            try:
                haproxy.start()
                for slot in apps:
                    haproxy.wait_until(slot, 2)
                if envoy:
                    envoy.start()
                prometheus.start()
                yield world
            finally:
                world.end_traffic()
                prometheus.stop()
                if envoy:
                    envoy.stop()
                haproxy.stop()

    def traffic(self, clients: int = 4, pause: float = 0.01, port: int | None = None) -> None:
        """Let clients come: each asks, waits C(pause) seconds, and asks again on the same connection.

        They come to C(port), which is HAProxy's when nothing is said.
        """
        self._ending.clear()
        where = (port or self.haproxy.port, pause)
        self._clients = [threading.Thread(target=self._client, args=where, daemon=True) for _n in range(clients)]
        for client in self._clients:
            client.start()

    def end_traffic(self) -> None:
        """Let the clients go."""
        self._ending.set()
        for client in self._clients:
            client.join(5)
        self._clients = []

    def kill(self, slot: str) -> None:
        """Let every instance of a slot die, for good."""
        for process in self.running[slot]:
            process.kill()
            process.wait()

    def fault(self, slot: str, **faults: t.Any) -> None:
        """Switch faults of a slot on, such as C(error_rate=0.2)."""
        for port in self.apps[slot]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("POST", "/fault", json.dumps(faults), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(answer.read().decode())
            connection.close()

    def _client(self, port: int, pause: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        while not self._ending.is_set():
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
            time.sleep(pause)
        connection.close()
