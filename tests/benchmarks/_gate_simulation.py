# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated deployments for the gate, and the rules of other tools judging the same requests."""

from __future__ import annotations

import math
import random
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.evidence import log_likelihood_ratio
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample

POLL = 10.0
INSTANCES = 9  # of the stable fleet; the canary is one more of the same size at 10 percent


class Counts(t.NamedTuple):
    """One poll: requests and bad ones of the canary, of the baseline, and of one half of the baseline's instances."""

    canary: int
    canary_bad: int
    baseline: int
    baseline_bad: int
    half: int = 0
    half_bad: int = 0


NOTHING = Counts(0, 0, 0, 0)


def binomial(rng: random.Random, total: int, rate: float) -> int:
    """Return an exact binomial draw, by skipping from success to success."""
    if rate <= 0.0 or total <= 0:
        return 0
    if rate >= 1.0:
        return total
    if rate > 0.5:
        return total - binomial(rng, total, 1.0 - rate)
    scale, successes, place = math.log1p(-rate), -1, 0
    while place <= total:
        successes += 1
        place += int(math.log(1.0 - rng.random()) / scale) + 1
    return successes


@dataclass(frozen=True)
class Traffic:
    """A service: requests per second, the canary's part of them (0 to 1), and the old version's failure rate.

    C(failing) is how requests fail: independent, bursts (common to both versions), icc (each instance has a rate of
    its own at each poll, intraclass correlation 0.01), clusters (of ten at once).
    """

    rps: float
    weight: float
    rate: float
    failing: str = "independent"

    def numbers(self, rng: random.Random, part: float, seconds: float = POLL) -> int:
        return int(self.rps * part * seconds + rng.random())

    def arm(self, rng: random.Random, instances: int) -> t.Callable[[int, float], int]:
        """Return how many of so many requests fail at a rate, for one arm, poll after poll."""
        waiting = 0

        def independent(total: int, rate: float) -> int:
            return binomial(rng, total, rate)

        def icc(total: int, rate: float) -> int:
            spread = 1.0 / 0.01 - 1.0
            rates = [rng.betavariate(rate * spread, (1.0 - rate) * spread) for _unused in range(instances)]
            return sum(binomial(rng, total // instances, one) for one in rates)

        def clusters(total: int, rate: float) -> int:
            nonlocal waiting
            waiting += 10 * binomial(rng, total, rate / 10.0)
            bad = min(waiting, total)
            waiting -= bad
            return bad

        return {"icc": icc, "clusters": clusters}.get(self.failing, independent)

    def factors(self, rng: random.Random) -> t.Iterator[float]:
        """Return what the common rate is multiplied with, poll by poll."""
        left = 0
        while True:
            if self.failing == "bursts" and not left and rng.random() < 0.02:
                left = rng.randint(1, 12)
            yield 20.0 if left else 1.0
            left = max(left - 1, 0)

    def polls(self, rng: random.Random, excess: float = 0.0) -> t.Iterator[Counts]:
        """Return the polls of a deployment whose canary fails C(excess) more often than the old version."""
        canary_bad, halves = self.arm(rng, 1), self.halves(rng)
        for factor in self.factors(rng):
            rate = min(self.rate * factor, 0.6)
            canary = self.numbers(rng, self.weight)
            (half, half_bad), (rest, rest_bad) = (
                (requests, bad(requests, rate))
                for part, bad in halves
                for requests in [self.numbers(rng, (1.0 - self.weight) * part)]
            )
            yield Counts(
                canary, canary_bad(canary, min(rate + excess, 1.0)), half + rest, half_bad + rest_bad, half, half_bad
            )

    def halves(self, rng: random.Random) -> list[tuple[float, t.Callable[[int, float], int]]]:
        """Return two halves of the stable fleet: their part of its requests, and how they fail."""
        return [(instances / INSTANCES, self.arm(rng, instances)) for instances in (4, 5)]

    def history(self, rng: random.Random, seconds: float = 1800.0, poll: float = POLL) -> list[Sample]:
        """Return the past of two halves of the stable fleet, all the traffic theirs."""
        halves = self.halves(rng)
        totals, samples, factors = [0, 0, 0, 0], [], self.factors(rng)
        for place in range(int(seconds / poll) + 1):
            samples.append(sample(place * poll - seconds - POLL, Counts(*totals)))
            rate = min(self.rate * next(factors), 0.6)
            for half, (part, bad) in enumerate(halves):
                requests = self.numbers(rng, part, poll)
                totals[2 * half] += requests
                totals[2 * half + 1] += bad(requests, rate)
        return samples


def sample(at: float, counts: Counts) -> Sample:
    """Return the reading of cumulative C(counts), with halves where one of them was counted."""
    arms = [
        Arm(requests, {"errors": bad})
        for requests, bad in (
            (counts.baseline, counts.baseline_bad),
            (counts.canary, counts.canary_bad),
            (counts.half, counts.half_bad),
            (counts.baseline - counts.half, counts.baseline_bad - counts.half_bad),
        )
    ]
    return Sample(at, arms[0], arms[1], (arms[2], arms[3]) if counts.half else None)


def plus(counts: Counts, more: Counts) -> Counts:
    return Counts(*(a + b for a, b in zip(counts, more, strict=True)))


def cumulated(polls: t.Iterable[Counts], start: float = 0.0, poll: float = POLL) -> t.Iterator[Sample]:
    """Return the readings a source would give: a first one of zeros, then the sums."""
    totals = NOTHING
    yield sample(start, totals)
    for place, counts in enumerate(polls, 1):
        totals = plus(totals, counts)
        yield sample(start + poll * place, totals)


class Rule(t.Protocol):
    """Another way to judge: told each poll, says whether it rolls back now."""

    def add(self, at: float, counts: Counts) -> bool:
        """Return whether it rolls back, having seen C(counts)."""


class Oracle:
    """The same comparison of two samples, all on the one bet that grows fastest: it knows both rates."""

    def __init__(self, rate: float, excess: float, needed: float) -> None:
        self._canary, self._baseline = min(rate + excess, 1.0), rate
        self._needed, self._log = math.log(needed), 0.0

    def add(self, at: float, counts: Counts) -> bool:
        bad = counts.canary_bad + counts.baseline_bad
        if bad and counts.canary and counts.baseline:
            null = counts.canary / (counts.canary + counts.baseline)
            canary = counts.canary * self._canary
            bet = canary / (canary + counts.baseline * self._baseline)
            self._log += log_likelihood_ratio(counts.canary_bad, bad, null, bet)
        return self._log >= self._needed


class Clairvoyant:
    """Wald's sequential test by somebody who knows both rates exactly beforehand, so needs no baseline at all."""

    def __init__(self, rate: float, excess: float, needed: float) -> None:
        self._null, self._bet = rate, min(rate + excess, 0.9999)
        self._needed, self._log = math.log(needed), 0.0

    def add(self, at: float, counts: Counts) -> bool:
        self._log += log_likelihood_ratio(counts.canary_bad, counts.canary, self._null, self._bet)
        return self._log >= self._needed


class Guide:
    """The guide's loop: the rate of *requests* of the last 5 minutes over 0.05, looked at every 30 s for 5 minutes."""

    def add(self, at: float, counts: Counts) -> bool:
        return at % 30.0 == 0.0 and at <= 300.0 and counts.canary + counts.baseline > 0.05 * POLL


class _Windowed:
    """Looks every C(every) seconds at the canary's requests since then; C(tolerated) failures are tolerated."""

    def __init__(self, every: float, most: float, tolerated: int) -> None:
        self._every, self._most, self._left = every, most, tolerated
        self._requests = self._bad = 0

    def check(self, at: float, counts: Counts) -> bool | None:
        """Return whether a check is good, None between checks and without traffic."""
        self._requests, self._bad = self._requests + counts.canary, self._bad + counts.canary_bad
        if at % self._every or not self._requests:
            return None
        good = self._bad / self._requests <= self._most
        self._requests = self._bad = 0
        return good

    def add(self, at: float, counts: Counts) -> bool:
        if self.check(at, counts) is False:
            self._left -= 1
        return self._left < 0


class Flagger(_Windowed):
    """Flagger's documented canary: request-success-rate min 99, interval 1m, threshold 5 (the fifth decides)."""

    def __init__(self) -> None:
        super().__init__(60.0, 0.01, 4)


class Argo(_Windowed):
    """Argo Rollouts' documented analysis: success rate >= 0.95, interval 5m, failureLimit 3 (the fourth decides)."""

    def __init__(self) -> None:
        super().__init__(300.0, 0.05, 3)


class Kayenta:
    """Like Kayenta: Mann-Whitney on the minutes' rates, 98 % confidence, allowedIncrease 1.25, all 5 minutes."""

    def __init__(self) -> None:
        self._minute = NOTHING
        self._canary: list[float] = []
        self._baseline: list[float] = []

    def add(self, at: float, counts: Counts) -> bool:
        self._minute = plus(self._minute, counts)
        if at % 60.0:
            return False
        minute, self._minute = self._minute, NOTHING
        if minute.canary and minute.baseline:
            self._canary.append(minute.canary_bad / minute.canary)
            self._baseline.append(minute.baseline_bad / minute.baseline)
        if at % 300.0 or not self._canary:
            return False
        larger = sum(self._canary) > 1.25 * sum(self._baseline)
        return larger and mann_whitney(self._canary, self._baseline) < 0.02 / 2.0


def mann_whitney(larger: t.Sequence[float], smaller: t.Sequence[float]) -> float:
    """Return the one-sided p value, normal approximation with ties."""
    ranks: dict[float, float] = {}
    ordered, ties = sorted([*larger, *smaller]), 0.0
    place = 0
    while place < len(ordered):
        same = place
        while same < len(ordered) and ordered[same] == ordered[place]:
            same += 1
        ranks[ordered[place]] = (place + 1 + same) / 2.0
        ties += (same - place) ** 3 - (same - place)
        place = same
    m, n = len(larger), len(smaller)
    u = sum(ranks[value] for value in larger) - m * (m + 1) / 2.0
    variance = m * n / 12.0 * ((m + n + 1) - ties / ((m + n) * (m + n - 1)))
    if variance <= 0.0:
        return 1.0
    return 0.5 * math.erfc((u - m * n / 2.0 - 0.5) / math.sqrt(2.0 * variance))


RIVALS: dict[str, t.Callable[[], Rule]] = {"guide": Guide, "flagger": Flagger, "argo": Argo, "kayenta-like": Kayenta}


@dataclass(frozen=True)
class Rollout:
    """How a whole rollout went."""

    outcome: str  # promoted, rolled back, undecided
    seconds: float
    extra_failures: float  # failed requests the new version caused, by expectation


def flagger_rollout(rng: random.Random, rps: float, rate: float, excess: float) -> Rollout:
    """Return a rollout by Flagger's documented canary: stepWeight 10 to maxWeight 50, a step a minute, threshold 5."""
    weight, failed, extra, at = 0.1, 0, 0.0, 0.0
    while True:
        requests = int(rps * weight * 60.0)
        bad = binomial(rng, requests, rate + excess)
        extra += requests * excess
        at += 60.0
        if bad / requests > 0.01:
            failed += 1
            if failed >= 5:
                return Rollout("rolled back", at, extra)
        elif weight >= 0.5:
            return Rollout("promoted", at, extra)
        else:
            weight += 0.1


class Latencies:
    """Log-normal request times and the buckets of a histogram; counts the requests slower than each edge."""

    def __init__(self, median: float, sigma: float, edges: t.Sequence[float]) -> None:
        self.edges = tuple(edges)
        self._mu, self._sigma = math.log(median), sigma

    def slower(self, edge: float, factor: float = 1.0, late: float = 0.0) -> float:
        """Return the chance of a time over C(edge), all times C(factor) longer and a part C(late) one second more."""

        def tail(seconds: float) -> float:
            if seconds <= 0.0:
                return 1.0
            return 0.5 * math.erfc((math.log(seconds / factor) - self._mu) / self._sigma / math.sqrt(2.0))

        return (1.0 - late) * tail(edge) + late * tail(edge - 1.0)

    def draw(self, rng: random.Random, total: int, chances: t.Sequence[float]) -> list[int]:
        """Return how many of C(total) requests exceed each edge, C(chances) from C(slower) by rising edge."""
        counts, last = [], 1.0
        for chance in chances:
            total = binomial(rng, total, chance / last)
            counts.append(total)
            last = chance
        return counts


def spoiled(rng: random.Random, good: Sample) -> Sample | None:
    """Return a reading as a broken source, a restart or a confused clock would give it."""
    nonsense = rng.choice([math.nan, math.inf, -math.inf, -1.0])
    canary = t.cast(Arm, good.canary)
    return rng.choice(
        [
            None,
            good,
            Sample(good.at, None, good.canary),
            Sample(good.at, good.stable, None),
            Sample(good.at, good.stable, Arm(nonsense, canary.bad)),
            Sample(good.at, good.stable, Arm(canary.requests, {"errors": nonsense})),
            Sample(good.at - rng.uniform(0.0, 60.0), good.stable, good.canary),
            Sample(math.nan, good.stable, good.canary),
        ]
    )


def resets(rng: random.Random, polls: t.Iterable[Counts], chance: float) -> t.Iterator[Sample]:
    """Return readings whose counters restart now and then, each arm for itself."""
    totals = NOTHING
    for place, counts in enumerate(polls):
        if rng.random() < chance:
            of = rng.choice(("canary", "baseline half"))
            totals = totals._replace(**{name: 0 for name in Counts._fields if name.split("_")[0] in of.split()})
        totals = plus(totals, counts)
        yield sample(POLL * place, totals)
