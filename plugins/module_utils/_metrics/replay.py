# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate over the past: would it have stopped that incident, and how often would it have stopped nothing at all.

Times are epoch seconds. The verdicts are those the gate gives live, see C(_core.gate.replay).
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import (
    Gate,
    Options,
    Step,
    Verdict,
    replay,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.picture import Look
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    RUNNING,
)


@dataclass(frozen=True)
class Incident:
    """What a gate would have said of one rollout. C(at) is when it would have decided, None when never."""

    status: str
    reason: str
    msg: str
    at: t.Optional[float]
    verdicts: list[dict[str, t.Any]]
    metrics: t.Mapping[str, t.Mapping[str, t.Any]]
    spared: float
    looks: list[Look] = field(default_factory=list)


def incident(
    options: Options, samples: t.Sequence[Sample], steps: t.Sequence[Step], history: t.Sequence[Sample]
) -> Incident:
    """Return what the gate would have said: the first fail, else its last word. Raises ValueError without data."""
    if all(sample.stable is None and sample.canary is None for sample in samples):
        raise ValueError("there are no data in that time")
    verdicts = replay(options, samples, steps, history)
    fails = [number for number, verdict in enumerate(verdicts) if verdict.status == FAIL]
    decided = fails[0] if fails else len(verdicts) - 1
    verdict, start = verdicts[decided], steps[0][1]
    spared = _bad(options, samples[-1]) - _bad(options, samples[decided]) if fails else 0.0
    at = samples[decided].at
    if fails:
        msg = f"it would have stopped the release at {clock(at)}, {duration.text(at - start)} after its start"
        msg += f", and spared {spared:.0f} bad requests of the canary: {verdict.msg}"
    else:
        msg = f"it would not have stopped the release: {verdict.msg}"
    return Incident(
        verdict.status,
        verdict.reason,
        msg,
        at if fails else None,
        _changes(samples, verdicts),
        verdict.metrics,
        spared,
        [(sample.at - start, one.metrics) for sample, one in zip(samples, verdicts)],
    )


@dataclass(frozen=True)
class Alike:
    """What a gate said of two halves of one fleet, again and again: every fail is a false alarm."""

    msg: str
    counts: dict[str, int]
    phi: dict[str, float]
    verdicts: list[dict[str, t.Any]]


def alike(options: Options, samples: t.Sequence[Sample], start: float) -> Alike:
    """Return the verdicts of one judgement after the other from C(start) on, each with the C(lookback) before it.

    Raises ValueError when there are no two halves, or no data.
    """
    at = next((number for number, sample in enumerate(samples) if sample.at >= start), None)
    if at is None:
        raise ValueError("there are no data in that time")
    if all(sample.canary is None for sample in samples):
        raise ValueError("the stable slot has one instance only: there are no two halves to compare")
    counts: Counter[str] = Counter({PASS: 0, INCONCLUSIVE: 0, FAIL: 0})
    phi: dict[str, float] = {}
    told = []
    while at < len(samples):
        began = samples[at].at
        history = [sample for sample in samples if began - options.lookback <= sample.at < began]
        verdict, at = _one(options, samples, at, history)
        phi.update({name: numbers["phi"] for name, numbers in verdict.metrics.items() if "phi" in numbers})
        if verdict.status == RUNNING:
            break  # the time was up before it knew
        counts[verdict.status] += 1
        told.append({"at": clock(began), "status": verdict.status, "reason": verdict.reason, "msg": verdict.msg})
    msg = (
        f"two halves of the same fleet, judged {len(told)} times in {duration.text(samples[-1].at - start)}: "
        f"{counts[PASS]} passed, {counts[INCONCLUSIVE]} inconclusive, {counts[FAIL]} false alarms"
    )
    clusters = ", ".join(f"{name} {value:.2g}" for name, value in phi.items())
    return Alike(msg + (f"; dispersion {clusters}" if clusters else ""), dict(counts), phi, told)


def moment(value: str, now: float) -> float:
    """Return the epoch seconds of C(now), C(2h) (that long ago), C(1767225600) or C(2026-01-01T00:00:00Z).

    A time without a zone is UTC. Raises ValueError with one sentence.
    """
    text = str(value).strip()
    if text == "now":
        return now
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return number
    try:
        return now - duration.seconds(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write now, 2h (ago), 1767225600 or 2026-01-01T00:00:00Z") from None
    return (read if read.tzinfo else read.replace(tzinfo=timezone.utc)).timestamp()


def clock(at: float) -> str:
    """Return C(2026-01-01T00:00:00Z)."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _one(options: Options, samples: t.Sequence[Sample], at: int, history: t.Sequence[Sample]) -> tuple[Verdict, int]:
    """Return the verdict of the judgement that begins at sample C(at), and the sample after it."""
    gate = Gate(options, history)
    gate.step(None, samples[at].at)
    verdict = gate.judge(samples[at])
    for number in range(at + 1, len(samples)):
        verdict = gate.judge(samples[number])
        if verdict.status != RUNNING:
            return verdict, number + 1
    return verdict, len(samples)


def _changes(samples: t.Sequence[Sample], verdicts: t.Sequence[Verdict]) -> list[dict[str, t.Any]]:
    """Return each verdict that differs from the one before it."""
    found, last = [], ""
    for sample, verdict in zip(samples, verdicts):
        if verdict.status != last:
            found.append(
                {"at": clock(sample.at), "status": verdict.status, "reason": verdict.reason, "msg": verdict.msg}
            )
        last = verdict.status
    return found


def _bad(options: Options, sample: Sample) -> float:
    counters = [metric.name for metric in options.metrics if not metric.edges] or options.counters[:1]
    return sum(sample.canary.bad.get(name, 0.0) for name in counters) if sample.canary else 0.0
