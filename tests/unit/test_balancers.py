# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several balancers of one service: in order forward, all at once back, and what they say together."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancers, after, together
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError

from tests.lab.memory import Clock, MemoryBalancer, MemoryTraffic

BLUE, SPLIT, GREEN = Weights(100, 0), Weights(60, 40), Weights(0, 100)


def several(*names: str) -> list[MemoryBalancer]:
    return [MemoryBalancer(MemoryTraffic(name)) for name in names or ("lb1", "lb2", "lb3")]


def stand(balancers: list[MemoryBalancer]) -> list[Weights]:
    return [balancer.driver.weights for balancer in balancers]


def test_a_step_moves_all_of_them_and_returns_each_ones_result() -> None:
    members = several()
    results = Balancers(members).forward(SPLIT, [BLUE], fence=2, lease={"id": "run"})
    assert stand(members) == [SPLIT] * 3
    assert list(results) == ["lb1", "lb2", "lb3"]
    assert all(member.driver.fence == 2 and member.lease == {"id": "run"} for member in members)


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("error", [Refused("no"), ReleaseError("disk full"), Lost("no answer")])
def test_the_first_that_fails_ends_the_step_and_the_others_are_put_back(failing: int, error: ReleaseError) -> None:
    members = several()
    members[failing].faults.append(error)
    with pytest.raises(type(error)) as raised:
        Balancers(members).forward(SPLIT, [BLUE], fence=2)
    assert stand(members) == [BLUE] * 3
    moved = ", ".join(member.name for member in members[:failing])
    assert str(raised.value) == f"{error}" + (f"; put back {moved}" if moved else "")
    assert all(member.driver.writes == [] for member in members[failing:]), "those after it were never asked"


def test_one_that_cannot_be_put_back_is_named_apart() -> None:
    members = several()
    members[2].faults.append(Refused("no"))
    members[1].faults += [None, ReleaseError("disk full")]
    with pytest.raises(Refused) as raised:
        Balancers(members).forward(SPLIT, [BLUE])
    assert str(raised.value) == "no; put back lb1; could not put back lb2"
    assert stand(members) == [BLUE, SPLIT, BLUE]


def test_what_somebody_else_changed_meanwhile_is_not_put_back() -> None:
    members = several("lb1", "lb2")

    class Meanwhile(Refused):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            members[0].driver.weights = GREEN

    def meanwhile(params: t.Any, lease: t.Any = None) -> dict[str, t.Any]:
        raise Meanwhile("no")

    members[1].move = meanwhile  # type: ignore[method-assign]
    with pytest.raises(Refused, match="could not put back lb1"):
        Balancers(members).forward(SPLIT, [BLUE])
    assert stand(members)[0] == GREEN


def test_a_restore_asks_all_at_once() -> None:
    members = several()
    together_now = threading.Barrier(3, timeout=5)

    def slow(member: MemoryBalancer) -> None:
        move = member.move

        def waits(params: t.Any, lease: t.Any = None) -> dict[str, t.Any]:
            together_now.wait()
            return move(params, lease)

        member.move = waits  # type: ignore[method-assign]

    for member in members:
        member.driver.weights = SPLIT
        slow(member)
    answers = Balancers(members).restore(BLUE, [SPLIT, BLUE], fence=3, patience=5)
    assert all(isinstance(answer, dict) for answer in answers.values()), answers
    assert stand(members) == [BLUE] * 3


def test_a_restore_tries_again_until_the_balancer_answers() -> None:
    clock, said = Clock(), list[str]()
    members = several("lb1", "lb2")
    for member in members:
        member.driver.weights = SPLIT
    members[1].unreachable = True
    clock.after(3.5, lambda: setattr(members[1], "unreachable", False))
    answers = Balancers(members, clock.monotonic, clock.sleep).restore(BLUE, [SPLIT], 3, 10, said.append)
    assert stand(members) == [BLUE, BLUE]
    assert all(isinstance(answer, dict) for answer in answers.values())
    assert said[0] == "waiting for lb2 to take the traffic back, 10 s left"
    assert len(members[0].driver.writes) == 1, "who has answered is not asked again"


