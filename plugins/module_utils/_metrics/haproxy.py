# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source C(haproxy): the balancers' own counters, which see what a crashed process cannot count."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.counters import Total
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    Look,
    Places,
    Source,
    SourceError,
)

ERRORS = "errors"


class HAProxy(Source):
    """Requests and 5xx answers of each backend, over all balancers. C(observe) returns what they see now."""

    name = "haproxy"
    spec: t.ClassVar[dict[str, t.Any]] = {}  # how balancers are reached is the business of their driver

    def __init__(self, observe: t.Callable[[], Sight], places: Places, quick: bool = True) -> None:
        self._observe, self._places, self.quick = observe, places, quick
        self._totals = {(arm, counter): Total() for arm in ARMS for counter in ("requests", "bad")}

    def counters(self) -> list[str]:
        return [ERRORS]

    def metrics(self, history: t.Sequence[Sample]) -> list[dict[str, t.Any]]:
        return [{"name": ERRORS}]

    def read(self, at: float) -> t.Optional[Sample]:
        sight = self._sight()
        stable, canary = (self._arm(arm, sight) for arm in ARMS)
        return Sample(at, stable, canary)

    def describe(self) -> list[Look]:
        sight = self._sight()
        return [
            Look(
                arm,
                place.slot,
                counter,
                f"{place.name or place.slot} of {', '.join(sight.views)}",
                len(sight.views),
                self._number(sight, place.slot, key),
                0.0,
            )
            for arm, place in self._places.items()
            for counter, key in (("requests", "requests"), (ERRORS, "bad"))
        ]

    def _arm(self, arm: str, sight: Sight) -> Arm:
        slot = self._places[arm].slot
        for key in ("requests", "bad"):
            self._number(sight, slot, key)
        # Each balancer by itself: one that reloads starts at zero, the others do not.
        sums = {
            key: self._totals[arm, key].add(
                {name: (float(view["slots"][slot][key]), None) for name, view in sight.views.items()}
            )
            for key in ("requests", "bad")
        }
        return Arm(sums["requests"], {ERRORS: sums["bad"]})

    def _number(self, sight: Sight, slot: str, key: str) -> float:
        number = sight.total(slot, key)
        if number is None:
            raise SourceError(f"the balancers do not count the {key} of {slot}: use another source")
        return float(number)

    def _sight(self) -> Sight:
        try:
            return self._observe()
        except SourceError:
            raise
        except ReleaseError as error:
            raise SourceError(str(error)) from error
