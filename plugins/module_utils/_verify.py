# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove at the data plane that traffic moved: by what the front door answers, and by the balancers' own counters."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verification import (
    MOST_PROBES,
    judge,
    sample_needed,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights


@dataclass(frozen=True)
class Proof:
    """C(verdict) is verified, refuted or unverifiable; C(msg) is the sentence with the numbers it rests on."""

    verdict: str
    msg: str

    def plain(self) -> dict[str, str]:
        """Return the proof as a module returns it."""
        return {"verified": self.verdict, "verified_by": self.msg}


# Asks the front door once, with a cookie or none, and returns the value that tells slots apart.
# None: the answer had no such value; text after "!" is why there was no answer at all.
Ask = t.Callable[[t.Optional[str]], t.Optional[str]]


@dataclass(frozen=True)
class FrontDoor:
    """How slots are told apart from outside: C(values) by slot, and the cookies that bind a client to a slot."""

    ask: Ask
    values: t.Mapping[str, str]
    cookies: t.Mapping[str, str]

    def slot_of(self, value: t.Optional[str]) -> t.Optional[str]:
        """Return the slot that answers with C(value), None when no slot or both do."""
        slots = [slot for slot in SLOTS if self.values.get(slot) == value]
        return slots[0] if len(slots) == 1 else None


def prove(
    moved: Sight,
    observe: t.Callable[[], Sight],
    asked: Weights,
    before: Weights,
    door: t.Optional[FrontDoor],
    patience: float,
    monotonic: t.Callable[[], float],
    sleep: t.Callable[[float], None],
) -> Proof:
    """Return the proof that C(asked) is what clients get.

    C(moved) is what the balancers said when they had moved, C(observe) asks them again. Looks again for C(patience)
    seconds while what is seen contradicts C(asked), because systems take up to seconds to follow. Raises what
    C(observe) raises.
    """
    deadline = monotonic() + patience
    seen = dict.fromkeys(SLOTS, 0)
    first = moved
    refuted: t.Optional[Proof] = None
    while True:
        oddity = _through_the_door(door, asked, before, seen) if door else None
        proof = oddity or _weigh(asked, before, seen, first, observe())
        if proof.verdict == "verified":
            return proof
        if proof.verdict == "refuted":
            refuted = proof
        blind = door is None and _rise(first, first, "blue") is None
        if monotonic() >= deadline or blind:
            # Too few requests since the last refutation are no reason to take it back.
            return refuted or proof
        sleep(0.2)
        if proof.verdict == "refuted":
            # It may still be on its way: what was seen until now says nothing of what comes.
            seen, first = dict.fromkeys(SLOTS, 0), observe()


def _through_the_door(door: FrontDoor, asked: Weights, before: Weights, seen: dict[str, int]) -> t.Optional[Proof]:
    """Add to C(seen) what the front door answers; return the proof when an answer settles it at once."""
    for _number in range(min(MOST_PROBES, sample_needed(asked.green, before.green))):
        value = door.ask(None)
        slot = door.slot_of(value)
        if slot is None:
            return _odd(door, value)
        seen[slot] += 1
        if asked[slot] == 0:
            return Proof("refuted", f"{slot} still answers, and has weight 0")
    for slot, cookie in door.cookies.items():
        if asked[slot] == 0 and door.slot_of(door.ask(cookie)) == slot:
            return Proof("refuted", f"a client with the cookie of {slot} still reaches {slot}, which has weight 0")
    return None


def _odd(door: FrontDoor, value: t.Optional[str]) -> Proof:
    if value is None:
        return Proof("unverifiable", "the front door's answers do not carry the value that tells slots apart")
    if value.startswith("!"):
        return Proof("unverifiable", f"the front door gave no answer: {value[1:]}")
    if len(set(door.values.values())) < len(door.values):
        return Proof("unverifiable", f"both slots answer with {value!r}")
    return Proof("unverifiable", f"the front door answered {value!r}, which is neither slot ({dict(door.values)})")


def _weigh(asked: Weights, before: Weights, seen: t.Mapping[str, int], first: Sight, last: Sight) -> Proof:
    """Judge the probes and, where there are any, the counters; a refutation by either stands."""
    sides = []
    if any(seen.values()):
        sides.append(("probes", seen["green"], sum(seen.values())))
    moved = {slot: _rise(first, last, slot) for slot in SLOTS}
    if moved["blue"] is not None and moved["green"] is not None and moved["blue"] + moved["green"] > 0:
        sides.append(("balancer counters", moved["green"], moved["blue"] + moved["green"]))
    verdicts = {what: judge(asked.green, before.green, green, total) for what, green, total in sides}
    if last.counts_late and verdicts.get("balancer counters") == "refuted":
        # They count a request when it ends, so what began before the move still comes in.
        del verdicts["balancer counters"]
    numbers = ", ".join(f"{what}: {green} of {total} on green" for what, green, total in sides) or "no requests seen"
    for verdict in ("refuted", "verified"):
        if verdict in verdicts.values():
            return Proof(verdict, f"{numbers}; asked {asked}")
    return Proof("unverifiable", f"{numbers}; about {sample_needed(asked.green, before.green)} requests would tell")


def _rise(first: Sight, last: Sight, slot: str) -> t.Optional[int]:
    if first.pids() != last.pids():
        return None
    start, end = first.total(slot, "requests"), last.total(slot, "requests")
    return None if start is None or end is None or end < start else end - start
