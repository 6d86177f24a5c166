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

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import verdict as words
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import (
    ALMOST,
    NOTHING,
    Baseline,
    Harm,
    Limit,
    Poll,
    Safe,
    Starvation,
    dispersion,
    past_limit,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import to_settle
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import Metric, Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.increments import Increments
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    RUNNING,
    Finding,
    Moment,
)

Decision = tuple[str, str, str]  # status, reason, sentence

WARM_UP_LIMIT = 0.5
RELATIVE, ABSOLUTE = 0.8, 0.2
PAST = 0.25  # of the comparison's alpha, where the past is the baseline: the chance that the past's limit is wrong
EDGE_LEAST, EDGE_MOST = 0.0005, 0.5  # how often the past must have exceeded a latency edge for it to tell anything


class Sequential:
    def __init__(self, options: Options, history: t.Sequence[Sample]) -> None:
        self._options = options
        past = Increments(options.counters)
        self._history: dict[str, list[Poll]] = {name: [] for name in options.counters}
        for sample in history:
            for name, poll in (past.add(sample, stable_idle=True, canary_idle=True) or {}).items():
                self._history[name].append(poll)
        self._metrics: list[_Evidence] = []
        self._starvation = Starvation(1.0 / options.alpha, options.intervals)
        self._weight: t.Optional[int] = None
        self._step_requests = self._fresh = 0.0

    def step(self, weight: t.Optional[int], next_weight: t.Optional[int]) -> None:
        if not self._metrics:
            # Everything moves at once: no stable traffic will run beside the canary, only the past can be compared.
            blue_green = weight == 100
            self._metrics = [
                _Evidence(metric, self._options, self._history, blue_green) for metric in self._options.metrics
            ]
        self._weight, self._step_requests = weight, 0.0
        for evidence in self._metrics:
            # What the whole site may lose; a metric's own wider margin stays what its owner allowed.
            budget = self._options.impact_budget * 100.0 / next_weight if next_weight else 0.0
            evidence.demand(max(budget, evidence.metric.margin))

    def add(self, polls: t.Mapping[str, Poll], moment: Moment) -> None:
        for evidence in self._metrics:
            evidence.add(polls, moment.warm_up)
        self._fresh = next(iter(polls.values())).canary
        if not moment.warm_up:
            self._step_requests += self._fresh
        # Open connections follow a new weight slowly, so the share is not judged at the beginning of a step.
        if self._weight and not moment.warm_up and moment.in_step >= self._options.min_step_duration:
            self._starvation.add(next(iter(polls.values())), self._weight / 100.0)

    def metrics(self) -> dict[str, dict[str, t.Any]]:
        return {evidence.metric.name: evidence.numbers() for evidence in self._metrics}

    def find(self, moment: Moment) -> Finding:
        """Return what follows from all the evidence; whatever is wrong speaks before what is well."""
        status, reason, sentence = self._decide(moment)
        return Finding(status, reason, sentence, self.metrics())

    def _decide(self, moment: Moment) -> Decision:
        options = self._options
        for decide in (_Evidence.worse, _Evidence.over_limit, _Evidence.shared_outage):
            for evidence in self._metrics:
                found = decide(evidence)
                if found:
                    return found
        if self._starvation.proven():
            return INCONCLUSIVE, "starved", self._starved()
        worst = min(self._metrics, key=lambda evidence: evidence.safe)
        long_enough = moment.elapsed >= options.min_duration and moment.in_step >= options.min_step_duration
        enough = self._fresh > 0 and self._step_requests >= options.min_requests
        if worst.safe >= 1.0 / options.beta and long_enough and enough:
            return PASS, "safe", worst.praise()
        if moment.warm_up:
            return RUNNING, "warm_up", f"warming up, judged from {options.initial_delay:.0f} s on"
        if moment.in_step >= options.max_duration:
            return INCONCLUSIVE, "not_enough_evidence", worst.doubt(moment.elapsed - options.initial_delay)
        return RUNNING, "collecting", worst.doubt(0.0)

    def _starved(self) -> str:
        got = self._starvation.capital.since
        share = words.share(got.canary, got.canary + got.baseline)
        return (
            f"starved: the canary got {share} of the requests instead of {self._weight}%; "
            "the router is not sending, or requests die uncounted"
        )


