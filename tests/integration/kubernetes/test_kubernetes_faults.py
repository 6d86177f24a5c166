# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that is busy, fails, restarts, loses answers or tokens, and other hands: on a real one, through a door.

There is no node here: a thread says what it would say of the pods, and the real controllers make EndpointSlices of it.
"""

from __future__ import annotations

import json
import threading
import time
import typing as t
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.gateway import GatewayTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.istio import IstioTraffic

from tests.lab.kubernetes import shop as lab
from tests.lab.kubernetes.api import Api
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.faults import LOST, Door, Fault
from tests.lab.kubernetes.server import until

BLUE, GREEN, SPLIT = ({"blue": blue, "green": 100 - blue} for blue in (100, 0, 60))
SLOTS = ("blue", "green")
SECONDS = 30.0


class Shop:
    """The shop of the examples behind Istio in a namespace, with a pod for each slot."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.api, self.namespace = cluster, cluster.api, namespace
        self.path = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/shop"
        for slot in SLOTS:
            pod = {
                "metadata": {"name": f"shop-{slot}", "labels": {"app": "shop", "version": slot}},
                # A node that the cluster may have is to leave it alone.
                "spec": {"schedulerName": "nobody", "containers": [{"name": "shop", "image": "shop:1"}]},
            }
            cluster.api.create(f"/api/v1/namespaces/{namespace}/pods", pod)
        lab.apply(cluster, namespace, "istio.yml")
        assert until(lambda: all(self.driver().observe().slots[slot].up for slot in SLOTS), SECONDS)

    def driver(self, **given: t.Any) -> IstioTraffic:
        """Return a driver as a fresh process would make it."""
        base = {"kubeconfig": str(self.cluster.kubeconfig), "cluster": "lab", "namespace": self.namespace}
        checked = ArgumentSpecValidator(IstioTraffic.spec).validate({**base, "virtual_service": "shop", **given})
        assert not checked.error_messages, checked.error_messages
        return IstioTraffic(checked.validated_parameters)

    def generation(self) -> int:
        return int(self.api.get(self.path)["metadata"]["generation"])


@pytest.fixture
def shop(cluster: Cluster, namespace: str) -> Iterator[Shop]:
    if not getattr(cluster, "has_controllers", True):
        pytest.skip("skipped: this cluster has no controllers that make EndpointSlices")
    with lab.Kubelet(cluster, namespace):
        yield Shop(cluster, namespace)


def move(driver: _traffic.Driver, weights: dict[str, int], **params: t.Any) -> dict[str, t.Any]:
    return _traffic.move(driver, {"weights": weights, **params})


@pytest.mark.parametrize(
    "faults",
    [[429], [429, 429, 429], [409] * 5, [500], [503], [LOST], [500, LOST], [500, 409, 429]],
    ids=lambda one: "-".join(map(str, one)),
)
def test_faults_of_the_server_at_a_write_end_in_one_write(shop: Shop, faults: list[Fault]) -> None:
    before = shop.generation()
    with Door(shop.api) as door:
        door.writes += faults
        result = move(shop.driver(**door.options()), SPLIT, expect=BLUE, fence=2)
        assert not door.writes, "every fault was met"
    assert (result["after"]["weights"], result["after"]["fence"]) == (SPLIT, 2)
    assert shop.generation() == before + 1


@pytest.mark.parametrize("fault", [429, 500, 503, LOST])
def test_faults_of_the_server_at_a_read_are_waited_out(shop: Shop, fault: Fault) -> None:
    with Door(shop.api) as door:
        door.reads += [fault, fault]
        assert move(shop.driver(**door.options()), SPLIT)["weights"] == SPLIT


def test_a_storm_of_conflicts_is_given_up_in_a_sentence_and_nothing_is_written(shop: Shop) -> None:
    before = shop.generation()
    with Door(shop.api) as door:
        door.rule = lambda method, path: 409 if method == "PATCH" else None
        with pytest.raises(Refused, match="answered 409 to PATCH"):
            move(shop.driver(**door.options()), SPLIT)
        assert 2 <= sum(line.startswith("PATCH") for line in door.seen) <= 10, "bounded"
    assert shop.generation() == before


