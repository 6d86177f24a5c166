# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(traffic_wait): until a slot is ready for requests, or has none left."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds, text
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _pulse
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import open_balancers

POLL = 0.25
GROWTH = 1.3
PROGRESS = 2.0
UNKNOWN = "the balancer does not count the requests in flight"


class ActionModule(ReleaseAction):
    """Waits for a slot in the balancers' own eyes."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "traffic": {"type": "dict", "required": True},
        "slot": {"type": "str", "choices": list(SLOTS), "required": True},
        "until": {"type": "str", "choices": ["ready", "drained"], "required": True},
        "servers": {"type": "int", "default": 1},
        "deadline": {"type": "str", "default": "600s"},
        "at_least": {"type": "str", "default": "0"},
        "cut": {"type": "bool", "default": False},
        **_pulse.SPEC,
    }
    RULES = _pulse.RULES

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return how long it took; raises ReleaseError at the deadline with what was seen last."""
        if self._task.check_mode:
            return {"changed": False, "seconds": 0.0, "msg": "check mode: nothing is waited for"}
        try:
            at_least = seconds(params["at_least"])
            deadline = max(at_least, seconds(params["deadline"]))
        except ValueError as error:
            raise ReleaseError(f"deadline and at_least: {error}") from error
        balancers = open_balancers(self, params["traffic"], task_vars)
        look = _drained if params["until"] == "drained" else _ready
        pulse = _pulse.Pulse(self, params, task_vars)
        started = said = time.monotonic()
        pause = longest = POLL
        while True:
            pulse.check()
            try:
                sight = balancers.observe()
                longest = max(POLL, sight.pause)
                done, line, flying = look(sight, params["slot"], params["servers"])
            except Lost as error:
                done, line, flying = False, str(error), 1  # for all that is known
            elapsed = time.monotonic() - started
            if done and elapsed >= at_least:
                pulse.rest()
                return {"changed": False, "seconds": elapsed, "open": 0, "msg": line}
            if elapsed >= deadline:
                return self._late(params, line, elapsed, flying)
            if time.monotonic() - said >= PROGRESS:
                said = time.monotonic()
                left = at_least - elapsed if done else deadline - elapsed
                self.say(f"{line}, {'staying' if done else 'waiting'} for {text(max(0.0, left))} at most")
            time.sleep(max(0.0, min(pause, (at_least if done else deadline) - elapsed)))
            pause = min(longest, pause * GROWTH)

    def _late(self, params: dict[str, t.Any], line: str, elapsed: float, flying: int) -> dict[str, t.Any]:
        if params["until"] == "ready":
            raise ReleaseError(f"{line} after {text(elapsed)}")
        if line == UNKNOWN:
            # Nobody can say more than that the time for the last requests is over.
            return {"changed": False, "seconds": elapsed, "open": 0, "msg": f"{line}; {text(elapsed)} have passed"}
        # Open connections outlive a switch; cutting them is somebody's decision, not ours.
        fate = "they are cut off" if params["cut"] else "the slot stays until they are gone"
        self.say(f"{line} after {text(elapsed)}: {fate}")
        return {"changed": False, "seconds": elapsed, "open": flying, "msg": line}


# Whether it is done, a line about it, and how many requests are open.
Look = Callable[[Sight, str, int], tuple[bool, str, int]]


def _ready(sight: Sight, slot: str, servers: int) -> tuple[bool, str, int]:
    ready = [view["slots"][slot]["ready"] for view in sight.views.values()]
    if any(number is None for number in ready):
        return sight.up(slot) is not False, f"{slot} is ready as far as the balancer knows", 0
    line = f"{slot} has {min(ready)} of {servers} servers ready"
    if min(ready) >= servers:
        return True, line, 0
    # Why, where a balancer knows: a health path that is not there and a process that is not, are two things to mend.
    why = dict.fromkeys((view["facts"].get("checks") or {}).get(slot) or "" for view in sight.views.values())
    told = "; ".join(filter(None, why))
    return False, f"{line} ({told})" if told else line, 0


def _drained(sight: Sight, slot: str, servers: int) -> tuple[bool, str, int]:
    if sight.weights is None or sight.weights[slot] > 0:
        raise ReleaseError(f"{slot} is not out of traffic on every balancer: {sight.weights or sight.trouble}")
    old = [pid for view in sight.views.values() for pid in view["facts"].get("old_workers") or []]
    if old:
        # They still go by the weights of before the reload.
        return False, f"{len(old)} workers from before the reload still answer requests", len(old)
    flying = sight.total(slot, "in_flight")
    if flying is None:
        return False, UNKNOWN, 0
    return flying == 0, f"{slot} still answers {flying} requests", flying
