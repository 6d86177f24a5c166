# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may happen to a journal, document by document; no store, no clock."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import journal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.journal import Busy, Fenced
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.phases import Refusal

KEY = "haproxy:lb1:/etc/haproxy/zerodowntime.map:shop"
# 2026-11-24 10:00:00 UTC
NOON = 1795514400.0
CLOCK = "boot-1"


def owner(run: str = "run-1", **more: t.Any) -> dict[str, t.Any]:
    return {"run": run, "environment": "shop-eu", "app": "shop", **more}


def opened(run: str = "run-1", release: str = "one", document: t.Any = None, **fields: t.Any) -> dict[str, t.Any]:
    opening = {"id": release, "revision": "1.4.2", "steps": [5, 25, 100], **fields}
    return journal.acquire(document, KEY, owner(run), 60.0, opening, NOON)[0]


def noted(document: dict[str, t.Any], run: str = "run-1", now: float = NOON + 1, **changes: t.Any) -> dict[str, t.Any]:
    return journal.note(document, KEY, run, {"kind": "note"}, changes, now)[0]


def ended(
    document: dict[str, t.Any], outcome: str = "RolledBack", run: str = "run-1", **more: t.Any
) -> dict[str, t.Any]:
    return journal.unlock(noted(document, run, phase="Healthy", outcome=outcome, **more), KEY, run)[0]


def look(document: dict[str, t.Any], run: str = "run-2", monotonic: float = 0.0, **more: t.Any) -> journal.Change:
    return journal.take_over(document, KEY, owner(run), 60.0, NOON + 30, CLOCK, monotonic, **more)


# ---- the lock


def test_a_first_release_opens_with_fence_one_and_its_first_entry() -> None:
    document, answer = journal.acquire(None, KEY, owner(), 60.0, {"id": "one", "revision": "1.4.2"}, NOON)
    assert answer["fence"] == 1
    assert (answer["release"]["phase"], answer["release"]["environment"]) == ("Progressing", "shop-eu")
    assert [entry["kind"] for entry in answer["release"]["entries"]] == ["phase"]
    assert document["lock"]["owner"]["run"] == "run-1"


def test_no_function_changes_the_document_it_was_given() -> None:
    document = opened()
    before = copy.deepcopy(document)
    noted(document, step=1, phase="Paused")
    look(document)
    journal.command(document, KEY, "abort", NOON, "alice")
    journal.due(document, NOON, CLOCK, 0.0)
    assert document == before


def test_a_second_release_gets_who_holds_it_since_when_and_at_which_step() -> None:
    document = opened()
    document["lock"]["owner"].update(awx_job_id=42, awx_user_name="alice")
    document = noted(document, step=2)
    with pytest.raises(Busy) as busy:
        journal.acquire(document, KEY, owner("run-2"), 60.0, {"id": "two"}, NOON + 13)
    assert str(busy.value) == (
        f"{KEY} is held by run run-1 of shop-eu (app shop), AWX job 42 by alice since 2026-11-24 10:00:00 UTC, "
        "at step 2 of 3 (25 %), last sign of life 12s ago"
    )
    assert busy.value.facts["holder"]["age"] == 12


def test_another_environment_on_a_held_object_is_told_both_names() -> None:
    with pytest.raises(
        Busy, match=r"shop-us \(app shop\) and shop-eu \(app shop\) name the same object: .* is held by"
    ):
        journal.acquire(opened(), KEY, owner("run-2", environment="shop-us"), 60.0, {"id": "two"}, NOON)


def test_another_environment_on_a_free_object_is_refused_with_both_names_until_it_is_renamed() -> None:
    document = ended(opened())
    other = owner("run-2", environment="shop-europe")
    with pytest.raises(Refusal, match=r"shop-europe \(app shop\) and shop-eu \(app shop\) name the same object"):
        journal.acquire(document, KEY, other, 60.0, {"id": "two"}, NOON)
    document, _answer = journal.rename(document, KEY, "shop-europe", "shop")
    assert journal.acquire(document, KEY, other, 60.0, {"id": "two"}, NOON)[1]["fence"] == 2


def test_a_held_object_is_not_renamed() -> None:
    with pytest.raises(Busy, match="cannot be renamed"):
        journal.rename(opened(), KEY, "shop-europe", "shop")


