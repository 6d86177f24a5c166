# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a traffic driver, the same cases for every one of them: what a move writes, refuses and says."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancers
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError

from tests.integration.conformance.cases import HERE, SSH, Case, on_every_world
from tests.integration.conformance.world import BLUE, GREEN, SPLIT, World, running


@on_every_world()
def test_a_view_says_what_stands_and_changes_nothing(case: Case) -> None:
    with case.world.nothing_written():
        view = case.observe()
    assert (view["weights"], view["fence"], view["trouble"], view["changed"]) == (BLUE, case.world.fence(1), "", False)


@on_every_world()
def test_the_second_call_changes_and_writes_nothing(case: Case) -> None:
    assert case.move(case.world.part, fence=2)["changed"] is True
    with case.world.nothing_written():
        again = case.move(case.world.part, fence=2)
    assert (again["changed"], again["diff"]) == (False, [])
    assert again["before"] == again["after"]


@on_every_world("FENCES", where=[HERE])
def test_a_higher_fence_alone_is_stored_and_is_no_change(case: Case) -> None:
    assert case.move(BLUE, fence=5)["changed"] is False
    assert case.observe()["fence"] == 5


@on_every_world()
def test_a_slot_with_all_or_nothing_gets_all_or_nothing(case: Case) -> None:
    for weights, slot in ((GREEN, "green"), (BLUE, "blue")):
        result = case.move(weights)
        assert (result["weights"], result["after"]["weights"]) == (weights, weights)
        assert case.world.asked(60) == {slot: 60}


@on_every_world()
def test_what_was_expected_is_checked_before_anything_is_written(case: Case) -> None:
    sentence = "weights are blue 100 / green 0, expected blue 90 / green 10; .*; nothing was written"
    with case.world.nothing_written(), pytest.raises(Refused, match=sentence):
        case.move(SPLIT, expect={"blue": 90, "green": 10})


@on_every_world("SPLITS")
def test_one_of_several_expected_weights_is_enough(case: Case) -> None:
    assert case.move(SPLIT, expect=[GREEN, BLUE, {"blue": 90, "green": 10}])["weights"] == SPLIT
    sentence = "expected blue 0 / green 100 or blue 100 / green 0"
    with case.world.nothing_written(), pytest.raises(Refused, match=sentence):
        case.move(BLUE, expect=[GREEN, BLUE])


@on_every_world()
def test_undo_puts_back_every_byte(case: Case) -> None:
    before = case.world.raw()
    undo = case.move(GREEN)["undo"]
    assert undo == {"driver": case.world.driver.name, "object": case.observe()["identity"], "weights": BLUE}
    assert case.world.raw() != before
    case.move(undo["weights"], expect=GREEN)
    assert case.world.raw() == before


@on_every_world(where=[HERE])
def test_what_belongs_to_others_stays_byte_for_byte(case: Case) -> None:
    before = case.world.foreign()
    for number, weights in enumerate((case.world.part, BLUE, GREEN)):
        case.move(weights, fence=number + 2)
        assert case.world.foreign() == before


@on_every_world(where=[HERE])
def test_weights_that_are_none_are_refused_by_name(case: Case) -> None:
    # All of them are in the table of the weights' unit tests.
    with case.world.nothing_written():
        with pytest.raises(ReleaseError, match="blue 80 and green 10 add up to 90, not 100"):
            case.move({"blue": 80, "green": 10})
        with pytest.raises(ReleaseError, match="blue is 110: a weight is a whole number from 0 to 100"):
            case.move({"blue": 110, "green": -10})
        with pytest.raises(ReleaseError, match="unknown slot 'purple': the slots are blue and green"):
            case.move({"blue": 90, "purple": 10})


@on_every_world("KNOWS_HEALTH")
def test_a_slot_that_is_down_gets_no_requests_unless_forced(case: Case) -> None:
    case.world.take_down("green")
    part = case.world.part
    sentence = rf"green has no healthy server and would get {part['green']} % .*; nothing was written"
    with case.world.nothing_written(), pytest.raises(Refused, match=sentence):
        case.move(part)
    assert case.move(part, force=True)["weights"] == part


@on_every_world("KNOWS_HEALTH", where=[HERE])
def test_a_slot_that_is_down_can_lose_its_requests(case: Case) -> None:
    case.move(case.world.part)
    case.world.take_down("green")
    assert case.move(BLUE, expect=case.world.part)["weights"] == BLUE


def mixed(world: type[World]) -> t.Iterable[str]:
    return world.MIXED


@on_every_world(where=[HERE], of=mixed)
def test_a_state_that_is_not_ours_is_named_and_left_alone(case: Case, kind: str) -> None:
    assert_named_and_left_alone(case, kind)


@on_every_world(where=[SSH])
def test_a_machine_whose_state_is_not_ours_is_named_and_left_alone(case: Case) -> None:
    assert_named_and_left_alone(case, next(iter(case.world.MIXED)))


def assert_named_and_left_alone(case: Case, kind: str) -> None:
    make, sentence = case.world.MIXED[kind]
    make(case.world)
    with case.world.nothing_written(), pytest.raises(Refused, match=f"{sentence}.*; nothing was written") as refused:
        case.move(SPLIT)
    assert "\n" not in str(refused.value)


