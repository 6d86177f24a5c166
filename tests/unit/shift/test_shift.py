# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine against a traffic system in memory, a journal on disk and a clock that only moves when it waits."""

from __future__ import annotations

import types
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancers
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.journal import (
    forward_number,
    restore_number,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights, split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import Unreachable
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.file import FileStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import Journal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._shift import (
    Interrupted,
    Order,
    Report,
    Shift,
    World,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._verify import Proof

from tests.lab.memory import Clock, MemoryBalancer, MemoryTraffic

STABLE, CANARY = Weights(100, 0), Weights(0, 100)
KEY = "memory:shop"


class Bench:
    """One release that holds its lock, ready to be shifted."""

    def __init__(self, folder: Path, balancers: int = 1, **order: t.Any) -> None:
        self.clock = Clock()
        self.lines: list[str] = []
        self.members = [MemoryBalancer(MemoryTraffic(f"lb{n + 1}")) for n in range(balancers)]
        self.store = Journal(
            FileStore(str(folder)), wall=self.clock.monotonic, monotonic=self.clock.monotonic, sleep=self.clock.sleep
        )
        release = {"id": "r1", "canary": "green", "stable": "blue", "recorded": STABLE.plain(), "revision": "v2"}
        owner = {"run": "run1", "environment": "shop-eu", "app": "shop"}
        self.fence = self.store.acquire(KEY, owner, 60.0, release)["fence"]
        self.broken: list[Exception] = []
        numbers = (forward_number(self.fence), restore_number(self.fence))
        self.order = Order(
            **{
                "run": "run1",
                "key": KEY,
                "canary": "green",
                "recorded": STABLE,
                "steps": [10, 50, 100],
                "fences": numbers,
                "restore_patience": 5.0,
                **order,
            }
        )
        self.world = World(
            balancers=Balancers(self.members, self.clock.monotonic, self.clock.sleep),
            journal=self._journal,
            say=self.lines.append,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            wall=self.clock.monotonic,
        )

    def run(self) -> Report:
        return Shift(self.order, self.world).run()

    def _journal(self, verb: str, **arguments: t.Any) -> dict[str, t.Any]:
        for error in self.broken:
            raise error
        return self.store.perform(verb, **arguments)

    @property
    def release(self) -> dict[str, t.Any]:
        return self.store.read(KEY)["release"]

    @property
    def driver(self) -> MemoryTraffic:
        return self.members[0].driver

    def command(self, verb: str, **arguments: t.Any) -> None:
        self.store.command(KEY, verb, who="op", **arguments)


@pytest.fixture
def bench(tmp_path: Path) -> t.Callable[..., Bench]:
    return lambda **order: Bench(tmp_path / "journal", **order)


class Says:
    """A judge that says what its script says for the weight it stands at."""

    def __init__(self, **script: t.Any) -> None:
        self.script = {int(key[1:]): value for key, value in script.items()}
        self.weight = 0

    def step(self, weight: int, next_weight: int | None) -> None:
        self.weight = weight

    def look(self, sight: t.Any) -> t.Any:
        said = self.script.get(self.weight, "pass")
        return types.SimpleNamespace(status=said() if callable(said) else said, msg=f"judged at {self.weight} %")


def test_a_good_release_goes_through_every_step_and_is_journaled_promoted(bench: t.Any) -> None:
    shop = bench(retire_delay=30.0)
    report = shop.run()
    assert report.outcome == "Promoted"
    assert shop.driver.writes == [Weights(90, 10), Weights(50, 50), CANARY]
    assert (shop.release["phase"], shop.release["outcome"]) == ("Healthy", "Promoted")
    assert shop.release["retire_after"] == report.retire_after == shop.clock.now + 30.0
    assert shop.driver.fence == forward_number(shop.fence)


def test_every_write_is_journaled_before_and_after_it_is_made(bench: t.Any) -> None:
    shop = bench(steps=[10, 100])
    seen: list[t.Any] = []
    write = shop.driver.write
    shop.driver.write = lambda view, weights, fence: (  # type: ignore[method-assign]
        seen.append((shop.release["intended"], shop.release["confirmed"])),
        write(view, weights, fence),
    )
    shop.run()
    assert seen == [
        ({"blue": 90, "green": 10}, None),
        ({"blue": 0, "green": 100}, {"blue": 90, "green": 10}),
    ]
    assert shop.release["confirmed"] == CANARY.plain()


def test_a_failing_gate_puts_the_recorded_traffic_back_with_the_fence_of_a_restore(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w50="fail")
    report = shop.run()
    assert (report.outcome, report.reason, report.msg) == ("RolledBack", "gate", "judged at 50 %")
    assert shop.driver.weights == STABLE
    assert shop.driver.fence == restore_number(shop.fence)
    assert (shop.release["phase"], shop.release["outcome"]) == ("Healthy", "RolledBack")


@pytest.mark.parametrize(("said", "on_inconclusive"), [("fail", "hold"), ("inconclusive", "rollback")])
def test_a_verdict_that_ends_the_release_is_journaled_when_the_traffic_is_back(
    bench: t.Any, said: str, on_inconclusive: str
) -> None:
    shop = bench(on_inconclusive=on_inconclusive)
    shop.world.judge = Says(w50=said)
    at: list[Weights] = []
    journal = shop._journal
    shop.world.journal = lambda verb, **arguments: (
        at.append(shop.driver.weights) if arguments.get("entry", {}).get("kind") == "verdict" else None,
        journal(verb, **arguments),
    )[1]
    assert shop.run().reason == "gate"
    assert at == [Weights(90, 10), STABLE]
    assert [entry["status"] for entry in shop.release["entries"] if entry["kind"] == "verdict"] == ["pass", said]


def test_a_late_forward_write_after_the_restore_is_refused(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10="fail")
    shop.run()
    with pytest.raises(Refused, match="newer writer"):
        shop.members[0].move({"weights": CANARY.plain(), "expect": STABLE.plain(), "fence": shop.order.fences[0]})
    assert shop.driver.weights == STABLE


def test_the_gate_still_judges_during_the_bake(bench: t.Any) -> None:
    shop = bench(bake_time=60.0)
    began = shop.clock.now
    shop.world.judge = Says(w100=lambda: "fail" if shop.clock.now > began + 30 else "running")
    assert shop.run().outcome == "RolledBack"
    assert shop.driver.weights == STABLE


def test_a_bake_with_a_gate_that_cannot_decide_ends_promoted(bench: t.Any) -> None:
    shop = bench(bake_time=60.0)
    shop.world.judge = Says(w100="running")
    assert shop.run().outcome == "Promoted"


def test_weights_that_were_accepted_but_moved_nothing_are_taken_back(bench: t.Any) -> None:
    shop = bench()
    shop.world.prove = lambda asked, before, moved, observe: Proof("refuted", "probes: 0 of 90 on green")
    report = shop.run()
    assert (report.outcome, report.reason) == ("RolledBack", "refuted")
    assert shop.driver.weights == STABLE


def test_a_move_that_cannot_be_proven_is_taken_back_when_proof_was_asked_for(bench: t.Any) -> None:
    shop = bench(prove_required=True)
    shop.world.prove = lambda asked, before, moved, observe: Proof("unverifiable", "no answer")
    assert shop.run().reason == "unverifiable"
    assert shop.driver.weights == STABLE


@pytest.mark.parametrize("fault", ["lost_before", "lost_after"])
def test_a_lost_answer_is_neither_failed_nor_done_but_read_again(bench: t.Any, fault: str) -> None:
    shop = bench()
    shop.members[0].faults = [fault]
    assert shop.run().outcome == "Promoted"
    assert shop.driver.writes == [Weights(90, 10), Weights(50, 50), CANARY]


def test_a_refusal_of_one_of_three_balancers_puts_the_others_back(bench: t.Any) -> None:
    shop = bench(balancers=3)
    shop.members[1].faults = [ReleaseError("lb2: permission denied")]
    report = shop.run()
    assert report.outcome == "RolledBack" and "put back lb1" in report.msg
    assert [member.driver.weights for member in shop.members] == [STABLE] * 3
    assert set(shop.members[2].driver.writes) <= {STABLE}


def test_a_balancer_that_stays_out_of_reach_leaves_the_release_degraded_with_its_name(bench: t.Any) -> None:
    shop = bench(balancers=2)
    shop.world.judge = Says(w50=lambda: setattr(shop.members[1], "unreachable", True) or "fail")
    report = shop.run()
    assert (report.phase, report.outcome) == ("Degraded", "")
    assert "lb2" in report.msg
    assert shop.members[0].driver.weights == STABLE
    assert shop.release["phase"] == "Degraded"


def test_somebody_elses_change_stops_the_release_and_is_not_overwritten(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10="running")
    shop.clock.after(5, lambda: setattr(shop.driver, "weights", Weights(70, 30)))
    report = shop.run()
    assert report.reason == "drift" and report.phase == "Degraded"
    assert shop.driver.weights == Weights(70, 30)


def test_a_reload_that_fell_back_to_an_older_state_is_written_again(bench: t.Any) -> None:
    shop = bench(steps=[10, 100])
    judge = Says(w10=lambda: "pass" if shop.clock.now > 1020 else "running")
    shop.world.judge = judge

    def reload() -> None:
        shop.driver.pid, shop.driver.weights = "2", STABLE

    shop.clock.after(5, reload)
    assert shop.run().outcome == "Promoted"
    assert shop.driver.writes == [Weights(90, 10), Weights(90, 10), CANARY]


def test_a_canary_that_loses_its_last_server_loses_its_traffic(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10="running")
    shop.clock.after(5, lambda: shop.driver.up.update(green=False))
    report = shop.run()
    assert report.reason == "canary_down" and shop.driver.weights == STABLE


def test_where_balancers_know_no_health_the_prober_decides(bench: t.Any) -> None:
    shop = bench()
    shop.driver.up = {"blue": None, "green": None}
    shop.world.judge = Says(w10="running")
    began = shop.clock.now
    shop.world.healthy = lambda slot: slot == "blue" or shop.clock.now < began + 10
    report = shop.run()
    assert report.reason == "canary_down" and shop.driver.weights == STABLE


def test_no_step_forward_while_the_way_back_is_down(bench: t.Any) -> None:
    shop = bench()
    shop.driver.up["blue"] = False
    shop.clock.after(20, lambda: shop.driver.up.update(blue=True))
    began = shop.clock.now
    assert shop.run().outcome == "Promoted"
    assert shop.clock.now - began >= 20
    assert any("no step forward" in line for line in shop.lines)


def test_no_step_forward_onto_a_canary_that_cannot_carry_its_share(bench: t.Any) -> None:
    shop = bench(steps=[30, 100], pause_timeout=60.0)
    shop.driver.ready = {"blue": 3, "green": 1}
    report = shop.run()
    assert report.reason == "unsafe" and "short of 100 %" in report.msg
    assert shop.driver.weights == STABLE
    assert Weights(70, 30) in shop.driver.writes and CANARY not in shop.driver.writes


def test_an_abort_is_heard_while_the_way_back_is_down(bench: t.Any) -> None:
    shop = bench()
    shop.driver.up["blue"] = False
    shop.clock.after(5, lambda: shop.command("abort"))
    assert shop.run().reason == "abort"


@pytest.mark.parametrize(("says", "back"), [([None, None, False], False), ([None, True], True)])
def test_a_restore_waits_until_the_prober_is_sure_of_the_way_back(bench: t.Any, says: list[t.Any], back: bool) -> None:
    shop = bench()
    shop.driver.up = {"blue": None, "green": None}
    shop.world.judge = Says(w50=lambda: setattr(shop.world, "healthy", lambda slot: says.pop(0)) or "fail")
    report = shop.run()
    assert (report.outcome == "RolledBack") is back and not says
    assert shop.driver.weights == (STABLE if back else Weights(50, 50))


def test_force_puts_traffic_back_onto_a_slot_that_is_down(bench: t.Any) -> None:
    shop = bench(force=True)
    shop.world.judge = Says(w50=lambda: shop.driver.up.update(blue=False) or "fail")
    assert shop.run().outcome == "RolledBack"
    assert shop.driver.weights == STABLE


def test_traffic_is_not_put_back_onto_a_slot_that_is_down(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w50=lambda: shop.driver.up.update(blue=False) or "fail")
    report = shop.run()
    assert report.phase == "Degraded" and "no healthy server" in report.msg
    assert shop.driver.weights == Weights(50, 50)


def test_a_run_shows_every_ten_seconds_that_it_lives_in_waits_and_in_the_bake(bench: t.Any) -> None:
    shop = bench(bake_time=60.0)
    shop.clock.after(45.0, lambda: shop.command("promote"))
    shop.world.judge = Says(w10="inconclusive")
    beats: list[float] = []
    journal = shop.world.journal

    def noted(verb: str, **arguments: t.Any) -> t.Any:
        beats.extend([shop.clock.now] if verb == "heartbeat" else [])
        return journal(verb, **arguments)

    shop.world.journal = noted
    assert shop.run().outcome == "Promoted"
    gaps = [later - earlier for earlier, later in zip(beats, beats[1:], strict=False)]
    assert len(gaps) >= 9 and max(gaps) <= 10.5, gaps


def test_abort_is_obeyed_within_two_seconds_and_acknowledged(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10="running")
    shop.clock.after(7, lambda: shop.command("abort", why="wrong ticket"))
    began = shop.clock.now
    report = shop.run()
    assert report.outcome == "Aborted" and "wrong ticket" in report.msg
    assert shop.clock.now - began <= 9.5
    assert [command["answer"] for command in shop.release["commands"]] == ["restoring"]
    assert shop.driver.weights == STABLE


def test_abort_during_the_bake_puts_traffic_back(bench: t.Any) -> None:
    shop = bench(bake_time=60.0)
    shop.clock.after(10, lambda: shop.command("abort"))
    assert shop.run().outcome == "Aborted"
    assert shop.driver.weights == STABLE


def test_a_pause_holds_the_step_until_promote(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10=lambda: "pass" if shop.clock.now > 1010 else "running")
    shop.clock.after(3, lambda: shop.command("pause"))
    shop.clock.after(100, lambda: shop.command("promote", step=1))
    assert shop.run().outcome == "Promoted"
    assert shop.clock.now >= 1100


def test_what_fails_while_an_operator_holds_it_goes_back_though_its_step_had_passed(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(
        w10=lambda: "fail" if shop.clock.now > 1050 else "pass" if shop.clock.now > 1010 else "running"
    )
    shop.clock.after(3, lambda: shop.command("pause"))
    report = shop.run()
    assert (report.outcome, report.reason) == ("RolledBack", "gate")
    assert shop.clock.now < 1100 and shop.driver.weights == STABLE


def test_a_pause_holds_the_bake_until_promote(bench: t.Any) -> None:
    shop = bench(steps=[100], bake_time=20.0)
    shop.clock.after(5, lambda: shop.command("pause"))
    shop.clock.after(100, lambda: shop.command("promote"))
    assert shop.run().outcome == "Promoted"
    assert shop.clock.now >= 1100


def test_a_pause_in_the_bake_ends_with_traffic_back_when_nobody_promotes(bench: t.Any) -> None:
    shop = bench(steps=[100], bake_time=20.0, pause_timeout=60.0)
    shop.clock.after(5, lambda: shop.command("pause"))
    assert shop.run().reason == "pause_timeout"
    assert shop.driver.weights == STABLE


def test_a_restore_says_whether_any_traffic_was_moved(bench: t.Any) -> None:
    shop = bench()
    Shift(shop.order, shop.world).restore("the hook before_shift failed")
    assert shop.lines[-1] == f"the hook before_shift failed: no traffic was moved, it is on {STABLE}"
    moved = replace(shop.order, known=(split("green", 10),))
    Shift(moved, shop.world).restore("a failure")
    assert "a failure: traffic is back on" in shop.lines[-1]


def test_a_foreign_split_is_overwritten_by_force_only_and_the_command_is_named(bench: t.Any) -> None:
    shop = bench()
    shop.driver.weights = split("green", 40)
    report = Shift(shop.order, shop.world).restore("rollback")
    assert report.phase == "Degraded"
    assert "rollback with -e release_force=true -e release_reason=..." in report.msg
    assert shop.driver.weights == split("green", 40)
    assert Shift(replace(shop.order, force=True), shop.world).restore("rollback").outcome == "RolledBack"
    assert shop.driver.weights == STABLE


def test_a_gate_without_an_answer_holds_until_promote_and_counts_it_once(bench: t.Any) -> None:
    shop = bench(pause_timeout=300.0)
    shop.world.judge = Says(w10="inconclusive", w50="inconclusive")
    shop.clock.after(50, lambda: shop.command("promote"))
    report = shop.run()
    assert report.reason == "pause_timeout" and len(report.steps) == 2
    assert shop.driver.weights == STABLE


@pytest.mark.parametrize(("choice", "outcome"), [("promote", "Promoted"), ("rollback", "RolledBack")])
def test_on_inconclusive_decides_without_an_operator(bench: t.Any, choice: str, outcome: str) -> None:
    shop = bench(on_inconclusive=choice)
    shop.world.judge = Says(w10="inconclusive")
    assert shop.run().outcome == outcome


def test_a_hold_goes_on_judging(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10=lambda: "inconclusive" if shop.clock.now < 1030 else "fail")
    assert shop.run().reason == "gate"


def test_without_a_journal_there_is_no_step(bench: t.Any) -> None:
    shop = bench()
    shop.broken = [Unreachable("disk full")]
    report = shop.run()
    assert report.reason == "journal" and set(shop.driver.writes) <= {STABLE}


def test_a_journal_that_is_lost_in_the_middle_puts_traffic_back_after_thirty_seconds(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10="running")
    shop.clock.after(5, lambda: setattr(shop, "broken", [Unreachable("disk full")]))
    report = shop.run()
    assert report.reason == "journal" and report.outcome == "RolledBack"
    assert 1034 <= shop.clock.now <= 1040
    assert shop.driver.weights == STABLE


def test_a_run_that_lost_its_lock_writes_nothing_more(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10="running")

    def take() -> None:
        record = shop.store.read(KEY)
        taker = {"run": "run2", "environment": "shop-eu", "app": "shop"}
        dead = f"{record['lock']['fence']}.{record['lock']['heartbeat']}"
        assert shop.store.take_over(KEY, taker, dead=dead)["taken"]

    shop.clock.after(5, take)
    report = shop.run()
    assert report.reason == "fenced" and report.phase == "Degraded"
    assert shop.driver.weights == Weights(90, 10)
    assert "run2" in report.msg


def test_a_run_that_slept_past_its_ttl_without_a_journal_writes_nothing(bench: t.Any) -> None:
    shop = bench()

    def sleep_and_lose() -> str:
        shop.clock.now += 120
        shop.broken = [Unreachable("no route to host")]
        return "fail"

    shop.world.judge = Says(w10=sleep_and_lose)
    report = shop.run()
    assert report.phase == "Degraded" and shop.driver.weights == Weights(90, 10)


@pytest.mark.parametrize("moment", range(3))
def test_an_interruption_restores_before_it_is_raised(bench: t.Any, moment: int) -> None:
    shop = bench()

    def interrupt() -> str:
        raise Interrupted("SIGTERM received")

    shop.world.judge = Says(**{f"w{shop.order.steps[moment]}": interrupt})
    if moment == 2:
        proven = Proof("verified", "")
        shop.world.prove = lambda asked, before, moved, observe: interrupt() if asked == CANARY else proven
    with pytest.raises(Interrupted):
        shop.run()
    assert shop.driver.weights == STABLE
    assert shop.release["outcome"] == "RolledBack"


def test_an_exception_of_any_kind_restores(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10=lambda: 1 / 0)
    assert shop.run().reason == "exception"
    assert shop.driver.weights == STABLE


def test_an_interruption_after_promoted_was_journaled_does_not_take_it_back(bench: t.Any) -> None:
    shop = bench()
    note = shop.store.note

    def note_and_interrupt(key: str, run: str, entry: t.Any, changes: t.Any = None) -> t.Any:
        answer = note(key, run, entry, changes)
        if (changes or {}).get("outcome") == "Promoted":
            raise Interrupted("SIGTERM received")
        return answer

    shop.store.note = note_and_interrupt  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        shop.run()
    assert shop.driver.weights == CANARY
    assert shop.release["outcome"] == "Promoted"


def test_the_lease_is_armed_before_the_first_request_moves_and_ended_before_the_commit(bench: t.Any) -> None:
    shop = bench(steps=[10, 100])
    leases: list[t.Any] = []
    move = shop.members[0].move
    shop.members[0].move = lambda params, lease=None: (leases.append(lease), move(params, lease))[1]
    shop.run()
    assert leases[0]["weights"] == STABLE.plain() and leases[0]["fence"] == shop.order.fences[1]
    assert Weights(90, 10).plain() in leases[0]["expect"]
    assert shop.members[0].lease["state"] == "ended"


def test_a_lease_that_acted_ends_the_release(bench: t.Any) -> None:
    shop = bench()
    shop.world.judge = Says(w10="running")

    def fire() -> None:
        shop.members[0].lease_state = "fired"
        shop.driver.weights, shop.driver.fence = STABLE, shop.order.fences[1]

    shop.clock.after(5, fire)
    report = shop.run()
    assert report.reason == "lease" and report.outcome == "RolledBack"
    assert shop.driver.weights == STABLE


def test_a_fresh_run_restores_what_a_dead_one_left(bench: t.Any) -> None:
    shop = bench(known=(Weights(90, 10), Weights(50, 50)))
    shop.driver.weights = Weights(50, 50)
    report = Shift(shop.order, shop.world).restore("its run died")
    assert report.outcome == "RolledBack" and shop.driver.weights == STABLE


def test_lost_is_an_error_that_knows_nothing() -> None:
    assert issubclass(Lost, ReleaseError) and not issubclass(Lost, Refused)


# Systems without a place for a fence


def late(bench: t.Callable[..., Bench], fact: str) -> Bench:
    """Return a bench whose gate fails, and where the step that was on its way lands 0.9 s after the restore."""
    shop = bench(steps=[10, 100])
    shop.driver.facts = {"fence": fact}
    shop.world.judge = Says(_10="fail")
    restore = shop.world.balancers.restore
    landed: list[bool] = []

    def restored(*arguments: t.Any, **words: t.Any) -> t.Any:
        if not landed:
            landed.append(True)
            shop.clock.after(0.9, lambda: setattr(shop.driver, "weights", Weights(90, 10)))
        return restore(*arguments, **words)

    shop.world.balancers.restore = restored  # type: ignore[method-assign]
    return shop


def test_a_late_write_after_a_restore_is_put_right_where_no_fence_can_refuse_it(
    bench: t.Callable[..., Bench],
) -> None:
    shop = late(bench, "none")
    assert shop.run().outcome == "RolledBack"
    assert shop.driver.weights == STABLE
    assert any("a late write has set blue 90 / green 10" in line for line in shop.lines), shop.lines


def test_where_a_fence_stands_nobody_waits_for_late_writes(bench: t.Callable[..., Bench]) -> None:
    shop = late(bench, "stored")
    began = shop.clock.now
    assert shop.run().outcome == "RolledBack"
    assert shop.clock.now - began < 2.0


def test_what_somebody_else_sets_after_a_restore_is_left_alone(bench: t.Callable[..., Bench]) -> None:
    shop = late(bench, "none")
    shop.clock.after(1.6, lambda: setattr(shop.driver, "weights", Weights(40, 60)))
    shop.run()
    assert shop.driver.weights == Weights(40, 60)


def test_a_system_that_counts_its_calls_is_looked_at_no_oftener_than_it_asks(bench: t.Any) -> None:
    shop = bench(steps=[100], bake_time=60.0)
    shop.driver.facts["pause"] = 1.5
    looked: list[float] = []
    observe = shop.members[0].observe
    shop.members[0].observe = lambda lease=None: (looked.append(shop.clock.now), observe(lease))[1]
    assert shop.run().outcome == "Promoted"
    in_bake = [at for at in looked if at - looked[0] < 59]
    assert 59 / 2 <= len(in_bake) <= 59 / 1.5 + 1, "and still often enough to know the way back"


def test_a_restore_does_not_act_on_health_that_a_driver_kept_too_long(bench: t.Any) -> None:
    shop = bench(steps=[50, 100])
    shop.driver.facts.update(pause=1.5, age=1.0)

    def fail() -> str:
        shop.clock.now += 1.2  # what was seen is younger than two seconds, what it rests on is not
        shop.driver.up["blue"] = False
        return "fail"

    shop.world.judge = Says(w50=fail)
    report = shop.run()
    assert report.phase == "Degraded" and "blue, the way back, has no healthy server" in report.msg
    assert shop.driver.weights == split("green", 50)
