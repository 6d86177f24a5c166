# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule of a gate that decides by evidence: which games are played, with which part of alpha, and what follows.

alpha is spent once per rollout, at any number of looks: each metric its share, of that 0.8 for the comparison with the
baseline and 0.2 for the hard limit. Passing needs every counter of every metric proven safe, each with beta
(intersection-union: no correction).
"""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import evidence, past
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import verdict as words
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import ALMOST, NOTHING, Poll
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import Metric, Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import Finding, Moment

Decision = tuple[str, str, str]  # status, reason, sentence

WARM_UP_LIMIT = 0.5
RELATIVE, ABSOLUTE = 0.8, 0.2
PAST = 0.25  # of the comparison's alpha, where the past is the baseline: the chance that the past's limit is wrong


class Sequential:
    def __init__(self, options: Options, history: t.Sequence[Sample]) -> None:
        self._options = options
        self._past = past.polls_of(history, options.counters)
        self._metrics: list[_Evidence] = []
        self._starvation = evidence.Starvation()
        self._weight: t.Optional[int] = None
        self._step_requests = self._fresh = 0.0

    def step(self, weight: t.Optional[int], next_weight: t.Optional[int]) -> None:
        if not self._metrics:
            # Everything moves at once: no stable traffic will run beside the canary, only the past can be compared.
            alone = weight == 100
            self._metrics = [_Evidence(metric, self._options, self._past, alone) for metric in self._options.metrics]
        self._weight, self._step_requests = weight, 0.0
        for metric in self._metrics:
            # What the whole site may lose; a metric's own wider margin stays what its owner allowed.
            budget = self._options.impact_budget * 100.0 / next_weight if next_weight else 0.0
            metric.demand(max(budget, metric.margin))

    def add(self, polls: t.Mapping[str, Poll], moment: Moment, halves: t.Mapping[str, Poll]) -> None:
        for metric in self._metrics:
            metric.add(polls, halves, moment.warm_up)
        any_poll = next(iter(polls.values()))  # the requests are the same in all
        self._fresh = any_poll.canary
        if moment.warm_up:
            return
        # A late source still tells of the time before the step: that is evidence, but not of this step.
        if moment.in_step > 0:
            self._step_requests += self._fresh
        # Open connections follow a new weight slowly, so the share is not judged at the beginning of a step.
        if self._weight and moment.in_step >= self._options.min_step_duration:
            capital, before = self._starvation.capital, self._starvation.capital.total
            self._starvation.add(any_poll, self._weight / 100.0)
            evidence.slow_down([capital], before, 1.0 / self._options.alpha, self._options.intervals)

    def metrics(self) -> dict[str, dict[str, t.Any]]:
        return {metric.name: metric.score().numbers() for metric in self._metrics}

    def find(self, moment: Moment) -> Finding:
        """Return what follows from all the evidence; whatever is wrong speaks before what is well."""
        return Finding(*self._decide(moment), self.metrics())

    def _decide(self, moment: Moment) -> Decision:
        found = [metric.worse() for metric in self._metrics] + [metric.over_limit() for metric in self._metrics]
        wrong = [decision for decision in found if decision]
        if wrong:
            return max(wrong, key=lambda decision: decision[0] == words.FAIL)
        options, got = self._options, self._starvation.capital.since
        if self._starvation.capital.total >= ALMOST / options.alpha:
            share = words.share(got.canary, got.canary + got.baseline)
            return (
                words.INCONCLUSIVE,
                "starved",
                (
                    f"starved: the canary got {share} of the requests instead of {self._weight}%; "
                    "the router is not sending, or requests die uncounted"
                ),
            )
        worst = min(self._metrics, key=lambda metric: metric.least_proven().safe_odds)
        score = worst.score()
        long_enough = moment.elapsed >= options.min_duration and moment.in_step >= options.min_step_duration
        enough = self._fresh > 0 and self._step_requests >= options.min_requests
        if score.safe >= score.safe_needed and long_enough and enough:
            return words.PASS, "safe", score.praise()
        if moment.warm_up:
            return words.RUNNING, "warm_up", f"warming up, judged from {options.initial_delay:.0f} s on"
        if moment.in_step >= options.max_duration:
            rest = score.settle(worst.least_proven().baseline.rate, moment.elapsed - options.initial_delay)
            return words.INCONCLUSIVE, "not_enough_evidence", f"{score.doubt()}; {rest}"
        return words.RUNNING, "collecting", score.doubt()


class _Evidence:
    """What is known about one metric: the games of each of its counters (a latency metric has one per edge)."""

    def __init__(self, metric: Metric, options: Options, history: dict[str, list[Poll]], alone: bool) -> None:
        self.name, self.margin, self._options, self._warm_up = metric.name, metric.margin, options, True
        alpha = t.cast(float, metric.share) * options.alpha
        compare, limit = (alpha, 0.0) if metric.limit is None else (RELATIVE * alpha, ABSOLUTE * alpha)
        self._harm_needed = 1.0 / (compare * (1.0 - PAST) if alone else compare)
        counters = past.telling(metric.counters, history)
        past_alpha = PAST * compare if alone else 0.0
        self._tracks = [_Track(name, metric, options, history[name], limit, past_alpha) for name in counters]
        self._harms = [track.harm.capital for track in self._tracks]

    def demand(self, margin: float) -> None:
        for track in self._tracks:
            track.demand(margin)

    def add(self, polls: t.Mapping[str, Poll], halves: t.Mapping[str, Poll], warm_up: bool) -> None:
        self._warm_up, before = warm_up, evidence.average(self._harms)
        for track in self._tracks:
            track.add(polls[track.counter], halves.get(track.counter, NOTHING), warm_up)
        evidence.slow_down(self._harms, before, self._harm_needed, self._options.intervals)

    def least_proven(self) -> _Track:
        return min(self._tracks, key=lambda track: track.safe_odds)

    def worse(self) -> t.Optional[Decision]:
        odds, enough = evidence.average(self._harms), self._harm_needed * ALMOST
        proven = [
            track for track in self._tracks if track.harm.capital.total >= enough and track.harm.worth(track.past_rate)
        ]
        if odds < enough or not proven:
            return None
        track = max(proven, key=lambda track: track.harm.capital.total)
        line = f"{track.compared(track.harm.capital.since)}; worse than the baseline"
        return words.FAIL, "worse", f"{line}; odds {words.odds_line(odds, self._harm_needed)}"

    def over_limit(self) -> t.Optional[Decision]:
        track = self._tracks[0]  # a metric with several has no limit
        limit = track.limit_now(self._warm_up)
        if not limit or not limit.proven():
            return None
        line, odds = track.compared(limit.capital.since), words.odds_line(limit.capital.total, limit.needed)
        if limit.shared():
            limit.capital.keep(limit.needed)  # enough to say it again as long as it lasts, gone soon after
            return words.INCONCLUSIVE, "environment", f"{line}; the baseline is over the limit too: not the release"
        over = f"over the limit of {100 * limit.limit:g}%{' while warming up' if self._warm_up else ''}"
        return words.FAIL, "limit", f"{line}; {over}; odds {odds}"

    def score(self) -> words.Score:
        track = self.least_proven()
        limit = track.limit_now(self._warm_up)
        return words.Score(
            counter=track.counter,
            seen=track.seen,
            history=track.past,
            harm=evidence.average(self._harms),
            harm_needed=self._harm_needed,
            safe=track.safe_odds,
            safe_needed=1.0 / self._options.beta,
            limit=limit.capital.total if limit else 0.0,
            limit_needed=limit.needed if limit else None,
            margin=track.margin,
            phi=track.phi,
        )


class _Track:
    """All games about one counter of bad requests."""

    def __init__(
        self, counter: str, metric: Metric, options: Options, history: list[Poll], limit_alpha: float, past_alpha: float
    ) -> None:
        self.counter, self.margin, self._tolerance = counter, metric.margin, metric.tolerance
        self._phi, self.dispersion = options.dispersion, past.Dispersion(options.dispersion_prior)
        self.baseline, self.seen = past.Baseline(), NOTHING
        for poll in history:
            self.baseline.add(poll.canary + poll.baseline, poll.canary_bad + poll.baseline_bad)
            self.dispersion.add(poll)
        self.past_rate = self.baseline.rate
        self.past = past.whole(history) if past_alpha else None
        highest = past.highest_rate(history, past_alpha) if past_alpha else None
        self.harm = evidence.Harm(metric.tolerance, metric.floor, options.null_ratio, highest)
        self._limit = self._warm_up_limit = None
        if metric.limit is not None:
            self._limit = evidence.Limit(1.0 / limit_alpha, metric.limit)
            # Costs no alpha worth naming: a release below its limit does not come near 50 % by chance.
            self._warm_up_limit = evidence.Limit(1.0 / limit_alpha, max(WARM_UP_LIMIT, metric.limit))
        self._polls: list[tuple[Poll, float, float]] = []
        self.demand(metric.margin)

    def limit_now(self, warm_up: bool) -> t.Optional[evidence.Limit]:
        return self._warm_up_limit if warm_up else self._limit

    def demand(self, margin: float) -> None:
        """Ask for C(margin) from now on, with all the evidence since the first second."""
        self.margin = margin
        self._safe = evidence.Safe(self.past_rate, margin, self._tolerance)
        for known in self._polls:
            self._safe.add(*known)

    @property
    def phi(self) -> float:
        return self.dispersion.phi if self._phi == "auto" else float(self._phi)

    @property
    def safe_odds(self) -> float:
        return self._safe.total

    def add(self, poll: Poll, halves: Poll, warm_up: bool) -> None:
        baseline, phi, limit = self.baseline.rate, self.phi, self.limit_now(warm_up)
        self.baseline.add(poll.baseline, poll.baseline_bad)
        self.dispersion.add(halves)
        if limit:
            limit.add(poll, phi)
        if warm_up:
            return
        if not self._polls:
            self.past_rate = baseline  # the past ends here, and with it what the margin is measured from
            self.demand(self.margin)
        self.seen = self.seen.plus(poll)
        self._polls.append((poll, baseline, phi))
        self.harm.add(poll, baseline, phi)
        self._safe.add(poll, baseline, phi)

    def compared(self, poll: Poll) -> str:
        return words.compared(self.counter, poll, self.past)