def test_a_release_never_takes_over_a_lock_whose_owner_is_long_dead() -> None:
    with pytest.raises(Busy, match="if its run is dead, run resume"):
        journal.acquire(opened(), KEY, owner("run-2"), 60.0, {"id": "two"}, NOON + 86400)


def test_a_run_whose_first_answer_was_lost_may_ask_again() -> None:
    document, first = journal.acquire(None, KEY, owner(), 60.0, {"id": "one"}, NOON)
    document, again = journal.acquire(document, KEY, owner(), 60.0, {"id": "one"}, NOON + 1)
    assert (again["fence"], len(document["releases"])) == (first["fence"], 1)


def test_the_fence_only_grows_and_outlives_the_lock() -> None:
    document = ended(opened())
    assert (document["lock"], document["fence"]) == (None, 1)
    document = opened("run-2", "two", document)
    assert document["fence"] == 2
    assert look(document, "run-3", dead=journal.record(document["lock"]))[1]["fence"] == 3


def test_a_restore_outranks_a_late_forward_write_of_its_run_and_a_new_run_both() -> None:
    numbers = [number(fence) for fence in (1, 2) for number in (journal.forward_number, journal.restore_number)]
    assert numbers == [2, 3, 4, 5]


def test_only_the_owner_unlocks_and_twice_does_no_harm() -> None:
    document = opened()
    with pytest.raises(Fenced, match="run run-9 no longer has the lock"):
        journal.unlock(document, KEY, "run-9")
    free, _answer = journal.unlock(document, KEY, "run-1")
    assert journal.unlock(free, KEY, "run-1")[0] == free


def test_a_release_id_is_used_once() -> None:
    with pytest.raises(Refusal, match="there is a release one"):
        opened("run-2", "one", ended(opened()))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"phase": "Progressing"}, "it has not ended: wait for it"),
        ({"phase": "Paused"}, "it is paused: run promote"),
        ({"phase": "Degraded"}, "it is degraded: run rollback first"),
    ],
)
def test_a_release_that_nobody_holds_but_has_not_ended_is_not_released_over(
    changes: dict[str, str], sentence: str
) -> None:
    document, _answer = journal.unlock(noted(opened(), **changes), KEY, "run-1")
    with pytest.raises(Refusal, match=rf"deploy of release one \(1.4.2\) of shop-eu was refused: {sentence}"):
        opened("run-2", "two", document)


def test_retry_starts_anew_what_was_taken_back_and_refuses_what_was_promoted() -> None:
    taken_back, promoted = ended(opened()), ended(opened(), "Promoted")
    opening = {"id": "two"}
    assert journal.acquire(taken_back, KEY, owner("run-2"), 60.0, opening, NOON, "retry")[1]["fence"] == 2
    with pytest.raises(Refusal, match="nothing to retry"):
        journal.acquire(promoted, KEY, owner("run-2"), 60.0, opening, NOON, "retry")


# ---- signs of life and taking over


def test_every_write_of_the_owner_is_a_sign_of_life() -> None:
    document = opened()
    seen = [journal.record(document["lock"])]
    document = journal.heartbeat(document, KEY, "run-1", NOON, step=1)[0]
    seen.append(journal.record(document["lock"]))
    document = noted(document)
    seen.append(journal.record(document["lock"]))
    document = journal.command(document, KEY, "pause", NOON, "alice")[0]
    assert journal.record(document["lock"]) == seen[-1], "a command of somebody else is none"
    document = journal.acknowledge(document, KEY, "run-1", 1, "paused", NOON)[0]
    seen.append(journal.record(document["lock"]))
    assert len(set(seen)) == 4


def test_a_holder_is_dead_after_a_whole_ttl_of_the_observers_own_clock() -> None:
    document, answer = look(opened(), monotonic=1000.0)
    assert (answer["taken"], answer["silent"], answer["patience"]) == (False, 0.0, 60.0)
    document, answer = look(document, monotonic=1059.9)
    assert not answer["taken"]
    document, answer = look(document, monotonic=1060.0)
    assert answer["taken"]
    assert (answer["fence"], answer["previous"]["owner"]["run"]) == (2, "run-1")
    assert document["lock"]["owner"]["run"] == "run-2"
    assert document["releases"][-1]["entries"][-1]["kind"] == "taken_over"


