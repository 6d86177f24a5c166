# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases of the platform kubernetes: the playbooks, the examples' inventories, a real API server."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.kubernetes import shop
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.mesh import GATEWAY, Mesh

# Strict: paced, keep-alive, no retries, POST too, and requests that take two seconds.
LOAD = {
    "rate": 60,
    "connections": 8,
    "post_path": "/",
    "post_share": 20,
    "slow_path": "/slow?seconds=2",
    "slow_share": 5,
    "max_duration": "5m",
}


class Selected:
    """The shop behind a Service's selector; a thread says what a node would say of its pods."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, kubelet: shop.Kubelet) -> None:
        self.api, self.namespace, self.kubelet = cluster.api, namespace, kubelet
        variables = {"release_steps": [100]}
        self.environment = shop.Environment(cluster, namespace, folder, "inventory.service.yml", variables=variables)

    def serving(self) -> str:
        path = f"/api/v1/namespaces/{self.namespace}/services/shop"
        return str(self.api.get(path)["spec"]["selector"]["version"])

    def runs(self, slot: str) -> tuple[int, str]:
        spec = self.api.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/shop-{slot}")["spec"]
        return spec["replicas"], spec["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]


@pytest.fixture
def selected(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Selected]:
    if not getattr(cluster, "has_controllers", True):
        pytest.skip("skipped: this cluster has no controllers that make pods")
    for file in ("app.yml", "service.yml"):
        shop.apply(cluster, namespace, file)
    for slot in ("blue", "green"):
        # A node that the cluster may have is to leave these pods alone.
        patch: dict[str, t.Any] = {"spec": {"template": {"spec": {"schedulerName": "nobody"}}}}
        cluster.api.patch(f"/apis/apps/v1/namespaces/{namespace}/deployments/shop-{slot}", patch)
    with shop.Kubelet(cluster, namespace) as kubelet:
        yield Selected(cluster, namespace, tmp_path, kubelet)


def test_the_playbooks_release_take_back_and_roll_back_with_only_the_documented_verbs(selected: Selected) -> None:
    environment = selected.environment
    status, said = environment.deploy("v1", "-e", "release_kubernetes_capacity=2")
    assert (status, selected.serving(), selected.runs("blue")) == (0, "blue", (2, "v1")), said

    reason = {"reason": "ImagePullBackOff", "message": "not found"}
    selected.kubelet.broken["registry.example.com/shop:none"] = reason
    status, said = environment.deploy("none")
    assert (status, selected.serving(), selected.runs("green")) == (2, "blue", (0, "none")), said
    assert "is in ImagePullBackOff: not found" in environment.report()["failure"], said

    status, said = environment.deploy("v2")
    assert (status, selected.serving(), selected.runs("green")) == (0, "green", (2, "v2")), said
    assert selected.runs("blue") == (0, "v1"), "the old slot was retired"

    status, said = environment.run("rollback")
    assert (status, selected.serving(), selected.runs("blue")) == (0, "blue", (2, "v1")), said


class Meshed:
    """The shop behind a real Istio, its pods on a real node."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, mesh: Mesh) -> None:
        self.api, self.namespace = cluster.api, namespace
        variables = {"release_certificate": LOAD}
        self.environment = shop.Environment(cluster, namespace, folder, "inventory.yml", f"{mesh.url}/", variables)

    def weights(self) -> dict[str, int]:
        path = f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/virtualservices/shop"
        main = next(rule for rule in self.api.get(path)["spec"]["http"] if rule["name"] == "main")
        return {route["destination"]["subset"]: route.get("weight", 0) for route in main["route"]}

    def runs(self, slot: str) -> tuple[int, str]:
        spec = self.api.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/shop-{slot}")["spec"]
        return spec["replicas"], spec["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]


@pytest.fixture
def meshed(node: Cluster, mesh: Mesh, namespace: str, tmp_path: Path) -> Iterator[Meshed]:
    """v1 in blue with two pods."""
    shop.apply(node, namespace, "app.yml")
    shop.apply(node, namespace, "istio.yml")
    route = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/shop"
    node.api.patch(route, {"spec": {"hosts": ["*"], "gateways": [GATEWAY]}})
    found = Meshed(node, namespace, tmp_path, mesh)
    status, said = found.environment.deploy("v1", "-e", "release_kubernetes_capacity=2")
    assert status == 0, said
    yield found
    node.api.delete(route)  # the gateway serves all tests


BAD = [
    ("crash", "is in CrashLoopBackOff: the container shop exited with status 2; it said: "),
    ("none", "is in ImagePullBackOff: "),
]


def test_two_bad_releases_a_good_one_and_a_rollback_of_real_pods_behind_istio_drop_no_request(meshed: Meshed) -> None:
    environment = meshed.environment
    for revision, reason in BAD:
        status, said = environment.deploy(revision)
        assert (status, meshed.weights(), meshed.runs("green")[0]) == (2, {"blue": 100, "green": 0}, 0), said
        report = environment.report()
        assert (report["outcome"], report["dropped"], report["errors"]) == ("RolledBack", 0, 0), report
        assert reason in report["failure"], said

    status, said = environment.deploy("v2")
    assert (status, meshed.weights(), meshed.runs("green")) == (0, {"blue": 0, "green": 100}, (2, "v2")), said
    report = environment.report()
    assert (report["outcome"], report["dropped"], report["errors"]) == ("Promoted", 0, 0), report
    assert report["requests"] > 100
    assert meshed.runs("blue") == (0, "v1"), "the old slot was retired"

    status, said = environment.run("rollback")
    assert (status, meshed.weights(), meshed.runs("blue")) == (0, {"blue": 100, "green": 0}, (2, "v1")), said
