# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worlds of Kubernetes, over the lab's real API server: Istio with a real Envoy.

The applications run on loopback, which no EndpointSlice may name: a ServiceEntry does, so that this needs no node and
no root. Whose health that is nobody can tell; the tests of health have pods.
"""

from __future__ import annotations

import contextlib
import json
import time
import typing as t
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.istio import IstioTraffic

from tests.integration.conformance.world import SLOTS, World
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.faults import DEAD, Door
from tests.lab.kubernetes.mesh import GATEWAY, Mesh

FENCE = "zerodowntime.bluegreen/fence"
# What may look, and not write.
LOOK = [
    {
        "apiGroups": ["networking.istio.io", "gateway.networking.k8s.io"],
        "resources": ["virtualservices", "destinationrules", "httproutes"],
        "verbs": ["get"],
    },
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
]


def set_weights(blue: int, green: int) -> Callable[[t.Any], None]:
    """Return what gives a world these weights by other hands."""

    def make(world: Istio) -> None:
        patch = [
            {"op": "replace", "path": f"/spec/http/{world.main}/route/{number}/weight", "value": weight}
            for number, weight in enumerate((blue, green))
        ]
        world.cluster.api.patch(world.path, patch, "json", fieldManager="somebody")

    return make


class Istio(World):
    """A VirtualService with preview rules, timeouts and a route of somebody else beside ours."""

    name = "istio"
    driver = IstioTraffic
    KNOWS_HEALTH = COUNTS = LEASES = RELOADS = REMOTE = False
    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {
        "a_sum_of_90": (set_weights(50, 40), "the weights are blue 50 / green 40"),
        "nothing_for_both": (set_weights(0, 0), "the weights are blue 0 / green 0"),
    }

    cluster: t.ClassVar[Cluster]
    mesh: t.ClassVar[Mesh]
    namespace: t.ClassVar[str]
    main = 3

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        super().__init__(folder, addresses)
        self.object = f"shop-{folder.name}"
        # One of them is asked; the other one only has to be there.
        self.host = "*" if folder.name == "a" else f"{folder.name}.test"
        self.path = f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/virtualservices/{self.object}"

    def start(self) -> None:
        service = f"{self.object}.test"
        port = {"number": 80, "name": "http", "protocol": "HTTP"}
        endpoints = [
            {"address": "127.0.0.1", "labels": {"slot": slot}, "ports": {"http": int(address.rpartition(":")[2])}}
            for slot, address in self.addresses.items()
        ]
        entry = {"hosts": [service], "ports": [port], "resolution": "STATIC", "location": "MESH_EXTERNAL"}
        self._apply("ServiceEntry", {**entry, "endpoints": endpoints})
        subsets = [{"name": slot, "labels": {"slot": slot}} for slot in SLOTS]
        self._apply("DestinationRule", {"host": service, "subsets": subsets})
        to = {slot: {"destination": {"host": service, "subset": slot}} for slot in SLOTS}
        previews = [
            {
                "name": f"preview-{slot}",
                "match": [
                    {"headers": {"x-release-slot": {"exact": slot}}},
                    {"headers": {"cookie": {"regex": f"(.*; ?)?release_slot={slot}(;.*)?"}}},
                ],
                "route": [to[slot]],
            }
            for slot in SLOTS
        ]
        gone = {"name": "gone", "match": [{"uri": {"exact": "/gone"}}], "redirect": {"uri": "/"}, "headers": {}}
        main = {
            "name": "main",
            "timeout": "15s",
            "retries": {"attempts": 0},
            "route": [{**to["blue"], "weight": 100}, {**to["green"], "weight": 0}],
        }
        hosts = {"hosts": [self.host], "gateways": [GATEWAY]}
        self._apply(
            "VirtualService", {**hosts, "http": [gone, *previews, main]}, {FENCE + ".main": "1", "team": "shop"}
        )
        if self.host == "*":
            self._until(lambda: self._follows() and self._answers() == "v1")

    def stop(self) -> None:
        self._delete("virtualservices", f"{self.object}-broken")
        for kind in ("virtualservices", "destinationrules", "serviceentries"):
            self._delete(kind, self.object)

    @property
    def options(self) -> dict[str, t.Any]:
        return {
            "kubeconfig": str(self.cluster.kubeconfig),
            "cluster": "lab",
            "namespace": self.namespace,
            "virtual_service": self.object,
            "destination_rule": self.object,
        }

    @property
    def url(self) -> str:
        return self.mesh.url

    def raw(self) -> dict[str, t.Any]:
        found = self.cluster.api.get(self.path)
        for name in ("resourceVersion", "managedFields", "generation"):
            found["metadata"].pop(name, None)
        return t.cast("dict[str, t.Any]", found)

    def foreign(self) -> dict[str, t.Any]:
        found = self.raw()
        found["metadata"]["annotations"].pop(FENCE + ".main", None)
        for entry in found["spec"]["http"][self.main]["route"]:
            entry.pop("weight", None)
        return found

    def processes(self) -> object:
        return self.cluster.api.get(self.path)["metadata"]["resourceVersion"]

    def lie(self) -> None:
        # A route of another app that Envoy cannot take: it refuses the whole table, ours with it.
        before = self.mesh.refused()
        route = {
            "route": [{"destination": {"host": f"{self.object}.test", "subset": slot}, "weight": 0} for slot in SLOTS]
        }
        spec = {"hosts": ["broken.test"], "gateways": [GATEWAY], "http": [route]}
        self._apply("VirtualService", spec, name=f"{self.object}-broken")
        self._until(lambda: self.mesh.refused() > before)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[tuple[dict[str, t.Any], str]]:
        token = self.cluster.create_user(self.namespace, f"looker-{time.monotonic_ns()}", LOOK)
        yield (
            {"kubeconfig": str(self.cluster.write_kubeconfig("looker", token))},
            "403 to PATCH .*cannot patch resource",
        )

    @contextlib.contextmanager
    def answer_lost(self) -> Iterator[dict[str, t.Any]]:
        with Door(self.cluster.api) as door:
            door.writes.append(DEAD)
            yield door.options()

    def asked(self, number: int, **headers: str) -> Counter[str]:
        # Istio follows a tenth of a second after the API server: what stands is asked for then.
        self._until(self._follows, 3.0)
        return super().asked(number, **headers)

    def _follows(self) -> bool:
        wanted = [entry.get("weight", 0) for entry in self.raw()["spec"]["http"][self.main]["route"]]
        dump = json.loads(_read(f"{self.mesh.admin}/config_dump?resource=dynamic_route_configs"))
        for config in dump.get("configs", []):
            for host in config.get("route_config", {}).get("virtual_hosts", []):
                for route in host.get("routes", []):
                    # The world before this one had the same names, in another namespace.
                    ours = f"/namespaces/{self.namespace}/virtual-service/{self.object}" in json.dumps(route)
                    if ours and route.get("name") == "main":
                        return _weights(route["route"], self.object) == wanted
        return False

    def _answers(self) -> str:
        try:
            with urllib.request.urlopen(self.url + "/", timeout=5) as answer:
                return str(answer.headers.get("X-Version", ""))
        except OSError:
            return ""

    def _until(self, true: Callable[[], bool], seconds: float = 15.0) -> None:
        give_up = time.monotonic() + seconds
        while not true() and time.monotonic() < give_up:
            time.sleep(0.02)

    def _apply(
        self, kind: str, spec: dict[str, t.Any], annotations: Mapping[str, str] | None = None, name: str = ""
    ) -> None:
        metadata = {"name": name or self.object, "annotations": dict(annotations or {})}
        body = {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
        self.cluster.api.apply(body, self.namespace)

    def _delete(self, kind: str, name: str) -> None:
        self.cluster.api.delete(f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/{kind}/{name}")


def _weights(route: Mapping[str, t.Any], name: str) -> list[int]:
    """Return what Envoy gives to blue and green; a route to one cluster gives it everything."""
    if "cluster" in route:
        return [100 if f"|{slot}|{name}" in route["cluster"] else 0 for slot in SLOTS]
    found = {one["name"]: one.get("weight", 0) for one in route["weighted_clusters"]["clusters"]}
    return [next((weight for called, weight in found.items() if f"|{slot}|" in called), 0) for slot in SLOTS]


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