def test_a_wall_clock_that_is_a_day_ahead_kills_nobody() -> None:
    document, _answer = look(opened(), monotonic=1000.0)
    _document, answer = journal.take_over(document, KEY, owner("run-2"), 60.0, NOON + 86400, CLOCK, 1001.0)
    assert not answer["taken"]


def test_a_sign_of_life_starts_the_observation_anew() -> None:
    document, _answer = look(opened(), monotonic=1000.0)
    document = journal.heartbeat(document, KEY, "run-1", NOON + 50)[0]
    document, answer = look(document, monotonic=1070.0)
    assert (answer["taken"], answer["silent"]) == (False, 0.0)


def test_observations_of_two_clocks_are_not_mixed_and_do_not_disturb_each_other() -> None:
    document, _answer = look(opened(), monotonic=1000.0)
    document, answer = journal.take_over(document, KEY, owner("run-3"), 60.0, NOON, "boot-2", 5.0)
    assert answer["silent"] == 0.0
    document, answer = look(document, monotonic=1059.0)
    assert answer["silent"] == 59.0
    document, answer = journal.take_over(document, KEY, owner("run-3"), 60.0, NOON, "boot-2", 66.0)
    assert answer["taken"]


def test_a_mark_from_the_future_of_the_observers_clock_proves_nothing() -> None:
    document, _answer = look(opened(), monotonic=1000.0)
    document, answer = look(document, monotonic=10.0)
    assert answer["silent"] == 0.0
    assert look(document, monotonic=70.0)[1]["taken"]


def test_an_announced_silence_is_waited_for() -> None:
    document = journal.heartbeat(opened(), KEY, "run-1", NOON, expected_until=NOON + 300)[0]
    document, answer = look(document, monotonic=0.0)
    assert answer["patience"] == 360.0
    assert not look(document, monotonic=359.0)[1]["taken"]
    assert look(document, monotonic=360.0)[1]["taken"]


def test_a_silence_that_was_announced_shrinks_as_it_passes_and_ends_with_the_next_heartbeat() -> None:
    document = journal.heartbeat(opened(), KEY, "run-1", NOON, expected_until=NOON + 300)[0]
    document = noted(document, now=NOON + 200)
    assert journal.patience(document["lock"]) == 160.0
    document = journal.heartbeat(document, KEY, "run-1", NOON + 210)[0]
    assert journal.patience(document["lock"]) == 60.0


def test_a_holder_whose_processes_are_gone_is_taken_over_at_once_unless_it_moved() -> None:
    document = opened()
    dead = journal.record(document["lock"])
    assert look(document, dead=dead)[1]["taken"]
    alive = journal.heartbeat(document, KEY, "run-1", NOON)[0]
    assert not look(alive, dead=dead)[1]["taken"]


def test_who_was_taken_over_writes_nothing_more_and_is_told_by_whom() -> None:
    document = opened()
    dead = journal.record(document["lock"])
    taken = journal.take_over(document, KEY, owner("run-2", user="bob"), 60.0, NOON, CLOCK, 0.0, "abort", dead)[0]
    calls: list[t.Callable[[], t.Any]] = [
        lambda: noted(taken),
        lambda: journal.heartbeat(taken, KEY, "run-1", NOON),
        lambda: journal.unlock(taken, KEY, "run-1"),
        lambda: journal.pending(taken, KEY, "run-1"),
        lambda: journal.acknowledge(taken, KEY, "run-1", 1, "", NOON),
    ]
    for call in calls:
        with pytest.raises(
            Fenced, match="run run-2 by bob took it over with abort at 2026-11-24 10:00:00 UTC; it writes"
        ):
            call()
    free = journal.unlock(taken, KEY, "run-2")[0]
    with pytest.raises(Fenced, match="run run-2 by bob took it over"):
        noted(free)


def test_a_release_that_nobody_holds_is_taken_at_once_with_what_the_command_leads_to() -> None:
    _document, answer = look(ended(opened(), "Promoted"), command="rollback")
    assert (answer["taken"], answer["previous"]) == (True, None)
    assert answer["next"] == {"phase": "Healthy", "outcome": "RolledBack"}


def test_abort_after_promoted_takes_nothing_over() -> None:
    with pytest.raises(Refusal, match="abort of release one .* run rollback"):
        look(ended(opened(), "Promoted"), command="abort")


