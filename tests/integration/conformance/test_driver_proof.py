# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepted is not moved: what is proven, refuted and left open at the data plane, the same for every driver."""

from __future__ import annotations

import dataclasses
import re
import time
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _verify
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancers, Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, parse
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._front_door import front_door

from tests.integration.conformance.cases import HERE, Case, on_every_world
from tests.integration.conformance.world import BLUE, GREEN, REVISIONS, SPLIT, Weights
from tests.lab.hosts.haproxy import free_port

here = on_every_world(where=[HERE])
counting = on_every_world("COUNTS", where=[HERE])
loaded = on_every_world("LOADS", where=[HERE])


def proof(
    case: Case,
    asked: Weights,
    before: Weights,
    door: _verify.FrontDoor | None,
    meanwhile: Callable[[], object] = lambda: None,
    counters: bool = True,
    patience: float = 0.3,
) -> _verify.Proof:
    """Return the proof of a move; C(meanwhile) is what clients do before each look at the balancer."""
    balancers = Balancers([case.balancer()])

    def look() -> Sight:
        sight = balancers.observe()
        return sight if counters else uncounted(sight)

    def later() -> Sight:
        meanwhile()
        return look()

    return _verify.prove(look(), later, parse(asked), parse(before), door, patience, time.monotonic, time.sleep)


def uncounted(sight: Sight) -> Sight:
    """Return what a system without counters would say."""

    def without(view: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return {**view, "slots": {slot: {**view["slots"][slot], "requests": None} for slot in SLOTS}}

    return dataclasses.replace(sight, views={name: without(view) for name, view in sight.views.items()})


@here
def test_what_followed_is_verified_by_the_header_alone(case: Case) -> None:
    part = case.world.part
    case.move(part)
    seen = proof(case, part, BLUE, case.world.door(), counters=False)
    assert seen.verdict == "verified", seen
    assert "probes: " in seen.msg
    assert f"asked {parse(part)}" in seen.msg


@counting
def test_what_followed_is_verified_by_the_counters_alone(case: Case) -> None:
    case.move(SPLIT)
    seen = proof(case, SPLIT, BLUE, None, meanwhile=lambda: case.world.asked(120))
    assert seen.verdict == "verified", seen
    assert "balancer counters: " in seen.msg


@here
@pytest.mark.parametrize("weights", [SPLIT, GREEN], ids=["split", "all"])
def test_a_system_that_takes_weights_and_does_not_follow_is_refuted_by_the_header(case: Case, weights: Weights) -> None:
    weights = weights if case.world.SPLITS else GREEN
    case.world.lie()
    assert case.move(weights)["after"]["weights"] == weights, "it takes them"
    seen = proof(case, weights, BLUE, case.world.door(), counters=False, patience=0.8)
    assert seen.verdict == "refuted", seen


@counting
@pytest.mark.parametrize("weights", [SPLIT, GREEN], ids=["split", "all"])
def test_a_system_that_takes_weights_and_does_not_follow_is_refuted_by_the_counters(
    case: Case, weights: Weights
) -> None:
    case.world.lie()
    case.move(weights)
    late = Balancers([case.balancer()]).observe().counts_late
    seen = proof(case, weights, BLUE, None, meanwhile=lambda: case.world.asked(60))
    # Counters that count a request when it ends may still count what began before the move.
    assert seen.verdict == ("unverifiable" if late else "refuted"), seen
    assert " 0 of " in seen.msg


@here
def test_without_requests_and_without_a_front_door_nothing_is_claimed(case: Case) -> None:
    case.move(case.world.part)
    seen = proof(case, case.world.part, BLUE, None)
    assert seen.verdict == "unverifiable"
    assert re.fullmatch("no requests seen; about [0-9]+ requests would tell", seen.msg), seen


@loaded
@pytest.mark.parametrize(
    ("verify", "sentence"),
    [
        ({"header": "X-Nothing"}, "the front door's answers do not carry the value that tells slots apart"),
        ({"json_path": "no.such.place"}, "the front door's answers do not carry the value that tells slots apart"),
        ({"slots": {"blue": "v1", "green": "v1"}}, "both slots answer with 'v1'"),
        ({"slots": {"blue": "v7", "green": "v8"}}, "the front door answered 'v1', which is neither slot"),
        ({"url": "http://127.0.0.1:{port}/"}, "the front door gave no answer: "),
    ],
    ids=["header_absent", "path_absent", "slots_alike", "other_revision", "door_closed"],
)
def test_what_cannot_be_told_is_unverifiable_and_says_why(case: Case, verify: dict[str, t.Any], sentence: str) -> None:
    whole = {"url": case.world.url + "/", **({} if "json_path" in verify else {"header": "X-Version"}), **verify}
    door = front_door({"slots": REVISIONS, **whole, "url": whole["url"].format(port=free_port())})
    seen = proof(case, BLUE, GREEN, door, counters=False, patience=0)
    assert seen.verdict == "unverifiable", seen
    assert sentence in seen.msg


@on_every_world("LOADS", "PREVIEWS", where=[HERE])
def test_a_client_whose_cookie_still_reaches_a_slot_refutes_its_weight_of_zero(case: Case) -> None:
    case.move(GREEN)
    door = {"url": f"{case.world.url}/", "header": "X-Version", "slots": REVISIONS}
    assert proof(case, GREEN, BLUE, front_door(door), counters=False).verdict == "verified", "fresh clients see no blue"
    bound = front_door({**door, "cookies": {"blue": "release_slot=blue"}})
    seen = proof(case, GREEN, BLUE, bound, counters=False)
    assert (seen.verdict, "the cookie of blue still reaches blue" in seen.msg) == ("refuted", True), seen


@counting
def test_previews_of_the_other_slot_do_not_refute_a_weight_of_zero(case: Case) -> None:
    case.move(GREEN)
    case.move(BLUE)

    def meanwhile() -> None:
        assert case.world.asked(20, X_Release_Slot="green") == {"green": 20}
        assert case.world.asked(20, Cookie="release_slot=green") == {"green": 20}
        assert case.world.asked(20) == {"blue": 20}

    seen = proof(case, BLUE, GREEN, None, meanwhile=meanwhile)
    assert seen.verdict == "verified", seen
