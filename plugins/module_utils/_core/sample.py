# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a metric source hands to the gate: cumulative counters of both slots at one moment."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arm:
    """Counters of one slot since any fixed origin; a fall means a restart.

    C(bad) holds, per metric, how many of C(requests) were bad; an absent metric is zero bad requests.
    """

    requests: float
    bad: t.Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One reading: C(at) in seconds of a monotonic clock; an arm is None where the source had no data for it.

    C(halves) are two halves of the stable fleet, where the source can tell its instances apart.
    """

    at: float
    stable: t.Optional[Arm]
    canary: t.Optional[Arm]
    halves: t.Optional[tuple[Arm, Arm]] = None