def test_there_is_nothing_to_resume_where_nothing_was_released() -> None:
    with pytest.raises(Refusal, match="nothing was ever released"):
        journal.take_over(None, KEY, owner(), 60.0, NOON, CLOCK, 0.0)


def test_a_run_takes_over_what_it_holds_itself() -> None:
    document, answer = look(opened(), "run-1")
    assert (answer["taken"], document["fence"]) == (True, 1)


# ---- entries and the record


def test_an_entry_and_the_record_change_in_one_step() -> None:
    entry = {"kind": "intent", "weights": {"blue": 95, "green": 5}}
    changes = {"step": 1, "intended": {"blue": 95, "green": 5}}
    document, answer = journal.note(opened(), KEY, "run-1", entry, changes, NOON + 5)
    release = document["releases"][-1]
    assert answer["n"] == 2
    assert release["entries"][-1] == {**entry, "n": 2, "at": NOON + 5}
    assert (release["step"], release["intended"], release["updated"]) == (1, {"blue": 95, "green": 5}, NOON + 5)
    assert document["lock"]["step"] == 1


@pytest.mark.parametrize(
    ("entry", "changes", "sentence"),
    [
        ({"kind": "thought"}, {}, "'thought' is not a kind of journal entry"),
        ({"kind": "note"}, {"colour": "blue"}, "'colour' is not a field of a release"),
        ({"kind": "note"}, {"id": "two"}, "'id' is not a field of a release that can be set"),
        ({"kind": "note"}, {"entries": []}, "'entries' is not a field"),
        ({"kind": "note"}, {"phase": "Running"}, "a release cannot be 'Running'"),
        ({"kind": "note"}, {"phase": "Healthy"}, "has an outcome"),
        ({"kind": "note"}, {"undo": ["x" * 100_000]}, "would have 1"),
    ],
)
def test_what_is_no_entry_or_field_is_refused(
    entry: dict[str, t.Any], changes: dict[str, t.Any], sentence: str
) -> None:
    with pytest.raises(Refusal, match=sentence):
        journal.note(opened(), KEY, "run-1", entry, changes, NOON)


def test_the_old_slot_is_due_only_while_its_release_stands_promoted() -> None:
    promoted = noted(opened(), phase="Healthy", outcome="Promoted", retire_after=NOON + 600)
    assert promoted["releases"][-1]["retire_after"] == NOON + 600
    taken_back = noted(promoted, phase="Progressing", outcome=None)
    assert taken_back["releases"][-1]["retire_after"] is None


def test_a_new_release_takes_the_old_slot_off_the_list_of_what_may_go() -> None:
    document = ended(opened(), "Promoted", retire_after=NOON + 600)
    document = opened("run-2", "two", document)
    assert [release["retire_after"] for release in document["releases"]] == [None, None]


# ---- commands


def test_a_command_reaches_the_run_and_is_answered_once() -> None:
    document, given = journal.command(opened(), KEY, "abort", NOON, "alice", "slow database")
    assert given["holder"]["owner"]["run"] == "run-1"
    waiting = journal.pending(document, KEY, "run-1")[1]["commands"]
    assert [(order["n"], order["verb"], order["who"], order["why"]) for order in waiting] == [
        (1, "abort", "alice", "slow database")
    ]
    document, _answer = journal.acknowledge(document, KEY, "run-1", 1, "putting traffic back", NOON)
    assert journal.pending(document, KEY, "run-1")[1]["commands"] == []
    assert document["releases"][-1]["entries"][-1]["kind"] == "acknowledged"
    assert journal.acknowledge(document, KEY, "run-1", 1, "again", NOON)[0] == document


def test_a_heartbeat_says_that_commands_wait() -> None:
    document = journal.command(opened(), KEY, "abort", NOON, "alice")[0]
    assert journal.heartbeat(document, KEY, "run-1", NOON)[1]["commands"] == 1


