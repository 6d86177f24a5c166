# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random series with all that befalls series: what is no number, gaps, restarts, new labels, clocks that jump."""

from __future__ import annotations

import math
import random
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.readings import Readings, Table, tag

POLL = 5.0
COUNTERS = ("errors",)
NONSENSE = (math.nan, math.inf, -math.inf, -1.0)
DECIDED = ("pass", "fail")


class Instance:
    """One instance of a slot: its counters, and the labels it is scraped with."""

    def __init__(self, rng: random.Random, arm: str, number: int) -> None:
        self.rng, self.arm, self.number = rng, arm, number
        self.requests, self.errors, self.name = 0.0, 0.0, f"{arm}{number}"

    def serve(self, requests: int, rate: float) -> None:
        self.requests += requests
        self.errors += sum(self.rng.random() < rate for _request in range(requests))

    def restart(self) -> None:
        self.requests = self.errors = 0.0

    def relabel(self) -> None:
        """Be scraped under another name from now on, the counters running on."""
        self.name = f"{self.arm}{self.number}-{self.rng.randrange(1 << 30)}"

    def series(self, stamp: float) -> t.Iterator[tuple[str, frozenset[tuple[str, str]], float]]:
        labels = frozenset({("instance", self.name)})
        yield tag(self.arm, "requests"), labels, self.requests
        yield tag(self.arm, "requests", True), labels, stamp
        if self.errors:  # a series of errors is made at the first error
            yield tag(self.arm, "errors"), labels, self.errors
            yield tag(self.arm, "errors", True), labels, stamp


def befall(rng: random.Random, instance: Instance) -> None:
    if rng.random() < 0.02:
        instance.restart()
    if rng.random() < 0.02:
        instance.relabel()


def spoil(rng: random.Random, table: Table) -> Table:
    """Return the table with series lost, or with a number in it that is none."""
    spoiled = {name: dict(series) for name, series in table.items()}
    for name, series in spoiled.items():
        for labels in list(series):
            if rng.random() < 0.02:
                del series[labels]
            elif rng.random() < 0.02 and not name.endswith("@"):
                series[labels] = rng.choice(NONSENSE)
    return spoiled


def judged(seed: int, canary: int, **given: t.Any) -> list[str]:
    """Return every verdict on a canary whose instances get C(canary) requests each a poll, as healthy as the others."""
    rng = random.Random(seed)
    options = Options.from_dict(
        {"initial_delay": 0, "dispersion": 1, "interval": POLL, "max_duration": "10h", "no_data_limit": 1000, **given}
    )
    gate, readings = Gate(options), Readings(None)
    gate.step(20, 0.0, 25)
    instances = [Instance(rng, arm, number) for arm in ("stable", "canary") for number in range(2)]
    clock, told, before = 0.0, [], {}
    for poll in range(120):
        clock += rng.uniform(-60.0, 60.0) if rng.random() < 0.02 else POLL
        for instance in instances:
            instance.serve(canary if instance.arm == "canary" else 80, 0.004)
            befall(rng, instance)
        table: Table = {}
        for instance in instances:
            for name, labels, value in instance.series(clock):
                table.setdefault(name, {})[labels] = value
        asked = before if rng.random() < 0.03 else spoil(rng, table) if rng.random() < 0.5 else table
        before = table
        sample = readings.sample(POLL * poll, clock, asked, COUNTERS) if rng.random() < 0.95 else None
        told.append(gate.judge(sample).status)
    return told


@pytest.mark.parametrize("seed", range(60))
def test_a_healthy_canary_is_never_failed_by_what_befalls_its_series(seed):
    # So small an alpha that chance plays no part: only a reading taken for what it is not could fail it.
    assert "fail" not in judged(seed, 20, alpha=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_a_canary_without_requests_is_never_decided_by_what_befalls_its_series(seed):
    assert not set(judged(1000 + seed, 0)) & set(DECIDED)
