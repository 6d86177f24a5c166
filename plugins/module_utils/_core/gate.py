# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate: samples in, verdicts out. It has no clock and asks nobody; live and replayed it says the same."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import verdict as words
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import Metric, Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.increments import Increments
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sequential import Sequential
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.thresholds import Thresholds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import Finding, Moment, Verdict

__all__ = ["Gate", "Metric", "Options", "Step", "Verdict", "replay"]

Step = tuple[t.Optional[int], float, t.Optional[int]]


class Gate:
    """Judges one rollout, one process over all its steps.

    C(history) are samples of the stable fleet from before the canary, its two arms two halves of the fleet (the second
    None where there is only one instance). All times are seconds of the clock that stamps the samples.
    """

    def __init__(self, options: Options, history: t.Sequence[Sample] = ()) -> None:
        self._options = options
        self._increments, self._halves = Increments(options.counters), Increments(options.counters)
        self._rule: t.Union[Sequential, Thresholds] = (
            Thresholds(options) if options.analysis == "threshold" else Sequential(options, history)
        )
        self._weight: t.Optional[int] = None
        self._start: t.Optional[float] = None
        self._step = self._now = 0.0
        self._no_answer = self._no_data = 0
        self._failed: t.Optional[Verdict] = None

    def step(self, weight: t.Optional[int], at: float, next_weight: t.Optional[int] = None) -> None:
        """Begin a step: the canary has C(weight) percent from C(at) on (None: unknown), C(next_weight) if it passes.

        C(min_step_duration), C(min_requests) and C(max_duration) count anew. What must be proven for the next weight
        is C(impact_budget) over that weight; the last step, without a next one, must prove each metric's C(margin).
        """
        if self._start is None:
            self._start = self._now = at
        self._step = self._now = max(self._now, at)
        self._weight = weight
        self._rule.step(weight, next_weight)

    def judge(self, sample: t.Optional[Sample]) -> Verdict:
        """Return the verdict after C(sample), None where the source had no answer. A fail is final.

        Raises ValueError before the first step.
        """
        if self._start is None:
            raise ValueError("the gate judges steps: begin one before the first sample")
        if self._failed is not None:
            return self._failed
        finding = self._find(sample, self._start)
        line = f"{finding.status.upper()} after {duration.text(self._now - self._start)}: {finding.sentence}"
        verdict = Verdict(finding.status, finding.reason, line, finding.metrics)
        if verdict.status == words.FAIL:
            self._failed = verdict
        return verdict

    def _find(self, sample: t.Optional[Sample], start: float) -> Finding:
        self._no_answer = 0 if sample is not None else self._no_answer + 1
        # A slot without weight may have no series at all.
        polls = self._increments.add(sample, stable_idle=self._weight == 100, canary_idle=self._weight == 0)
        if sample is None or polls is None:
            return self._nothing()
        halves = self._halves.add(Sample(sample.at, *sample.halves)) if sample.halves else None
        self._no_data = 0
        self._now = max(self._now, sample.at)
        if not polls:
            return Finding(words.RUNNING, "first_reading", "a first reading, the next one counts", self._rule.metrics())
        elapsed = self._now - start
        moment = Moment(elapsed, self._now - self._step, elapsed < self._options.initial_delay)
        self._rule.add(polls, moment, halves or {})
        return self._rule.find(moment)

    def _nothing(self) -> Finding:
        """Return what follows from no reading: in the end an inconclusive verdict, never health, never failure."""
        self._no_data += 1
        if self._options.analysis == "threshold" and self._no_answer > self._options.consecutive_error_limit:
            sentence = f"the source failed {self._no_answer} times in a row"
            return Finding(words.ERROR, "source", sentence, self._rule.metrics())
        status = words.INCONCLUSIVE if self._no_data >= self._options.no_data_limit else words.RUNNING
        polls = f"{self._no_data} polls in a row" if self._no_data > 1 else "1 poll"
        return Finding(status, "no_data", f"no data: {polls} without a usable reading", self._rule.metrics())


def replay(
    options: Options, samples: t.Sequence[t.Optional[Sample]], steps: t.Sequence[Step], history: t.Sequence[Sample] = ()
) -> list[Verdict]:
    """Return the verdicts the gate gave, or would have given, one per sample.

    C(steps) are the arguments of C(Gate.step) in order: the first begins before all samples, each other one right
    after the last sample that is not later than it. Raises ValueError without a step.
    """
    gate, coming, verdicts = Gate(options, history), list(steps), []
    if coming:
        gate.step(*coming.pop(0))
    # Where the clock moves on; other readings (none, old ones) belong behind the reading before them.
    clock = list(_rising(samples))
    for sample in samples:
        verdicts.append(gate.judge(sample))
        if clock and sample is clock[0]:
            clock.pop(0)
            while coming and (not clock or coming[0][1] < clock[0].at):
                gate.step(*coming.pop(0))
    return verdicts


def _rising(samples: t.Iterable[t.Optional[Sample]]) -> t.Iterator[Sample]:
    latest = -math.inf
    for sample in samples:
        if sample is not None and latest < sample.at < math.inf:
            latest = sample.at
            yield sample