def test_promote_counts_once_and_only_for_the_step_it_names() -> None:
    document = noted(opened(), step=1, phase="Paused")
    with pytest.raises(Refusal, match=r"promote was meant for step 2, but release one .* is at step 1 of 3 \(5 %\)"):
        journal.command(document, KEY, "promote", NOON, "alice", step=2)
    document, first = journal.command(document, KEY, "promote", NOON, "alice", step=1)
    document, second = journal.command(document, KEY, "promote", NOON, "bob", step=1)
    assert first["n"] == second["n"]
    document = journal.acknowledge(document, KEY, "run-1", 1, "going on", NOON, {"phase": "Progressing", "step": 2})[0]
    with pytest.raises(Refusal, match="meant for step 1"):
        journal.command(document, KEY, "promote", NOON, "bob", step=1)
    with pytest.raises(Refusal, match="not paused"):
        journal.command(document, KEY, "promote", NOON, "bob")


def test_a_command_for_another_release_is_refused() -> None:
    with pytest.raises(Refusal, match="abort was meant for release zero, but the newest one"):
        journal.command(opened(), KEY, "abort", NOON, "alice", release="zero")


@pytest.mark.parametrize("verb", ["resume", "retry", "deploy", "sweep", "stop"])
def test_only_orders_are_commands_to_a_running_release(verb: str) -> None:
    with pytest.raises(Refusal, match=f"{verb} is not a command to a running release: there are promote, abort"):
        journal.command(opened(), KEY, verb, NOON, "alice")


def test_abort_and_rollback_where_nobody_listens_are_left_to_whoever_gave_them() -> None:
    document = journal.unlock(opened(), KEY, "run-1")[0]
    after, answer = journal.command(document, KEY, "abort", NOON, "alice")
    assert (after, answer["n"], answer["holder"]) == (document, None, None)
    assert answer["next"] == {"phase": "Healthy", "outcome": "Aborted"}


def test_pause_where_nobody_listens_is_refused() -> None:
    with pytest.raises(Refusal, match="no run is there to pause release one"):
        journal.command(journal.unlock(opened(), KEY, "run-1")[0], KEY, "pause", NOON, "alice")


def test_rollback_of_what_was_rolled_back_leaves_no_command() -> None:
    document = noted(opened(), phase="Healthy", outcome="RolledBack")
    after, answer = journal.command(document, KEY, "rollback", NOON, "alice")
    assert (after, answer["n"]) == (document, None)


def test_commands_that_nobody_answers_do_not_pile_up() -> None:
    document = opened()
    for step in range(1, journal.MOST_WAITING_COMMANDS + 1):
        document = noted(document, step=step)
        document = journal.command(document, KEY, "pause", NOON, "alice")[0]
    with pytest.raises(Refusal, match="its run does not answer"):
        journal.command(noted(document, step=99), KEY, "pause", NOON, "alice")


# ---- what a schedule looks at


def due(document: dict[str, t.Any], now: float = NOON, monotonic: float = 0.0) -> list[tuple[str, str]]:
    return [(item["why"], item["command"]) for item in journal.due(document, now, CLOCK, monotonic)[1]]


def test_a_sweep_that_comes_back_after_a_ttl_finds_a_silent_lock_stale_without_waiting() -> None:
    document = opened()
    document, items = journal.due(document, NOON, CLOCK, 100.0)
    assert [item["why"] for item in items] == ["held"]
    assert due(document, monotonic=159.0) == [("held", "")]
    assert due(document, monotonic=160.0) == [("stale", "resume")]
    alive = journal.heartbeat(document, KEY, "run-1", NOON)[0]
    assert due(alive, monotonic=160.0) == [("held", "")]


def test_a_release_that_has_not_ended_and_nobody_holds_is_stale() -> None:
    assert due(journal.unlock(opened(), KEY, "run-1")[0]) == [("stale", "resume")]


def test_an_old_slot_is_due_when_its_time_has_come_and_nobody_works_there() -> None:
    document = ended(opened(), "Promoted", retire_after=NOON + 600)
    assert due(document, NOON + 599) == []
    assert due(document, NOON + 600) == [("retire", "sweep")]
    held = noted(opened(), phase="Healthy", outcome="Promoted", retire_after=NOON + 600)
    assert due(held, NOON + 600) == [("held", "")]


def test_what_is_degraded_is_reported() -> None:
    document = journal.unlock(noted(opened(), phase="Degraded"), KEY, "run-1")[0]
    assert due(document) == [("degraded", "rollback")]


