# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the series of one poll to a sample: the same for polls of now and polls of the past."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.counters import Reading, Total
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import ARMS, STABLE

REQUESTS = "requests"
STAMP = "@"  # ends the tag of a counter's own timestamps
# Before two scrapes were seen nobody knows how often there is one: Prometheus' own default is a minute.
UNKNOWN_PERIOD = 60.0
LEAST_AGE = 5.0
PERIODS = 3.0  # a late source is not a dead one
UNITS = ("pod", "kubernetes_pod_name", "instance")  # labels that tell the instances of a fleet apart

Labels = frozenset[tuple[str, str]]
Table = dict[str, dict[Labels, float]]  # per tag, per series


def tag(arm: str, counter: str, stamp: bool = False) -> str:
    """Return the name of one counter of one arm, or of its timestamps, in a table."""
    return f"{arm} {counter}{STAMP if stamp else ''}"


class Readings:
    """Turns tables into samples, and knows what is new, what is old and what restarted.

    C(max_age) in seconds; None is three times what lies between two scrapes of the same series.
    """

    def __init__(self, max_age: t.Optional[float]) -> None:
        self._max_age = max_age
        self._totals: dict[str, Total] = {}
        self._scraped: dict[str, dict[Labels, float]] = {arm: {} for arm in ARMS}
        self._period = dict.fromkeys(ARMS, math.inf)
        self._last_at = -math.inf
        self._halves = Halves()

    def sample(self, at: float, now: float, table: Table, counters: t.Sequence[str]) -> t.Optional[Sample]:
        """Return the sample of C(table), an arm None where it has no data; None when nothing in it is new.

        C(at) is the moment of the poll on the clock of the samples, C(now) the same moment on the clock of the stamps.
        """
        scraped = {arm: table.get(tag(arm, REQUESTS, True), {}) for arm in ARMS}
        newest = {arm: max(stamps.values()) for arm, stamps in scraped.items() if stamps}
        news = [self._is_news(arm, scraped[arm]) for arm in ARMS]
        old = {arm for arm, stamp in newest.items() if now - stamp > self._age_limit(arm)}
        if newest and not any(news) and not old:
            return None
        arms = {
            arm: total(arm, counters, table, self._totals) if table.get(tag(arm, REQUESTS)) and arm not in old else None
            for arm in ARMS
        }
        age = now - max(newest.values()) if newest else 0.0
        # Strictly later, whatever the network does: a reading that is not later counts as none.
        self._last_at = max(at - age, self._last_at + 0.001)
        halves = self._halves.sample(self._last_at, table, counters) if arms[STABLE] else None
        both = (halves.stable, halves.canary) if halves and halves.stable and halves.canary else None
        return Sample(self._last_at, **arms, halves=both)

    def _is_news(self, arm: str, scraped: t.Mapping[Labels, float]) -> bool:
        """Return whether a series was scraped since the last look, or all are gone; learn how often that happens."""
        last = self._scraped[arm]
        gone, newer = bool(last) and not scraped, False
        for labels, stamp in scraped.items():
            before = last.get(labels)
            if before is None or stamp > before:
                newer, last[labels] = True, stamp
                if before is not None:
                    self._period[arm] = min(self._period[arm], stamp - before)
        return newer or gone

    def _age_limit(self, arm: str) -> float:
        if self._max_age is not None:
            return self._max_age
        period = self._period[arm] if math.isfinite(self._period[arm]) else UNKNOWN_PERIOD
        return max(PERIODS * period, LEAST_AGE)


class Halves:
    """Turns tables of the stable slot into samples whose arms are two halves of its instances."""

    def __init__(self) -> None:
        self._totals: tuple[dict[str, Total], dict[str, Total]] = ({}, {})
        self._units: list[str] = []

    def sample(self, at: float, table: Table, counters: t.Sequence[str]) -> Sample:
        """Return the sample, the second half None where there is only one instance."""
        units = {unit(labels) for labels in table.get(tag(STABLE, REQUESTS), {})}
        self._units += sorted(units - set(self._units))
        first, second = (
            total(STABLE, counters, table, self._totals[half], set(self._units[half::2])) for half in (0, 1)
        )
        return Sample(at, first, second if len(self._units) > 1 else None)


def total(
    arm: str,
    counters: t.Sequence[str],
    table: Table,
    totals: dict[str, Total],
    units: t.Optional[t.Collection[str]] = None,
) -> t.Optional[Arm]:
    """Return the counters of one arm added up in C(totals), of C(units) only; None when one of the numbers is none."""
    readings: dict[str, dict[t.Hashable, Reading]] = {}
    for counter in (REQUESTS, *counters):
        stamps = table.get(tag(arm, counter, True), {})
        newest = max(stamps.values(), default=None)
        series = {
            labels: value
            for labels, value in table.get(tag(arm, counter), {}).items()
            if units is None or unit(labels) in units
        }
        if not all(math.isfinite(value) and value >= 0 for value in series.values()):
            return None
        readings[counter] = {labels: (value, stamps.get(labels, newest)) for labels, value in series.items()}
    sums = {name: totals.setdefault(f"{arm} {name}", Total()).add(values) for name, values in readings.items()}
    return Arm(sums.pop(REQUESTS), sums)


def unit(labels: Labels) -> str:
    """Return the instance that counted a series, empty where its labels do not say."""
    known = dict(labels)
    return next((known[name] for name in UNITS if name in known), "")
