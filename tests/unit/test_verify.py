# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that traffic moved: when it is verified, refuted, or left open, and what it rests on."""

from __future__ import annotations

import random
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight, together
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._verify import FrontDoor, Proof, prove

from tests.lab.memory import Clock

BLUE, SPLIT, GREEN = Weights(100, 0), Weights(60, 40), Weights(0, 100)
VALUES = {"blue": "v1", "green": "v2"}


class System:
    """Answers requests by the weights that are C(real), and counts them."""

    def __init__(self, real: Weights) -> None:
        self.real = real
        self.clock = Clock()
        self.requests: dict[str, int | None] = dict.fromkeys(SLOTS, 0)
        self.pid = "1"
        self.late = False
        self.looks = 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.bound: set[str] = set()  # the slots that a cookie still reaches
        self._dice = random.Random(7)

    def ask(self, cookie: str | None = None) -> str | None:
        slot = "blue" if self._dice.random() * 100 < self.real.blue else "green"
        if cookie and cookie.removeprefix("slot=") in self.bound:
            slot = cookie.removeprefix("slot=")
        count = self.requests[slot]
        self.requests[slot] = None if count is None else count + 1
        return VALUES[slot]

    def send(self, number: int) -> None:
        for _turn in range(number):
            self.ask()

    def observe(self) -> Sight:
        self.looks += 1
        if self.looks > 1:
            self.meanwhile()
        facts = {"pid": self.pid, **({"counted": "at the end"} if self.late else {})}
        slots = {slot: {"up": True, "requests": self.requests[slot]} for slot in SLOTS}
        view = {"weights": self.real.plain(), "fence": 1, "slots": slots, "trouble": "", "facts": facts}
        return together({"lb1": view})

    def prove(self, asked: Weights, before: Weights, door: FrontDoor | None, patience: float = 2.0) -> Proof:
        first = self.observe()
        return prove(first, self.observe, asked, before, door, patience, self.clock.monotonic, self.clock.sleep)

    def door(self, **cookies: str) -> FrontDoor:
        return FrontDoor(self.ask, VALUES, cookies)


def uncounted(real: Weights) -> System:
    system = System(real)
    system.requests = dict.fromkeys(SLOTS)
    return system


@pytest.mark.parametrize(("asked", "before"), [(GREEN, BLUE), (BLUE, GREEN), (SPLIT, BLUE), (BLUE, SPLIT)])
@pytest.mark.parametrize("make", [System, uncounted])
def test_traffic_that_followed_is_verified(asked: Weights, before: Weights, make: Callable[[Weights], System]) -> None:
    system = make(asked)
    proof = system.prove(asked, before, system.door())
    assert proof.verdict == "verified", proof
    assert f"asked {asked}" in proof.msg


@pytest.mark.parametrize(("asked", "before"), [(GREEN, BLUE), (BLUE, GREEN), (SPLIT, BLUE), (BLUE, SPLIT)])
@pytest.mark.parametrize("make", [System, uncounted])
def test_traffic_that_stayed_is_refuted(asked: Weights, before: Weights, make: Callable[[Weights], System]) -> None:
    system = make(before)
    assert system.prove(asked, before, system.door()).verdict == "refuted"


@pytest.mark.parametrize("patience", [0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 2.0, 2.2])
def test_a_refutation_does_not_depend_on_the_moment_at_which_the_time_runs_out(patience: float) -> None:
    system = uncounted(BLUE)
    assert system.prove(SPLIT, BLUE, system.door(), patience).verdict == "refuted"


def test_traffic_may_take_its_time_to_follow() -> None:
    system = uncounted(BLUE)
    system.clock.after(1.5, lambda: setattr(system, "real", GREEN))
    assert system.prove(GREEN, BLUE, system.door(), 5.0).verdict == "verified"
    assert system.clock.monotonic() - 1000 < 2.5


def test_what_was_seen_before_traffic_followed_is_not_held_against_it() -> None:
    system = System(BLUE)
    system.clock.after(1.0, lambda: setattr(system, "real", SPLIT))
    assert system.prove(SPLIT, BLUE, system.door(), 10.0).verdict == "verified"


def test_a_single_answer_of_a_slot_without_weight_refutes() -> None:
    system = uncounted(Weights(97, 3))
    proof = system.prove(BLUE, SPLIT, FrontDoor(scripted("v1", "v2"), VALUES, {}), 0)
    assert proof == Proof("refuted", "green still answers, and has weight 0")


@pytest.mark.parametrize(("bound", "verdict"), [({"green"}, "refuted"), (set(), "verified")])
def test_a_cookie_that_still_reaches_a_slot_without_weight_refutes(bound: set[str], verdict: str) -> None:
    system = uncounted(BLUE)
    system.bound = bound
    proof = system.prove(BLUE, GREEN, system.door(blue="slot=blue", green="slot=green"))
    assert proof.verdict == verdict, proof
    if bound:
        assert proof.msg == "a client with the cookie of green still reaches green, which has weight 0"


