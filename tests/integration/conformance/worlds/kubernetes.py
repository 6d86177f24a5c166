# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worlds of Kubernetes, over the lab's real API server and a real Envoy; here: Istio.

The applications run on loopback, which no EndpointSlice may name: a ServiceEntry does, so that this needs no node and
no root. Whose health that is nobody can tell; the worlds with pods (kubernetes_pods.py) know.
"""

from __future__ import annotations

import abc
import contextlib
import json
import time
import typing as t
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
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


class InCluster(World):
    """One object of the lab's API server, and an Envoy that follows it."""

    COUNTS = LEASES = RELOADS = REMOTE = False

    cluster: t.ClassVar[Cluster]
    mesh: t.ClassVar[Mesh]
    namespace: t.ClassVar[str]

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        super().__init__(folder, addresses)
        self.object = f"shop-{folder.name}"
        # One of them is asked; the other one only has to be there.
        self.asked_for = folder.name == "a"
        self.host = "*" if self.asked_for else f"{folder.name}.test"

    @property
    @abc.abstractmethod
    def path(self) -> str:
        """The object's path."""

    @abc.abstractmethod
    def follows(self) -> bool:
        """Return whether Envoy goes by the object as it is now."""

    @property
    def options(self) -> dict[str, t.Any]:
        return {"kubeconfig": str(self.cluster.kubeconfig), "cluster": "lab", "namespace": self.namespace}

    @property
    def url(self) -> str:
        return self.mesh.url

    def raw(self) -> dict[str, t.Any]:
        found = self.cluster.api.get(self.path)
        for name in ("resourceVersion", "managedFields", "generation"):
            found["metadata"].pop(name, None)
        return t.cast("dict[str, t.Any]", found)

    def processes(self) -> object:
        return self.cluster.api.get(self.path)["metadata"]["resourceVersion"]

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
        self.until(self.follows, 3.0)
        return super().asked(number, **headers)

    def routes(self) -> Iterator[dict[str, t.Any]]:
        """Yield all routes that Envoy has."""
        dump = json.loads(read(f"{self.mesh.admin}/config_dump?resource=dynamic_route_configs"))
        for config in dump.get("configs", []):
            for host in config.get("route_config", {}).get("virtual_hosts", []):
                yield from host.get("routes", [])

    def answers(self) -> str:
        """Return which revision answers, empty when none does."""
        try:
            with urllib.request.urlopen(self.url + "/", timeout=5) as answer:
                return str(answer.headers.get("X-Version", ""))
        except OSError:
            return ""

    def until(self, true: Callable[[], bool], seconds: float = 15.0) -> None:
        """Wait until C(true), or for C(seconds)."""
        give_up = time.monotonic() + seconds
        while not true() and time.monotonic() < give_up:
            time.sleep(0.02)

    def apply(
        self,
        kind: str,
        spec: Mapping[str, t.Any],
        annotations: Mapping[str, str] | None = None,
        name: str = "",
        api: str = "networking.istio.io/v1",
    ) -> None:
        """Apply an object, called as the world's own is by default."""
        metadata = {"name": name or self.object, "annotations": dict(annotations or {})}
        body = {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": dict(spec)}
        self.cluster.api.apply(body, self.namespace)

    def delete(self, kind: str, name: str, api: str = "networking.istio.io/v1") -> None:
        """Delete an object; C(kind) is the plural."""
        root = "api" if api == "v1" else "apis"
        self.cluster.api.delete(f"/{root}/{api}/namespaces/{self.namespace}/{kind}/{name}")


class Istio(InCluster):
    """A VirtualService with preview rules, timeouts and a route of somebody else beside ours."""

    name = "istio"
    driver = IstioTraffic
    KNOWS_HEALTH = False
    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {
        "a_sum_of_90": (set_weights(50, 40), "the weights are blue 50 / green 40"),
        "nothing_for_both": (set_weights(0, 0), "the weights are blue 0 / green 0"),
    }

    main = 3

    @property
    def path(self) -> str:
        return f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/virtualservices/{self.object}"

    def start(self) -> None:
        service = f"{self.object}.test"
        port = {"number": 80, "name": "http", "protocol": "HTTP"}
        endpoints = [
            {"address": "127.0.0.1", "labels": {"slot": slot}, "ports": {"http": int(address.rpartition(":")[2])}}
            for slot, address in self.addresses.items()
        ]
        entry = {"hosts": [service], "ports": [port], "resolution": "STATIC", "location": "MESH_EXTERNAL"}
        self.apply("ServiceEntry", {**entry, "endpoints": endpoints})
        subsets = [{"name": slot, "labels": {"slot": slot}} for slot in SLOTS]
        self.apply("DestinationRule", {"host": service, "subsets": subsets})
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
        self.apply("VirtualService", {**hosts, "http": [gone, *previews, main]}, {FENCE + ".main": "1", "team": "shop"})
        if self.asked_for:
            self.until(lambda: self.follows() and self.answers() == "v1")

    def stop(self) -> None:
        self.delete("virtualservices", f"{self.object}-broken")
        for kind in ("virtualservices", "destinationrules", "serviceentries"):
            self.delete(kind, self.object)

    @property
    def options(self) -> dict[str, t.Any]:
        return {**super().options, "virtual_service": self.object, "destination_rule": self.object}

    def foreign(self) -> dict[str, t.Any]:
        found = self.raw()
        found["metadata"]["annotations"].pop(FENCE + ".main", None)
        for entry in found["spec"]["http"][self.main]["route"]:
            entry.pop("weight", None)
        return found

    def lie(self) -> None:
        # A route of another app that Envoy cannot take: it refuses the whole table, ours with it.
        before = self.mesh.refused()
        route = {
            "route": [{"destination": {"host": f"{self.object}.test", "subset": slot}, "weight": 0} for slot in SLOTS]
        }
        spec = {"hosts": ["broken.test"], "gateways": [GATEWAY], "http": [route]}
        self.apply("VirtualService", spec, name=f"{self.object}-broken")
        self.until(lambda: self.mesh.refused() > before)

    def follows(self) -> bool:
        wanted = [entry.get("weight", 0) for entry in self.raw()["spec"]["http"][self.main]["route"]]
        # The world before this one had the same names, in another namespace.
        place = f"/namespaces/{self.namespace}/virtual-service/{self.object}"
        return any(
            route.get("name") == "main"
            and place in json.dumps(route)
            and percents(route["route"], [f"|{slot}|{self.object}" for slot in SLOTS]) == wanted
            for route in self.routes()
        )


def percents(route: Mapping[str, t.Any], marks: Sequence[str]) -> list[int]:
    """Return what Envoy gives to the clusters with C(marks) in their names; a route to one cluster gives it all."""
    found = {route["cluster"]: 100} if "cluster" in route else {}
    found |= {one["name"]: one.get("weight", 0) for one in route.get("weighted_clusters", {}).get("clusters", [])}
    return [next((weight for called, weight in found.items() if mark in called), 0) for mark in marks]


def read(url: str) -> str:
    """Return what is to be read there."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
