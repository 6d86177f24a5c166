# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret among the options of an action is shown by it, wherever it stands."""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.kubernetes import SPEC as KUBERNETES
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.endpoint import SPEC as ENDPOINT
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._secrets import HIDDEN, masked, secret, within

ACTIONS = Path(__file__).parents[3] / "plugins/action"


def hidden(spec: Mapping[str, t.Any]) -> Iterator[str]:
    """Yield the names, aliases too, of the options that an argument spec calls secret, nested ones too."""
    for name, option in spec.items():
        if option.get("no_log") is True and name != "headers":  # of headers some are secret
            yield from (name, *option.get("aliases", []))
        yield from hidden(option.get("options") or {})


@pytest.mark.parametrize("name", sorted(path.stem for path in ACTIONS.glob("[!_]*.py")))
def test_every_option_that_a_spec_hides_is_known_as_a_secret(name: str) -> None:
    action = importlib.import_module(f"ansible_collections.zerodowntime.bluegreen.plugins.action.{name}").ActionModule
    assert [option for option in hidden(action.SPEC) if not secret(option)] == []


def test_so_is_every_one_of_journals_and_sources() -> None:
    assert [option for spec in (KUBERNETES, ENDPOINT) for option in hidden(spec) if not secret(option)] == []


def test_names_that_an_operator_has_to_see_are_no_secrets() -> None:
    assert not [name for name in ("key", "client_key", "key_file", "header", "url", "username", "path") if secret(name)]


def test_secrets_are_found_at_any_depth_and_hidden_wherever_they_stand() -> None:
    options = {
        "traffic": {"alb_traffic": {"secret_key": "canary-1", "region": "eu"}},
        "gate": {"watch": [{"alertmanager": {"headers": {"X-Token": "canary-2", "Accept": "text/plain"}}}]},
        "password": ["canary", "no"],
    }
    found = set(within(options))
    assert found == {"canary-1", "canary-2", "canary"}
    said = masked({"msg": "canary-1 for eu", "canary-2": [{"of": ("canary",)}]}, found)
    assert said == {"msg": f"{HIDDEN} for eu", HIDDEN: [{"of": [HIDDEN]}]}
