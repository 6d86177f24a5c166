# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate at work: a source that is read every interval, and the verdict of what it said.

Whoever asks is never made to wait: a slow source is read in a thread, and its answer is taken at a later look.
"""

from __future__ import annotations

import threading
import time
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options, Verdict
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.picture import draw
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import FAIL, PASS, RUNNING
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.counters import Without
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    Places,
    Source,
    SourceError,
)

# Requests and failed ones among them that a prober of ours has sent to each slot so far.
Probes = t.Callable[[], t.Mapping[str, tuple[float, float]]]

# A reading that takes longer than this, or two intervals, counts as no answer.
PATIENCE = 10.0
KEPT = 2000  # samples in a report, looks in a picture


class Live:
    """One gate over all steps of a rollout: C(step) begins one, C(look) is cheap and may be asked at any time."""

    def __init__(
        self,
        gate: Gate,
        options: Options,
        source: Source,
        places: Places,
        probes: t.Optional[Probes] = None,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate, self._options, self._source, self._places = gate, options, source, places
        self._probes, self._without, self._clock = probes, Without(), clock
        self._reading: t.Optional[_Reading] = None
        self._due = self._missed = self._begun = clock()
        self._trouble = ""
        self._verdict = Verdict(RUNNING, "first_reading", "RUNNING: the first reading is still to come")
        self._steps: list[dict[str, t.Any]] = []
        self._samples: list[Sample] = []
        self._looks: list[tuple[float, t.Mapping[str, t.Any]]] = []
        self.polls = 0

    def step(self, weight: t.Optional[int], next_weight: t.Optional[int]) -> None:
        """Begin a step: the canary has C(weight) percent (None: unknown), and C(next_weight) if it passes."""
        now = self._clock()
        self._gate.step(weight, now, next_weight)
        self._steps.append({"at": round(now - self._begun, 3), "weight": weight, "next_weight": next_weight})
        if self._verdict.status != FAIL:
            # What was said of the last step is no verdict on this one.
            self._verdict = Verdict(RUNNING, "new_step", "RUNNING: a new step begins", self._verdict.metrics)

    def look(self) -> Verdict:
        """Return the verdict of now; polls when it is time to."""
        now = self._clock()
        self._take(now)
        if self._reading is None and now >= self._due:
            self._due = self._missed = now + self._options.interval
            self._reading = _Reading(self._source, now)
            self._take(now)
        return self._verdict

    def report(self) -> dict[str, t.Any]:
        """Return the verdict with its numbers, the steps, and the samples it was judged from, in a compact form."""
        counters = self._options.counters
        columns = ["at", *(f"{arm}_{name}" for arm in ARMS for name in ("requests", *counters))]
        return {
            "status": self._verdict.status,
            "reason": self._verdict.reason,
            "msg": self._verdict.msg,
            "metrics": {name: dict(numbers) for name, numbers in self._verdict.metrics.items()},
            "steps": list(self._steps),
            "samples": {"columns": columns, "rows": [_row(sample, counters, self._begun) for sample in self._samples]},
        }

    def picture(self, title: str = "") -> str:
        """Return an SVG of the metric that decided, or is farthest from it. Raises ValueError without a judgement."""
        metrics = self._verdict.metrics
        return draw(self._looks, _telling(metrics, self._verdict.status == FAIL), title or self._verdict.msg)

    def _take(self, now: float) -> None:
        reading = self._reading
        if reading is None:
            return
        if not reading.done:
            if now >= self._missed and now - reading.began > max(PATIENCE, 2 * self._options.interval):
                self._missed = now + self._options.interval
                self._judge(None, f"no answer for {now - reading.began:.0f} s")
            return
        self._reading = None
        if reading.trouble:
            self._judge(None, reading.trouble)
        elif reading.sample is not None:
            self._judge(reading.sample, "")

    def _judge(self, sample: t.Optional[Sample], trouble: str) -> None:
        if sample is not None and self._probes is not None:
            sample = self._users_only(sample, self._probes())
        self.polls += 1
        self._trouble = trouble
        verdict = self._gate.judge(sample)
        if sample is not None:
            _keep(self._samples, sample)
            _keep(self._looks, (sample.at - self._begun, verdict.metrics))
        if trouble and verdict.reason in ("no_data", "source"):
            verdict = replace(verdict, msg=f"{verdict.msg}; {trouble}")
        self._verdict = _dry(verdict) if self._options.dry_run else verdict

    def _users_only(self, sample: Sample, probes: t.Mapping[str, tuple[float, float]]) -> Sample:
        arms: dict[str, t.Optional[Arm]] = {}
        for arm in ARMS:
            counted, slot = getattr(sample, arm), self._places[arm].slot
            arms[arm] = counted and self._without.take(slot, counted, probes.get(slot, (0.0, 0.0)))
        return Sample(sample.at, **arms)


@dataclass
class _Outcome:
    sample: t.Optional[Sample] = None
    trouble: str = ""


class _Reading:
    """One reading of a source, in a thread unless the source is quick."""

    def __init__(self, source: Source, began: float) -> None:
        self.began = began
        self._source, self._outcome = source, _Outcome()
        self._thread: t.Optional[threading.Thread] = None
        if source.quick:
            self._read()
        else:
            self._thread = threading.Thread(target=self._read, name=f"gate-{source.name}", daemon=True)
            self._thread.start()

    @property
    def done(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    @property
    def sample(self) -> t.Optional[Sample]:
        return self._outcome.sample

    @property
    def trouble(self) -> str:
        return self._outcome.trouble

    def _read(self) -> None:
        try:
            self._outcome.sample = self._source.read(self.began)
        except SourceError as error:
            self._outcome.trouble = str(error)
        except Exception as error:  # an error lost in a thread would be taken for "nothing new"
            self._outcome.trouble = f"the source {self._source.name} broke: {type(error).__name__}: {error}"


def _dry(verdict: Verdict) -> Verdict:
    """Return the verdict of a gate that decides nothing: what it would have said, as a pass."""
    if verdict.status in (RUNNING, PASS):
        return verdict
    return replace(verdict, status=PASS, msg=f"DRY RUN, it would have been {verdict.msg}")


def _keep(kept: list[t.Any], one: t.Any) -> None:
    kept.append(one)
    if len(kept) > KEPT:
        del kept[1:-1:2]  # counts are cumulative: nothing is lost but where in between they were


def _telling(metrics: t.Mapping[str, t.Mapping[str, t.Any]], failed: bool) -> str:
    """Return the name of the metric with the most evidence of harm, or the least of safety."""
    if failed:
        return max(metrics, key=lambda name: metrics[name].get("harm", 0.0), default="")
    return min(metrics, key=lambda name: metrics[name].get("safe", 0.0), default="")


def _row(sample: Sample, counters: t.Sequence[str], begun: float) -> list[t.Optional[float]]:
    row: list[t.Optional[float]] = [round(sample.at - begun, 3)]
    for arm in (sample.stable, sample.canary):
        row.append(None if arm is None else arm.requests)
        row += [None if arm is None else arm.bad.get(name, 0.0) for name in counters]
    return row


