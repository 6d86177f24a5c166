# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traffic system in memory that the engine's tests use: it has to keep the contract as real ones do."""

from __future__ import annotations

import contextlib
import random
import typing as t
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancer
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import weights as core
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Driver
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._verify import FrontDoor

from tests.integration.conformance.world import REVISIONS, World
from tests.lab.memory import MemoryBalancer, MemoryTraffic


class Memory(World):
    """Weights that are attributes, and requests that are dice."""

    name = "memory"
    driver = MemoryTraffic
    REMOTE = COUNTS = LEASES = RELOADS = LOADS = False
    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {}

    def start(self) -> None:
        self.lab = MemoryTraffic(str(self.folder))
        self.lab.fence = 1
        self._lies = False

    def stop(self) -> None:
        pass

    @property
    def options(self) -> dict[str, t.Any]:
        return {}

    @property
    def url(self) -> str:
        return ""

    def raw(self) -> dict[str, t.Any]:
        return {"weights": self.lab.weights, "fence": self.lab.fence}

    def foreign(self) -> dict[str, t.Any]:
        return {}

    def processes(self) -> object:
        return len(self.lab.writes)

    def take_down(self, slot: str) -> None:
        self.lab.up[slot] = False

    def lie(self) -> None:
        self._lies = True

    @contextlib.contextmanager
    def answer_lost(self) -> Iterator[dict[str, t.Any]]:
        yield {"fault": "lost_after"}

    @contextlib.contextmanager
    def refusing(self) -> Iterator[tuple[dict[str, t.Any], str]]:
        yield {"fault": ReleaseError("memory is full")}, "memory is full"

    def make(self, **_changed: t.Any) -> Driver:
        return self.lab

    def balancer(self, fault: t.Any = None, **_changed: t.Any) -> Balancer:
        balancer = MemoryBalancer(self.lab)
        if fault:
            balancer.faults.append(fault)
        return balancer

    def door(self) -> FrontDoor:
        return FrontDoor(lambda _cookie: REVISIONS[self._dice()], REVISIONS, {})

    def asked(self, number: int, **headers: str) -> Counter[str]:
        return Counter(headers.get("X_Release_Slot") or self._dice() for _turn in range(number))

    def _dice(self) -> str:
        weights = core.Weights(100, 0) if self._lies else self.lab.weights
        return "blue" if random.random() * 100 < weights.blue else "green"
