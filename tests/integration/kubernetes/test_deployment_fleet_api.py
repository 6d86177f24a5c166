# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments as slots in a real API server with its controllers, as an account that may what is documented."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.autoscalers import FLOOR
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.deployments import BEFORE
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.fleet import DeploymentFleet

from tests.lab.kubernetes import shop
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.server import until

REPOSITORY = "registry.example.com/shop"


class Shop:
    """The shop of the examples, staged and retired by the driver."""

    def __init__(self, cluster: Cluster, namespace: str, kubelet: shop.Kubelet) -> None:
        self.api, self.kubelet, self.namespace = cluster.api, kubelet, namespace
        token = cluster.create_user(namespace, "releases", shop.rules())
        self.options = {
            "kubeconfig": str(cluster.write_kubeconfig(namespace, token)),
            "namespace": namespace,
            "deployments": {"blue": "shop-blue", "green": "shop-green"},
            "services": {"blue": "shop", "green": "shop"},
            "container": "shop",
            "image": REPOSITORY,
        }

    def run(self, slot: str, revision: str = "", check_mode: bool = False, **asked: t.Any) -> dict[str, t.Any]:
        """Stage C(revision) in C(slot), or retire the slot."""
        state = "staged" if revision else "retired"
        params = {"slot": slot, "state": state, "revision": revision, "weight": 0, **asked}
        wait = None if check_mode else _fleet.Wait(30)
        return _fleet.run([_fleet.Here(DeploymentFleet(self.options), check_mode)], params, wait)

    def get(self, slot: str, kind: str = "apis/apps/v1", plural: str = "deployments") -> t.Any:
        return self.api.get(f"/{kind}/namespaces/{self.namespace}/{plural}/shop-{slot}")

    def autoscaler(self, slot: str) -> t.Any:
        return self.get(slot, "apis/autoscaling/v2", "horizontalpodautoscalers")

    def patch(self, slot: str, body: dict[str, t.Any]) -> None:
        self.api.patch(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/shop-{slot}", body)


@pytest.fixture
def app(cluster: Cluster, namespace: str) -> Iterator[Shop]:
    """Two pods of v1 in blue."""
    if not getattr(cluster, "has_controllers", True):
        pytest.skip("skipped: this cluster has no controllers that make pods")
    for file in ("app.yml", "istio.yml"):
        shop.apply(cluster, namespace, file)
    with shop.Kubelet(cluster, namespace) as kubelet:
        found = Shop(cluster, namespace, kubelet)
        for slot in ("blue", "green"):
            # A node that the cluster may have is to leave these pods alone.
            found.patch(slot, {"spec": {"template": {"spec": {"schedulerName": "nobody"}}}})
        found.run("blue", "v1", capacity=2)
        yield found


def test_a_revision_is_staged_beside_what_serves_and_retired_again_and_nothing_else_changes(app: Shop) -> None:
    before, other = app.get("green"), app.get("blue")
    looked = app.run("green", "v2", check_mode=True)
    assert (looked["changed"], app.get("green")["spec"]) == (True, before["spec"])

    result = app.run("green", "v2")
    assert (result["changed"], result["capacity"], result["slots"]["green"]["ready"]) == (True, 2, 2)
    assert {pod["revision"] for pod in result["slots"]["green"]["instances"]} == {f"{REPOSITORY}:v2"}
    after = app.get("green")["spec"]
    assert after["template"]["spec"]["containers"][0].pop("image") == f"{REPOSITORY}:v2"
    before["spec"]["template"]["spec"]["containers"][0].pop("image")
    assert {**after, "replicas": 0} == before["spec"], "image and replicas, nothing else"
    assert app.get("blue")["spec"] == other["spec"]
    assert app.run("green", "v2")["changed"] is False

    assert app.run("green", "v3")["slots"]["green"]["revision"] == "v3", "over what stands there at weight 0"
    app.run("green")
    assert until(lambda: not app.get("green")["status"].get("replicas"), 10)
    assert app.run("green")["changed"] is False


def test_a_template_is_the_whole_of_what_runs_and_a_second_time_nothing_changes(app: Shop) -> None:
    container: dict[str, t.Any] = {"name": "shop", "image": "any", "env": [{"name": "LOG_LEVEL", "value": "debug"}]}
    app.options["template"] = {"spec": {"containers": [container], "schedulerName": "nobody"}}
    assert app.run("green", "v2")["slots"]["green"]["ready"] == 2
    made = app.get("green")["spec"]["template"]
    assert made["metadata"]["labels"] == {"app": "shop", "version": "green"}
    assert "readinessProbe" not in made["spec"]["containers"][0]
    assert app.run("green", "v2")["changed"] is False
    container["env"][0]["value"] = "info"
    assert app.run("green", "v2")["changed"] is True, "a release of the configuration alone"
    container["imagePullPolicy"] = "Sometimes"
    with pytest.raises(Refused, match='Unsupported value: "Sometimes"'):
        app.run("green", "v2")


def test_an_image_that_cannot_be_had_ends_the_wait_at_once(app: Shop) -> None:
    reason = {"reason": "ImagePullBackOff", "message": "Back-off pulling image: not found"}
    app.kubelet.broken[f"{REPOSITORY}:none"] = reason
    with pytest.raises(ReleaseError, match="shop-green-.* is in ImagePullBackOff: Back-off pulling image: not found"):
        app.run("green", "none")
    assert app.run("green", "v2")["slots"]["green"]["ready"] == 2, "the next one is staged over it"


def test_a_quota_that_allows_no_pod_ends_the_wait_with_the_quotas_own_words(app: Shop) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "3"}}}
    quotas = f"/api/v1/namespaces/{app.namespace}/resourcequotas"
    app.api.create(quotas, quota)
    assert until(lambda: app.api.get(f"{quotas}/few").get("status", {}).get("used", {}).get("pods") == "2", 20)
    with pytest.raises(ReleaseError, match=r"green: no pod can be made \(FailedCreate\): .*exceeded quota: few"):
        app.run("green", "v2")