def test_what_is_paused_too_long_is_reported_by_the_releases_own_limit() -> None:
    paused = noted(opened(pause_timeout=100.0), phase="Paused", now=NOON)
    assert due(paused, NOON + 100) == [("held", "")]
    assert due(paused, NOON + 101) == [("held", ""), ("paused", "promote or abort")]
    assert due(noted(opened(), phase="Paused", now=NOON), NOON + 3601)[-1] == ("paused", "promote or abort")


# ---- schema and size


@pytest.mark.parametrize("schema", [journal.SCHEMA + 1, "1", None])
def test_a_document_of_a_schema_that_is_not_known_is_refused_and_not_touched(schema: t.Any) -> None:
    document = {**opened(), "schema": schema}
    for call in (lambda: noted(document), lambda: look(document), lambda: opened("run-2", "two", document)):
        with pytest.raises(Refusal, match=f"has schema {schema} and this collection knows 1 at most: update"):
            call()


def test_a_document_of_another_key_is_refused() -> None:
    with pytest.raises(Refusal, match="is the one of"):
        journal.heartbeat({**opened(), "key": "another"}, KEY, "run-1", NOON)


def test_the_last_twenty_releases_are_kept_and_the_last_promoted_one_for_ever() -> None:
    document = ended(opened(release="good", undo=["the way back"]), "Promoted")
    for number in range(30):
        document = opened("run-1", f"bad-{number}", document)
        document = ended(document)
    known = [release["id"] for release in document["releases"]]
    assert len(known) == journal.KEEP
    assert known[0] == "good"
    assert known[-1] == "bad-29"
    assert document["releases"][0]["undo"] == ["the way back"]


def test_an_old_release_keeps_its_beginning_its_end_and_what_was_done() -> None:
    document = opened()
    for number in range(50):
        kind = "verdict" if number % 5 else "done"
        document = journal.note(document, KEY, "run-1", {"kind": kind, "number": number}, {}, NOON)[0]
    document = opened("run-2", "two", ended(document))
    old = document["releases"][0]["entries"]
    assert len(old) == journal.MOST_OLD_ENTRIES
    assert (old[0]["n"], old[-1]["n"]) == (1, 52)
    assert [entry["number"] for entry in old if entry["kind"] == "done"] == list(range(0, 50, 5))


def test_a_document_stays_small_whatever_is_written_into_it() -> None:
    document: t.Any = None
    for number in range(25):
        document = opened("run-1", f"r{number}", document, undo=["u" * 30_000])
        for _unused in range(20):
            entry = {"kind": "verdict", "msg": "m" * 5000, "arms": {str(arm): list(range(100)) for arm in range(50)}}
            document = journal.note(document, KEY, "run-1", entry, {"details": {"log": "l" * 9000}}, NOON)[0]
        document = ended(document)
    assert len(json.dumps(document, separators=(",", ":"))) <= journal.MOST_BYTES
    assert document["releases"][-1]["undo"] == ["u" * 30_000]


def test_a_long_text_in_an_entry_is_cut() -> None:
    document = journal.note(opened(), KEY, "run-1", {"kind": "note", "log": "x" * 9000}, {}, NOON)[0]
    assert document["releases"][-1]["entries"][-1]["log"] == "x" * 500 + "..."


def test_a_lost_journal_goes_on_above_the_fence_that_stands_at_the_object() -> None:
    owner = {"run": "run1", "environment": "shop-eu", "app": "shop"}
    document, answer = journal.acquire(None, "memory:shop", owner, 60.0, {"id": "r1"}, 0.0, floor=journal.fence_of(13))
    assert journal.forward_number(answer["fence"]) > 13
    assert document["fence"] == answer["fence"] == 7


def test_whoever_takes_over_goes_on_above_a_foreign_fence_at_the_object() -> None:
    owner = {"run": "run1", "environment": "shop-eu", "app": "shop"}
    document, _answer = journal.acquire(None, "memory:shop", owner, 60.0, {"id": "r1"}, 0.0)
    taker = {**owner, "run": "run2"}
    dead = journal.record(document["lock"])
    after, answer = journal.take_over(
        document, "memory:shop", taker, 60.0, 0.0, "clock", 0.0, "resume", dead, floor=journal.fence_of(99)
    )
    assert answer["taken"] and journal.restore_number(answer["fence"]) > 99
    assert after["fence"] == answer["fence"]
