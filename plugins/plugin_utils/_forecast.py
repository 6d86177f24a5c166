# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a gate will take with the traffic of now: measured before a release, said, and refused when it is absurd."""

from __future__ import annotations

import dataclasses
import math
import time
import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import past
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import text
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import Traffic, ramp, step_seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import AUTO
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    STABLE,
    Look,
    Source,
    SourceError,
)

RECENT = 300.0  # of the history is the traffic of now
APART = 2.0  # two readings, where there is no history; longer would need a line of its own
ENOUGH = 20.0  # requests that were seen: with fewer, the speed is a guess that is said and refuses nothing


def measure(
    options: Options,
    source: Source,
    looks: Sequence[Look],
    history: Sequence[Sample],
    sleep: Callable[[float], None] = time.sleep,
) -> Traffic | None:
    """Return the traffic of now; None where the source cannot tell it yet. Never raises: a forecast is a courtesy."""
    halves = past.polls_of(history, options.counters)
    counted = {look.counter: look.value or 0.0 for look in looks if look.arm == STABLE}
    rates, phi = {}, {}
    for counter in options.counters:
        bad, requests = past.whole(halves[counter])
        if not requests:
            bad, requests = counted.get(counter, 0.0), counted.get("requests", 0.0)
        # As the gate guesses it, so that no failure at all is not taken for a rate of zero.
        baseline = past.Baseline()
        baseline.add(requests, bad)
        rates[counter] = baseline.rate
        learnt = options.dispersion == "auto"
        phi[counter] = (
            past.dispersion(halves[counter], options.dispersion_prior) if learnt else float(options.dispersion)
        )
    speed = _speed([sample for sample in history if sample.at >= history[-1].at - RECENT])
    if speed is None:
        try:
            first = source.read(time.monotonic())
            sleep(min(max(options.interval, 1.0), APART))
            speed = _speed([sample for sample in (first, source.read(time.monotonic())) if sample])
        except SourceError:
            return None
    return None if speed is None else Traffic(speed[0], rates, phi, speed[1])


def _speed(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """Return the requests a second of all arms from the first to the last of C(samples), and how many there were."""
    if len(samples) < 2 or samples[-1].at <= samples[0].at:
        return None
    first, last = samples[0], samples[-1]
    grown = 0.0
    for arm in ARMS:
        before, after = getattr(first, arm), getattr(last, arm)
        if after is not None and before is not None:
            grown += max(after.requests - before.requests, 0.0)
    return grown / (last.at - first.at), grown


def joined(traffic: Traffic | None, load: float) -> Traffic | None:
    """Return C(traffic) with C(load) more requests a second."""
    return dataclasses.replace(traffic, requests=traffic.requests + load) if traffic else None


def choose(steps: str | Sequence[int], options: Options, traffic: Traffic | None) -> list[int]:
    """Return the steps, chosen for the traffic where C(steps) says auto."""
    if steps != AUTO:
        return list(t.cast("Sequence[int]", steps))
    return ramp(options, traffic or Traffic(0.0, {}, {}))


def sentence(options: Options, steps: Sequence[int], traffic: Traffic | None) -> str:
    """Return how long the gate will take, empty when nothing is judged before 100 %."""
    judged = list(steps[:-1])
    if not judged:
        return ""
    if traffic is None or not traffic.requests:
        why = "there is no traffic now" if traffic else "the source does not tell the traffic of now"
        return f"how long the gate will take cannot be said: {why}"
    spans = step_seconds(options, steps, traffic)
    each = ", ".join(f"{weight} % {_span(span)}" for weight, span in zip(judged, spans, strict=True))
    slow = [weight for weight, span in zip(judged, spans, strict=True) if span > options.max_duration]
    line = f"at {traffic.requests:.3g} requests/s the gate will take about {_span(sum(spans))} ({each})"
    if slow:
        line += f"; at {slow[0]} % it would be inconclusive after {_span(options.max_duration)} (max_duration)"
    return line


def refuse(options: Options, steps: Sequence[int], traffic: Traffic | None, pause_timeout: float) -> None:
    """Raise ReleaseError when the gate would need longer than any pause may last, and would decide by that."""
    if traffic is None or traffic.seen < ENOUGH or options.dry_run or options.on_inconclusive == "promote":
        return
    seconds = math.fsum(step_seconds(options, steps, traffic))
    if seconds > pause_timeout:
        raise ReleaseError(
            f"{sentence(options, steps, traffic)}: that is more than release_pause_timeout ({_span(pause_timeout)}); "
            "nothing was touched: raise the first step, margin or impact_budget of the gate, or release_force with a "
            "release_reason"
        )


def _span(seconds: float) -> str:
    return text(float(round(seconds)))