def test_a_cookie_of_a_slot_that_has_weight_may_reach_it() -> None:
    system = uncounted(SPLIT)
    system.bound = {"green"}
    assert system.prove(SPLIT, BLUE, system.door(green="slot=green")).verdict == "verified"


@pytest.mark.parametrize(
    ("real", "late", "verdict"),
    [(SPLIT, False, "verified"), (BLUE, False, "refuted"), (SPLIT, True, "verified"), (BLUE, True, "unverifiable")],
    ids=["followed", "stayed", "followed_counted_late", "stayed_counted_late"],
)
def test_counters_prove_without_a_front_door(real: Weights, late: bool, verdict: str) -> None:
    system = System(real)
    system.late = late
    system.meanwhile = lambda: system.send(200)
    proof = system.prove(SPLIT, BLUE, None)
    assert proof.verdict == verdict, proof
    assert proof.msg.startswith("balancer counters: ")


def test_counters_refute_what_the_probes_do_not_see() -> None:
    # The prober is alone in getting the new slot; everybody else's requests say otherwise.
    system = System(BLUE)
    system.meanwhile = lambda: system.send(100)
    proof = system.prove(GREEN, BLUE, FrontDoor(lambda cookie: "v2", VALUES, {}))
    assert proof.verdict == "refuted"
    assert "probes: 5 of 5 on green" in proof.msg
    assert "balancer counters: 0 of 100 on green" in proof.msg


def test_counters_of_another_process_say_nothing() -> None:
    system = System(BLUE)

    def reload() -> None:
        system.pid = str(system.looks)
        system.send(100)

    system.meanwhile = reload
    assert system.prove(GREEN, BLUE, None) == Proof("unverifiable", "no requests seen; about 5 requests would tell")


def test_counters_that_went_back_say_nothing() -> None:
    system = System(GREEN)
    system.send(100)
    system.meanwhile = lambda: system.requests.update(green=50, blue=10)
    assert system.prove(GREEN, BLUE, None).verdict == "unverifiable"


@pytest.mark.parametrize(("make", "waited"), [(System, 2.0), (uncounted, 0.0)])
def test_without_any_request_nothing_is_claimed(make: Callable[[Weights], System], waited: float) -> None:
    system = make(SPLIT)
    assert system.prove(SPLIT, BLUE, None) == Proof("unverifiable", "no requests seen; about 11 requests would tell")
    # Who counts may still count something; who does not never will.
    assert waited <= system.clock.monotonic() - 1000 <= waited + 0.3


def test_requests_that_come_while_it_waits_are_counted_together() -> None:
    system = System(SPLIT)
    system.meanwhile = lambda: system.send(6)
    assert system.prove(SPLIT, BLUE, None).verdict == "verified"


@pytest.mark.parametrize(
    ("answer", "values", "sentence"),
    [
        (None, VALUES, "the front door's answers do not carry the value that tells slots apart"),
        ("!connection refused", VALUES, "the front door gave no answer: connection refused"),
        ("v1", {"blue": "v1", "green": "v1"}, "both slots answer with 'v1'"),
        ("v7", VALUES, "the front door answered 'v7', which is neither slot ({'blue': 'v1', 'green': 'v2'})"),
        ("v2", {"blue": "v1"}, "the front door answered 'v2', which is neither slot ({'blue': 'v1'})"),
    ],
)
def test_a_front_door_that_does_not_tell_is_unverifiable_and_says_why(
    answer: str | None, values: dict[str, str], sentence: str
) -> None:
    system = uncounted(BLUE)
    proof = system.prove(BLUE, GREEN, FrontDoor(lambda cookie: answer, values, {}))
    assert proof == Proof("unverifiable", sentence)


def test_a_front_door_that_answers_again_in_time_verifies() -> None:
    system = uncounted(GREEN)
    answers = scripted("!connection refused", *["v2"] * 20)
    assert system.prove(GREEN, BLUE, FrontDoor(answers, VALUES, {})).verdict == "verified"


def test_a_balancer_that_is_lost_is_not_hidden() -> None:
    system = uncounted(GREEN)

    def lost() -> None:
        raise Lost("lb1: no route to host")

    system.meanwhile = lost
    with pytest.raises(Lost):
        system.prove(GREEN, BLUE, system.door())


def test_a_proof_is_returned_by_the_names_of_the_contract() -> None:
    assert Proof("verified", "why").plain() == {"verified": "verified", "verified_by": "why"}


def scripted(*answers: str) -> t.Callable[[str | None], str | None]:
    left: Iterator[str] = iter(answers)
    return lambda cookie: next(left)
