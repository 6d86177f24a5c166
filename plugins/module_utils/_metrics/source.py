# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a metric source is: something that counts requests and bad requests of both slots, since any fixed moment."""

from __future__ import annotations

import abc
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import text
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

STABLE, CANARY = "stable", "canary"
ARMS = (STABLE, CANARY)

_PLACEHOLDER = re.compile(r"\$(slot|revision|name|le)\b|\$\{(slot|revision|name|le)\}")


class SourceError(ReleaseError):
    """The source is broken, or is asked for what it does not have; one sentence, no secret in it."""


@dataclass(frozen=True)
class Place:
    """One slot as a source may know it: C(name) is what the traffic system calls it, empty where nobody said."""

    slot: str
    revision: str = ""
    name: str = ""

    def fill(self, template: str, what: str, escape: t.Callable[[str], str] = str, **more: str) -> str:
        """Return C(template) with $slot, $revision and $name put in.

        Only these are placeholders: a dollar of a regular expression stays. Raises SourceError, naming C(what), when
        one of them is not known.
        """
        values = {"slot": self.slot, "revision": self.revision, "name": self.name, **more}

        def value(found: t.Match[str]) -> str:
            name = found.group(1) or found.group(2)
            if name not in values:
                return found.group(0)
            if not values[name]:
                raise SourceError(f"{what} says ${name}, but the {name} of {self.slot} is not known")
            return escape(values[name])

        return _PLACEHOLDER.sub(value, template)


Places = t.Mapping[str, Place]


@dataclass(frozen=True)
class Look:
    """What one query of a source returns now: C(value) is None without data, C(age) where it cannot be seen."""

    arm: str
    slot: str
    counter: str
    query: str
    series: int
    value: t.Optional[float] = None
    age: t.Optional[float] = None

    def plain(self) -> dict[str, t.Any]:
        return dict(vars(self))

    def __str__(self) -> str:
        """Return C(stable (blue): requests 18234 in 3 series, 2s old)."""
        what = f"{self.arm} ({self.slot}): {self.counter}"
        if self.value is None:
            return f"{what} has no data"
        series = f" in {self.series} series" if self.series > 1 else ""
        return f"{what} {self.value:.0f}{series}" + ("" if self.age is None else f", {text(max(self.age, 0.0))} old")


class Source(abc.ABC):
    """One source. Methods raise SourceError; none of them changes anything but the source's own memory."""

    name: t.ClassVar[str]
    spec: t.ClassVar[dict[str, t.Any]]
    # A slow source is read in a thread; a quick one costs nothing and is read where it is asked.
    quick: bool = False
    # Whether it may have nothing to say yet when the gate is opened.
    late: t.ClassVar[bool] = False

    @property
    def resolution(self) -> float:
        """Return how many seconds lie between two counts of its own: it is not asked more often."""
        return 0.0

    def next(self, now: float, interval: float) -> float:
        """Return when to read it next, C(interval) seconds after C(now) unless it knows better."""
        return now + interval

    @abc.abstractmethod
    def read(self, at: float) -> t.Optional[Sample]:
        """Return the reading of now, an arm None where there is no data; None when nothing is newer than the last one.

        C(at) is the moment of the call on the clock of the samples, in seconds.
        """

    @abc.abstractmethod
    def describe(self) -> list[Look]:
        """Return what each query returns now, so that a wrong one is found before anything waits for it."""

    @abc.abstractmethod
    def metrics(self, history: t.Sequence[Sample]) -> list[dict[str, t.Any]]:
        """Return the metrics a gate judges when the user names none, as options of a gate."""

    @abc.abstractmethod
    def counters(self) -> t.Sequence[str]:
        """Return the names of the bad requests it counts."""

    def choose(self, counters: t.Collection[str]) -> None:
        """Count only these bad requests from now on. Raises SourceError when one of them is not counted here."""
        known = self.counters()
        for counter in counters:
            if counter not in known:
                raise SourceError(f"the source {self.name} does not count {counter!r}; it counts {', '.join(known)}")

    def history(self, seconds: float, step: float) -> list[Sample]:
        """Return samples of the stable fleet's last C(seconds), the arms two halves of it; empty where there are none.

        Their times count from any moment.
        """
        return []
