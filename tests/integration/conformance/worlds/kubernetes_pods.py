# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worlds of Kubernetes with real pods on the lab's node: an HTTPRoute of the Gateway API, and a plain Service.

The pods of both slots live as long as the tests; each case has Services and a route of its own over them.
"""

from __future__ import annotations

import json
import typing as t
import urllib.request
from collections.abc import Callable, Mapping

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.gateway import GatewayTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.service import ServiceTraffic

from tests.integration.conformance.world import REVISIONS, SLOTS
from tests.integration.conformance.worlds.kubernetes import FENCE, InCluster, percents, read
from tests.lab.kubernetes import node
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.images import SHOP
from tests.lab.kubernetes.mesh import GATEWAY, PARENT
from tests.lab.kubernetes.server import until

GATEWAY_API = "gateway.networking.k8s.io/v1"
POD_SECONDS = 120.0  # the machine may be busy


class Pods:
    """One pod for each slot, in a namespace of their own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.namespace = cluster.create_namespace("pods")
        self._place = f"/api/v1/namespaces/{self.namespace}/pods"

    def start(self) -> Pods:
        """Start them, wait until they are ready, and return itself."""
        for slot, revision in REVISIONS.items():
            container = {
                "name": "shop",
                "image": f"{SHOP}:{revision}",
                "env": [{"name": "SLOT", "value": slot}],
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {
                    "httpGet": {"path": "/ready", "port": "http"},
                    "periodSeconds": 1,
                    "timeoutSeconds": 10,
                    "failureThreshold": 1,
                },
            }
            metadata = {"name": f"shop-{slot}", "labels": {"app": "shop", "version": slot}}
            self._cluster.api.create(self._place, {"metadata": metadata, "spec": {"containers": [container]}})
        for slot in SLOTS:
            self._wait(slot, True)
        return self

    def stop(self) -> None:
        """End them."""
        self._cluster.delete_namespace(self.namespace)

    def address(self, slot: str) -> str:
        """Return the address of a slot's pod."""
        return str(self._get(slot)["status"]["podIP"])

    def set_health(self, slot: str, healthy: bool) -> None:
        """Let the pod of a slot say of itself whether it can serve, and wait until Kubernetes knows."""
        if self._ready(slot) != healthy:
            wish = json.dumps({"healthy": healthy}).encode()
            urllib.request.urlopen(f"http://{self.address(slot)}:8080/fault", wish, timeout=10).close()
            self._wait(slot, healthy)

    def _wait(self, slot: str, ready: bool) -> None:
        if not until(lambda: self._ready(slot) == ready, POD_SECONDS):
            raise RuntimeError(f"the pod shop-{slot} does not get {'ready' if ready else 'unready'}")

    def _ready(self, slot: str) -> bool:
        conditions = self._get(slot).get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _get(self, slot: str) -> dict[str, t.Any]:
        return dict(self._cluster.api.get(f"{self._place}/shop-{slot}"))


