# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a judgement is a well-formed SVG that shows the verdict's numbers."""

from __future__ import annotations

import math
import random
from xml.etree import ElementTree

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.picture import always_valid, draw
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample

SVG = "{http://www.w3.org/2000/svg}"


def judged(polls: int, canary_bad: int) -> list:
    gate, looks = Gate(Options.from_dict({"initial_delay": 0, "alpha": 1e-9})), []
    gate.step(10, 0.0, 25)
    for place in range(polls):
        canary = Arm(50 * place, {"errors": canary_bad * place})
        verdict = gate.judge(Sample(10.0 * place, Arm(450 * place, {"errors": place}), canary))
        looks.append((10.0 * place, verdict.metrics))
    return looks


def shapes(svg: str, name: str) -> list[tuple[float, float]]:
    found = [shape for shape in ElementTree.fromstring(svg).iter() if shape.get("class") == name]
    assert len(found) == 1
    return [tuple(map(float, pair.split(","))) for pair in found[0].get("points").split()]


def test_the_picture_has_both_rates_with_their_bands_and_both_odds():
    svg = draw(judged(30, 1), "errors", "shop <1.4.2>")
    root = ElementTree.fromstring(svg)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "shop <1.4.2>" in texts
    assert "canary 2.00% (29/1450)" in texts
    assert "baseline 0.22% (29/13050)" in texts
    assert any(text.startswith("of harm") for text in texts)
    for name in ("canary", "baseline", "harm", "safe"):
        assert len(shapes(svg, name)) == 29
    for name in ("canary-band", "baseline-band"):
        assert len(shapes(svg, name)) == 58


def test_everything_stays_inside_the_picture():
    for bad in (0, 1, 50):
        for name in ("canary", "baseline", "harm", "safe", "canary-band"):
            assert all(0 <= x <= 960 and 0 <= y <= 376 for x, y in shapes(draw(judged(40, bad), "errors"), name))


def test_harm_climbs_where_the_canary_is_worse():
    harm = shapes(draw(judged(30, 1), "errors"), "harm")
    assert harm[-1][1] < harm[0][1], "up is a smaller y"


def test_a_long_judgement_does_not_make_a_large_picture():
    assert len(draw(judged(2000, 0), "errors")) < 60_000


def test_one_look_is_enough_and_none_is_refused():
    draw(judged(1, 0), "errors")
    with pytest.raises(ValueError, match="no judgement of latency"):
        draw(judged(3, 0), "latency")
    with pytest.raises(ValueError):
        draw([], "errors")


def test_a_band_narrows_and_holds_its_rate_at_every_look():
    rng, left = random.Random(7), 0
    for _unused in range(100):
        bad = 0
        for total in range(1, 400, 4):
            bad += sum(rng.random() < 0.1 for _unused in range(4 if total > 1 else 1))
            low, high = always_valid(bad, total, 0.05)
            if not low <= 0.1 <= high:
                left += 1
                break
    assert left <= 5, "5 % of 100, and it is conservative"
    assert always_valid(0, 0, 0.05) == (0.0, 1.0)
    low, high = always_valid(100, 100_000, 0.05)
    assert 0.0005 < low < 0.001 < high < 0.0015
    assert always_valid(0, 1000, 0.05)[0] == 0.0
    assert math.isclose(always_valid(7, 7, 0.05)[1], 1.0)
