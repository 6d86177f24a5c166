# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients get while traffic moves, the same for every driver: nothing lost, the share asked for, the preview."""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verification import judge
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load, run
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally

from tests.integration.conformance.cases import HERE, Case, on_every_world
from tests.integration.conformance.world import BLUE, GREEN, REVISIONS, SLOTS, SPLIT, World


class Clients:
    """Strict clients in the background: GET, POST and slow requests on keep-alive connections, nothing sent twice."""

    def __init__(self, world: World) -> None:
        self.load = Load(
            url=world.url + "/",
            rate=250,
            connections=16,
            revision=RevisionSource(header="X-Version"),
            post_path="/",
            post_share=40,
            slow_path="/slow?seconds=0.3",
            slow_share=1,
        )
        self.tally = Tally(time.monotonic())
        self._over = threading.Event()
        self._thread = threading.Thread(target=run, args=(self.load, self.tally, self._watch))

    def _watch(self, _seconds: float) -> float | None:
        return 10.0 if self._over.is_set() else None

    def __enter__(self) -> Clients:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def counts(self) -> dict[str, t.Any]:
        return self.tally.counts(time.monotonic())


@on_every_world("LOADS", "LOSSLESS", where=[HERE])
def test_get_and_post_on_kept_connections_lose_nothing_over_many_moves(case: Case) -> None:
    with Clients(case.world) as clients:
        for number in range(case.world.MOVES):
            case.move((GREEN, case.world.part, BLUE)[number % 3], fence=number + 2)
            time.sleep(0.05)
    counts = clients.counts
    assert sum(counts["dropped_by_kind"].values()) == 0, counts["first_dropped"]
    assert counts["unfinished"] == 0
    assert not any(of["errors_by_status"] for of in counts["revisions"].values())
    assert min(counts["revisions"][revision]["requests"] for revision in REVISIONS.values()) > 50


@on_every_world("SPLITS", where=[HERE])
def test_each_slot_gets_its_share(case: Case) -> None:
    for green in (5, 40):
        case.move({"blue": 100 - green, "green": green})
        seen = case.world.asked(600)
        assert judge(green, 0, seen["green"], 600) == "verified", seen
        assert judge(100 - green, 100, seen["blue"], 600) == "verified", seen


@on_every_world("LOADS", "PREVIEWS", where=[HERE])
def test_a_header_or_a_cookie_reaches_either_slot_and_does_not_count_as_weight(case: Case) -> None:
    counts = case.observe()["slots"]
    for slot in SLOTS:
        assert case.world.asked(10, X_Release_Slot=slot) == {slot: 10}
        assert case.world.asked(10, Cookie=f"release_slot={slot}") == {slot: 10}
    assert case.observe()["weights"] == BLUE
    assert case.observe()["slots"]["green"]["requests"] == counts["green"]["requests"]
    assert case.world.asked(10, X_Release_Slot="purple", Cookie="release_slot=../green") == {"blue": 10}


@on_every_world("RELOADS", where=[HERE])
def test_a_reload_between_two_steps_changes_nothing_and_shows(case: Case) -> None:
    before = case.move(SPLIT, expect=BLUE, fence=2)["after"]
    raw = case.world.raw()
    case.world.reload()
    view = case.observe()
    assert (view["weights"], view["fence"], view["trouble"]) == (SPLIT, 2, "")
    assert case.world.raw() == raw
    assert set(case.world.asked(60)) == set(SLOTS)
    # The engine asserts its weights again when the process is another one; nginx keeps its master, and its files.
    assert (view["facts"]["pid"] != before["facts"]["pid"]) is (case.world.driver.name == "haproxy_traffic")
    assert case.move(GREEN, expect=SPLIT, fence=2)["weights"] == GREEN
    assert case.world.asked(30) == {"green": 30}
