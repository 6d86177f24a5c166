# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the account that releases run as has to be allowed: the API server's audit log beside the documented Role."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.gateway import GatewayTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.istio import IstioTraffic

from tests.integration.kubernetes.test_kubernetes_faults import Selected, kubelet
from tests.lab.kubernetes import shop
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.faults import Door, Fault

__all__ = ["kubelet"]

ACCOUNT = "releases"
ROUTES: tuple[tuple[type[_traffic.Driver], dict[str, t.Any]], ...] = (
    (IstioTraffic, {"virtual_service": "shop"}),
    (GatewayTraffic, {"route": "shop", "slots": {"blue": "shop-blue", "green": "shop-green"}, "settle": 0}),
)


def documented() -> set[tuple[str, str, str]]:
    """Return API group, resource and verb of all that docs/examples/kubernetes/access.yml allows."""
    return {
        (group, resource, verb)
        for rule in shop.rules()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def move_routes(cluster: Cluster) -> None:
    """Move the traffic of a VirtualService and of an HTTPRoute; whether anybody follows is not what this is about."""
    namespace = cluster.create_namespace()
    for file in ("istio.yml", "gateway-api.yml"):
        shop.apply(cluster, namespace, file)
    token = cluster.create_user(namespace, ACCOUNT, shop.rules())
    base = {"kubeconfig": str(cluster.write_kubeconfig(namespace, token)), "namespace": namespace}
    for kind, own in ROUTES:
        checked = ArgumentSpecValidator(kind.spec).validate({**base, **own})
        with contextlib.suppress(ReleaseError):
            _traffic.move(kind(checked.validated_parameters), {"weights": {"blue": 0, "green": 100}, "force": True})
    cluster.delete_namespace(namespace)


@pytest.mark.usefixtures("kubelet")
def test_the_documented_role_is_enough_for_everything_and_nothing_in_it_is_unused(
    own_cluster: ControlPlane, namespace: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    conflicts: list[Fault] = [409]

    def once(method: str, path: str) -> Fault | None:
        # An autoscaler is read by its name only when somebody else has changed it meanwhile.
        return conflicts.pop() if method == "PATCH" and "horizontalpodautoscalers" in path and conflicts else None

    running = request.getfixturevalue("kubelet")
    with Door(own_cluster.api) as door:
        door.rule = once
        selected = Selected(own_cluster, namespace, tmp_path, door.url)
        shop.apply(own_cluster, namespace, "autoscalers.yml")
        environment = selected.environment
        status, said = environment.deploy("v1", "-e", "release_kubernetes_capacity=3")
        assert status == 0, said
        running.broken["registry.example.com/shop:none"] = {"reason": "ImagePullBackOff", "message": "not found"}
        assert environment.deploy("none")[0] == 2
        status, said = environment.deploy("v2", "-e", "release_bake_time=1s")
        assert (status, selected.serving()) == (0, "green"), said
        for verb in ("status", "rollback", "sweep"):
            status, said = environment.run(verb)
            assert status == 0, said
    assert not conflicts
    move_routes(own_cluster)

    done = list(own_cluster.done_by(ACCOUNT))
    assert [one for one in done if one[3] == 403] == []
    assert {(group, resource, verb) for group, resource, verb, _code in done} == documented()


@pytest.mark.usefixtures("kubelet")
def test_preflight_and_status_name_the_tool_that_will_put_other_weights_back(
    own_cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    selected = Selected(own_cluster, namespace, tmp_path)
    body = shop.documents("service.yml")[0]
    wanted = yaml.safe_dump(body).encode()
    place = shop.place(body, namespace)
    own_cluster.api.patch(place, wanted, "apply", fieldManager="argocd-controller", force="true")
    sentence = f"argocd-controller applies spec.selector of Service {namespace}/shop and will put its own weights back"
    for playbook in ("preflight", "status"):
        status, said = selected.environment.run(playbook, "-e", "release_revision=v1")
        assert (status, sentence in said) == (0, True), said
