# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain thresholds, as Argo Rollouts and Flagger judge: a rate over a limit, so many times, is a failure.

They see the canary only, know no chance and no baseline; for those who want exactly that.
"""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import verdict as words
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import NOTHING, Poll
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    RUNNING,
    Finding,
    Moment,
)


class Thresholds:
    """Each judgement takes the requests since the last one, at least C(min_requests); rates over C(limit) fail it.

    More than C(failure_limit) failed judgements of a metric in the whole rollout fail the release. A step passes after
    C(min_duration) when at least one judgement was made in it. Latency edges are each held to their metric's limit.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._limits = {name: metric.limit for metric in options.metrics for name in metric.counters}
        self._window = dict.fromkeys(options.counters, NOTHING)
        self._last = dict.fromkeys(options.counters, NOTHING)
        self._seen = dict.fromkeys(options.counters, NOTHING)
        self._failures = dict.fromkeys(options.counters, 0)
        self._judgements = 0

    def step(self, weight: t.Optional[int], next_weight: t.Optional[int]) -> None:
        self._judgements = 0
        self._window = dict.fromkeys(self._window, NOTHING)

    def add(self, polls: t.Mapping[str, Poll], moment: Moment, halves: t.Mapping[str, Poll]) -> None:
        if moment.warm_up:
            return
        for name, poll in polls.items():
            self._window[name] = self._window[name].plus(poll)
            self._seen[name] = self._seen[name].plus(poll)
        if next(iter(self._window.values())).canary < self._options.min_requests:
            return
        self._judgements += 1
        for name, window in self._window.items():
            limit = self._limits[name]
            if limit is not None and window.canary_rate > limit:
                self._failures[name] += 1
        self._last, self._window = self._window, dict.fromkeys(self._window, NOTHING)

    def metrics(self) -> dict[str, dict[str, t.Any]]:
        return {
            name: {
                "failures": self._failures[name],
                "failure_limit": self._options.failure_limit,
                "canary": words.counts(seen.canary_bad, seen.canary),
                "baseline": words.counts(seen.baseline_bad, seen.baseline),
            }
            for name, seen in self._seen.items()
        }

    def find(self, moment: Moment) -> Finding:
        status, reason, sentence = self._decide(moment)
        return Finding(status, reason, sentence, self.metrics())

    def _decide(self, moment: Moment) -> tuple[str, str, str]:
        options = self._options
        name = max(self._failures, key=lambda name: self._failures[name])
        failures = self._failures[name]
        rate = f"{name}: canary {words.share(self._last[name].canary_bad, self._last[name].canary)}"
        limit = f"the limit of {100 * (self._limits[name] or 0.0):g}%"
        if failures > options.failure_limit:
            times = "once" if failures == 1 else f"{failures} times"
            return FAIL, "limit", f"{rate}; over {limit} {times} ({options.failure_limit} tolerated)"
        long_enough = moment.elapsed >= options.min_duration and moment.in_step >= options.min_step_duration
        if self._judgements and long_enough:
            tolerated = f", {failures} of {options.failure_limit} tolerated failures" if failures else ""
            return PASS, "within_limits", f"{rate}; within {limit}{tolerated}"
        if moment.warm_up:
            return RUNNING, "warm_up", f"warming up, judged from {options.initial_delay:.0f} s on"
        waiting = next(iter(self._window.values())).canary
        so_far = f"{waiting:.0f} canary requests, {options.min_requests} make a judgement"
        if moment.in_step >= options.max_duration:
            return INCONCLUSIVE, "not_enough_data", so_far
        return RUNNING, "collecting", so_far if not self._judgements else f"{rate}; within {limit}"
