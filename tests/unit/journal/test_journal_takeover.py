# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop that waits for a holder's death, on a clock of the test's own."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import journal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal import takeover
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import Busy

KEY = "haproxy:lb1:/etc/haproxy/zerodowntime.map:shop"
BEGIN = 1000.0


class World:
    """A journal whose holder shows life at given moments, seconds after the beginning, and a clock that sleep moves."""

    def __init__(self, ttl: float, beats: tuple[float, ...] = ()) -> None:
        self.now = BEGIN
        self.looks = 0
        self.said: list[str] = []
        self._ttl = ttl
        self._beats = list(beats)
        owner = {"run": "run-1", "environment": "shop-eu", "app": "shop"}
        self._document = journal.acquire(None, KEY, owner, ttl, {"id": "one"}, self.now)[0]

    def look(self, dead: str | None = None) -> dict[str, t.Any]:
        self.looks += 1
        while self._beats and BEGIN + self._beats[0] <= self.now:
            self._document = journal.heartbeat(self._document, KEY, "run-1", BEGIN + self._beats.pop(0))[0]
        owner = {"run": "run-2", "environment": "shop-eu", "app": "shop"}
        self._document, answer = journal.take_over(
            self._document, KEY, owner, self._ttl, self.now, "clock", self.now, "resume", dead
        )
        return answer

    def wait(self, patient: float = 0.0, gone: bool = False) -> dict[str, t.Any]:
        return takeover.wait(
            self.look, self.said.append, patient, lambda: self.now, self._sleep, gone=lambda owner: gone
        )

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_silent_holder_is_looked_at_each_second_for_a_whole_ttl() -> None:
    world = World(ttl=60)
    assert world.wait()["taken"]
    assert world.now - BEGIN == 60
    assert world.looks == 61


def test_what_is_waited_for_is_said_every_five_seconds_with_the_seconds_left() -> None:
    world = World(ttl=60)
    world.wait()
    assert len(world.said) == 12
    assert world.said[0].endswith("silent for 0s, taken over if so for 1m00s more")
    assert world.said[-1].endswith("silent for 55s, taken over if so for 5s more")


def test_a_sign_of_life_ends_the_waiting() -> None:
    world = World(ttl=60, beats=(10,))
    with pytest.raises(Busy, match="its run is alive: .* is held by run run-1"):
        world.wait()
    assert world.now - BEGIN == 10


def test_signs_of_life_are_borne_for_as_long_as_the_taker_is_patient() -> None:
    world = World(ttl=60, beats=(10, 20, 30))
    assert world.wait(patient=40)["taken"]
    assert world.now - BEGIN == 90
    world = World(ttl=60, beats=(10, 20, 30, 40, 50))
    with pytest.raises(Busy, match="alive"):
        world.wait(patient=40)
    assert world.now - BEGIN == 40


def test_a_holder_that_is_gone_from_this_machine_is_not_waited_for() -> None:
    world = World(ttl=60)
    assert world.wait(gone=True)["taken"]
    assert (world.now, world.looks) == (BEGIN, 2)
