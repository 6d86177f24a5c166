# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the observed split agree with the one that was asked for? "Accepted" is not "moved"."""

from __future__ import annotations

import math

# A refutation ends a release, so it may be wrong once in 10,000 verifications; a confirmation may rest on less.
REFUTE = 1e-4
CONFIRM = 0.01
# More probes than this would be load, not verification.
MOST_PROBES = 400


def judge(asked: int, before: int, canary: int, total: int) -> str:
    """Return C(verified), C(refuted) or C(undecided) for C(canary) of C(total) requests seen on the canary.

    C(asked) and C(before) are the canary's percents that were asked for and that stood before. Refuted: the
    observation is next to impossible under what was asked. Verified: it is not, and it is improbable under what
    stood before, so traffic has really moved. Both by exact binomial tails. Weights too close to tell apart by
    MOST_PROBES requests are verified by that many which agree with what was asked.
    """
    if total == 0:
        return "undecided"
    if _tail(canary, total, asked / 100) < REFUTE:
        return "refuted"
    needed = sample_needed(asked, before)
    if asked == before or needed > MOST_PROBES:
        return "verified" if total >= min(needed, MOST_PROBES) else "undecided"
    return "verified" if _tail(canary, total, before / 100) < CONFIRM else "undecided"


def sample_needed(asked: int, before: int) -> int:
    """Return how many requests C(judge) typically needs to tell C(asked) from C(before), both in percent."""
    if asked == before:
        return 20
    p, q = asked / 100, before / 100
    if asked in (0, 100) or before in (0, 100):
        # One request on a side that should see none decides; wait long enough that one would have come.
        sure = max(p, q) if min(p, q) == 0 else 1 - min(p, q)
        return 5 if sure == 1 else math.ceil(math.log(CONFIRM / 2) / math.log(1 - sure))
    spread = 2.6 * math.sqrt(q * (1 - q)) + 1.3 * math.sqrt(p * (1 - p))
    return math.ceil((spread / (p - q)) ** 2)


def _tail(seen: int, total: int, rate: float) -> float:
    """Return the two-sided binomial tail: twice the smaller of P(X <= seen) and P(X >= seen), at most 1."""
    if rate in (0.0, 1.0):
        return 1.0 if seen == total * rate else 0.0
    logs = [
        math.lgamma(total + 1)
        - math.lgamma(k + 1)
        - math.lgamma(total - k + 1)
        + k * math.log(rate)
        + (total - k) * math.log(1 - rate)
        for k in range(total + 1)
    ]
    below = math.fsum(math.exp(value) for value in logs[: seen + 1])
    above = math.fsum(math.exp(value) for value in logs[seen:])
    return min(1.0, 2 * min(below, above))
