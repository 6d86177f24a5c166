# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights: the percent of requests each slot gets. Both slots explicit, integers, sum 100."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

AUTO = "auto"
SLOTS = ("blue", "green")


def other(slot: str) -> str:
    """Return the slot that is not C(slot)."""
    return SLOTS[1 - SLOTS.index(slot)]


@dataclass(frozen=True)
class Weights:
    """Percent of requests per slot; made by C(parse) or C(split), so it always adds up to 100."""

    blue: int
    green: int

    def __getitem__(self, slot: str) -> int:
        if slot not in SLOTS:
            raise KeyError(slot)
        return t.cast(int, getattr(self, slot))

    def __str__(self) -> str:
        return f"blue {self.blue} / green {self.green}"

    def plain(self) -> dict[str, int]:
        """Return the weights as C({blue: percent, green: percent})."""
        return {"blue": self.blue, "green": self.green}

    def only(self) -> t.Optional[str]:
        """Return the slot that has all the traffic, or None while it is split."""
        return next((slot for slot in SLOTS if self[slot] == 100), None)


def split(slot: str, percent: int) -> Weights:
    """Return the weights that give C(percent) to C(slot) and the rest to the other one.

    Raises ValueError for an unknown slot or a percent outside 0 to 100.
    """
    if slot not in SLOTS:
        raise ValueError(f"unknown slot {slot!r}: the slots are blue and green")
    return parse({slot: percent, other(slot): 100 - _percent(percent, slot)})


def parse(value: t.Any) -> Weights:
    """Return the weights in C(value), a mapping with both slots.

    Raises ValueError with one sentence when a slot is missing or unknown, a weight is not an integer
    from 0 to 100, or they do not add up to 100. Numbers may come as text, as surveys send them.
    """
    if not isinstance(value, t.Mapping):
        raise ValueError(f"weights are a mapping such as {{blue: 90, green: 10}}, not {value!r}")
    missing = [slot for slot in SLOTS if slot not in value]
    unknown = sorted(str(slot) for slot in value if slot not in SLOTS)
    if unknown:
        raise ValueError(f"weights name an unknown slot {unknown[0]!r}: the slots are blue and green")
    if missing:
        raise ValueError(f"weights do not name {missing[0]}: give both slots, the zero too")
    blue, green = (_percent(value[slot], slot) for slot in SLOTS)
    if blue + green != 100:
        raise ValueError(f"weights blue {blue} and green {green} add up to {blue + green}, not 100")
    return Weights(blue, green)


def parse_expect(value: t.Any) -> list[Weights]:
    """Return the weights one of which has to stand, from one mapping or a list of them; none when nothing was said.

    Raises ValueError as C(parse) does, and for an empty list: a guard that is asked for and empty is a mistake.
    """
    if value is None or value == "":
        return []
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if not items:
        raise ValueError("expect is an empty list: name the weights that must stand, or leave it out")
    try:
        return [parse(item) for item in items]
    except ValueError as error:
        raise ValueError(f"expect: {error}") from error


def parse_steps(value: t.Any) -> list[int]:
    """Return the steps in C(value) as rising percents that end with 100; an empty value is C([100]).

    Accepts a list, one number, or text as surveys send it (C("5,25,50,100")). Raises ValueError with one sentence.
    """
    if value is None or value == "" or value == []:
        return [100]
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
    steps = [_percent(item.strip() if isinstance(item, str) else item, "a step") for item in items]
    if steps[0] == 0:
        raise ValueError("steps start above 0: the canary stands at 0 before the first one")
    if any(later <= earlier for earlier, later in zip(steps, steps[1:])):
        raise ValueError(f"steps {', '.join(map(str, steps))} do not rise")
    return steps if steps[-1] == 100 else [*steps, 100]


def parse_ramp(value: t.Any) -> t.Union[str, list[int]]:
    """Return C(AUTO) when the gate is to choose the steps, else what C(parse_steps) returns or raises."""
    return AUTO if isinstance(value, str) and value.strip() == AUTO else parse_steps(value)


def _percent(value: t.Any, what: str) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch("-?[0-9]+", text):
        raise ValueError(f"{what} is {value!r}: a weight is a whole number from 0 to 100")
    number = int(text)
    if not 0 <= number <= 100:
        raise ValueError(f"{what} is {number}: a weight is a whole number from 0 to 100")
    return number
