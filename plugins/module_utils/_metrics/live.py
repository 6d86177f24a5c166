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
from dataclasses import replace

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import text
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options, Verdict
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.picture import draw
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    RUNNING,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.counters import Without
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    Places,
    Source,
    SourceError,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.watch import FAIL as WATCH_FAIL
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.watch import (
    HOLD,
    NO_DATA,
    Note,
    Watcher,
)

T = t.TypeVar("T")

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
        watchers: t.Sequence[Watcher] = (),
        probes: t.Optional[Probes] = None,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate, self._options, self._source, self._places = gate, options, source, places
        self._watchers, self._probes, self._clock = watchers, probes, clock
        self._without = Without()
        self._reading: t.Optional[_Call[t.Optional[Sample]]] = None
        self._watching: t.Optional[_Call[list[Note]]] = None
        self._due = self._begun = self._started = clock()
        self._judged = Verdict(RUNNING, "first_reading", "RUNNING: the first reading is still to come")
        self._notes: t.Optional[list[Note]] = None
        self._silent = 0
        self._failed: t.Optional[Verdict] = None
        self._steps: list[dict[str, t.Any]] = []
        self._samples: list[Sample] = []
        self._looks: list[tuple[float, t.Mapping[str, t.Any]]] = []
        self.polls = self.watched = 0

    def begin(self) -> list[str]:
        """Begin what lasts as long as the judgement, such as a silence; return a sentence for each. Raises SourceError.

        Whoever calls it calls C(end) too, whatever happens.
        """
        return [line for watcher in self._watchers for line in watcher.begin()]

    def end(self) -> list[str]:
        """End it and return a sentence for each; what cannot be ended ends by itself."""
        return [line for watcher in self._watchers for line in watcher.end()]

    def step(self, weight: t.Optional[int], next_weight: t.Optional[int]) -> None:
        """Begin a step: the canary has C(weight) percent (None: unknown), and C(next_weight) if it passes."""
        now = self._clock()
        if not self._steps:
            self._started = now
        self._gate.step(weight, now, next_weight)
        self._steps.append({"at": round(now - self._begun, 3), "weight": weight, "next_weight": next_weight})
        if self._judged.status != FAIL:
            # What was said of the last step is no verdict on this one.
            self._judged = Verdict(RUNNING, "new_step", "RUNNING: a new step begins", self._judged.metrics)

    def look(self) -> Verdict:
        """Return the verdict of now; polls when it is time to."""
        now = self._clock()
        self._take(now)
        if now >= self._due:
            self._due = self._source.next(now, self._options.interval)
            if self._reading is None:
                self._reading = _Call(lambda: self._source.read(now), self._source.name, now, self._source.quick)
            if self._watching is None and self._watchers:
                warm_up = now - self._started < self._options.initial_delay
                self._watching = _Call(lambda: _notes(self._watchers, warm_up), "watch", now)
            self._take(now)
        return self.verdict

    @property
    def verdict(self) -> Verdict:
        """Return what source and watchers say together."""
        verdict = self._together()
        return _dry(verdict) if self._options.dry_run else verdict

    def report(self) -> dict[str, t.Any]:
        """Return the verdict with its numbers, the steps, and the samples it was judged from, in a compact form."""
        verdict, counters = self.verdict, self._options.counters
        columns = ["at", *(f"{arm}_{name}" for arm in ARMS for name in ("requests", *counters))]
        return {
            "status": verdict.status,
            "reason": verdict.reason,
            "msg": verdict.msg,
            "metrics": {name: dict(numbers) for name, numbers in verdict.metrics.items()},
            "watch": [note._asdict() for note in self._notes or []],
            "steps": list(self._steps),
            "samples": {"columns": columns, "rows": [_row(sample, counters, self._begun) for sample in self._samples]},
        }

    def picture(self, title: str = "") -> str:
        """Return an SVG of the metric that decided, or is farthest from it. Raises ValueError without a judgement."""
        verdict = self.verdict
        return draw(self._looks, _telling(verdict.metrics, verdict.status == FAIL), title or verdict.msg)

    def _take(self, now: float) -> None:
        """Take the answers that have come."""
        watching, reading, interval = self._watching, self._reading, self._options.interval
        if watching is not None and watching.done:
            self._watching = None
            self._watch(watching.result or [Note("watch", NO_DATA, watching.trouble)])
        elif watching is not None and watching.overdue(now, interval):
            self._watch([Note("watch", NO_DATA, f"no answer for {now - watching.began:.0f} s")])
        if reading is not None and reading.done:
            self._reading = None
            if reading.trouble or reading.result is not None:
                self._judge(reading.result, reading.trouble)
        elif reading is not None and reading.overdue(now, interval):
            self._judge(None, f"no answer for {now - reading.began:.0f} s")

    def _judge(self, sample: t.Optional[Sample], trouble: str) -> None:
        if sample is not None and self._probes is not None:
            sample = self._users_only(sample, self._probes())
        self.polls += 1
        verdict = self._gate.judge(sample)
        if sample is not None:
            _keep(self._samples, sample)
            _keep(self._looks, (sample.at - self._begun, verdict.metrics))
        if trouble and verdict.reason in ("no_data", "source"):
            verdict = replace(verdict, msg=f"{verdict.msg}; {trouble}")
        self._judged = verdict

    def _watch(self, notes: list[Note]) -> None:
        self._notes = notes
        self.watched += 1
        self._silent = self._silent + 1 if any(note.status == NO_DATA for note in notes) else 0
        failed = [note.sentence for note in notes if note.status == WATCH_FAIL]
        if failed and self._failed is None:
            self._failed = self._said(FAIL, "watch", "; ".join(failed))

    def _together(self) -> Verdict:
        """Return the verdict: whatever is wrong speaks before what is well, and what nobody sees is not well."""
        if self._failed is not None or self._judged.status == FAIL or not self._watchers:
            return self._failed or self._judged
        notes = self._notes if self._notes is not None else [Note("watch", NO_DATA, "nothing was watched yet")]
        held = [note.sentence for note in notes if note.status == HOLD]
        unseen = [note.sentence for note in notes if note.status == NO_DATA]
        if held:
            return self._said(INCONCLUSIVE, "watch", "; ".join(held))
        if unseen and self._silent >= self._options.no_data_limit:
            return self._said(INCONCLUSIVE, "no_data", f"{'; '.join(unseen)}, {self._silent} times in a row")
        if self._judged.status == PASS and (unseen or self._watching is not None):
            # What was well a moment ago is being looked at again: the pass can wait for it.
            return self._said(RUNNING, "watch", "; ".join(unseen) or "waiting for what is watched")
        return self._judged

    def _said(self, status: str, reason: str, sentence: str) -> Verdict:
        elapsed = text(self._clock() - self._started)
        return Verdict(status, reason, f"{status.upper()} after {elapsed}: {sentence}", self._judged.metrics)

    def _users_only(self, sample: Sample, probes: t.Mapping[str, tuple[float, float]]) -> Sample:
        arms: dict[str, t.Optional[Arm]] = {}
        for arm in ARMS:
            counted, slot = getattr(sample, arm), self._places[arm].slot
            arms[arm] = counted and self._without.take(slot, counted, probes.get(slot, (0.0, 0.0)))
        return Sample(sample.at, **arms, halves=sample.halves)


