# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of C(world.py) behind any balancer of the lab."""

from __future__ import annotations

import typing as t

from tests.lab.hosts.haproxy import HAProxy, free_port
from tests.lab.hosts.nginx import Nginx, newest_nginx
from tests.lab.hosts.world import ENVIRONMENT, SLOTS, World

DRIVERS = ("haproxy", "nginx", "nginx-reload")


class BalancedWorld(World):
    """A world whose balancer is C(driver), one of DRIVERS; nginx is the newest one at hand."""

    def __init__(self, driver: str, machines: int = 1, variables: t.Mapping[str, t.Any] | None = None) -> None:
        super().__init__(machines, variables)
        self.driver = driver

    def __enter__(self) -> BalancedWorld:
        super().__enter__()
        if self.driver != "haproxy":
            said: list[str] = []
            if self.run("adopt", "-e", "release_serving=blue", "-e", "release_confirm=true", say=said.append):
                self.close()
                raise RuntimeError("\n".join(said))
        return self

    def _balancer(self) -> t.Any:
        servers = {slot: [f"{self.addresses[name]}:{self.port}" for name in self.machines[slot]] for slot in SLOTS}
        folder = self.folder / "lb"
        if self.driver == "haproxy":
            return HAProxy(folder, free_port(), servers).start()
        mode = "reload" if self.driver == "nginx-reload" else "flag"
        return Nginx(folder, free_port(), servers, mode=mode, binary=newest_nginx()).start()

    def _inventory(self) -> dict[str, t.Any]:
        inventory = super()._inventory()
        if self.driver != "haproxy":
            environment = inventory["all"]["children"]["release_environments"]["hosts"][ENVIRONMENT]
            environment["release_traffic"] = {"nginx_traffic": self.balancer.options}
        return inventory