def test_a_hundred_changes_by_other_hands_meanwhile_do_no_harm(shop: Shop) -> None:
    over = threading.Event()

    def touch() -> None:
        number = 0
        while not over.wait(0.01):
            number += 1
            shop.api.patch(shop.path, {"metadata": {"labels": {"touched": str(number)}}})

    other = threading.Thread(target=touch)
    other.start()
    try:
        for fence, weights in enumerate((SPLIT, GREEN, BLUE) * 4):
            assert move(shop.driver(), weights, fence=fence)["after"]["weights"] == weights
    finally:
        over.set()
        other.join()


def test_a_token_that_expires_is_read_again_from_the_kubeconfig(shop: Shop) -> None:
    with Door(shop.api) as door:
        file = shop.cluster.write_kubeconfig("through-the-door", "a token that has expired", door.url)
        driver = shop.driver(kubeconfig=str(file))
        assert driver.client, "the kubeconfig has been read"
        shop.cluster.write_kubeconfig("through-the-door", shop.api.token, door.url)
        assert move(driver, SPLIT)["weights"] == SPLIT


def test_a_token_that_stays_expired_is_an_error_in_a_sentence(shop: Shop) -> None:
    file = shop.cluster.write_kubeconfig("expired", "a token that has expired")
    with pytest.raises(ReleaseError, match="answered 401 to GET .*: Unauthorized"):
        move(shop.driver(kubeconfig=str(file)), SPLIT)


def test_an_api_server_that_is_away_between_two_moves_costs_time_only(own_cluster: ControlPlane, shop: Shop) -> None:
    driver = shop.driver()
    move(driver, SPLIT, fence=1)
    own_cluster.stop_api()
    try:
        with pytest.raises(ReleaseError, match="cannot reach the Kubernetes API at"):
            move(driver, BLUE, expect=SPLIT, fence=2)
    finally:
        own_cluster.start_api()
    assert move(driver, BLUE, expect=SPLIT, fence=2)["after"]["weights"] == BLUE


def test_who_puts_back_other_weights_is_named(shop: Shop) -> None:
    driver = shop.driver()
    found = shop.api.get(shop.path)
    applied = {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "metadata": {"name": "shop"},
        "spec": {field: found["spec"][field] for field in ("hosts", "http")},
    }
    assert driver.observe().facts["fought_by"] == ""
    move(driver, SPLIT, fence=1)
    time.sleep(1.1)  # managedFields count in seconds
    shop.api.patch(shop.path, json.dumps(applied).encode(), "apply", fieldManager="argocd-controller", force="true")
    view = driver.observe()
    assert (view.weights and view.weights.plain(), view.facts["fought_by"]) == (BLUE, "argocd-controller")
    sentence = "expected blue 60 / green 40; argocd-controller changed them; nothing was written"
    with pytest.raises(Refused, match=sentence):
        move(driver, GREEN, expect=SPLIT, fence=1)


