# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio over a control plane of the lab: a real istiod, and a real Envoy as the ingress on 127.0.0.1. No root.

Envoy serves two gateways, each at a port of its own: one of Istio, for VirtualServices, and one of the Gateway API.
"""

from __future__ import annotations

import json
import typing as t
import urllib.request

from tests.lab.kubernetes import programs
from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.server import Server, free_port, until

NAMESPACE = "istio-system"
GATEWAY = f"{NAMESPACE}/ingress"
# What an HTTPRoute names as its parent.
PARENT = {"name": "public", "namespace": NAMESPACE}
# The labels of the ingress, by which Services and gateways find it.
LABELS = {"istio": "ingressgateway"}
# What only Istio's own Envoy understands is left out, so that a stock one takes everything.
ISTIOD = {
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_TELEMETRY_LABEL": "false",
    "POD_NAME": "istiod-0",
    "POD_NAMESPACE": NAMESPACE,
    "CLUSTER_ID": "Kubernetes",
}


def missing() -> str | None:
    """Return what this machine lacks for Istio, as the words of a skipped test; None when it lacks nothing."""
    return programs.missing(*programs.MESH)


class Mesh:
    """One istiod and one Envoy, from C(start) to C(stop). VirtualServices name C(GATEWAY) to be served at C(url).

    Routes of the Gateway API name C(PARENT) to be served at C(gateway_url).
    """

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self.folder = cluster.folder / "mesh"
        self.folder.mkdir()
        self._port, self._public, self._admin, self._discovery = (free_port() for _number in range(4))
        self.istiod = self._istiod()
        self.envoy = self._envoy()

    @property
    def url(self) -> str:
        """Where the ingress listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def gateway_url(self) -> str:
        """Where the ingress listens for routes of the Gateway API."""
        return f"http://127.0.0.1:{self._public}"

    @property
    def admin(self) -> str:
        """Where Envoy's own interface listens: C(/stats/prometheus), C(/config_dump)."""
        return f"http://127.0.0.1:{self._admin}"

    def start(self) -> Mesh:
        """Start both and wait until the gateway listens; returns itself. Raises RuntimeError with last words."""
        try:
            self._cluster.api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            self.istiod.start(lambda: _answers(f"{self._ready}/ready"))
            for body in (self._gateway(), self._service(), self._public_gateway(), self._loopback()):
                self._cluster.api.apply(body, NAMESPACE)
            self.envoy.start(lambda: _answers(f"{self.admin}/ready"))
            if not until(lambda: len(self._config("listeners")) == 2, 15):
                raise RuntimeError(f"Envoy got no listener from istiod: {self.istiod.last_words()}")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End both; the gateway goes with the cluster."""
        self.envoy.stop()
        self.istiod.stop()

    def refused(self) -> int:
        """Return how many updates of routes Envoy has refused: it then goes on with the last good ones."""
        stats = json.loads(_read(f"{self.admin}/stats?format=json&filter=update_rejected"))["stats"]
        return sum(one["value"] for one in stats if "rds" in one.get("name", ""))

    def _config(self, kind: str) -> list[t.Any]:
        found = json.loads(_read(f"{self.admin}/{kind}?format=json"))
        return list(found.get("listener_statuses", []))

    def _istiod(self) -> Server:
        self._ready = f"http://127.0.0.1:{free_port()}"
        mesh = {
            "accessLogFile": "",
            "rootNamespace": NAMESPACE,
            "defaultConfig": {"discoveryAddress": f"127.0.0.1:{self._discovery}"},
            # With it a cluster of plain pods waits for a secret for ever, and no listener comes.
            "enableAutoMtls": False,
        }
        (self.folder / "mesh.json").write_text(json.dumps(mesh))
        words = [
            "discovery",
            f"--kubeconfig={self._cluster.kubeconfig}",
            f"--meshConfig={self.folder}/mesh.json",
            f"--grpcAddr=127.0.0.1:{self._discovery}",
            "--secureGRPCAddr=",
            f"--httpAddr={self._ready.partition('//')[2]}",
            f"--httpsAddr=127.0.0.1:{free_port()}",
            f"--monitoringAddr=127.0.0.1:{free_port()}",
        ]
        return Server([programs.program("pilot-discovery"), *words], self.folder / "istiod.log", **ISTIOD)

    def _envoy(self) -> Server:
        config = self.folder / "envoy.json"
        config.write_text(json.dumps(self._bootstrap(), indent=1))
        words = ["--config-path", config, "--concurrency", "2", "--use-dynamic-base-id", "--log-level", "warning"]
        return Server([programs.envoy(), *map(str, words)], self.folder / "envoy.log")

    def _bootstrap(self) -> dict[str, t.Any]:
        ads = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
        http2 = {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
        istiod = {
            "name": "istiod",
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
            "load_assignment": {
                "cluster_name": "istiod",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(self._discovery)}}]}],
            },
        }
        return {
            "node": {
                "id": f"router~127.0.0.1~ingress-0.{NAMESPACE}~{NAMESPACE}.svc.cluster.local",
                "cluster": f"ingress.{NAMESPACE}",
                "metadata": {
                    "NAMESPACE": NAMESPACE,
                    "CLUSTER_ID": ISTIOD["CLUSTER_ID"],
                    "ISTIO_VERSION": "1.31.0",
                    "LABELS": LABELS,
                },
            },
            "admin": {"address": _address(self._admin)},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "DELTA_GRPC",
                    "transport_api_version": "V3",
                    "set_node_on_first_message_only": True,
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}],
                },
                "cds_config": ads,
                "lds_config": ads,
            },
            "static_resources": {"clusters": [istiod]},
        }

    def _gateway(self) -> dict[str, t.Any]:
        port = {"number": self._port, "name": "http", "protocol": "HTTP"}
        server = {"port": port, "hosts": ["*"], "bind": "127.0.0.1"}
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": GATEWAY.partition("/")[2]},
            "spec": {"selector": LABELS, "servers": [server]},
        }

    def _service(self) -> dict[str, t.Any]:
        # A Gateway of the Gateway API finds its proxies by the Service in its address; no pod has to be behind it.
        ports = [
            {"name": f"http-{name}", "port": port, "targetPort": port}
            for name, port in (("istio", self._port), ("public", self._public))
        ]
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "ingress"},
            "spec": {"selector": LABELS, "ports": ports},
        }

    def _public_gateway(self) -> dict[str, t.Any]:
        listener = {"name": "http", "port": self._public, "protocol": "HTTP"}
        address = {"type": "Hostname", "value": f"ingress.{NAMESPACE}.svc.cluster.local"}
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": PARENT["name"]},
            "spec": {
                "gatewayClassName": "istio",
                "addresses": [address],
                "listeners": [{**listener, "allowedRoutes": {"namespaces": {"from": "All"}}}],
            },
        }

    def _loopback(self) -> dict[str, t.Any]:
        # Gateway API has no word for the address to listen on, and Istio takes all of the machine's.
        patch = {
            "applyTo": "LISTENER",
            "match": {"context": "GATEWAY", "listener": {"portNumber": self._public}},
            "patch": {"operation": "MERGE", "value": {"address": _address(self._public)}},
        }
        return {
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": "loopback"},
            "spec": {"configPatches": [patch]},
        }


def _address(port: int) -> dict[str, t.Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _read(url: str) -> str:
    return str(urllib.request.urlopen(url, timeout=5).read().decode())


def _answers(url: str) -> bool:
    return bool(urllib.request.urlopen(url, timeout=5).status == 200)
