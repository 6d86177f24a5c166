# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy and nginx in containers: what a release changes lies in a mounted folder, signals go by the engine's API."""

from __future__ import annotations

import atexit
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.integration.conformance.worlds.haproxy import HAProxy26
from tests.integration.conformance.worlds.nginx import NginxFlag
from tests.lab.compose.balancers import HAProxyContainer, NginxContainer
from tests.lab.compose.engine import Engine, missing
from tests.lab.hosts.haproxy import free_port


@functools.cache
def engine() -> Engine:
    """Return the engine of this run, which ends with it."""
    running = Engine(Path(tempfile.mkdtemp(prefix="zdt-", dir="/tmp"))).start()
    atexit.register(running.stop)
    return running


class HAProxyInContainer(HAProxy26):
    """The system's HAProxy in a container."""

    name = "haproxy_container"
    REMOTE = LEASES = False  # what runs beside the object is the same as without containers

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        super().__init__(folder, addresses)
        servers = {slot: [address] for slot, address in addresses.items()}
        self.lab = HAProxyContainer(engine(), folder, free_port(), servers)

    @classmethod
    def missing(cls) -> str | None:
        return HAProxy26.missing() or missing()


class NginxInContainer(NginxFlag):
    """The system's nginx in a container, without any option that names its processes."""

    name = "nginx_container"
    REMOTE = LEASES = False

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        super().__init__(folder, addresses)
        servers = {slot: [address] for slot, address in addresses.items()}
        self.lab = NginxContainer(engine(), folder, free_port(), servers)

    @classmethod
    def missing(cls) -> str | None:
        return NginxFlag.missing() or missing()
