# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples for Kubernetes: the inventories are read as a release reads them, and fit the objects beside them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _settings
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import driver_class, validated

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/examples/kubernetes"


@pytest.mark.parametrize("name", ["inventory.yml", "inventory.gateway-api.yml", "inventory.service.yml"])
def test_an_inventory_is_right_and_names_deployments_that_are_there(name: str) -> None:
    inventory: dict[str, t.Any] = yaml.safe_load((EXAMPLES / name).read_text())
    variables = inventory["all"]["children"]["release_environments"]["hosts"]["shop-eu"]
    settings = _settings.read(variables)
    traffic, options = next(iter(settings["traffic"].items()))
    validated(traffic, driver_class(traffic).spec, options)
    made = [one["metadata"]["name"] for one in yaml.safe_load((EXAMPLES / "app.yml").read_text())["items"]]
    assert set(settings["kubernetes_deployments"].values()) <= set(made)