def test_a_move_by_a_gateway_waits_until_the_gateway_has_seen_it(cluster: Cluster, namespace: str) -> None:
    place = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"
    refs = [{"name": f"shop-{slot}", "port": 80, "weight": weight} for slot, weight in BLUE.items()]
    route = {"metadata": {"name": "shop"}, "spec": {"parentRefs": [{"name": "mine"}], "rules": [{"backendRefs": refs}]}}
    cluster.api.create(place, {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", **route})
    slots = {slot: f"shop-{slot}" for slot in SLOTS}
    base = {"kubeconfig": str(cluster.kubeconfig), "namespace": namespace}
    checked = ArgumentSpecValidator(GatewayTraffic.spec).validate(
        {**base, "route": "shop", "slots": slots, "settle": 2}
    )
    driver = GatewayTraffic(checked.validated_parameters)
    accept(cluster.api, f"{place}/shop")
    generation = cluster.api.get(f"{place}/shop")["metadata"]["generation"]

    def accept_later() -> None:
        assert until(lambda: cluster.api.get(f"{place}/shop")["metadata"]["generation"] > generation, SECONDS)
        time.sleep(0.4)
        accept(cluster.api, f"{place}/shop")

    gateway = threading.Thread(target=accept_later)
    gateway.start()
    began = time.monotonic()
    # There are no endpoints at all: that is not what this is about.
    assert move(driver, SPLIT, fence=1, force=True)["after"]["weights"] == SPLIT
    assert time.monotonic() - began > 0.4
    gateway.join()
    with pytest.raises(ReleaseError, match="after 2 s Gateway mine has not seen the route's generation"):
        move(driver, BLUE, fence=1, force=True)


def accept(api: Api, path: str) -> None:
    """Say what a Gateway says of a route that it has taken."""
    told = [
        {
            "type": name,
            "status": "True",
            "reason": name,
            "message": "",
            "observedGeneration": api.get(path)["metadata"]["generation"],
            "lastTransitionTime": "2026-11-24T10:00:00Z",
        }
        for name in ("Accepted", "ResolvedRefs")
    ]
    parent = {"parentRef": {"name": "mine"}, "controllerName": "example.com/lab", "conditions": told}
    api.patch(f"{path}/status", {"status": {"parents": [parent]}})


class Storm:
    """Every kind of fault, again and again, at every request of a release that may meet one."""

    KINDS: t.ClassVar[dict[str, list[Fault]]] = {"GET": [429, 500, LOST], "WRITE": [409, 429, 500, LOST]}

    def __init__(self) -> None:
        self.met: Counter[Fault] = Counter()
        self._asked: Counter[str] = Counter()

    def __call__(self, method: str, path: str) -> Fault | None:
        kind = "GET" if method == "GET" else "WRITE"
        self._asked[kind] += 1
        # Every sixth read, every third write: no two in a row, which alone would end a release's patience.
        if self._asked[kind] % (6 if kind == "GET" else 3):
            return None
        faults = self.KINDS[kind]
        fault = faults[self._asked[kind] // (6 if kind == "GET" else 3) % len(faults)]
        if fault == 409 and "configmaps" in path:
            fault = 429  # the journal's own conflict means that somebody else has written
        self.met[fault] += 1
        return fault


class Selected:
    """The shop behind a Service's selector, released by the playbooks through a door."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, door: str = "") -> None:
        self.api, self.namespace = cluster.api, namespace
        for file in ("app.yml", "service.yml"):
            lab.apply(cluster, namespace, file)
        for slot in SLOTS:
            patch: dict[str, t.Any] = {"spec": {"template": {"spec": {"schedulerName": "nobody"}}}}
            cluster.api.patch(f"/apis/apps/v1/namespaces/{namespace}/deployments/shop-{slot}", patch)
        variables = {"release_steps": [100], "release_bake_time": "10s"}
        example = "inventory.service.yml"
        self.environment = lab.Environment(cluster, namespace, folder, example, variables=variables, door=door)

    def serving(self) -> str:
        path = f"/api/v1/namespaces/{self.namespace}/services/shop"
        return str(self.api.get(path)["spec"]["selector"]["version"])


@pytest.fixture
def kubelet(cluster: Cluster, namespace: str) -> Iterator[lab.Kubelet]:
    if not getattr(cluster, "has_controllers", True):
        pytest.skip("skipped: this cluster has no controllers that make pods")
    with lab.Kubelet(cluster, namespace) as running:
        yield running


@pytest.mark.usefixtures("kubelet")
def test_a_release_in_a_storm_of_faults_ends_as_any_other(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    with Door(cluster.api) as door:
        selected = Selected(cluster, namespace, tmp_path, door.url)
        status, said = selected.environment.deploy("v1")
        assert (status, selected.serving()) == (0, "blue"), said
        door.rule = storm = Storm()
        status, said = selected.environment.deploy("v2")
    assert (status, selected.serving()) == (0, "green"), said
    assert selected.environment.report()["outcome"] == "Promoted"
    assert set(storm.met) >= {409, 429, 500, LOST}, storm.met


@pytest.mark.usefixtures("kubelet")
def test_an_api_server_that_restarts_in_the_middle_of_a_release_ends_it_with_traffic_where_it_says(
    own_cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    selected = Selected(own_cluster, namespace, tmp_path)
    status, said = selected.environment.deploy("v1")
    assert status == 0, said
    run = selected.environment.start("deploy", "-e", "release_revision=v2")
    assert until(lambda: selected.serving() == "green", 90)
    own_cluster.restart_api()
    said, _nothing = run.communicate(timeout=240)
    # How long it was away decides: what cannot be seen for seconds is put back as soon as it can.
    outcome = {0: ("Promoted", "green"), 2: ("RolledBack", "blue")}[run.returncode]
    assert (selected.environment.report()["outcome"], selected.serving()) == outcome, said
    status, said = selected.environment.run("status")
    assert (status, "Healthy" in said, "nothing to do" in said) == (0, True, True), said