@on_every_world(where=[HERE], of=mixed)
def test_a_state_that_is_not_ours_is_seen_and_can_be_forced(case: Case, kind: str) -> None:
    make, _sentence = case.world.MIXED[kind]
    make(case.world)
    assert case.observe()["trouble"]
    foreign = case.world.foreign()
    part = case.world.part
    result = case.move(part, force=True, fence=7)
    assert (result["changed"], result["after"]["weights"], result["after"]["trouble"]) == (True, part, "")
    assert case.world.foreign() == foreign
    assert set(case.world.asked(60)) == {slot for slot in part if part[slot]}


@on_every_world("FENCES")
def test_a_smaller_fence_is_refused(case: Case) -> None:
    case.move(case.world.part, fence=7)
    sentence = r"a newer writer was here \(fence 7, ours 6\); nothing written"
    with case.world.nothing_written(), pytest.raises(Refused, match=sentence):
        case.move(BLUE, expect=case.world.part, fence=6)


@on_every_world("FENCES")
def test_a_late_write_that_expects_what_a_restore_put_back_is_refused(case: Case) -> None:
    part = case.world.part
    case.move(part, expect=BLUE, fence=2)
    case.move(BLUE, expect=[part, BLUE], fence=3)
    # The step that was in flight all the while: what it expects stands again.
    with case.world.nothing_written(), pytest.raises(Refused, match="a newer writer was here"):
        case.move(part, expect=BLUE, fence=2)


@on_every_world("FENCES")
def test_of_two_writers_at_once_one_wins_and_the_other_writes_nothing(case: Case) -> None:
    wanted = {2: case.world.part, 3: GREEN}
    outcomes: dict[int, t.Any] = {}
    start = threading.Barrier(len(wanted))

    def write(fence: int) -> None:
        start.wait()
        try:
            outcomes[fence] = case.move(wanted[fence], expect=BLUE, fence=fence)
        except ReleaseError as error:
            outcomes[fence] = error

    threads = [threading.Thread(target=write, args=(fence,)) for fence in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (fence for fence, outcome in outcomes.items() if isinstance(outcome, dict))
    (loser,) = set(outcomes) - {winner}
    assert isinstance(outcomes[loser], Refused), outcomes[loser]
    view = case.observe()
    assert (view["weights"], view["fence"], view["trouble"]) == (wanted[winner], winner, "")


@on_every_world("LOSES_ANSWERS", where=[HERE])
def test_a_lost_answer_is_unknown_and_the_object_tells(case: Case) -> None:
    with case.world.answer_lost() as options, pytest.raises(Lost):
        case.balancer(**options).move({"weights": GREEN, "expect": BLUE, "fence": 2})
    view = case.observe()
    assert (view["weights"], view["fence"], view["trouble"]) == (GREEN, case.world.fence(2), "")


@on_every_world(where=[SSH])
def test_a_machine_lost_after_the_write_is_unknown_and_the_object_tells(case: Case) -> None:
    assert case.machines
    outcome: list[Exception] = []

    def write() -> None:
        try:
            case.balancer(machine="lb2", **options).move({"weights": GREEN, "expect": BLUE, "fence": 2})
        except ReleaseError as error:
            outcome.append(error)

    try:
        with case.world.held_after_write() as (options, hangs):
            writing = threading.Thread(target=write)
            writing.start()
            hangs()
            case.machines.lose("lb2")
            writing.join()
    finally:
        case.machines.revive("lb2")
    assert [type(error) for error in outcome] == [Lost], outcome
    assert str(outcome[0]).startswith("lb2: ")
    view = case.observe()
    assert (view["weights"], view["fence"], view["trouble"]) == (GREEN, case.world.fence(2), "")


@on_every_world("REFUSES")
def test_what_the_system_refuses_is_an_error_in_its_own_words_and_nothing_stays_of_it(case: Case) -> None:
    with (
        case.world.refusing() as (options, words),
        case.world.nothing_written(),
        pytest.raises(ReleaseError) as refused,
    ):
        case.balancer(**options).move({"weights": GREEN, "expect": BLUE, "fence": 2})
    assert refused.match(words)
    assert not isinstance(refused.value, Lost)
    assert "\n" not in str(refused.value)


@on_every_world("SPLITS")
def test_of_several_balancers_the_first_that_refuses_has_the_others_put_back(
    case: Case, addresses: dict[str, str]
) -> None:
    with running(type(case.world)(case.world.folder.parent / "b", addresses)) as other:
        case.balancer(other).move({"weights": {"blue": 90, "green": 10}})  # somebody else was there
        before = case.world.raw(), other.raw()
        both = Balancers([case.balancer(), case.balancer(other, machine="lb2")])
        with pytest.raises(Refused, match="weights are blue 90 / green 10, expected blue 100 / green 0.*; put back"):
            both.forward(parse(GREEN), [parse(BLUE)])
        assert (case.world.raw(), other.raw()) == before


@on_every_world(where=[HERE])
def test_balancers_that_disagree_are_named(case: Case, addresses: dict[str, str]) -> None:
    with running(type(case.world)(case.world.folder.parent / "b", addresses)) as other:
        other.balancer().move({"weights": case.world.part})
        sight = Balancers([case.balancer(), case.balancer(other, machine="lb2")]).observe()
    assert sight.weights is None
    assert "the balancers disagree" in sight.trouble
    assert "lb1 has blue 100 / green 0" in sight.trouble
    assert f"lb2 has {parse(case.world.part)}" in sight.trouble
