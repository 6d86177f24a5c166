# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame around a traffic driver: what it compares, in which order, and what it returns."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError

from tests.lab.memory import MemoryTraffic

BLUE, SPLIT, GREEN = {"blue": 100, "green": 0}, {"blue": 60, "green": 40}, {"blue": 0, "green": 100}


class Scripted(MemoryTraffic):
    """A system in memory that notes every call, and can have a trouble or a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.fence = 5
        self.calls: list[str] = []
        self.trouble = ""
        self.unknown = False  # whether the trouble hides the weights
        self.heals = True  # whether a write ends the trouble
        self.writing: list[Exception] = []
        self.reading_back: list[Exception] = []

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        self.calls.append("lock")
        yield
        self.calls.append("unlock")

    def observe(self) -> _traffic.View:
        self.calls.append("observe")
        for error in self.reading_back if "write" in self.calls else ():
            raise error
        view = super().observe()
        weights = None if self.trouble and self.unknown else view.weights
        return _traffic.View(weights, view.fence, view.slots, trouble=self.trouble, facts=view.facts)

    def write(self, view: _traffic.View, weights: Weights, fence: int) -> None:
        self.calls.append("write")
        for error in self.writing:
            raise error
        super().write(view, weights, fence)
        if self.heals:
            self.trouble = ""


@pytest.fixture
def driver() -> Scripted:
    return Scripted()


def move(driver: Scripted, weights: t.Any = None, check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
    asked = SPLIT if weights is None else weights
    return _traffic.move(driver, {"weights": asked, **params}, check_mode)


def test_a_move_looks_writes_once_and_reads_back_under_one_lock(driver: Scripted) -> None:
    move(driver)
    assert driver.calls == ["lock", "observe", "write", "observe", "unlock"]


def test_a_move_returns_what_stood_what_stands_and_what_puts_it_back(driver: Scripted) -> None:
    result = move(driver, expect=BLUE, fence=6)
    assert result["changed"] is True
    assert (result["before"]["weights"], result["before"]["fence"]) == (BLUE, 5)
    assert (result["after"]["weights"], result["after"]["fence"]) == (SPLIT, 6)
    assert (result["weights"], result["fence"]) == (SPLIT, 6)
    assert (result["identity"], result["unit"]) == ("memory:lb1", "request")
    assert result["undo"] == {"driver": "memory_traffic", "object": "memory:lb1", "weights": BLUE}
    assert result["diff"] == [
        {
            "before_header": "lb1",
            "after_header": "lb1",
            "before": "blue 100 / green 0 5\n",
            "after": "blue 60 / green 40 6\n",
        }
    ]


def test_check_mode_returns_the_same_and_writes_nothing(driver: Scripted) -> None:
    checked = move(driver, check_mode=True, fence=6)
    assert driver.calls == ["lock", "observe", "unlock"]
    real = move(driver, fence=6)
    for key in ("changed", "before", "weights", "fence", "diff", "undo"):
        assert checked[key] == real[key], key
    assert checked["after"]["weights"] == real["after"]["weights"]


@pytest.mark.parametrize(
    ("fence", "changed", "writes", "stands"),
    [(None, False, 0, 5), (5, False, 0, 5), (9, False, 1, 9)],
    ids=["no_fence", "same_fence", "higher_fence"],
)
def test_what_stands_already_is_no_change(
    driver: Scripted, fence: int | None, changed: bool, writes: int, stands: int
) -> None:
    result = move(driver, BLUE, fence=fence)
    assert (result["changed"], len(driver.writes), driver.fence) == (changed, writes, stands)


@pytest.mark.parametrize("params", [{}, {"fence": None}], ids=["absent", "none"])
def test_without_a_fence_the_stored_one_stays(driver: Scripted, params: dict[str, t.Any]) -> None:
    move(driver, **params)
    assert driver.fence == 5


# What stands is BLUE under fence 5; green, or blue, may be down.
REFUSED: dict[str, tuple[dict[str, t.Any], str]] = {
    "drift": ({"expect": GREEN}, "weights are blue 100 / green 0, expected blue 0 / green 100; somebody else changed"),
    "drift of several": ({"expect": [GREEN, SPLIT]}, "expected blue 0 / green 100 or blue 60 / green 40"),
    "a smaller fence": ({"fence": 4}, "a newer writer was here (fence 5, ours 4); nothing written"),
    "a smaller fence, forced": ({"fence": 4, "force": True}, "a newer writer was here"),
    "drift, forced": ({"expect": GREEN, "force": True}, "somebody else changed them; nothing was written"),
    "a slot that is down": ({"green": False}, "green has no healthy server and would get 40 % of the requests"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_hold_is_refused_and_nothing_is_written(driver: Scripted, name: str) -> None:
    params, sentence = REFUSED[name]
    driver.up["green"] = params.get("green", True)
    with pytest.raises(Refused) as refused:
        move(driver, **{key: value for key, value in params.items() if key != "green"})
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("memory:lb1: ")
    assert "write" not in driver.calls


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"weights": {"blue": 90, "green": 20}}, "memory_traffic: weights blue 90 and green 20 add up to 110, not 100"),
        ({"expect": []}, "memory_traffic: expect is an empty list"),
        ({"expect": {"blue": 1}}, "memory_traffic: expect: weights do not name green"),
    ],
)
def test_wrong_weights_are_refused_before_anything_is_looked_at(
    driver: Scripted, params: dict[str, t.Any], sentence: str
) -> None:
    with pytest.raises(ReleaseError) as refused:
        move(driver, **params)
    assert sentence in str(refused.value)
    assert driver.calls == []


@pytest.mark.parametrize(
    ("weights", "up", "moves"),
    [
        (SPLIT, {"blue": True, "green": None}, True),  # a system that does not know
        (GREEN, {"blue": False, "green": True}, True),  # away from the slot that is down
        (BLUE, {"blue": False, "green": True}, True),  # it gets no more than it had
        (SPLIT, {"blue": True, "green": False}, False),
    ],
)
def test_only_a_slot_that_would_get_more_has_to_be_up(
    driver: Scripted, weights: dict[str, int], up: dict[str, bool | None], moves: bool
) -> None:
    driver.up = up
    if moves:
        assert move(driver, weights)["weights"] == weights
    else:
        with pytest.raises(Refused, match="no healthy server"):
            move(driver, weights)


def test_a_slot_that_is_down_can_be_forced(driver: Scripted) -> None:
    driver.up["green"] = False
    assert move(driver, force=True)["weights"] == SPLIT


@pytest.mark.parametrize("unknown", [False, True], ids=["weights_seen", "weights_hidden"])
def test_a_state_that_is_not_ours_is_refused_by_its_own_sentence(driver: Scripted, unknown: bool) -> None:
    driver.trouble, driver.unknown = "the file was edited", unknown
    with pytest.raises(Refused) as refused:
        move(driver)
    assert str(refused.value) == "memory:lb1: the file was edited; nothing was written"
    with pytest.raises(Refused, match="the file was edited"):
        move(driver, check_mode=True)
    assert "write" not in driver.calls


def test_a_state_that_is_not_ours_is_mended_by_who_expects_its_weights(driver: Scripted) -> None:
    # Such as a restore that finds a write which died between file and process.
    driver.trouble = "the file was edited"
    result = move(driver, BLUE, expect=[BLUE, SPLIT])
    assert (result["changed"], result["after"]["trouble"], driver.writes) == (True, "", [Weights(100, 0)])


def test_weights_that_cannot_be_seen_are_never_what_was_expected(driver: Scripted) -> None:
    driver.trouble, driver.unknown = "no entry", True
    with pytest.raises(Refused, match="weights are no entry, expected blue 100 / green 0"):
        move(driver, expect=BLUE)


def test_a_state_that_is_not_ours_can_be_forced_and_has_no_undo(driver: Scripted) -> None:
    driver.trouble, driver.unknown = "no entry", True
    result = move(driver, force=True)
    assert (result["weights"], result["undo"]["weights"]) == (SPLIT, None)


def test_a_write_that_does_not_stand_is_an_error(driver: Scripted) -> None:
    driver.trouble, driver.heals = "half of it stands", False
    with pytest.raises(ReleaseError, match="wrote blue 60 / green 40, read back "):
        move(driver, force=True)


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [("writing", Lost("no answer"), "lost"), ("writing", ReleaseError("disk full"), "error")],
)
def test_what_the_write_raises_is_passed_on(driver: Scripted, fault: str, error: ReleaseError, kind: str) -> None:
    setattr(driver, fault, [error])
    with pytest.raises(type(error), match=str(error)) as raised:
        move(driver)
    assert _traffic.failure(t.cast(ReleaseError, raised.value))["kind"] == kind


@pytest.mark.parametrize("error", [Lost("no answer"), ReleaseError("nobody listens there"), Refused("not now")])
def test_a_write_that_cannot_be_read_back_is_unknown(driver: Scripted, error: ReleaseError) -> None:
    driver.reading_back = [error]
    with pytest.raises(Lost, match=f"memory:lb1: written, and cannot be read back: {error}"):
        move(driver)


@pytest.mark.parametrize("error", [ReleaseError("a"), Refused("b"), Lost("c")])
def test_an_error_comes_out_of_a_modules_result_as_it_went_in(error: ReleaseError) -> None:
    result = _traffic.failure(error)
    assert (result["failed"], result["msg"]) == (True, str(error))
    back = _traffic.raised(result)
    assert (type(back), str(back)) == (type(error), str(error))


@pytest.mark.parametrize(
    ("result", "kind", "message"),
    [
        ({"failed": True, "lost": True, "msg": "lb1: no route"}, Lost, "lb1: no route"),
        ({"failed": True, "msg": " unsupported parameters \n"}, ReleaseError, "unsupported parameters"),
        ({"failed": True}, ReleaseError, "failed without a message"),
    ],
)
def test_a_result_that_is_not_of_a_driver_becomes_an_error_too(
    result: dict[str, t.Any], kind: type[ReleaseError], message: str
) -> None:
    back = _traffic.raised(result)
    assert (type(back), str(back)) == (kind, message)


def test_a_view_is_plain_values(driver: Scripted) -> None:
    view = _traffic.observe(driver)
    assert view == {
        "weights": BLUE,
        "fence": 5,
        "slots": {
            slot: {"up": True, "ready": None, "requests": None, "bad": None, "in_flight": None}
            for slot in ("blue", "green")
        },
        "trouble": "",
        "facts": {"pid": "1"},
        "identity": "memory:lb1",
        "unit": "request",
        "changed": False,
    }
