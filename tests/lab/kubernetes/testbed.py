# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole test bed, and in it the shop of the examples behind one driver: for benchmarks and the quickstart."""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

from tests.lab.kubernetes import control_plane, mesh, node, programs, shop
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.mesh import GATEWAY, PARENT, Mesh
from tests.lab.kubernetes.node import Node

DRIVERS = ("istio", "gateway", "service")
# The manifests and the inventory of each driver in docs/examples/kubernetes.
EXAMPLES = {
    "istio": ("istio.yml", "inventory.yml"),
    "gateway": ("gateway-api.yml", "inventory.gateway-api.yml"),
    "service": ("service.yml", "inventory.service.yml"),
}
SLOTS = ("blue", "green")


class TestBed(t.NamedTuple):
    """What runs: a control plane, an Istio over it, and a node."""

    __test__ = False  # no test, whatever pytest thinks of its name

    cluster: ControlPlane
    mesh: Mesh
    node: Node


def missing() -> str | None:
    """Return what this machine lacks for all of it, None when it lacks nothing."""
    why = control_plane.missing() or mesh.missing() or node.missing()
    return why.removeprefix("skipped: ") if why else None


@contextlib.contextmanager
def testbed(folder: Path | None = None) -> Iterator[TestBed]:
    """Yield a test bed of one's own. Raises RuntimeError with the last words of what does not start."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # Mounts, addresses and containers outlive a process that is just ended.
        signal.signal(signal.SIGTERM, _leave)
    with contextlib.ExitStack() as ends:
        cluster = ControlPlane(folder or Path(tempfile.mkdtemp(prefix="zdt-k8s-", dir="/tmp"))).start()
        ends.callback(cluster.stop)
        cluster.apply_definitions(programs.custom_resources())
        istio = Mesh(cluster).start()
        ends.callback(istio.stop)
        machine = Node(cluster).start()
        ends.callback(machine.stop)
        yield TestBed(cluster, istio, machine)


def _leave(_number: int, _frame: object) -> t.NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + signal.SIGTERM)


class Ingress(t.Protocol):
    """Where an Istio and a Gateway listen."""

    @property
    def url(self) -> str:
        """The address of the Istio."""

    @property
    def gateway_url(self) -> str:
        """The address of the Gateway."""


class Shop:
    """The shop behind C(driver), in a namespace of its own: nothing serves before the first release."""

    def __init__(
        self,
        cluster: Cluster,
        istio: Ingress,
        driver: str,
        folder: Path,
        variables: t.Mapping[str, t.Any] | None = None,
        journal: t.Mapping[str, t.Any] | None = None,
    ) -> None:
        self.api, self.driver = cluster.api, driver
        self.namespace = cluster.create_namespace("shop")
        manifests, inventory = EXAMPLES[driver]
        for file in ("app.yml", manifests):
            shop.apply(cluster, self.namespace, file)
        self._open_door(cluster)
        self.url = istio.gateway_url if driver == "gateway" else istio.url
        steps = {"release_steps": [100]} if driver == "service" else {}
        self.environment = shop.Environment(
            cluster, self.namespace, folder, inventory, f"{self.url}/", {**steps, **(variables or {})}, journal
        )

    def deploy(self, revision: str, *options: str) -> tuple[int, str]:
        """Release C(revision), the first one with two pods; return the exit status and what was said."""
        return self.environment.deploy(revision, *self.first(), *options)

    def first(self) -> list[str]:
        """Return what only the first release is told: all others get as many pods as the slot that serves has."""
        return [] if any(self.replicas(slot) for slot in SLOTS) else ["-e", "release_kubernetes_capacity=2"]

    def report(self, revision: str) -> dict[str, t.Any] | None:
        """Return the newest report on C(revision), None when there is none."""
        files = sorted((self.environment.folder / "reports").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        reports = (json.loads(file.read_text()) for file in reversed(files))
        return next((report for report in reports if report["revision"] == revision), None)

    def replicas(self, slot: str) -> int:
        """Return how many pods a slot is to have."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/shop-{slot}"
        return int(self.api.get(path)["spec"]["replicas"])

    def ready(self, slot: str) -> int:
        """Return how many pods of a slot are ready."""
        pods = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=f"app=shop,version={slot}")
        told = [one for pod in pods["items"] for one in pod.get("status", {}).get("conditions", [])]
        return sum(one["type"] == "Ready" and one["status"] == "True" for one in told)

    @property
    def path(self) -> str:
        """The object that says who gets the requests."""
        return {
            "istio": f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/virtualservices/shop",
            "gateway": f"/apis/gateway.networking.k8s.io/v1/namespaces/{self.namespace}/httproutes/shop",
            "service": f"/api/v1/namespaces/{self.namespace}/services/shop",
        }[self.driver]

    def weights(self) -> dict[str, int]:
        """Return the percent of the requests that the object gives to each slot."""
        return self.weights_of(self.api.get(self.path))

    def weights_of(self, found: t.Mapping[str, t.Any]) -> dict[str, int]:
        """Return the weights in an object as it was read."""
        spec = found["spec"]
        if self.driver == "service":
            return {slot: 100 if spec["selector"].get("version") == slot else 0 for slot in SLOTS}
        if self.driver == "gateway":
            return {ref["name"].removeprefix("shop-"): ref["weight"] for ref in spec["rules"][-1]["backendRefs"]}
        return {one["destination"]["subset"]: one.get("weight", 0) for one in spec["http"][-1]["route"]}

    def _open_door(self, cluster: Cluster) -> None:
        """Let the lab's ingress serve the shop at any name."""
        if self.driver == "gateway":
            patch: t.Any = {"spec": {"parentRefs": [PARENT], "hostnames": None}}
            cluster.api.patch(self.path, patch)
            return
        if self.driver == "istio":
            cluster.api.patch(self.path, {"spec": {"hosts": ["*"], "gateways": [GATEWAY]}})
            return
        # Without kube-proxy a Service is reached by Envoy only.
        host = f"shop.{self.namespace}.svc.cluster.local"
        body = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "front"},
            "spec": {"hosts": ["*"], "gateways": [GATEWAY], "http": [{"route": [{"destination": {"host": host}}]}]},
        }
        cluster.api.apply(body, self.namespace)
