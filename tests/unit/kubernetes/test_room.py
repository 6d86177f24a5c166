# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for both slots: which quota is too small, and what a node drain leaves of the slot that serves."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.room import (
    exposure,
    matches,
    needed,
    quantity,
    shortage,
)

Object = dict[str, t.Any]


def pod(*containers: Object) -> Object:
    return {"containers": [{"resources": {"requests": one}} for one in containers]}


def quota(hard: Object, used: Object, **spec: t.Any) -> Object:
    return {"metadata": {"name": "team"}, "spec": spec, "status": {"hard": hard, "used": used}}


def budget(name: str, selector: Object | None) -> Object:
    return {"metadata": {"name": name}, "spec": {"selector": selector}}


@pytest.mark.parametrize(
    ("text", "amount"),
    [("2", 2), ("100m", 0.1), ("1.5", 1.5), ("128Mi", 128 * 2**20), ("1G", 10**9), ("1e3", 1000), (3, 3)],
)
def test_a_quantity_is_read_as_kubernetes_writes_it(text: str, amount: float) -> None:
    assert float(quantity(text)) == pytest.approx(amount)


def test_what_is_no_quantity_is_said() -> None:
    with pytest.raises(ValueError, match="'much' is no quantity"):
        quantity("much")


def test_what_a_pod_needs_is_the_sum_of_its_containers_and_unknown_where_one_does_not_say() -> None:
    assert needed(pod({"cpu": "100m"}, {"cpu": "1"}), "cpu") == quantity("1100m")
    assert needed(pod({"cpu": "100m"}, {}), "requests.cpu") is None
    assert needed(pod({}), "pods") == 1
    assert needed(pod({}), "services") is None


@pytest.mark.parametrize(
    ("hard", "used", "more", "sentence"),
    [
        ({"pods": "4"}, {"pods": "2"}, 2, ""),
        ({"pods": "4"}, {"pods": "3"}, 2, "the quota team has 1 of 4 pods left, and 2 more pods need 2"),
        (
            {"requests.cpu": "1"},
            {"requests.cpu": "850m"},
            2,
            "has 0.15 of 1 requests.cpu left, and 2 more pods need 0.2",
        ),
        ({"memory": "1Gi"}, {"memory": "900Mi"}, 1, "has 124Mi of 1024Mi memory left, and 1 more pods need 128Mi"),
        ({"services": "1"}, {"services": "1"}, 2, ""),
    ],
)
def test_the_quota_without_room_is_named_with_what_it_has(hard: Object, used: Object, more: int, sentence: str) -> None:
    found = shortage([quota(hard, used)], pod({"cpu": "100m", "memory": "128Mi"}), more)
    assert found.endswith(sentence) if sentence else found == ""


def test_a_quota_for_some_pods_only_is_left_out() -> None:
    assert shortage([quota({"pods": "0"}, {}, scopes=["BestEffort"])], pod({}), 1) == ""


BLUE, GREEN = ({"app": "shop", "version": slot} for slot in ("blue", "green"))


def test_a_slot_without_a_budget_of_its_own_is_exposed_to_a_drain() -> None:
    own = budget("own", {"matchLabels": BLUE})
    both = budget("both", {"matchLabels": {"app": "shop"}})
    assert exposure([own, both], BLUE, GREEN, "blue") == ""
    assert exposure([budget("green", {"matchLabels": GREEN})], BLUE, GREEN, "blue").startswith("no PodDisruptionBudget")
    assert "both counts the pods of both slots as one" in exposure([both], BLUE, GREEN, "blue")


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        (None, False),
        ({}, True),
        ({"matchExpressions": [{"key": "version", "operator": "In", "values": ["blue"]}]}, True),
        ({"matchExpressions": [{"key": "version", "operator": "NotIn", "values": ["blue"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_a_selector_takes_pods_as_kubernetes_has_it(selector: Object | None, taken: bool) -> None:
    assert matches(selector, BLUE) is taken
