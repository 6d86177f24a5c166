# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture of a judgement: left what was measured, right how far both questions are. Plain SVG, no dependency."""

from __future__ import annotations

import math
import typing as t
from xml.sax.saxutils import escape

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import odds_line

WIDTH, HEIGHT = 960, 376
TOP, BOTTOM, PANEL = 64, 312, 400
LEFT, RIGHT = 64, 528
CANARY, BASELINE, HARM, SAFE, INK, GRID = "#d9730d", "#2f6fb0", "#b3261e", "#2e7d32", "#333333", "#dddddd"
CONFIDENCE_LEFT = 0.05  # the chance that a band ever leaves its rate
MOST_POINTS = 300

Look = tuple[float, t.Mapping[str, t.Any]]


def draw(looks: t.Sequence[Look], metric: str, title: str = "") -> str:
    """Return an SVG document of one metric.

    C(looks) are, in order, the seconds since the start and the C(Verdict.metrics) of that moment; those without
    C(metric) are left out. Raises ValueError when none is left.
    """
    points = [(at, numbers[metric]) for at, numbers in looks if "harm" in numbers.get(metric, {})]
    if not points:
        raise ValueError(f"there is no judgement of {metric} to draw")
    points = [point for point in points if point[1]["canary"]["requests"]] or points
    if len(points) > MOST_POINTS:
        kept = sorted({round(i * (len(points) - 1) / (MOST_POINTS - 1)) for i in range(MOST_POINTS)})
        points = [points[i] for i in kept]
    until = max(points[-1][0], 1.0)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 24, title or metric, size=15),
        *_rates(points, until),
        *_odds(points, until),
        "</svg>",
    ]
    return "\n".join(body) + "\n"


def _rates(points: t.Sequence[Look], until: float) -> t.Iterator[str]:
    arms = {"canary": CANARY, "baseline": BASELINE}
    bands = {
        arm: [always_valid(look[arm]["bad"], look[arm]["requests"], CONFIDENCE_LEFT) for _at, look in points]
        for arm in arms
    }
    # The first looks know nothing: their bands may leave the picture, the rates may not.
    highest = max(
        [0.001]
        + [look[arm]["rate"] for _at, look in points for arm in arms]
        + [high for band in bands.values() for _low, high in band[len(points) // 4 :]]
    )
    top = min(1.0, 1.1 * highest)
    axis = _Panel(LEFT, until, 0.0, top)
    yield from axis.frame("rate of bad requests, with bands valid at every look")
    for rate in (0.0, top / 2, top):
        yield from axis.line_at(rate, f"{100 * rate:.3g}%", GRID)
    for arm, colour in arms.items():
        times = [at for at, _look in points]
        upper = [axis.place(at, high) for at, (_low, high) in zip(times, bands[arm])]
        lower = [axis.place(at, low) for at, (low, _high) in zip(times, bands[arm])]
        yield f'<polygon class="{arm}-band" points="{_path(upper + lower[::-1])}" fill="{colour}" fill-opacity="0.15"/>'
        line = _path([axis.place(at, look[arm]["rate"]) for at, look in points])
        yield f'<polyline class="{arm}" points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
    last = points[-1][1]
    for row, (arm, colour) in enumerate(arms.items()):
        seen = last[arm]
        label = f"{arm} {100 * seen['rate']:.2f}% ({seen['bad']:.0f}/{seen['requests']:.0f})"
        yield _text(LEFT, BOTTOM + 38 + 16 * row, label, colour)


def _odds(points: t.Sequence[Look], until: float) -> t.Iterator[str]:
    last = points[-1][1]
    games = {"harm": HARM, "safe": SAFE}
    top = 3.0 * max(max(last[f"{game}_needed"] for game in games), 1.0)
    bottom = 1.0 / 30.0
    axis = _Panel(RIGHT, until, math.log(bottom), math.log(top))
    yield from axis.frame("odds to 1, whichever reaches its line first decides")
    for odds in (0.1, 1, 10, 100, 1000):
        if bottom < odds < top:
            yield from axis.line_at(math.log(odds), f"{odds:g}", GRID)
    for row, (game, colour) in enumerate(games.items()):
        needed = last[f"{game}_needed"]
        yield from axis.line_at(math.log(needed), "", colour, dashed=True)
        logs = [(at, math.log(min(max(look[game], bottom), top))) for at, look in points]
        line = _path([axis.place(at, log) for at, log in logs])
        yield f'<polyline class="{game}" points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        label = f"{'of harm' if game == 'harm' else 'of safety'} {odds_line(last[game], needed)}"
        yield _text(RIGHT, BOTTOM + 38 + 16 * row, label, colour)


def always_valid(bad: float, total: float, alpha: float) -> tuple[float, float]:
    """Return limits of a rate that hold at all looks together with confidence 1 - C(alpha).

    The rates against which a bet spread evenly over all rates (in Jeffreys' measure) has not yet earned 1/alpha
    (Robbins 1970; a confidence sequence).
    """
    if not total:
        return 0.0, 1.0
    good = total - bad
    most = math.lgamma(bad + 0.5) + math.lgamma(good + 0.5) - math.lgamma(total + 1.0) - math.log(math.pi)

    def refuted(rate: float) -> bool:
        likelihood = (bad * math.log(rate) if bad else 0.0) + (good * math.log1p(-rate) if good else 0.0)
        return most - likelihood >= -math.log(alpha)

    seen = bad / total
    return _edge(refuted, 0.0, seen), _edge(refuted, 1.0, seen)


def _edge(refuted: t.Callable[[float], bool], outside: float, inside: float) -> float:
    if outside == inside:
        return inside
    for _step in range(40):
        middle = (outside + inside) / 2.0
        if refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside


class _Panel:
    """Places values in one of the two panels."""

    def __init__(self, left: int, until: float, low: float, high: float) -> None:
        self._left, self._until, self._low, self._high = left, until, low, high

    def place(self, at: float, value: float) -> tuple[float, float]:
        height = (min(max(value, self._low), self._high) - self._low) / (self._high - self._low)
        return self._left + PANEL * max(at, 0.0) / self._until, BOTTOM - (BOTTOM - TOP) * height

    def frame(self, title: str) -> t.Iterator[str]:
        yield _text(self._left, TOP - 12, title)
        yield f'<path d="M{self._left} {TOP}V{BOTTOM}H{self._left + PANEL}" fill="none" stroke="{INK}"/>'
        for part in (0.0, 0.5, 1.0):
            yield _text(self._left + PANEL * part, BOTTOM + 18, duration.text(self._until * part), anchor="middle")

    def line_at(self, value: float, label: str, colour: str, dashed: bool = False) -> t.Iterator[str]:
        _x, y = self.place(0.0, value)
        dashes = ' stroke-dasharray="6 4"' if dashed else ""
        yield f'<path d="M{self._left} {y:.1f}H{self._left + PANEL}" stroke="{colour}"{dashes}/>'
        if label:
            yield _text(self._left - 6, y + 4, label, anchor="end")


def _text(x: float, y: float, text: str, colour: str = INK, size: int = 12, anchor: str = "start") -> str:
    style = f'fill="{colour}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _path(places: t.Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