def test_preflight_refuses_a_quota_without_room_and_names_what_a_drain_would_take(app: Shop) -> None:
    assert DeploymentFleet(app.options).outlook("green") == [], "the examples have a budget for each slot"
    budgets = f"/apis/policy/v1/namespaces/{app.namespace}/poddisruptionbudgets"
    app.api.delete(f"{budgets}/shop-blue")
    (warning,) = DeploymentFleet(app.options).outlook("green")
    assert warning.startswith("no PodDisruptionBudget covers the pods of blue")
    quotas = f"/api/v1/namespaces/{app.namespace}/resourcequotas"
    app.api.create(quotas, {"metadata": {"name": "few"}, "spec": {"hard": {"requests.cpu": "300m"}}})
    assert until(lambda: app.api.get(f"{quotas}/few").get("status", {}).get("used", {}).get("requests.cpu"), 20)
    sentence = (
        "no room for both slots at once: the quota few has 0.1 of 0.3 requests.cpu left, and 2 more pods need 0.2"
    )
    with pytest.raises(Refused, match=sentence):
        DeploymentFleet(app.options).outlook("green")


def test_a_stage_that_came_to_nothing_is_undone(app: Shop) -> None:
    before = app.get("green")
    app.run("green", "v2")
    app.run("green", "v3")
    app.run("green")
    after = app.get("green")
    assert after["spec"] == before["spec"], "image and replicas as before the first of them"
    assert BEFORE not in after["metadata"]["annotations"]
    assert app.run("green")["changed"] is False


def test_a_deployment_that_makes_no_progress_ends_the_wait_before_its_deadline(app: Shop) -> None:
    app.patch("green", {"spec": {"progressDeadlineSeconds": 2, "minReadySeconds": 1}})
    app.kubelet.broken[f"{REPOSITORY}:slow"] = {"reason": "ContainerCreating"}
    with pytest.raises(ReleaseError, match="ProgressDeadlineExceeded"):
        app.run("green", "slow")
    app.patch("green", {"spec": {"paused": True}})
    with pytest.raises(Refused, match="is paused"):
        app.run("green", "v2")


def test_autoscalers_keep_their_replicas_and_get_a_floor_until_either_slot_is_retired(
    cluster: Cluster, app: Shop
) -> None:
    shop.apply(cluster, app.namespace, "autoscalers.yml")
    app.patch("blue", {"spec": {"replicas": 3}})
    # Nobody measures here, so the autoscaler has no wish of its own: it wants what is there, and keeps its floor.
    result = app.run("green", "v2")
    assert (result["capacity"], result["slots"]["green"]["ready"]) == (3, 3)
    for slot in ("blue", "green"):
        found = app.autoscaler(slot)
        assert (found["spec"]["minReplicas"], found["metadata"]["annotations"][FLOOR]) == (3, "2")
    app.run("blue")
    for slot in ("blue", "green"):
        found = app.autoscaler(slot)
        assert (found["spec"]["minReplicas"], FLOOR in found["metadata"].get("annotations", {})) == (2, False)
    assert app.get("blue")["spec"]["replicas"] == 0


def test_what_the_account_may_not_do_is_one_sentence(cluster: Cluster, app: Shop) -> None:
    app.options["kubeconfig"] = str(cluster.write_kubeconfig("less", cluster.create_user(app.namespace, "less", [])))
    with pytest.raises(ReleaseError, match='cannot list resource "horizontalpodautoscalers"'):
        app.run("green", "v2")
