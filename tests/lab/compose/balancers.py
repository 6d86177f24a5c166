# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The balancers of the lab in containers: one mounted folder with the same path on both sides, signals by the engine.

They have the host's network, so that they reach the applications on its loopback.
"""

from __future__ import annotations

import contextlib
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.engine import Engine as Api
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

from tests.lab.compose import images
from tests.lab.compose.engine import Engine
from tests.lab.hosts.haproxy import HAProxy
from tests.lab.hosts.nginx import Nginx, children

START_SECONDS = 20.0


class Container:
    """One container that runs a balancer, from C(start) to C(remove)."""

    def __init__(self, api: Api, image: str, command: t.Sequence[str], folder: Path) -> None:
        host = {"NetworkMode": "host", "Binds": [f"{folder}:{folder}"], "AutoRemove": False}
        order = {"Image": image, "Entrypoint": list(command), "HostConfig": host}
        self._api = api
        self._id: str = api.call("POST", "/containers/create", body=order)["Id"]

    def start(self) -> None:
        self._api.call("POST", f"/containers/{self._id}/start")

    def signal(self, name: str) -> None:
        """Send a signal to its first process, as C(docker kill --signal) does."""
        self._api.call("POST", f"/containers/{self._id}/kill", signal=name)

    @property
    def pid(self) -> int:
        """The number of its first process as the host sees it, 0 when it does not run."""
        return int(self._api.get(f"/containers/{self._id}/json")["State"]["Pid"])

    def words(self) -> str:
        """What it wrote last."""
        return " | ".join(self._api.logs(self._id, 5))

    def remove(self) -> None:
        """End it at once and remove it."""
        with contextlib.suppress(ReleaseError):
            self._api.call("DELETE", f"/containers/{self._id}", force="1")

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait until C(true). Raises RuntimeError with what the container wrote."""
        give_up = time.monotonic() + START_SECONDS
        while not true():
            if not self.pid or time.monotonic() > give_up:
                raise RuntimeError(f"{what}: {self.words()}")
            time.sleep(0.01)


# The worker answers before the master, as first process of its container, hears signals: one that comes between is
# lost, and an operator sends it again after some seconds.
HEARD = 3.0


class HAProxyContainer(HAProxy):
    """The HAProxy of an app in a container, as master and worker."""

    def __init__(self, engine: Engine, folder: Path, port: int, servers: t.Mapping[str, t.Sequence[str]]) -> None:
        super().__init__(folder, port, servers)
        self._container = Container(
            engine.api, images.haproxy(engine), ["/usr/bin/balancer", "-W", "-db", "-f", str(self.config)], folder
        )

    def start(self) -> HAProxyContainer:
        self._container.start()
        self._container.until(
            lambda: self._pid() and "Loading success" in self._container.words(), "HAProxy did not come up"
        )
        return self

    def reload(self) -> None:
        before = self._pid()
        self._container.signal("HUP")
        sent = time.monotonic()

        def reloaded() -> bool:
            nonlocal sent
            if time.monotonic() - sent > HEARD:
                self._container.signal("HUP")
                sent = time.monotonic()
            return self._pid() not in ("", before)

        self._container.until(reloaded, "HAProxy did not reload")

    def stop(self) -> None:
        self._container.remove()

    def _pid(self) -> str:
        with contextlib.suppress(OSError, StopIteration):
            return next(line for line in self.ask("show info").splitlines() if line.startswith("Pid:"))
        return ""


class NginxContainer(Nginx):
    """The nginx of an app in a container, whose weights are flag files."""

    def __init__(self, engine: Engine, folder: Path, port: int, servers: t.Mapping[str, t.Sequence[str]]) -> None:
        super().__init__(folder, port, servers)
        program = ["/usr/bin/balancer", "-p", str(folder), "-c", str(self.config), "-e", str(self.log)]
        self._container = Container(engine.api, images.nginx(engine, self.binary), program, folder)

    @property
    def options(self) -> dict[str, t.Any]:
        # Its processes and its main file are within the container; the mounted folder is all that is needed.
        return {name: super(NginxContainer, self).options[name] for name in ("slots", "state", "counters")}

    def start(self) -> NginxContainer:
        self._container.start()
        self._container.until(self.workers, "nginx did not come up")
        return self

    def reload(self) -> None:
        before = set(self.workers())
        self._container.signal("HUP")
        self._container.until(lambda: set(self.workers()) - before, "nginx did not reload")

    def workers(self) -> list[int]:
        return children(self._container.pid)

    def stop(self) -> None:
        self._container.remove()
