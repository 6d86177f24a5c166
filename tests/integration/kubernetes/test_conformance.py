# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases that every traffic driver has to pass, on the drivers of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conformance import test_driver_contract, test_driver_proof, test_driver_requests
from tests.integration.conformance.cases import Case, elsewhere
from tests.integration.conformance.conftest import addresses, folder
from tests.integration.conformance.world import running
from tests.integration.conformance.worlds.kubernetes import Istio
from tests.integration.conformance.worlds.kubernetes_pods import Gateway, Pods, Service, WithPods
from tests.lab.kubernetes.cluster import Cluster

__all__ = ["addresses", "folder"]

WORLDS = [Istio, Gateway, Service]


@pytest.fixture(scope="session")
def pods(node: Cluster) -> Iterator[Pods]:
    """A pod for each slot, for all cases that want any."""
    running = Pods(node)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def case(
    request: pytest.FixtureRequest, cluster: Cluster, namespace: str, folder: Path, addresses: dict[str, str]
) -> Iterator[Case]:
    world, _place = request.param
    facts = {"cluster": cluster, "namespace": namespace, "mesh": request.getfixturevalue("mesh")}
    if issubclass(world, WithPods):
        pods = request.getfixturevalue("pods")
        facts |= {"pods": pods, "namespace": pods.namespace}
    with running(type(world.__name__, (world,), facts)(folder / "a", addresses)) as started:
        yield Case(started, None, None)


for module in (test_driver_contract, test_driver_proof, test_driver_requests):
    for name, function in vars(module).items():
        if name.startswith("test_") and (copy := elsewhere(function, WORLDS)):
            globals()[name] = copy
