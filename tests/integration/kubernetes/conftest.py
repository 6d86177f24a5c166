# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster for all tests of Kubernetes, a namespace for each.

Which one: the cluster of C(KUBECONFIG) when C(ZERODOWNTIME_TEST_CLUSTER=yes) stands beside it; else a control plane of
the programs in C(KUBEBUILDER_ASSETS); else one whose programs are built by Go (minutes, once).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.kubernetes import control_plane, programs
from tests.lab.kubernetes import mesh as istio
from tests.lab.kubernetes import node as lab_node
from tests.lab.kubernetes.cluster import Cluster, named
from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.mesh import Mesh
from tests.lab.kubernetes.node import Node


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster that serves the resources of Istio and of Gateway API."""
    given = named()
    why = None if given else control_plane.missing()
    if why:
        pytest.skip(why)
    running = given or ControlPlane(Path(tempfile.mkdtemp(prefix="zdt-k8s-", dir="/tmp"))).start()
    try:
        running.apply_definitions(programs.custom_resources())
        yield running
    finally:
        running.stop()


@pytest.fixture
def own_cluster(cluster: Cluster) -> ControlPlane:
    """The same cluster where it is the lab's own: its API server may be stopped."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("skipped: stops an API server, and this one is not the lab's own")
    return cluster


@pytest.fixture(scope="session")
def mesh(cluster: Cluster) -> Iterator[Mesh]:
    """Istio over the lab's own cluster, its ingress on 127.0.0.1."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("skipped: starts an Istio, and this cluster is not the lab's own")
    why = istio.missing()
    if why:
        pytest.skip(why)
    running = Mesh(cluster).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def machine(cluster: Cluster) -> Iterator[Node]:
    """The node of the same cluster, on which the images of C(tests.lab.kubernetes.images) run."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("skipped: loads images of its own into a node, and this cluster is not the lab's own")
    why = lab_node.missing()
    if why:
        pytest.skip(why)
    running = Node(cluster).start()
    yield running
    running.stop()
    left = running.host.changes()
    assert not left, f"the node left its machine changed: {left}"


@pytest.fixture(scope="session")
def node(cluster: Cluster, machine: Node) -> Cluster:
    """The same cluster, with the node."""
    assert machine
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a namespace of the test's own."""
    name = cluster.create_namespace()
    yield name
    cluster.delete_namespace(name)
