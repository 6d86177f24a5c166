# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence from counts of requests that is valid at every look.

Each question ("is the canary worse?", "is it safe?") is a game: somebody bets against the answer no, at odds that are
fair if no is true. Capital then grows by luck only: it ever reaches c with probability at most 1/c (Ville 1939; Shafer
and Vovk, Game-Theoretic Foundations for Probability and Finance, 2019). So it may be looked at as often as wanted.
"""

from __future__ import annotations

import math
import typing as t

RESERVE = 0.2  # of the capital, for regressions that begin late (e-detectors: Shin, Ramdas and Rinaldo 2022)
HAZARD = 1 / 60  # of the reserve goes to fresh bets at each poll
MOST = 1e100  # capital is thrown away above; fair, and no overflow
BETS = 8
LARGEST = 0.97  # "everything fails"
CERTAIN = 0.995
# Bets on safety, by their way from "as good as the baseline" to the margin, and the capital each begins with: most
# releases are as good.
WAYS = {0.0: 0.6, 0.3: 0.25, 0.6: 0.15}
ALMOST = 1.0 - 1e-9  # of a bound counts as the bound: rounding


class Poll(t.NamedTuple):
    """What one poll brought: new requests of both slots, and how many of them one counter calls bad."""

    canary: float
    canary_bad: float
    baseline: float
    baseline_bad: float

    def plus(self, other: Poll) -> Poll:
        return Poll(*(mine + its for mine, its in zip(self, other)))

    @property
    def canary_rate(self) -> float:
        return self.canary_bad / self.canary if self.canary else 0.0

    @property
    def baseline_rate(self) -> float:
        return self.baseline_bad / self.baseline if self.baseline else 0.0


NOTHING = Poll(0.0, 0.0, 0.0, 0.0)


def odds(rate: float) -> float:
    return rate / (1.0 - rate)


def log_likelihood_ratio(bad: float, total: float, null: float, bet: float) -> float:
    """Return log of what a bet on the rate C(bet) earns against C(null); its expectation before the log is <= 1."""
    return bad * math.log(bet / null) + (total - bad) * math.log((1.0 - bet) / (1.0 - null))


class Capital:
    """The capital of one game: 1 at the start, spread over some bets, a reserve kept back for later ones.

    Bets are chosen from the past, and moving or discarding capital never makes it grow, so it stays a supermartingale.
    The dispersion, phi >= 1 and known before the poll, divides every gain and loss where requests fail in clusters
    (quasi-likelihood; by Jensen still fair).
    """

    def __init__(self, bets: t.Sequence[float], reserve: float = 0.0) -> None:
        self.total = 1.0
        self.since = NOTHING  # all polls since the capital last stood at its minimum: when the change began
        self._bets, self._cash = [(1.0 - reserve) * part for part in bets], reserve
        self._lowest = 1.0

    def play(self, poll: Poll, logs: t.Sequence[float], phi: float) -> None:
        """Multiply the bets by exp(logs / phi), the logs the log likelihood ratios of this poll."""
        fresh = HAZARD * self._cash / len(self._bets)
        self._bets = [(bet + fresh) * math.exp(min(log / phi, 200.0)) for bet, log in zip(self._bets, logs)]
        self._cash *= 1.0 - HAZARD
        self.total = self._cash + math.fsum(self._bets)
        self.keep(MOST)
        self.since = self.since.plus(poll)
        if self.total < self._lowest * ALMOST:
            self._lowest, self.since = self.total, NOTHING

    def keep(self, most: float) -> None:
        """Throw away what is above C(most)."""
        if self.total > most:
            scale = most / self.total
            self._bets, self._cash, self.total = [bet * scale for bet in self._bets], self._cash * scale, most


def average(capitals: t.Sequence[Capital]) -> float:
    """Return what the games are worth together: the plain average of fair games is one fair game."""
    return sum(capital.total for capital in capitals) / len(capitals)


def slow_down(capitals: t.Sequence[Capital], before: float, needed: float, polls: int) -> None:
    """Throw away what would let fewer than C(polls) polls reach C(needed); C(before) is the average before this one."""
    most = max(before, 1.0) * needed ** (1.0 / polls)
    now = average(capitals)
    for capital in capitals:
        capital.keep(capital.total * most / now)


class Harm:
    """Is the canary worse than the baseline?

    Given the K bad requests of a poll it tests where they fell. Null: odds(canary) <= C(null_ratio) * odds(baseline),
    so the baseline's own rate may be unknown, drift or burst. The count on the canary is then Fisher's noncentral
    hypergeometric, a sum of independent indicators (Harkness 1965; Vatutin and Mikhailov 1982), hence by Hoeffding
    (1956) below the binomial with its mean in convex order, and that mean is at most K times C(null) below.

    With C(past_limit) the null is canary rate <= C(past_limit) instead: there is no stable traffic beside it.
    """

    def __init__(self, tolerance: float, floor: float, null_ratio: float, past_limit: t.Optional[float] = None) -> None:
        self.past_limit = past_limit
        self._tolerance, self._floor, self._null_ratio = tolerance, floor, null_ratio
        self.capital = Capital([1.0 / BETS] * BETS, RESERVE)

    def add(self, poll: Poll, baseline: float, phi: float = 1.0) -> None:
        """Bet on the poll; C(baseline) is the baseline's rate before it."""
        least = min(1.5 * max(self._floor, (self._tolerance - 1.0) * baseline), LARGEST)
        step = (LARGEST / least) ** (1.0 / (BETS - 1))
        excesses = [least * step**j for j in range(BETS)]
        if self.past_limit is not None:
            self.capital.play(poll, [self._against_past(poll, excess) for excess in excesses], phi)
        elif poll.canary and poll.baseline:
            self.capital.play(poll, [self._against_baseline(poll, baseline, excess) for excess in excesses], phi)

    def _against_baseline(self, poll: Poll, baseline: float, excess: float) -> float:
        canary, stable = poll.canary, poll.baseline
        bad = poll.canary_bad + poll.baseline_bad
        if not bad:
            return 0.0
        # A burst on both arms shrinks the bet in the very poll it happens: the test is conditional on K.
        common = max(baseline, (bad - canary * excess - 2.0 * math.sqrt(bad)) / (canary + stable))
        common = min(common, 0.98)
        ratio = odds(min(common + excess, CERTAIN)) / odds(common)
        if ratio <= self._null_ratio:
            return 0.0
        null = canary * self._null_ratio / (canary * self._null_ratio + stable)
        return log_likelihood_ratio(poll.canary_bad, bad, null, canary * ratio / (canary * ratio + stable))

    def _against_past(self, poll: Poll, excess: float) -> float:
        null = t.cast(float, self.past_limit)
        bet = min(null + excess, CERTAIN)
        return log_likelihood_ratio(poll.canary_bad, poll.canary, null, bet) if bet > null else 0.0

    def worth(self, past: float) -> bool:
        """Return whether the difference since it began is worth a rollback.

        C(past) is the rate of the past, for where the past is the baseline.
        """
        since = self.capital.since
        against = since.baseline_rate if self.past_limit is None else past
        return since.canary_rate >= max(self._tolerance * against, self._floor)


