# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From cumulative readings to what is new: no request is counted twice, and no number that is none is believed."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import Poll
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample

_IDLE = Arm(0.0)


class Increments:
    """Subtracts each good reading from the one before it; a gap's requests are counted by the reading that ends it."""

    def __init__(self, counters: t.Sequence[str]) -> None:
        self._counters = tuple(counters)
        self._at: t.Optional[float] = None
        self._canary: t.Optional[Arm] = None
        self._stable: t.Optional[Arm] = None

    def add(
        self, sample: t.Optional[Sample], stable_idle: bool = False, canary_idle: bool = False
    ) -> t.Optional[dict[str, Poll]]:
        """Return one poll per counter; nothing in it when there is no reading to subtract yet; None for no data.

        No data: no answer, a missing arm (unless it is said to be idle), a number that is NaN, infinite or negative,
        a reading that is not newer than the last, or one that lacks bad requests that were there before.
        """
        if sample is None or not math.isfinite(sample.at) or (self._at is not None and sample.at <= self._at):
            return None
        canary = self._reading(sample.canary, canary_idle)
        stable = self._reading(sample.stable, stable_idle)
        if canary is None or stable is None:
            return None
        new_canary, new_stable = _new(self._canary, canary), _new(self._stable, stable)
        if new_canary is None or new_stable is None:
            return None
        first = self._at is None
        self._at = sample.at
        self._canary = _counted(self._canary, canary, new_canary)
        self._stable = _counted(self._stable, stable, new_stable)
        if first:
            return {}
        return {
            name: Poll(new_canary.requests, new_canary.bad[name], new_stable.requests, new_stable.bad[name])
            for name in self._counters
        }

    def _reading(self, arm: t.Optional[Arm], idle: bool) -> t.Optional[Arm]:
        """Return the arm with all counters, absent ones zero (Prometheus makes a series at the first error)."""
        arm = _IDLE if arm is None and idle else arm
        if arm is None:
            return None
        bad = {name: arm.bad.get(name, 0.0) for name in self._counters}
        return Arm(arm.requests, bad) if all(map(_usable, (arm.requests, *bad.values()))) else None


def _usable(number: t.Any) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number) and number >= 0


def _new(last: t.Optional[Arm], arm: Arm) -> t.Optional[Arm]:
    """Return what came since the last reading; None where a counter fell although the requests ran on.

    Then a series is missing, for good or for one reading: neither its rest nor its return may be taken for news.
    """
    if last is None:
        return arm
    if arm.requests < last.requests:
        last = _zero(arm)  # restarted: count from zero
    elif any(arm.bad[name] < last.bad[name] for name in arm.bad):
        return None
    requests = arm.requests - last.requests
    # Counters of one scrape are not read at one instant: never more bad ones than requests.
    return Arm(requests, {name: min(arm.bad[name] - last.bad[name], requests) for name in arm.bad})


def _counted(last: t.Optional[Arm], arm: Arm, new: Arm) -> Arm:
    """Return the reading with only the bad requests that were counted, so that clamped ones come with the next poll."""
    if last is None or arm.requests < last.requests:
        last = _zero(arm)
    return Arm(arm.requests, {name: last.bad[name] + new.bad[name] for name in arm.bad})


def _zero(arm: Arm) -> Arm:
    return Arm(0.0, dict.fromkeys(arm.bad, 0.0))
