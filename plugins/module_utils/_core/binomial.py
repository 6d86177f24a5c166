# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact limits of a failure rate from counts (Clopper and Pearson, Biometrika 26, 1934)."""

from __future__ import annotations

import math

_TINY = 1e-300


def upper_limit(bad: int, total: int, confidence: float) -> float:
    """Return the rate that C(bad) of C(total) requests leave possible at most, one-sided, with C(confidence).

    It is the rate at which C(bad) or fewer would be seen with probability 1 - confidence; 1.0 when nothing speaks
    against it. For a two-sided 95 % interval ask both limits with 0.975. Raises ValueError for impossible counts.
    """
    _check(bad, total, confidence)
    return 1.0 if bad == total else _beta_quantile(confidence, bad + 1, total - bad)


def lower_limit(bad: int, total: int, confidence: float) -> float:
    """Return the rate that C(bad) of C(total) requests prove at least, one-sided, with C(confidence).

    It is the rate at which C(bad) or more would be seen with probability 1 - confidence; 0.0 without a bad request.
    Raises ValueError for impossible counts.
    """
    _check(bad, total, confidence)
    return 0.0 if bad == 0 else _beta_quantile(1.0 - confidence, bad, total - bad + 1)


def _check(bad: int, total: int, confidence: float) -> None:
    if not 0 <= bad <= total:
        raise ValueError(f"{bad} of {total} requests cannot be bad")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = probability, by bisection: P(X >= a) of a binomial is I_p(a, n - a + 1)."""
    low, high = 0.0, 1.0
    while high - low > 1e-13 * high:
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        if _incomplete_beta(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised I_x(a, b); the fraction converges on the side of the mean (DLMF 8.17.22)."""
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta, by Lentz's method; about sqrt(max(a, b)) rounds."""
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    c, value, m = 1.0, d, 0
    while True:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = 1.0 / _away_from_zero(1.0 + even * d)
        c = _away_from_zero(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / _away_from_zero(1.0 + odd * d)
        c = _away_from_zero(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) < 1e-15 or m > 100_000:
            return value


def _away_from_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