class _Evidence:
    """What is known about one metric: the games of each of its counters (a latency metric has one per edge)."""

    def __init__(
        self, metric: Metric, options: Options, history: t.Mapping[str, t.Sequence[Poll]], blue_green: bool
    ) -> None:
        self.metric, self._warm_up, self._beta = metric, True, options.beta
        counters = _telling(metric.counters, history)
        self._tracks = [_Track(name, metric, options, history[name], blue_green) for name in counters]

    def demand(self, margin: float) -> None:
        for track in self._tracks:
            track.demand(margin)

    def add(self, polls: t.Mapping[str, Poll], warm_up: bool) -> None:
        self._warm_up = warm_up
        for track in self._tracks:
            track.add(polls[track.counter], warm_up)

    @property
    def harm(self) -> float:
        """Return the odds of harm: the plain average over the edges is one fair game."""
        return sum(track.harm.capital.total for track in self._tracks) / len(self._tracks)

    @property
    def safe(self) -> float:
        """Return the odds of safety of the counter that is proven least."""
        return min(track.safe_odds for track in self._tracks)

    def worse(self) -> t.Optional[Decision]:
        if self.harm < self._tracks[0].harm.needed * ALMOST:
            return None
        proven = [track for track in self._tracks if track.harm.proven(track.past_rate)]
        if not proven:
            return None
        track = max(proven, key=lambda track: track.harm.capital.total)
        odds = words.odds_line(self.harm, track.harm.needed)
        return FAIL, "worse", f"{track.compared(track.harm.capital.since)}; worse than the baseline; odds {odds}"

    def over_limit(self) -> t.Optional[Decision]:
        return self._limit(shared=False)

    def shared_outage(self) -> t.Optional[Decision]:
        return self._limit(shared=True)

    def _limit(self, shared: bool) -> t.Optional[Decision]:
        for track in self._tracks:
            limit = track.warm_up if self._warm_up else track.limit
            if limit is None or not limit.proven() or limit.shared() != shared:
                continue
            line = track.compared(limit.capital.since)
            if shared:
                # Enough to say it again as long as it lasts, gone soon after.
                limit.capital.keep(limit.needed)
                return INCONCLUSIVE, "environment", f"{line}; the baseline is over the limit too: not the release"
            name = " while warming up" if self._warm_up else ""
            odds = words.odds_line(limit.capital.total, limit.needed)
            return FAIL, "limit", f"{line}; over the limit of {100 * limit.limit:g}%{name}; odds {odds}"
        return None

    def praise(self) -> str:
        track = min(self._tracks, key=lambda track: track.safe_odds)
        odds = words.odds_line(track.safe_odds, 1.0 / self._beta)
        return f"{track.compared(track.seen)}; less than {words.points(track.margin)} points worse, odds {odds}"

    def doubt(self, judged: float) -> str:
        """Return how far both questions are; with C(judged) seconds of judging also what would settle it."""
        track = min(self._tracks, key=lambda track: track.safe_odds)
        line = (
            f"{track.compared(track.seen)}; odds of harm {words.odds_line(self.harm, track.harm.needed)}, "
            f"of safety {words.odds_line(self.safe, 1.0 / self._beta)}"
        )
        if judged <= 0.0:
            return line
        seen = track.seen
        if not seen.canary:
            return f"{line}; the canary gets no requests"
        rest = to_settle(
            seen,
            track.baseline.rate,
            track.margin,
            track.phi,
            (self.safe, 1.0 / self._beta),
            (self.harm, track.harm.needed),
        )
        speed = seen.canary / judged
        return (
            f"{line}; about {rest:.0f} more canary requests would settle it, "
            f"about {max(rest / speed / 60.0, 1.0):.0f} min at {speed:.2g}/s"
        )

    def numbers(self) -> dict[str, t.Any]:
        """Return the plain numbers of the verdict, see C(Verdict.metrics)."""
        track = min(self._tracks, key=lambda track: track.safe_odds)
        seen, limit = track.seen, track.warm_up if self._warm_up else track.limit
        return {
            "counter": track.counter,
            "harm": self.harm,
            "harm_needed": track.harm.needed,
            "safe": self.safe,
            "safe_needed": 1.0 / self._beta,
            "limit": limit.capital.total if limit else 0.0,
            "limit_needed": limit.needed if limit else None,
            "canary": words.counts(seen.canary_bad, seen.canary),
            "baseline": words.counts(seen.baseline_bad, seen.baseline),
            "compared_with": "history" if track.past else "baseline",
            "margin": track.margin,
            "phi": track.phi,
        }


