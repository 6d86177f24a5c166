# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's control plane is what the tests of Kubernetes take it for."""

from __future__ import annotations

import time

import pytest

from tests.lab.kubernetes.api import Api, ApiError
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.control_plane import ControlPlane

CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"


def test_each_test_has_a_namespace_of_its_own(cluster: Cluster, namespace: str) -> None:
    assert cluster.api.get(f"/api/v1/namespaces/{namespace}")["status"]["phase"] == "Active"
    assert not cluster.api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]


@pytest.mark.parametrize(
    "resource",
    [
        "networking.istio.io/v1/namespaces/{}/virtualservices",
        "networking.istio.io/v1/namespaces/{}/destinationrules",
        "gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
        "gateway.networking.k8s.io/v1/namespaces/{}/grpcroutes",
    ],
)
def test_resources_of_istio_and_gateway_api_are_served(cluster: Cluster, namespace: str, resource: str) -> None:
    assert cluster.api.get(f"/apis/{resource.format(namespace)}")["items"] == []


def test_a_user_may_what_the_rules_say_and_no_more(cluster: Cluster, namespace: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create"]}]
    token = cluster.create_user(namespace, "clerk", rules)
    clerk = Api(cluster.api.url, cluster.api.ca, token)
    place = CONFIG_MAPS.format(namespace)
    clerk.create(place, {"metadata": {"name": "own"}})
    with pytest.raises(ApiError, match="403.*cannot delete"):
        clerk.delete(f"{place}/own")
    with pytest.raises(ApiError, match="403.*cannot get"):
        clerk.get("/api/v1/namespaces/default/configmaps/own")


def test_the_kubernetes_package_reads_the_kubeconfig(cluster: Cluster, namespace: str) -> None:
    kubernetes = pytest.importorskip("kubernetes")
    client = kubernetes.config.new_client_from_config(str(cluster.kubeconfig))
    assert kubernetes.client.CoreV1Api(client).read_namespace(namespace).status.phase == "Active"


def test_a_restart_of_the_api_server_keeps_address_and_data(own_cluster: ControlPlane, namespace: str) -> None:
    api = own_cluster.api
    place = CONFIG_MAPS.format(namespace)
    before = api.create(place, {"metadata": {"name": "kept"}, "data": {"a": "b"}})
    own_cluster.stop_api()
    with pytest.raises(OSError):
        api.get(f"{place}/kept")
    own_cluster.start_api()
    assert api.get(f"{place}/kept") == before


def test_a_deployment_gets_its_pods_from_the_controllers(own_cluster: ControlPlane, namespace: str) -> None:
    if not own_cluster.has_controllers:
        pytest.skip("skipped: KUBEBUILDER_ASSETS has no kube-controller-manager")
    labels = {"app": "shop"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "shop", "image": "lab.test/shop:v1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": spec}
    own_cluster.api.apply(body, namespace)
    # After a restart of the API server the controllers ask again at growing intervals, 30 s and their jitter at most.
    give_up = time.monotonic() + 90
    while len(own_cluster.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]) < 2:
        assert time.monotonic() < give_up
        time.sleep(0.1)


def test_who_asks_without_a_token_is_nobody(cluster: Cluster) -> None:
    with pytest.raises(ApiError, match="40[13]"):
        Api(cluster.api.url, cluster.api.ca).get("/api/v1/namespaces")