def test_a_restore_ends_at_its_deadline_with_the_names_of_those_it_could_not_reach() -> None:
    clock = Clock()
    members = several("lb1", "lb2")
    members[0].driver.weights = SPLIT
    members[1].unreachable = True
    answers = Balancers(members, clock.monotonic, clock.sleep).restore(BLUE, [SPLIT], 3, 10)
    assert isinstance(answers["lb1"], dict)
    assert isinstance(answers["lb2"], Lost)
    assert 10 <= clock.monotonic() - 1000 <= 12


def test_a_restore_that_is_refused_is_not_tried_again() -> None:
    clock = Clock()
    members = several("lb1")
    members[0].driver.fence = 9
    answers = Balancers(members, clock.monotonic, clock.sleep).restore(BLUE, [BLUE], 3, 60)
    assert isinstance(answers["lb1"], Refused)
    assert clock.monotonic() == 1000


def test_an_error_that_nobody_foresaw_is_no_success() -> None:
    members = several("lb1", "lb2")
    members[1].faults.append(RuntimeError("what is this"))
    answers = Balancers(members, *_still()).restore(BLUE, [BLUE], 3, 0)
    assert isinstance(answers["lb2"], Lost)
    assert str(answers["lb2"]) == "lb2: what is this"


def test_a_look_at_all_fails_with_the_one_that_cannot_be_seen() -> None:
    members = several()
    members[1].unreachable = True
    with pytest.raises(Lost, match="lb2: no route to host"):
        Balancers(members).observe()


def test_a_look_renews_the_lease_everywhere() -> None:
    members = several()
    sight = Balancers(members).observe({"id": "run"})
    assert [member.lease for member in members] == [{"id": "run"}] * 3
    assert [view["lease"] for view in sight.views.values()] == ["held"] * 3


def test_balancers_that_agree_are_one() -> None:
    sight = Balancers(several()).observe()
    assert (sight.weights, sight.trouble, sight.fence) == (BLUE, "", 0)


def test_balancers_that_disagree_have_no_weights_and_each_is_named() -> None:
    members = several("lb1", "lb2")
    members[1].driver.weights, members[1].driver.fence = SPLIT, 7
    sight = Balancers(members).observe()
    assert sight.weights is None
    assert sight.trouble == "the balancers disagree: lb1 has blue 100 / green 0, lb2 has blue 60 / green 40"
    assert sight.fence == 7


def view(**values: t.Any) -> dict[str, t.Any]:
    slot = {"up": values.get("up", True), "requests": values.get("requests"), "bad": 0, "in_flight": 0, "ready": 1}
    return {
        "weights": values.get("weights", BLUE.plain()),
        "fence": 1,
        "slots": {"blue": slot, "green": slot},
        "trouble": values.get("trouble", ""),
        "facts": values.get("facts", {}),
    }


def test_the_trouble_of_each_is_said_with_its_name() -> None:
    sight = together({"lb1": view(weights=None, trouble="no entry"), "lb2": view()})
    assert sight.weights is None
    assert sight.trouble == ("the balancers disagree: lb1 has none of ours, lb2 has blue 100 / green 0; lb1: no entry")


@pytest.mark.parametrize(
    ("ups", "up"),
    [([True, True], True), ([True, False], False), ([True, None], True), ([None, None], None), ([False, None], False)],
)
def test_a_slot_is_up_when_no_balancer_that_knows_says_otherwise(ups: list[bool | None], up: bool | None) -> None:
    sight = together({f"lb{number}": view(up=value) for number, value in enumerate(ups)})
    assert sight.up("blue") is up


@pytest.mark.parametrize(("counts", "total"), [([3, 4], 7), ([0, 0], 0), ([3, None], None)])
def test_a_counter_is_a_sum_or_unknown(counts: list[int | None], total: int | None) -> None:
    sight = together({f"lb{number}": view(requests=value) for number, value in enumerate(counts)})
    assert sight.total("green", "requests") == total


def test_pids_and_the_way_of_counting_come_from_the_facts() -> None:
    sight = together({"lb1": view(facts={"pid": "7"}), "lb2": view(facts={"counted": "at the end"})})
    assert sight.pids() == {"lb1": "7", "lb2": ""}
    assert sight.counts_late is True
    assert together({"lb1": view()}).counts_late is False


def test_what_was_read_back_after_a_move_is_a_sight() -> None:
    results = Balancers(several()).forward(SPLIT, [BLUE])
    assert after(results).weights == SPLIT


def _still() -> tuple[t.Callable[[], float], t.Callable[[float], None]]:
    clock = Clock()
    return clock.monotonic, clock.sleep