class _Track:
    """All games about one counter of bad requests."""

    def __init__(
        self, counter: str, metric: Metric, options: Options, past: t.Sequence[Poll], blue_green: bool
    ) -> None:
        self.counter, self.margin, self._tolerance = counter, metric.margin, metric.tolerance
        learnt = options.dispersion == "auto"
        self.phi = dispersion(past, options.dispersion_prior) if learnt else float(options.dispersion)
        self.baseline = Baseline()
        for poll in past:
            self.baseline.add(poll.canary + poll.baseline, poll.canary_bad + poll.baseline_bad)
        self.past = together(past) if blue_green else None
        share = t.cast(float, metric.share) * options.alpha
        compare = share if metric.limit is None else RELATIVE * share
        highest = past_limit(past, PAST * compare) if blue_green else None
        self.harm = Harm(
            self.phi,
            1.0 / (compare * (1.0 - PAST) if blue_green else compare),
            options.intervals,
            metric.tolerance,
            metric.floor,
            options.null_ratio,
            highest,
        )
        self.limit = self.warm_up = None
        if metric.limit is not None:
            self.limit = Limit(self.phi, 1.0 / (ABSOLUTE * share), metric.limit)
            # Costs no alpha worth naming: a release below its limit does not come near 50 % by chance.
            self.warm_up = Limit(self.phi, 1.0 / (ABSOLUTE * share), max(WARM_UP_LIMIT, metric.limit))
        self.seen = NOTHING
        self.past_rate = self.baseline.rate
        self._safe: t.Optional[Safe] = None
        self._polls: list[tuple[Poll, float]] = []

    def demand(self, margin: float) -> None:
        """Ask for C(margin) from now on, with all the evidence since the first second."""
        self.margin = margin
        if self._safe is not None and margin != self._safe.margin:
            self._begin_safe()

    def _begin_safe(self) -> None:
        self._safe = Safe(self.past_rate, self.margin, self._tolerance, self.phi)
        for poll, baseline in self._polls:
            self._safe.add(poll, baseline)

    @property
    def safe_odds(self) -> float:
        return self._safe.total if self._safe else 1.0

    def add(self, poll: Poll, warm_up: bool) -> None:
        baseline = self.baseline.rate
        self.baseline.add(poll.baseline, poll.baseline_bad)
        if warm_up:
            if self.warm_up:
                self.warm_up.add(poll)
            return
        if self._safe is None:
            self.past_rate = baseline  # the past ends here, and with it what the margin is measured from
            self._begin_safe()
        self.seen = self.seen.plus(poll)
        self._polls.append((poll, baseline))
        self.harm.add(poll, baseline)
        if self.limit:
            self.limit.add(poll)
        t.cast(Safe, self._safe).add(poll, baseline)

    def compared(self, poll: Poll) -> str:
        return words.compared(self.counter, poll, self.past)


def together(polls: t.Iterable[Poll]) -> Poll:
    total = NOTHING
    for poll in polls:
        total = total.plus(poll)
    return total


def _telling(counters: t.Sequence[str], history: t.Mapping[str, t.Sequence[Poll]]) -> t.Sequence[str]:
    """Return the latency edges that tell something; all of them when the past is silent."""
    if len(counters) == 1:
        return counters
    past = {name: together(history[name]) for name in counters}
    rates = {
        name: words.counts(poll.canary_bad + poll.baseline_bad, poll.canary + poll.baseline)["rate"]
        for name, poll in past.items()
    }
    return [name for name in counters if EDGE_LEAST <= rates[name] <= EDGE_MOST] or counters