class WithPods(InCluster):
    """An object over the pods of both slots."""

    pods: t.ClassVar[Pods]

    @classmethod
    def missing(cls) -> str | None:
        return node.missing()

    def take_down(self, slot: str) -> None:
        self.pods.set_health(slot, False)
        self.until(lambda: self.make().observe().slots[slot].up is False)

    def all_up(self) -> bool:
        """Return whether the driver sees that both slots can serve, and nothing to complain of."""
        view = self.make().observe()
        return all(view.slots[slot].up for slot in SLOTS) and not view.trouble

    def service(self, name: str, selector: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> None:
        """Make a Service over pods of the shop."""
        ports = [{"name": "http", "port": 80, "targetPort": "http"}]
        spec = {"selector": {"app": "shop", **selector}, "ports": ports}
        self.apply("Service", spec, annotations, name, "v1")


def set_proportions(blue: int, green: int) -> Callable[[t.Any], None]:
    """Return what gives a route these weights by other hands."""

    def make(world: Gateway) -> None:
        patch = [
            {"op": "replace", "path": f"/spec/rules/{world.main}/backendRefs/{number}/weight", "value": weight}
            for number, weight in enumerate((blue, green))
        ]
        world.cluster.api.patch(world.path, patch, "json", fieldManager="somebody")

    return make


class Gateway(WithPods):
    """An HTTPRoute with preview rules and a rule of somebody else; istiod is what the Gateway is of."""

    name = "gateway"
    driver = GatewayTraffic
    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {
        "thirds": (set_proportions(1, 2), "the weights are blue 1 / green 2, which are no whole percents"),
        "nothing_for_both": (set_proportions(0, 0), "the weights are blue 0 / green 0"),
    }

    main = 3

    def start(self) -> None:
        for slot in SLOTS:
            self.pods.set_health(slot, True)
            self.service(f"{self.object}-{slot}", {"version": slot})
        refs = {slot: {"name": f"{self.object}-{slot}", "port": 80} for slot in SLOTS}
        previews = [
            {
                "matches": [
                    {"headers": [{"name": "x-release-slot", "value": slot}]},
                    {"headers": [_cookie(slot)]},
                ],
                "backendRefs": [refs[slot]],
            }
            for slot in SLOTS
        ]
        redirect = {"type": "RequestRedirect", "requestRedirect": {"statusCode": 302, "path": _path("/")}}
        gone = {"matches": [{"path": {"type": "Exact", "value": "/gone"}}], "filters": [redirect]}
        main = {
            "timeouts": {"request": "15s"},
            "backendRefs": [{**refs["blue"], "weight": 100}, {**refs["green"], "weight": 0}],
        }
        hosts = {} if self.asked_for else {"hostnames": [self.host]}
        spec = {"parentRefs": [PARENT], **hosts, "rules": [gone, *previews, main]}
        self.apply("HTTPRoute", spec, {FENCE: "1", "team": "shop"}, api=GATEWAY_API)
        self.until(self.all_up)
        if self.asked_for:
            self.until(lambda: self.follows() and self.answers() == "v1")

    def stop(self) -> None:
        place = f"/apis/networking.istio.io/v1alpha3/namespaces/{PARENT['namespace']}/envoyfilters"
        self.cluster.api.delete(f"{place}/{self.object}-broken")
        self.delete("httproutes", self.object, GATEWAY_API)
        for slot in SLOTS:
            self.delete("services", f"{self.object}-{slot}", "v1")

    @property
    def path(self) -> str:
        return f"/apis/{GATEWAY_API}/namespaces/{self.namespace}/httproutes/{self.object}"

    @property
    def options(self) -> dict[str, t.Any]:
        return {
            **super().options,
            "route": self.object,
            "slots": {slot: f"{self.object}-{slot}" for slot in SLOTS},
        }

    @property
    def url(self) -> str:
        return self.mesh.gateway_url

    def raw(self) -> dict[str, t.Any]:
        found = super().raw()
        found.pop("status", None)  # the Gateway writes it
        return found

    def processes(self) -> object:
        return self.cluster.api.get(self.path)["metadata"]["generation"]

    def foreign(self) -> dict[str, t.Any]:
        found = self.raw()
        found["metadata"]["annotations"].pop(FENCE, None)
        for entry in found["spec"]["rules"][self.main]["backendRefs"]:
            entry.pop("weight", None)
        return found

    def lie(self) -> None:
        # A filter of another team that Envoy cannot take: it refuses the whole table, ours with it.
        before = self.mesh.refused()
        port = int(self.url.rpartition(":")[2])
        twice = {"virtual_hosts": [{"name": name, "domains": ["broken.test"]} for name in ("one", "two")]}
        patch = {
            "applyTo": "ROUTE_CONFIGURATION",
            "match": {"context": "GATEWAY", "routeConfiguration": {"portNumber": port}},
            "patch": {"operation": "MERGE", "value": twice},
        }
        body = {
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": f"{self.object}-broken"},
            "spec": {"configPatches": [patch]},
        }
        self.cluster.api.apply(body, PARENT["namespace"])
        self.until(lambda: self.mesh.refused() > before)

    def follows(self) -> bool:
        wanted = [entry["weight"] for entry in self.raw()["spec"]["rules"][self.main]["backendRefs"]]
        marks = [f"||{self.object}-{slot}.{self.namespace}.svc" for slot in SLOTS]
        return any(
            percents(route.get("route", {}), marks) == wanted
            for route in self.routes()
            if "headers" not in route["match"]
        )


def select(**labels: str | None) -> Callable[[t.Any], None]:
    """Return what changes the selector of a Service by other hands; None takes a label away."""

    def make(world: Service) -> None:
        world.cluster.api.patch(world.path, {"spec": {"selector": labels}}, fieldManager="somebody")

    return make


class Service(WithPods):
    """A plain Service with the pods of one slot; Envoy, which has no other way to it, stands for its clients."""

    name = "service"
    driver = ServiceTraffic
    SPLITS = PREVIEWS = False
    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {
        "neither_slot": (select(version="purple"), "the selector says version=purple, which is neither slot"),
        "both_slots": (select(version=None), "the selector has no label version: it takes the pods of both slots"),
    }

    def start(self) -> None:
        for slot in SLOTS:
            self.pods.set_health(slot, True)
        self.service(self.object, {"version": "blue"}, {FENCE: "1", "team": "shop"})
        self.until(self.all_up)
        if self.asked_for:
            self._route(self.object)
            self.until(lambda: self.follows() and self.answers() == "v1")

    def stop(self) -> None:
        self.delete("virtualservices", self.object)
        for name in (self.object, f"{self.object}-fixed"):
            self.delete("services", name, "v1")

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/services/{self.object}"

    @property
    def options(self) -> dict[str, t.Any]:
        return {**super().options, "service": self.object}

    def foreign(self) -> dict[str, t.Any]:
        found = self.raw()
        found["metadata"]["annotations"].pop(FENCE, None)
        found["spec"]["selector"].pop("version", None)
        return found

    def lie(self) -> None:
        # Somebody sends clients to a Service of the blue pods alone.
        self.service(f"{self.object}-fixed", {"version": "blue"})
        self._route(f"{self.object}-fixed")
        fixed = f"||{self.object}-fixed.{self.namespace}.svc"
        self.until(lambda: any(fixed in json.dumps(route) for route in self.routes()) and self.answers() == "v1")

    def follows(self) -> bool:
        slot = self.raw()["spec"]["selector"].get("version")
        there = {self.pods.address(one) for one in SLOTS if slot in (one, None)}
        mark = f"||{self.object}.{self.namespace}.svc"
        clusters = json.loads(read(f"{self.mesh.admin}/clusters?format=json"))["cluster_statuses"]
        return any(
            {host["address"]["socket_address"]["address"] for host in one.get("host_statuses", [])} == there
            for one in clusters
            if mark in one["name"]
        )

    def _route(self, service: str) -> None:
        main = {"name": "main", "route": [{"destination": {"host": f"{service}.{self.namespace}.svc.cluster.local"}}]}
        self.apply("VirtualService", {"hosts": [self.host], "gateways": [GATEWAY], "http": [main]})


def _cookie(slot: str) -> dict[str, str]:
    return {"name": "cookie", "type": "RegularExpression", "value": f"(.*; ?)?release_slot={slot}(;.*)?"}


def _path(path: str) -> dict[str, str]:
    return {"type": "ReplaceFullPath", "replaceFullPath": path}
