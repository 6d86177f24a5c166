# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Envoy on loopback with one cluster per slot and weights between them, as its own configuration says it."""

from __future__ import annotations

import json
import typing as t
import urllib.request
from pathlib import Path

from tests.lab.kubernetes import programs
from tests.lab.kubernetes.server import Server

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


class Envoy:
    """One Envoy of an app: C(start), C(stop). Its counters are at C(metrics), below C(PATH)."""

    PATH = "/stats/prometheus"

    def __init__(
        self,
        folder: Path,
        ports: tuple[int, int],
        servers: t.Mapping[str, t.Sequence[int]],
        weights: t.Mapping[str, int],
        app: str = "shop",
    ) -> None:
        self.port, admin = ports
        self.metrics = f"127.0.0.1:{admin}"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "envoy.json"
        names = {slot: f"{app}_{slot}" for slot in servers}
        router = {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}
        split = [{"name": names[slot], "weight": weight} for slot, weight in weights.items()]
        route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": split}}}
        manager = {
            "@type": _HTTP,
            "stat_prefix": app,
            "http_filters": [router],
            "route_config": {"virtual_hosts": [{"name": app, "domains": ["*"], "routes": [route]}]},
        }
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        bootstrap = {
            "admin": {"address": _address(admin)},
            "static_resources": {
                "listeners": [{"name": app, "address": _address(self.port), "filter_chains": [chain]}],
                "clusters": [_cluster(names[slot], where) for slot, where in servers.items()],
            },
        }
        config.write_text(json.dumps(bootstrap, indent=1))
        words = ["--config-path", config, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
        self._server = Server([programs.envoy(), *map(str, words)], folder / "envoy.log")

    def start(self) -> Envoy:
        """Start and wait until it is ready; returns itself. Raises RuntimeError with Envoy's own words."""
        self._server.start(self._ready, 30)
        return self

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def _ready(self) -> bool:
        with _DIRECT.open(f"http://{self.metrics}/ready", timeout=1) as answer:
            return bool(answer.read().strip() == b"LIVE")


def _address(port: int) -> dict[str, t.Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, ports: t.Sequence[int]) -> dict[str, t.Any]:
    endpoints = [{"endpoint": {"address": _address(port)}} for port in ports]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
