# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums of counters that restart, appear and vanish one by one, as cumulative counts that never fall."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm

# A counter and when it was read on the source's own clock, None where the source does not say.
Reading = tuple[float, t.Optional[float]]


class Total:
    """What many counters counted together since the first look.

    One of them that falls was restarted and counts from zero, as one that appears later does: an error series is made
    at the first error. One that vanishes is remembered. A sum made elsewhere could not tell which of them restarted.
    """

    def __init__(self) -> None:
        self.value = 0.0
        self._last: dict[t.Hashable, Reading] = {}
        self._begun = False

    def add(self, readings: t.Mapping[t.Hashable, Reading]) -> float:
        """Return the sum after C(readings)."""
        for key, (value, at) in readings.items():
            before, last_at = self._last.get(key, (0.0 if self._begun else value, None))
            if at is not None and last_at is not None and at <= last_at:
                continue  # another replica of the source, behind the one asked before
            self.value += value - before if value >= before else value
            self._last[key] = (value, at)
        self._begun = True
        return self.value


class Without:
    """Takes our own probes out of what a balancer counted, so that they cannot earn a pass at night."""

    def __init__(self) -> None:
        self._net: dict[str, float] = {}

    def take(self, slot: str, arm: Arm, probes: tuple[float, float]) -> Arm:
        """Return C(arm) without C(probes), requests and bad ones sent to C(slot) so far."""
        requests, bad = probes
        return Arm(
            self._never_less(f"{slot} requests", arm.requests - requests),
            {name: self._never_less(f"{slot} {name}", count - bad) for name, count in arm.bad.items()},
        )

    def _never_less(self, key: str, net: float) -> float:
        # Probe and counter are not read in one instant; a count that falls would be taken for a restart.
        self._net[key] = max(self._net.get(key, 0.0), net)
        return self._net[key]
