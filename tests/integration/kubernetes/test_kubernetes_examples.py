# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of C(docs/examples/kubernetes) are what a real API server takes, every field known to it."""

from __future__ import annotations

import pytest

from tests.lab.kubernetes import shop
from tests.lab.kubernetes.cluster import Cluster


@pytest.mark.parametrize(
    "name", ["app.yml", "autoscalers.yml", "istio.yml", "gateway-api.yml", "service.yml", "access.yml"]
)
def test_the_server_takes_the_example(cluster: Cluster, namespace: str, name: str) -> None:
    made = shop.apply(cluster, namespace, name)
    assert [one["kind"] for one in made] == [one["kind"] for one in shop.documents(name)]