class _Call(t.Generic[T]):
    """One call of something that may be slow, in a thread unless it is C(quick)."""

    def __init__(self, call: t.Callable[[], T], name: str, began: float, quick: bool = False) -> None:
        self.began = began
        self.result: t.Optional[T] = None
        self.trouble = ""
        self._call, self._name, self._told = call, name, began
        self._thread: t.Optional[threading.Thread] = None
        if quick:
            self._run()
        else:
            self._thread = threading.Thread(target=self._run, name=f"gate-{name}", daemon=True)
            self._thread.start()

    @property
    def done(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    def overdue(self, now: float, interval: float) -> bool:
        """Return whether it counts as no answer, once for each C(interval) that it is too late."""
        if now <= max(self._told, self.began + max(PATIENCE, 2 * interval)):
            return False
        self._told = now + interval
        return True

    def _run(self) -> None:
        try:
            self.result = self._call()
        except SourceError as error:
            self.trouble = str(error)
        except Exception as error:  # an error lost in a thread would be taken for "nothing new"
            self.trouble = f"the source {self._name} broke: {type(error).__name__}: {error}"


def _notes(watchers: t.Sequence[Watcher], warm_up: bool) -> list[Note]:
    """Return what all watchers say; one that is broken has no data."""
    found: list[Note] = []
    for watcher in watchers:
        try:
            found += watcher.look(warm_up)
        except SourceError as error:
            found.append(Note(watcher.name, NO_DATA, str(error)))
    return found


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
