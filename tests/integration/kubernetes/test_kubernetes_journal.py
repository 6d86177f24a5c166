# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal in a real API server: what every store keeps its word about, asked of ConfigMaps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError, Unreachable
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import Journal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.kubernetes import (
    KubernetesStore,
    configmap_of,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Store

from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.control_plane import ControlPlane

sys.path.append(str(Path(__file__).parents[2] / "unit" / "journal"))
pytest.register_assert_rewrite("test_journal_stores")

import test_journal_stores  # noqa: E402  found only now

# The same tests, against this store.
globals().update({name: test for name, test in vars(test_journal_stores).items() if name.startswith("test_")})

RULES = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "update"]}]


@pytest.fixture
def open_store(cluster: Cluster, namespace: str) -> Callable[[], Store]:
    """The store as an account opens it that may no more than the documentation says."""
    kubeconfig = cluster.write_kubeconfig(namespace, cluster.create_user(namespace, "journal", RULES))
    return lambda: KubernetesStore({"namespace": namespace, "kubeconfig": str(kubeconfig)})


def test_a_configmap_that_is_no_journal_is_named(
    cluster: Cluster, namespace: str, open_store: Callable[[], Store]
) -> None:
    body = {"metadata": {"name": configmap_of("shop")}, "data": {"journal.json": "{"}}
    cluster.api.create(f"/api/v1/namespaces/{namespace}/configmaps", body)
    with pytest.raises(JournalError, match=f"the ConfigMap {namespace}/zerodowntime-shop-.* is not a journal"):
        open_store().read("shop")


def test_an_account_without_the_verbs_is_told_which_before_a_release_begins(cluster: Cluster, namespace: str) -> None:
    kubeconfig = cluster.write_kubeconfig(namespace, cluster.create_user(namespace, "nobody", []))
    store = KubernetesStore({"namespace": namespace, "kubeconfig": str(kubeconfig)})
    with pytest.raises(Unreachable, match=r"cannot create resource .*it needs the verbs get, list, create and update"):
        Journal(store).perform("check")


def test_an_api_server_that_restarts_loses_no_journal(
    own_cluster: ControlPlane, namespace: str, open_store: Callable[[], Store]
) -> None:
    store = open_store()
    assert store.swap("shop", store.read("shop")[1], {"key": "shop", "n": 1})
    own_cluster.stop_api()
    try:
        with pytest.raises(Unreachable, match="cannot reach the Kubernetes API"):
            store.read("shop")
    finally:
        own_cluster.start_api()
    document, version = store.read("shop")
    assert document == {"key": "shop", "n": 1}
    assert store.swap("shop", version, {"key": "shop", "n": 2})
