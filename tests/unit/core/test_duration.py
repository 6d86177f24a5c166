# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations: what people write, what is refused, and how one is shown."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (300, 300.0),
        (0, 0.0),
        (1.5, 1.5),
        ("300", 300.0),
        (" 30s ", 30.0),
        ("30S", 30.0),
        ("1.5m", 90.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("2d", 172800.0),
        ("250ms", 0.25),
        ("1h30m", 5400.0),
        ("1m30s500ms", 90.5),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_parts_with_units(value: t.Any, expected: float) -> None:
    assert seconds(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    "value",
    ["", "-5m", -5, "5 minutes", "5x", "m", "1h 30m", "1:30", "30s5", "1e3", "inf", "nan", True, None, [5], ".5s"],
)
def test_anything_else_is_refused_with_examples(value: t.Any) -> None:
    with pytest.raises(ValueError) as refused:
        seconds(value)
    assert str(refused.value) == f"{value!r} is not a duration; write 300, 30s, 5m or 1h30m"


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (3.0, "3s"),
        (45, "45s"),
        (59.6, "1m00s"),
        (125, "2m05s"),
        (3599.7, "1h00m"),
        (5400, "1h30m"),
        (90061, "25h01m"),
    ],
)
def test_a_span_is_shown_as_people_write_it(span: float, shown: str) -> None:
    assert text(span) == shown


@pytest.mark.parametrize("span", [0, 7, 45, 60, 125, 3540, 3600, 5400])
def test_what_is_shown_is_read_back(span: int) -> None:
    assert seconds(text(span)) == span
