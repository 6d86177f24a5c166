# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease on a balancer's machine, the same for every driver: it puts traffic back when nobody renews it."""

from __future__ import annotations

import os
import signal
import time
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused

from tests.integration.conformance.cases import HERE, SSH, Case, on_every_world
from tests.integration.conformance.world import BLUE, GREEN, SPLIT

# Seconds. Over SSH a renewal may take one by itself.
TTL = {HERE: 0.6, SSH: 5.0}

here = on_every_world("LEASES", where=[HERE])
over_ssh = on_every_world("LEASES", where=[SSH])


def ttl(case: Case) -> float:
    return TTL[SSH if case.remote else HERE]


def lease(case: Case, **changed: t.Any) -> dict[str, t.Any]:
    """Return the lease of a run that moves from BLUE to SPLIT under fence 2, and restores under fence 3."""
    held = {"state": "held", "id": "run-1", "ttl": ttl(case), "weights": BLUE, "expect": [BLUE, SPLIT], "fence": 3}
    return {**held, **changed}


def step(case: Case, **options: t.Any) -> None:
    """Move to SPLIT as a run does, with its lease."""
    case.balancer(**options).move({"weights": SPLIT, "expect": BLUE, "fence": 2}, lease(case))


def stands(case: Case) -> tuple[t.Any, int]:
    """Return weights and fence, seen without a call that could renew a lease."""
    view = case.world.make().observe()
    return view.trouble or (view.weights and view.weights.plain()), view.fence


def until(done: Callable[[], bool], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up, "did not come about in time"
        time.sleep(0.02)


@here
def test_a_lease_that_nobody_renews_puts_traffic_back_and_locks_the_run_out(case: Case) -> None:
    begun = time.monotonic()
    step(case)
    until(lambda: stands(case) == (BLUE, 3), ttl(case) + 20)
    assert time.monotonic() - begun >= ttl(case)
    assert case.world.asked(30) == {"blue": 30}
    assert case.balancer().observe(lease(case))["lease"] == "fired"
    with case.world.nothing_written(), pytest.raises(Refused, match="the lease has put the traffic back"):
        step(case)


@here
def test_a_lease_that_is_renewed_waits(case: Case) -> None:
    step(case)
    enough = time.monotonic() + 1.5 * ttl(case)
    while time.monotonic() < enough:
        assert case.balancer().observe(lease(case))["lease"] == "held"
        time.sleep(ttl(case) / 8)
    assert stands(case) == (SPLIT, 2)
    assert case.balancer().observe(lease(case, state="ended"))["lease"] == "ended"


@here
def test_a_lease_that_was_ended_does_nothing(case: Case) -> None:
    step(case)
    assert case.balancer().observe(lease(case, state="ended"))["lease"] == "ended"
    time.sleep(2 * ttl(case))
    assert stands(case) == (SPLIT, 2)


@here
def test_a_lease_is_refused_by_a_newer_fence(case: Case) -> None:
    step(case)
    case.balancer().move({"weights": {"blue": 100, "green": 0}, "expect": SPLIT, "fence": 9})
    case.balancer().move({"weights": SPLIT, "expect": BLUE, "fence": 9})
    time.sleep(2 * ttl(case))
    assert stands(case) == (SPLIT, 9)


@here
def test_a_lease_leaves_alone_what_the_run_never_wrote(case: Case) -> None:
    step(case)
    case.move(GREEN)
    time.sleep(2 * ttl(case))
    assert stands(case) == (GREEN, 2)


@here
def test_the_lease_of_another_run_takes_the_place_of_the_first(case: Case) -> None:
    step(case)
    other = lease(case, id="run-2", ttl=60.0)
    assert case.balancer().observe(other)["lease"] == "held"
    time.sleep(2 * ttl(case))
    assert stands(case) == (SPLIT, 2)
    assert case.balancer().observe({**other, "state": "ended"})["lease"] == "ended"


@here
def test_a_lease_outlives_the_process_that_made_it(case: Case) -> None:
    child = os.fork()
    if child == 0:
        try:
            step(case)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    until(lambda: stands(case) == (BLUE, 3), ttl(case) + 20)


@over_ssh
def test_a_lease_outlives_the_connection_over_which_it_was_made(case: Case) -> None:
    assert case.machines
    try:
        step(case, machine="lb2")
        assert case.balancer(machine="lb2").observe(lease(case))["lease"] == "held"
        assert stands(case) == (SPLIT, 2)
        case.machines.lose("lb2")
        until(lambda: stands(case) == (BLUE, 3), ttl(case) + 20)
    finally:
        case.machines.revive("lb2")
    assert case.world.asked(30) == {"blue": 30}
