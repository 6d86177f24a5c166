# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights: what is read, what is refused, and in which words."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import (
    Weights,
    other,
    parse,
    parse_expect,
    parse_steps,
    split,
)

GOOD = [
    ({"blue": 100, "green": 0}, (100, 0)),
    ({"green": 10, "blue": 90}, (90, 10)),
    ({"blue": "90", "green": "10"}, (90, 10)),
    ({"blue": " 90 ", "green": "010"}, (90, 10)),
]

BAD = [
    ({"blue": 80, "green": 10}, "weights blue 80 and green 10 add up to 90, not 100"),
    ({"blue": 0, "green": 0}, "weights blue 0 and green 0 add up to 0, not 100"),
    ({"blue": 110, "green": -10}, "blue is 110: a weight is a whole number from 0 to 100"),
    ({"blue": -10, "green": 110}, "blue is -10: a weight is a whole number from 0 to 100"),
    ({"blue": "most", "green": 0}, "blue is 'most': a weight is a whole number from 0 to 100"),
    ({"blue": "", "green": 100}, "blue is '': a weight is a whole number from 0 to 100"),
    ({"blue": "--5", "green": 95}, "blue is '--5': a weight is a whole number from 0 to 100"),
    ({"blue": "5²", "green": 95}, "blue is '5²': a weight is a whole number from 0 to 100"),
    ({"blue": 99.5, "green": 0.5}, "blue is 99.5: a weight is a whole number from 0 to 100"),
    ({"blue": True, "green": 99}, "blue is True: a weight is a whole number from 0 to 100"),
    ({"blue": None, "green": 100}, "blue is None: a weight is a whole number from 0 to 100"),
    ({"blue": 100}, "weights do not name green: give both slots, the zero too"),
    ({}, "weights do not name blue: give both slots, the zero too"),
    ({"blue": 90, "purple": 10}, "weights name an unknown slot 'purple': the slots are blue and green"),
    ({"blue": 100, "green": 0, 5: 0}, "weights name an unknown slot '5': the slots are blue and green"),
    ([100, 0], "weights are a mapping such as {blue: 90, green: 10}, not [100, 0]"),
    ("100/0", "weights are a mapping such as {blue: 90, green: 10}, not '100/0'"),
]


@pytest.mark.parametrize(("value", "percents"), GOOD)
def test_both_slots_are_read_as_percents(value: t.Any, percents: tuple[int, int]) -> None:
    assert parse(value) == Weights(*percents)


@pytest.mark.parametrize(("value", "sentence"), BAD)
def test_what_is_no_split_is_refused_in_one_sentence(value: t.Any, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(value)
    assert str(refused.value) == sentence


def test_weights_are_shown_read_and_written_with_both_slots() -> None:
    weights = Weights(90, 10)
    assert str(weights) == "blue 90 / green 10"
    assert weights.plain() == {"blue": 90, "green": 10}
    assert (weights["blue"], weights["green"]) == (90, 10)
    with pytest.raises(KeyError):
        weights["only"]
    assert parse(weights.plain()) == weights


@pytest.mark.parametrize(
    ("weights", "slot"), [((100, 0), "blue"), ((0, 100), "green"), ((99, 1), None), ((50, 50), None)]
)
def test_a_slot_has_all_the_traffic_or_none_has(weights: tuple[int, int], slot: str | None) -> None:
    assert Weights(*weights).only() == slot


def test_the_other_slot_is_the_other_one() -> None:
    assert (other("blue"), other("green")) == ("green", "blue")


@pytest.mark.parametrize(
    ("slot", "percent", "percents"), [("green", 5, (95, 5)), ("blue", 5, (5, 95)), ("green", 100, (0, 100))]
)
def test_a_split_gives_the_rest_to_the_other_slot(slot: str, percent: int, percents: tuple[int, int]) -> None:
    assert split(slot, percent) == Weights(*percents)


@pytest.mark.parametrize(
    ("slot", "percent", "sentence"),
    [("purple", 5, "unknown slot 'purple'"), ("green", 101, "green is 101"), ("green", -1, "green is -1")],
)
def test_a_split_that_is_none_is_refused(slot: str, percent: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        split(slot, percent)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        ({"blue": 100, "green": 0}, [Weights(100, 0)]),
        ([{"blue": 100, "green": 0}, {"blue": 90, "green": 10}], [Weights(100, 0), Weights(90, 10)]),
    ],
)
def test_what_must_stand_is_nothing_one_split_or_one_of_several(value: t.Any, expected: list[Weights]) -> None:
    assert parse_expect(value) == expected


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "expect is an empty list: name the weights that must stand, or leave it out"),
        ({}, "expect: weights do not name blue: give both slots, the zero too"),
        ("blue", "expect: weights are a mapping such as {blue: 90, green: 10}, not 'blue'"),
        ([{"blue": 100, "green": 0}, {"blue": 90}], "expect: weights do not name green: give both slots, the zero too"),
    ],
)
def test_a_guard_that_guards_nothing_is_refused(value: t.Any, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_expect(value)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("value", "steps"),
    [
        (None, [100]),
        ("", [100]),
        ([], [100]),
        (10, [10, 100]),
        ("10", [10, 100]),
        ("5,25,50,100", [5, 25, 50, 100]),
        (" 5, 25 ,50 ", [5, 25, 50, 100]),
        ([5, "25", 50], [5, 25, 50, 100]),
        (100, [100]),
    ],
)
def test_steps_rise_and_end_with_everything(value: t.Any, steps: list[int]) -> None:
    assert parse_steps(value) == steps


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("0,50", "steps start above 0: the canary stands at 0 before the first one"),
        ("50,25", "steps 50, 25 do not rise"),
        ([25, 25, 100], "steps 25, 25, 100 do not rise"),
        ("-5,100", "a step is -5: a weight is a whole number from 0 to 100"),
        ("5,150", "a step is 150: a weight is a whole number from 0 to 100"),
        ("5,,50", "a step is '': a weight is a whole number from 0 to 100"),
        ("half", "a step is 'half': a weight is a whole number from 0 to 100"),
        ([True], "a step is True: a weight is a whole number from 0 to 100"),
        ({"first": 5}, "a step is {'first': 5}: a weight is a whole number from 0 to 100"),
    ],
)
def test_steps_that_lead_nowhere_are_refused(value: t.Any, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_steps(value)
    assert str(refused.value) == sentence
