# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio in the lab moves traffic, and refuses what it refuses in the field.

The application runs on loopback, which no EndpointSlice may name: a ServiceEntry does, so that this needs no node.
"""

from __future__ import annotations

import json
import time
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.lab.hosts.demo import DemoApp
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.mesh import GATEWAY, Mesh


@pytest.fixture
def shop(cluster: Cluster, mesh: Mesh, namespace: str) -> Iterator[str]:
    """The host of a VirtualService over two subsets, blue with all traffic; the gateway serves all tests."""
    host = f"{namespace}.test"
    with DemoApp("v1", "--slot", "blue") as blue, DemoApp("v2", "--slot", "green") as green:
        endpoints = [
            {"address": "127.0.0.1", "labels": {"slot": slot}, "ports": {"http": app.port}}
            for slot, app in (("blue", blue), ("green", green))
        ]
        port = {"number": 80, "name": "http", "protocol": "HTTP"}
        entry = {"hosts": [host], "ports": [port], "resolution": "STATIC", "location": "MESH_EXTERNAL"}
        subsets = [{"name": slot, "labels": {"slot": slot}} for slot in ("blue", "green")]
        route = [
            {"destination": {"host": host, "subset": "blue"}, "weight": 100},
            {"destination": {"host": host, "subset": "green"}, "weight": 0},
        ]
        for kind, spec in (
            ("ServiceEntry", {**entry, "endpoints": endpoints}),
            ("DestinationRule", {"host": host, "subsets": subsets}),
            ("VirtualService", {"hosts": [host], "gateways": [GATEWAY], "http": [{"name": "main", "route": route}]}),
        ):
            body = {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": "shop"}, "spec": spec}
            cluster.api.apply(body, namespace)
        assert _until(lambda: _slot(mesh, host) == "blue", 15)
        yield host


def test_envoy_follows_a_patch_of_the_weights(cluster: Cluster, mesh: Mesh, namespace: str, shop: str) -> None:
    cluster.api.patch(_route(namespace), _weights(0, 100), "json")
    assert _until(lambda: _slot(mesh, shop) == "green", 10)
    assert {_slot(mesh, shop) for _request in range(50)} == {"green"}
    cluster.api.patch(_route(namespace), _weights(50, 50), "json")
    assert _until(lambda: {_slot(mesh, shop) for _request in range(20)} == {"blue", "green"}, 10)


def test_weights_that_envoy_refuses_are_taken_by_the_api_and_move_nothing(
    cluster: Cluster, mesh: Mesh, namespace: str, shop: str
) -> None:
    before = mesh.refused()
    cluster.api.patch(_route(namespace), _weights(0, 0), "json")
    assert _until(lambda: mesh.refused() > before, 10)
    assert {_slot(mesh, shop) for _request in range(20)} == {"blue"}


def test_the_ingress_listens_on_loopback_only(mesh: Mesh) -> None:
    with urllib.request.urlopen(f"{mesh.admin}/listeners?format=json", timeout=5) as answer:
        listeners = json.load(answer)["listener_statuses"]
    addresses = [one["local_address"]["socket_address"] for one in listeners]
    assert [one["address"] for one in addresses] == ["127.0.0.1", "127.0.0.1"]
    assert {f"http://127.0.0.1:{one['port_value']}" for one in addresses} == {mesh.url, mesh.gateway_url}


def _route(namespace: str) -> str:
    return f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/shop"


def _weights(blue: int, green: int) -> list[dict[str, t.Any]]:
    place = "/spec/http/0/route/{}/weight"
    return [
        {"op": "replace", "path": place.format(number), "value": weight} for number, weight in enumerate((blue, green))
    ]


def _slot(mesh: Mesh, host: str) -> str:
    """Return which slot answers a request at the ingress, nothing when none does."""
    request = urllib.request.Request(mesh.url, headers={"Host": host})
    try:
        return str(urllib.request.urlopen(request, timeout=5).headers.get("X-Slot", ""))
    except urllib.error.URLError:
        return ""


def _until(true: t.Callable[[], bool], seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.1)
    return True
