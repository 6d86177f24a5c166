# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods on the lab's node live, fail and end as they do in the field."""

from __future__ import annotations

import json
import typing as t
import urllib.request

import pytest

from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.images import SHOP
from tests.lab.kubernetes.mesh import GATEWAY, Mesh
from tests.lab.kubernetes.server import until

# Generous: the machine may be busy with other tests.
SECONDS = 120.0


def test_pods_get_ready_and_become_endpoints(node: Cluster, namespace: str) -> None:
    _deploy(node, namespace, "v1", replicas=2)
    assert until(lambda: _status(node, namespace).get("readyReplicas") == 2, SECONDS)
    assert until(lambda: len(_endpoints(node, namespace)) == 2, SECONDS)
    answer = urllib.request.urlopen(f"http://{_endpoints(node, namespace)[0]}:8080/", timeout=5)
    assert json.load(answer) == {"version": "v1", "slot": "blue"}


def test_a_rollout_replaces_every_pod(node: Cluster, namespace: str) -> None:
    _deploy(node, namespace, "v1")
    assert until(lambda: _status(node, namespace).get("readyReplicas") == 1, SECONDS)
    _deploy(node, namespace, "v2")
    assert until(lambda: _images(node, namespace) == {f"{SHOP}:v2"}, SECONDS)


@pytest.mark.parametrize(
    ("tag", "reason"),
    [("no-such-tag", "ImagePullBackOff"), ("crash", "CrashLoopBackOff")],
)
def test_a_pod_that_cannot_start_says_why(node: Cluster, namespace: str, tag: str, reason: str) -> None:
    _deploy(node, namespace, tag)
    assert until(lambda: reason in _waiting(node, namespace), SECONDS), _waiting(node, namespace)


def test_the_logs_of_a_pod_that_crashed_are_there(node: Cluster, namespace: str) -> None:
    _deploy(node, namespace, "crash")
    assert until(lambda: "CrashLoopBackOff" in _waiting(node, namespace), SECONDS)
    name = _pods(node, namespace)[0]["metadata"]["name"]
    said = node.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}/log", previous="true")
    assert "unrecognized arguments: --no-such-option" in said


def test_a_pod_that_says_it_is_unhealthy_is_never_ready(node: Cluster, namespace: str) -> None:
    _deploy(node, namespace, "unhealthy")
    assert until(lambda: any(pod["status"]["phase"] == "Running" for pod in _pods(node, namespace)), SECONDS)
    assert not until(lambda: _status(node, namespace).get("readyReplicas"), 5)


def test_the_ingress_reaches_pods_and_follows_the_weights(node: Cluster, mesh: Mesh, namespace: str) -> None:
    host, service = f"{namespace}.test", f"shop.{namespace}.svc.cluster.local"
    _deploy(node, namespace, "v1", slot="blue")
    _deploy(node, namespace, "v2", slot="green")
    for slot in ("blue", "green"):
        assert until(lambda slot=slot: _status(node, namespace, slot).get("readyReplicas") == 1, SECONDS)
    subsets = [{"name": slot, "labels": {"slot": slot}} for slot in ("blue", "green")]
    route = [
        {"destination": {"host": service, "subset": slot}, "weight": weight}
        for slot, weight in (("blue", 100), ("green", 0))
    ]
    for kind, spec in (
        ("DestinationRule", {"host": service, "subsets": subsets}),
        ("VirtualService", {"hosts": [host], "gateways": [GATEWAY], "http": [{"name": "main", "route": route}]}),
    ):
        body = {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": "shop"}, "spec": spec}
        node.api.apply(body, namespace)
    assert until(lambda: _answering(mesh, host) == "v1", SECONDS)
    patch = [
        {"op": "replace", "path": f"/spec/http/0/route/{number}/weight", "value": weight}
        for number, weight in enumerate((0, 100))
    ]
    node.api.patch(f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/shop", patch, "json")
    assert until(lambda: _answering(mesh, host) == "v2", SECONDS)


def _deploy(node: Cluster, namespace: str, tag: str, replicas: int = 1, slot: str = "blue") -> None:
    """Apply a Deployment of the shop for C(slot), and the Service of both slots."""
    labels = {"app": "shop", "slot": slot}
    container = {
        "name": "shop",
        "image": f"{SHOP}:{tag}",
        "env": [{"name": "SLOT", "value": slot}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 5}}
    deployment = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    service = {"selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    for version, kind, name, spec in (
        ("v1", "Service", "shop", service),
        ("apps/v1", "Deployment", f"shop-{slot}", deployment),
    ):
        node.api.apply({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}, namespace)


def _status(node: Cluster, namespace: str, slot: str = "blue") -> dict[str, t.Any]:
    return dict(node.api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/shop-{slot}").get("status", {}))


def _pods(node: Cluster, namespace: str) -> list[dict[str, t.Any]]:
    return list(node.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"])


def _images(node: Cluster, namespace: str) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in _pods(node, namespace)}


def _waiting(node: Cluster, namespace: str) -> set[str]:
    """Return the reasons for which containers wait."""
    containers = [one for pod in _pods(node, namespace) for one in pod["status"].get("containerStatuses", [])]
    return {one["state"]["waiting"]["reason"] for one in containers if "waiting" in one["state"]}


def _endpoints(node: Cluster, namespace: str) -> list[str]:
    """Return the addresses that are ready."""
    slices = node.api.get(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")["items"]
    endpoints = [one for each in slices for one in each.get("endpoints") or []]
    return [one["addresses"][0] for one in endpoints if one["conditions"]["ready"]]


def _answering(mesh: Mesh, host: str) -> str:
    request = urllib.request.Request(mesh.url, headers={"Host": host})
    return str(urllib.request.urlopen(request, timeout=5).headers["X-Version"])
