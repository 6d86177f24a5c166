# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that waits outside of traffic_shift: what it takes for drained, and the silence that it announces."""

from __future__ import annotations

import time
import types
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.action.traffic_wait import _drained
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import together
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _pulse
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._plan import variables
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._settings import read


def view(green: int, flying: int, **facts: t.Any) -> dict[str, t.Any]:
    slots = {slot: {"in_flight": flying, "up": True, "ready": 1} for slot in ("blue", "green")}
    return {"weights": {"blue": 100 - green, "green": green}, "trouble": "", "slots": slots, "facts": facts}


def test_a_slot_that_one_of_two_balancers_still_sends_requests_to_is_never_called_drained() -> None:
    with pytest.raises(ReleaseError, match="blue is not out of traffic on every balancer: the balancers disagree"):
        _drained(together({"lb1": view(100, 0), "lb2": view(50, 0)}), "blue", 1)


@pytest.mark.parametrize(
    ("first", "second", "done", "number"),
    [
        (view(100, 0), view(100, 0), True, 0),
        (view(100, 0), view(100, 3), False, 3),
        (view(100, 0, old_workers=[7, 8]), view(100, 0), False, 2),
    ],
)
def test_it_is_drained_when_nothing_is_open_on_any(
    first: dict[str, t.Any], second: dict[str, t.Any], done: bool, number: int
) -> None:
    said, _line, flying = _drained(together({"lb1": first, "lb2": second}), "blue", 1)
    assert (said, flying) == (done, number)


def test_a_wait_beats_for_its_lock_and_announces_the_silence_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, t.Any]]] = []

    class Journal:
        ttl = 60.0

        def __call__(self, verb: str, **arguments: t.Any) -> dict[str, t.Any]:
            asked.append((verb, arguments))
            return {}

    monkeypatch.setattr(_pulse, "open_journal", lambda *_unused: Journal())
    action: t.Any = types.SimpleNamespace(
        say=print, orphaned=lambda: False, _task=types.SimpleNamespace(check_mode=False)
    )
    pulse = _pulse.Pulse(action, {"journal": {}, "key": "k", "run": "r"}, {})
    pulse.check()
    assert [verb for verb, _arguments in asked] == ["heartbeat", "pending"]
    pulse.rest()
    verb, arguments = asked[-1]
    assert verb == "heartbeat"
    assert arguments["expected_until"] == pytest.approx(time.time() + _pulse.SILENCE * 60.0, abs=30.0)


def test_an_older_release_is_staged_again_with_the_variables_it_was_released_with() -> None:
    now = {"release_app": "shop", "release_platform": "hosts", "release_traffic": {"haproxy_traffic": {}}}
    settings = {**read({**now, "release_hosts_variables": {"workers": 8}}), "environment": "shop-eu"}
    assert variables(settings, "v2", "blue", "green")["workers"] == 8
    assert variables(settings, "v1", "blue", "green", {"hosts_variables": {"workers": 2}})["workers"] == 2