class Limit:
    """Is the canary's rate over C(limit), whatever the baseline does? Null: rate <= limit."""

    def __init__(self, needed: float, limit: float) -> None:
        self.limit, self.needed = limit, needed
        self._bets = (min(3.0 * limit, 0.6), 0.5 + limit / 2.0, 0.98)
        self.capital = Capital([1.0 / 3.0] * 3, RESERVE)

    def add(self, poll: Poll, phi: float = 1.0) -> None:
        bad, total, null = poll.canary_bad, poll.canary, self.limit
        if total:
            logs = [log_likelihood_ratio(bad, total, null, bet) if bet > null else 0.0 for bet in self._bets]
            self.capital.play(poll, logs, phi)

    def proven(self) -> bool:
        return self.capital.total >= self.needed

    def shared(self) -> bool:
        """Return whether the baseline is over half the limit too: then it is not the release."""
        return self.capital.since.baseline_rate > self.limit / 2.0


class Safe:
    """Is the canary less than C(margin) worse than the baseline (non-inferiority, the margin fixed from the past)?

    Two games, their average decides: I(under) against "the canary's rate >= past rate + margin", I(near) against "the
    odds ratio >= the one that margin means". The latter's edge is Cornfield's root (1956), a lower bound of the
    hypergeometric mean, so the argument of C(Harm) holds mirrored.
    """

    def __init__(self, past: float, margin: float, tolerance: float) -> None:
        self.margin = margin
        self.edge = min(past + margin, CERTAIN)
        self.ratio = max(tolerance, odds(self.edge) / odds(past))
        self._under, self._near = Capital(list(WAYS.values())), Capital(list(WAYS.values()))

    @property
    def total(self) -> float:
        return (self._under.total + self._near.total) / 2.0

    def add(self, poll: Poll, baseline: float, phi: float = 1.0) -> None:
        """Bet on the poll; C(baseline) is the baseline's rate before it."""
        bad = poll.canary_bad + poll.baseline_bad
        if poll.canary:
            self._play(self._under, poll, phi, poll.canary, self.edge, baseline)
        if bad and poll.canary and poll.baseline:
            null = cornfield(poll.canary, poll.baseline, bad, self.ratio) / bad
            self._play(self._near, poll, phi, bad, null, poll.canary / (poll.canary + poll.baseline))

    @staticmethod
    def _play(capital: Capital, poll: Poll, phi: float, total: float, null: float, equal: float) -> None:
        if equal < null < 1.0:
            bets = [equal + way * (null - equal) for way in WAYS]
            capital.play(poll, [log_likelihood_ratio(poll.canary_bad, total, null, bet) for bet in bets], phi)


def cornfield(canary: float, baseline: float, bad: float, ratio: float) -> float:
    """Return x with x (baseline - bad + x) = ratio (canary - x) (bad - x): the bad ones that odds ratio expects."""
    half = baseline - bad + ratio * (canary + bad)
    root = math.sqrt(max(half * half - 4.0 * (ratio - 1.0) * ratio * canary * bad, 0.0))
    return 2.0 * ratio * canary * bad / (half + root)


class Starvation:
    """Does the canary get less than half of the requests its weight promises (sample ratio check)?"""

    def __init__(self) -> None:
        self.capital = Capital([1.0 / 3.0] * 3, RESERVE)

    def add(self, poll: Poll, weight: float) -> None:
        """Bet on the poll; C(weight) is the canary's share of 0 to 1."""
        null, total = weight / 2.0, poll.canary + poll.baseline
        bets = (null * part for part in (0.5, 0.1, 0.01))
        self.capital.play(poll, [log_likelihood_ratio(poll.canary, total, null, bet) for bet in bets], 1.0)
