# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A traffic system in memory, with the faults that real ones have, and a clock that only moves when somebody waits."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancer
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost


class Clock:
    """Monotonic and wall time; C(at) plans what happens while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._plans: list[tuple[float, t.Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, span: float) -> None:
        self.now += span
        due = [plan for plan in self._plans if plan[0] <= self.now]
        self._plans = [plan for plan in self._plans if plan[0] > self.now]
        for _moment, action in due:
            action()

    def after(self, span: float, action: t.Callable[[], None]) -> None:
        self._plans.append((self.now + span, action))


class MemoryTraffic(_traffic.Driver):
    """One object: weights, fence, health of the slots. C(writes) remembers every write that was made."""

    name = "memory_traffic"
    spec: t.ClassVar[dict[str, t.Any]] = {}

    def __init__(self, name: str = "lb1") -> None:
        super().__init__({})
        self.at = name
        self.weights = Weights(100, 0)
        self.fence = 0
        self.pid = "1"
        self.up: dict[str, bool | None] = {"blue": True, "green": True}
        self.ready: dict[str, int | None] = {"blue": None, "green": None}
        self.writes: list[Weights] = []
        self.facts: dict[str, t.Any] = {}

    def identity(self) -> str:
        return f"memory:{self.at}"

    def observe(self) -> _traffic.View:
        slots = {slot: _traffic.Slot(up=up, ready=self.ready[slot]) for slot, up in self.up.items()}
        return _traffic.View(self.weights, self.fence, slots, facts={"pid": self.pid, **self.facts})

    def changes(self, view: _traffic.View, weights: Weights, fence: int) -> list[Change]:
        return [Change(self.at, f"{view.weights} {view.fence}", f"{weights} {fence}")]

    def write(self, view: _traffic.View, weights: Weights, fence: int) -> None:
        self.weights, self.fence = weights, fence
        self.writes.append(weights)


class MemoryBalancer(Balancer):
    """A balancer in memory. C(faults) holds what the next calls meet: C(lost_before), C(lost_after) or an error."""

    def __init__(self, driver: MemoryTraffic | None = None) -> None:
        self.driver = driver or MemoryTraffic()
        self.name = self.driver.at
        self.faults: list[t.Any] = []
        self.unreachable = False
        self.lease: dict[str, t.Any] | None = None
        self.lease_state = "held"

    def observe(self, lease: t.Any = None) -> dict[str, t.Any]:
        self._reach()
        self.lease = dict(lease) if lease else self.lease
        return {**_traffic.observe(self.driver), "lease": self.lease_state if lease else "none"}

    def move(self, params: t.Mapping[str, t.Any], lease: t.Any = None) -> dict[str, t.Any]:
        self._reach()
        self.lease = dict(lease) if lease else self.lease
        met, self.faults = self.faults[:1], self.faults[1:]
        for fault in met:
            if isinstance(fault, Exception):
                raise fault
        if "lost_before" in met:
            raise Lost("no answer")
        result = _traffic.move(self.driver, params)
        if "lost_after" in met:
            raise Lost("no answer")
        return result

    def _reach(self) -> None:
        if self.unreachable:
            raise Lost(f"{self.name}: no route to host")
