# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a gate, checked whole before anything is judged. Durations are texts to users and seconds here."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, fields

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration

DURATIONS = ("interval", "initial_delay", "min_duration", "min_step_duration", "max_duration", "lookback")


@dataclass(frozen=True)
class Metric:
    """One kind of bad request. C(share) is its part of alpha (None: an equal one), rates and margins are 0 to 1.

    With C(edges) it is a latency metric: a bad request is one slower than an edge, each edge a counter of its own,
    C(name>edge), and there is no hard limit.
    """

    name: str
    share: t.Optional[float] = None
    margin: float = 0.005
    tolerance: float = 1.25
    floor: float = 0.001
    limit: t.Optional[float] = 0.05
    edges: tuple[str, ...] = ()

    @property
    def counters(self) -> tuple[str, ...]:
        """Return the names its counters have in C(Arm.bad)."""
        return tuple(f"{self.name}>{edge}" for edge in self.edges) or (self.name,)


@dataclass(frozen=True)
class Options:
    """Every option of a gate and its default. C(from_dict) makes it from what a user wrote."""

    metrics: tuple[Metric, ...] = (Metric("errors"),)
    analysis: str = "sequential"
    alpha: float = 0.01
    beta: float = 0.05
    null_ratio: float = 1.0
    interval: float = 5.0
    initial_delay: float = 60.0
    failure_limit: int = 0
    consecutive_error_limit: int = 4
    intervals: int = 2
    min_duration: float = 60.0
    min_step_duration: float = 30.0
    min_requests: int = 50
    max_duration: float = 1800.0
    no_data_limit: int = 6
    lookback: float = 1800.0
    dispersion: t.Union[str, float] = "auto"
    dispersion_prior: float = 2.0
    impact_budget: float = 0.005
    on_inconclusive: str = "hold"
    dry_run: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", _shared(self.metrics))

    @property
    def counters(self) -> tuple[str, ...]:
        return tuple(counter for metric in self.metrics for counter in metric.counters)

    @classmethod
    def from_dict(cls, given: t.Any) -> Options:
        """Return the options a user wrote as a mapping; an empty text means the default.

        Raises ValueError with one sentence for anything unknown, ill-typed, out of range or contradictory.
        """
        raw = _mapping(given, "the gate", cls)
        values: dict[str, t.Any] = {}
        for name, value in raw.items():
            values[name] = _metrics(value) if name == "metrics" else _convert(name, value, f"{name} of the gate")
        options = cls(**values)
        if options.min_duration > options.max_duration or options.min_step_duration > options.max_duration:
            raise ValueError(
                f"the gate could never pass: it waits at least {duration.text(options.min_duration)} "
                f"(min_duration) but at most {duration.text(options.max_duration)} (max_duration)"
            )
        return options


# What each number may be: kind, least, most, whether the ends themselves are allowed.
_RANGES: dict[str, tuple[t.Callable[[t.Any], t.Any], float, float, bool]] = {
    "alpha": (float, 0.0, 0.5, False),
    "beta": (float, 0.0, 0.5, False),
    "null_ratio": (float, 1.0, 100.0, True),
    "failure_limit": (int, 0, 1000, True),
    "consecutive_error_limit": (int, 0, 1000, True),
    "intervals": (int, 1, 100, True),
    "min_requests": (int, 1, 1e9, True),
    "no_data_limit": (int, 1, 1000, True),
    "dispersion": (float, 1.0, 1000.0, True),
    "dispersion_prior": (float, 1.0, 100.0, True),
    "impact_budget": (float, 0.0, 1.0, False),
    "share": (float, 0.0, 1.0, True),
    "margin": (float, 0.0, 1.0, False),
    "tolerance": (float, 1.0, 1000.0, True),
    "floor": (float, 0.0, 1.0, False),
    "limit": (float, 0.0, 0.9, False),
}
_CHOICES = {"analysis": ("sequential", "threshold"), "on_inconclusive": ("hold", "promote", "rollback")}


def _mapping(given: t.Any, what: str, cls: t.Any) -> dict[str, t.Any]:
    """Return what was given without empty values, every name known; raise ValueError otherwise."""
    if not isinstance(given, t.Mapping):
        kind = "text" if isinstance(given, str) else f"a {type(given).__name__}"
        raise ValueError(f"{what} must be a mapping of options, not {kind}: write it as YAML, not as a JSON string")
    known = [field.name for field in fields(cls)]
    for name in given:
        if name not in known:
            raise ValueError(f"{what} has no option {name!r}; there are {', '.join(known)}")
    return {name: value for name, value in given.items() if value is not None and value != ""}


def _convert(name: str, value: t.Any, what: str) -> t.Any:
    if name in DURATIONS:
        try:
            return duration.seconds(value)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(f"{what} is {value!r}; it may be {', '.join(_CHOICES[name])}")
        return value
    if name == "dry_run":
        truth = {"true": True, "yes": True, "false": False, "no": False}.get(str(value).lower())
        if truth is None:
            raise ValueError(f"{what} is {value!r}; it may be true or false")
        return truth
    if name == "dispersion" and value == "auto":
        return value
    return _number(name, value, what)


def _number(name: str, value: t.Any, what: str) -> t.Any:
    kind, least, most, closed = _RANGES[name]
    try:
        number = kind(str(value)) if not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not (least <= number <= most if closed else least < number < most):
        noun = "a whole number" if kind is int else "a number"
        ends = "from {} to {}" if closed else "over {} and under {}"
        raise ValueError(f"{what} is {value!r}; it must be {noun} {ends.format(f'{least:g}', f'{most:g}')}")
    return number


def _metrics(given: t.Any) -> tuple[Metric, ...]:
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError("metrics of the gate must be a list with at least one metric")
    metrics = [_metric(entry, place) for place, entry in enumerate(given, 1)]
    names = [counter for metric in metrics for counter in metric.counters]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the gate has two metrics named {name!r}")
    return tuple(metrics)


def _metric(given: t.Any, place: int) -> Metric:
    named = {"name": given} if isinstance(given, str) else given
    raw = _mapping(named, f"metric {place} of the gate", Metric)
    name = raw.get("name")
    if not isinstance(name, str):
        raise ValueError(f"metric {place} of the gate has no name")
    values: dict[str, t.Any] = {"name": name}
    for option in sorted(raw.keys() - {"name", "edges"}):
        values[option] = _convert(option, raw[option], f"{option} of metric {name}")
    if "edges" in raw:
        values["edges"] = _edges(raw["edges"], name)
        if "limit" in values:
            raise ValueError(f"metric {name} has edges, so no limit: make the edge that matters a metric of its own")
        values["limit"] = None
    return Metric(**values)


def _edges(given: t.Any, name: str) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError(f"edges of metric {name} must be a list of latencies, such as [0.1, 0.5, 1]")
    return tuple(str(edge) for edge in given)


def _shared(metrics: t.Sequence[Metric]) -> tuple[Metric, ...]:
    """Return the metrics with every share filled in: what is left goes equally to those without one."""
    given = [metric.share for metric in metrics if metric.share is not None]
    open_ones, rest = len(metrics) - len(given), 1.0 - math.fsum(given)
    if (open_ones and rest <= 1e-9) or (not open_ones and abs(rest) > 1e-6) or 0.0 in given:
        said = ", ".join(f"{metric.name} {'-' if metric.share is None else metric.share}" for metric in metrics)
        raise ValueError(f"the shares of the metrics must be positive and add up to 1 ({said})")
    return tuple(
        metric if metric.share is not None else Metric(**{**metric.__dict__, "share": rest / open_ones})
        for metric in metrics
    )
