# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold beside the counts of requests: gauges within limits, and no alert firing."""

from __future__ import annotations

import abc
import math
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    CANARY,
    STABLE,
    Place,
    Places,
    SourceError,
)

OK, FAIL, HOLD, NO_DATA = "ok", "fail", "hold", "no_data"


class Note(t.NamedTuple):
    """What one watched thing says now: C(status) ok, fail, hold or no_data, and the sentence for it."""

    name: str
    status: str
    sentence: str


class Watcher(abc.ABC):
    """Something that is looked at beside the source. Methods raise SourceError when it is broken."""

    name: t.ClassVar[str]
    spec: t.ClassVar[dict[str, t.Any]]

    @abc.abstractmethod
    def look(self, warm_up: bool) -> list[Note]:
        """Return a note for each thing watched; while C(warm_up) nothing is held against the canary."""

    @abc.abstractmethod
    def describe(self) -> list[str]:
        """Return what is seen now, one sentence each, so that a wrong query is found before anything waits for it."""

    def begin(self) -> list[str]:
        """Begin what lasts as long as the judgement, and return a sentence for each of it."""
        return []

    def end(self) -> list[str]:
        """End it, and return a sentence for each of it."""
        return []


# The options of one gauge.
GAUGE: dict[str, t.Any] = {
    "query": {"type": "str", "required": True},
    "max": {"type": "float"},
    "min": {"type": "float"},
    "max_ratio": {"type": "float"},
    "min_ratio": {"type": "float"},
    "failure_limit": {"type": "int", "default": 0},
}


@dataclass
class Gauge:
    """One number per slot and what it may be; C(max_ratio) and C(min_ratio) compare with the stable slot.

    More than C(failure_limit) failures in the whole rollout fail the release.
    """

    name: str
    query: str
    max: t.Optional[float] = None
    min: t.Optional[float] = None
    max_ratio: t.Optional[float] = None
    min_ratio: t.Optional[float] = None
    failure_limit: int = 0
    failures: int = 0

    def __post_init__(self) -> None:
        if all(limit is None for limit in (self.max, self.min, self.max_ratio, self.min_ratio)):
            raise SourceError(f"the gauge {self.name} has no limit: give max, min, max_ratio or min_ratio")
        if self.failure_limit < 0:
            raise SourceError(f"the failure_limit of the gauge {self.name} is {self.failure_limit}; it counts failures")

    @property
    def compares(self) -> bool:
        return self.max_ratio is not None or self.min_ratio is not None

    def judge(self, canary: t.Optional[float], stable: t.Optional[float], warm_up: bool) -> Note:
        """Return the note for the values of now, None where there is none."""
        if canary is None or not math.isfinite(canary) or (self.compares and not _usable(stable)):
            return Note(self.name, NO_DATA, f"{self.name} has no data")
        wrong = self._wrong(canary, stable)
        if not wrong or warm_up:
            return Note(self.name, OK, f"{self.name} is {canary:g}")
        self.failures += 1
        if self.failures <= self.failure_limit:
            return Note(self.name, OK, f"{wrong}, {self.failures} of {self.failure_limit} tolerated failures")
        times = "once" if self.failures == 1 else f"{self.failures} times"
        return Note(self.name, FAIL, f"{wrong}, {times} ({self.failure_limit} tolerated)")

    def _wrong(self, canary: float, stable: t.Optional[float]) -> str:
        if self.max is not None and canary > self.max:
            return f"{self.name}: canary {canary:g} is over {self.max:g}"
        if self.min is not None and canary < self.min:
            return f"{self.name}: canary {canary:g} is under {self.min:g}"
        if stable is not None and self.max_ratio is not None and canary > self.max_ratio * stable:
            return f"{self.name}: canary {canary:g} is over {self.max_ratio:g} times {stable:g} of the stable slot"
        if stable is not None and self.min_ratio is not None and canary < self.min_ratio * stable:
            return f"{self.name}: canary {canary:g} is under {self.min_ratio:g} times {stable:g} of the stable slot"
        return ""


class Gauges(Watcher):
    """Gauges of both slots; a subclass knows where to read them."""

    def __init__(self, options: t.Mapping[str, t.Any], places: Places) -> None:
        self.places = places
        self.gauges = [_gauge(str(name), given) for name, given in options["gauges"].items()]
        if not self.gauges:
            raise SourceError(f"{self.name} of watch has no gauges")

    @abc.abstractmethod
    def values(self) -> t.Mapping[tuple[str, str], float]:
        """Return the value of each gauge by its name and arm, those without data left out."""

    def look(self, warm_up: bool) -> list[Note]:
        values = self.values()
        return [
            gauge.judge(values.get((gauge.name, CANARY)), values.get((gauge.name, STABLE)), warm_up)
            for gauge in self.gauges
        ]

    def describe(self) -> list[str]:
        values = self.values()
        lines = []
        for gauge in self.gauges:
            for arm in self.arms(gauge):
                value = values.get((gauge.name, arm))
                seen = "has no data" if value is None else f"is {value:g}"
                lines.append(f"{arm} ({self.places[arm].slot}): {gauge.name} {seen}")
        return lines

    def arms(self, gauge: Gauge) -> tuple[str, ...]:
        """Return the arms whose value the gauge needs."""
        return (CANARY, STABLE) if gauge.compares else (CANARY,)

    def filled(self, gauge: Gauge, place: Place, escape: t.Callable[[str], str]) -> str:
        """Return the query of one gauge for one slot."""
        return place.fill(gauge.query, f"the query of the gauge {gauge.name}", escape)


def _gauge(name: str, given: t.Any) -> Gauge:
    if not isinstance(given, t.Mapping):
        raise SourceError(f"the gauge {name} is a mapping with its query and limits, such as {{query: ..., max: 0.9}}")
    unknown = sorted(set(map(str, given)) - set(GAUGE))
    if unknown:
        raise SourceError(f"the gauge {name} has no option {unknown[0]!r}; there are {', '.join(GAUGE)}")
    if not given.get("query"):
        raise SourceError(f"the gauge {name} has no query")
    values: dict[str, t.Any] = {"query": str(given["query"])}
    for option in ("max", "min", "max_ratio", "min_ratio", "failure_limit"):
        if given.get(option) in (None, ""):
            continue
        try:
            values[option] = (int if option == "failure_limit" else float)(given[option])
        except (TypeError, ValueError):
            raise SourceError(f"{option} of the gauge {name} is {given[option]!r}; it must be a number") from None
    return Gauge(name, **values)


def _usable(value: t.Optional[float]) -> bool:
    return value is not None and math.isfinite(value)
