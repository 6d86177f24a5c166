# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store keeps its word about: the document, the exchange, the races of real processes, the verbs."""

from __future__ import annotations

import os
import signal
import time
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal import machine, takeover
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.dry import DryStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import (
    Busy,
    Fenced,
    JournalError,
    Unreachable,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import VERBS, Journal, look
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Store
from stores import FORK, SECONDS, processes

Open = Callable[[], Store]
KEY = "haproxy:lb1:/etc/haproxy/zerodowntime.map:shop"


def owner(run: str, **more: t.Any) -> dict[str, t.Any]:
    return {"run": run, "environment": "shop-eu", "app": "shop", **more}


def acquire(store: Store, run: str, ttl: float = 60.0, key: str = KEY, **more: t.Any) -> dict[str, t.Any]:
    release = {"id": f"{run}-release", "revision": "1.4.2", "steps": [5, 100]}
    return Journal(store).acquire(key, owner(run, **more), ttl, release)


def take_over(store: Store, run: str, ttl: float = 60.0, **more: t.Any) -> dict[str, t.Any]:
    journal = Journal(store)

    def once(dead: str | None = None) -> dict[str, t.Any]:
        return journal.perform("take_over", key=KEY, owner=owner(run), ttl=ttl, dead=dead)

    return takeover.wait(once, **more)


# ---- the document


def test_an_empty_store_has_no_documents(open_store: Open) -> None:
    store = open_store()
    assert (store.read(KEY)[0], store.keys()) == (None, [])


def test_a_document_comes_back_as_it_was_written_in_another_process_too(open_store: Open) -> None:
    document = {
        "schema": 1,
        "key": KEY,
        "text": "blau, grün, \N{SNOWMAN}",
        "number": 1.5,
        "nothing": None,
        "list": [1, {}],
    }
    store = open_store()
    assert store.swap(KEY, store.read(KEY)[1], document)
    assert open_store().read(KEY)[0] == document


@pytest.mark.parametrize(
    "key",
    ["", "../../etc/passwd", "a/b", "x" * 3000, "\N{SNOWMAN}", "a\nb", ".", "istio:https://10.0.0.1/apis/x?y=z#shop"],
)
def test_any_text_is_a_key_and_keys_are_never_mixed_up(open_store: Open, key: str) -> None:
    store = open_store()
    for name in (key, f"{key}.", key.upper() + "x"):
        assert store.swap(name, store.read(name)[1], {"schema": 1, "key": name})
    assert store.keys() == sorted({key, f"{key}.", key.upper() + "x"})
    assert store.read(key)[0] == {"schema": 1, "key": key}


def test_an_exchange_against_an_old_version_is_not_made(open_store: Open) -> None:
    store, other = open_store(), open_store()
    _nothing, absent = store.read(KEY)
    assert other.swap(KEY, absent, {"key": KEY, "n": 1})
    assert not store.swap(KEY, absent, {"key": KEY, "n": 2})
    first = store.read(KEY)[1]
    assert other.swap(KEY, first, {"key": KEY, "n": 3})
    assert not store.swap(KEY, first, {"key": KEY, "n": 4})
    assert store.read(KEY)[0] == {"key": KEY, "n": 3}


def test_check_says_where_the_store_is_and_changes_nothing(open_store: Open) -> None:
    answer = Journal(open_store()).perform("check")
    assert answer["store"]
    assert answer["changed"] is False
    assert open_store().keys() == []


def test_what_there_is_of_a_journal_is_listed_and_nothing_of_the_others(open_store: Open) -> None:
    acquire(open_store(), "one")
    assert Journal(open_store()).perform("owned", key="another")["owned"] == []
    listed = Journal(open_store()).perform("owned", key=KEY)["owned"]
    assert [thing["about"] for thing in listed][0] == "the journal"
    assert all("etc-haproxy-zerodowntime-map-shop" in thing["name"] for thing in listed)


# ---- races of real processes


def test_of_400_races_for_a_lock_each_has_exactly_one_owner(open_store: Open) -> None:
    races, contenders = 400, 3
    start = FORK.Barrier(contenders)

    def contend(number: int) -> list[str]:
        store, won = open_store(), []
        for race in range(races):
            start.wait(SECONDS)
            try:
                acquire(store, f"run-{number}", key=f"race-{race}")
                won.append(f"race-{race}")
            except Busy as busy:
                assert "is held by run run-" in str(busy)
        return won

    with processes() as group:
        for number in range(contenders):
            group.start(lambda number=number: contend(number))
        won = group.results()
    assert sorted(key for keys in won for key in keys) == sorted(f"race-{race}" for race in range(races))


def test_no_note_is_lost_when_commands_are_given_at_the_same_time(open_store: Open) -> None:
    acquire(open_store(), "run-1")

    def run() -> int:
        journal = Journal(open_store())
        for step in range(60):
            journal.note(KEY, "run-1", {"kind": "done", "number": step}, {"step": step})
        return 0

    def operator() -> int:
        journal = Journal(open_store())
        return sum(journal.command(KEY, "pause", "alice")["changed"] for _unused in range(15))

    with processes() as group:
        group.start(run)
        group.start(operator)
        given = group.results()[1]
    release = Journal(open_store()).read(KEY)["release"]
    assert [entry["number"] for entry in release["entries"] if entry["kind"] == "done"] == list(range(60))
    assert len(release["commands"]) == given > 0


def test_of_two_takers_of_a_dead_release_one_wins(open_store: Open) -> None:
    winner = ""
    for turn in range(25):
        store = open_store()
        dead = machine.place() | {"processes": [{"pid": 2**22 + 1, "started": "1"}]}
        journal = Journal(store)
        if turn:
            journal.note(KEY, winner, {"kind": "phase"}, {"phase": "Healthy", "outcome": "RolledBack"})
            journal.unlock(KEY, winner)
        acquire(store, f"dead-{turn}", **dead)
        both_saw_it = FORK.Barrier(2)

        def take(run: str, seen: t.Any = both_saw_it) -> str:
            def gone(holder: t.Mapping[str, t.Any]) -> bool:
                if machine.gone(holder):
                    seen.wait(SECONDS)
                    return True
                return False

            try:
                return f"fence {take_over(open_store(), run, gone=gone)['fence']}"
            except Busy as busy:
                return f"busy {busy}"

        with processes() as group:
            for run in ("taker-1", "taker-2"):
                group.start(lambda run=run, turn=turn: take(f"{run}-{turn}"))
            said = group.results()
        winners = [
            run for run, text in zip(("taker-1", "taker-2"), said, strict=True) if text == f"fence {2 * turn + 2}"
        ]
        assert len(winners) == 1, said
        winner = f"{winners[0]}-{turn}"
        assert any("busy somebody else was quicker" in text and f"held by run {winner}" in text for text in said)


def test_a_process_stopped_past_the_ttl_writes_nothing_after_it_goes_on(open_store: Open) -> None:
    def paused_run() -> str:
        store = open_store()
        acquire(store, "run-1", ttl=0.3, **machine.place(), processes=[machine.process(os.getpid())])
        Journal(store).note(KEY, "run-1", {"kind": "intent"}, {"step": 1})
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            Journal(store).note(KEY, "run-1", {"kind": "done"}, {"confirmed": {"blue": 95, "green": 5}})
        except Fenced as fenced:
            return str(fenced)
        return "it wrote"

    with processes() as group:
        pid = group.start(paused_run)
        _until(lambda: (machine._stat(pid) or ("", ""))[0] == "T")
        began = time.monotonic()
        answer = take_over(open_store(), "run-2", ttl=0.3)
        assert time.monotonic() - began >= 0.3, "it is stopped, not gone: it has to be observed"
        os.kill(pid, signal.SIGCONT)
        (said,) = group.results()
    assert "run run-2 took it over" in said
    assert "it writes nothing more" in said
    release = Journal(open_store()).read(KEY)["release"]
    assert (release["confirmed"], release["entries"][-1]["kind"]) == (None, "taken_over")
    assert answer["fence"] == 2


def test_a_killed_run_is_taken_over_at_once_by_its_own_machine(open_store: Open) -> None:
    def run() -> None:
        acquire(open_store(), "run-1", **machine.place(), processes=[machine.process(os.getpid())])
        time.sleep(SECONDS)

    with processes() as group:
        pid = group.start(run)
        _until(lambda: open_store().read(KEY)[0] is not None)
        os.kill(pid, signal.SIGKILL)
        _until(lambda: machine.process(pid) is None)
        began, said = time.monotonic(), []
        assert take_over(open_store(), "run-2", say=said.append)["taken"]
    assert time.monotonic() - began < 10, "its TTL is a minute"
    assert "its processes are gone from this machine" in said[0]


def test_a_living_run_is_not_taken_over_and_keeps_its_lock(open_store: Open) -> None:
    stop = FORK.Event()

    def run() -> str:
        store = open_store()
        acquire(store, "run-1", ttl=1.0, **machine.place(), processes=[machine.process(os.getpid())])
        while not stop.wait(0.1):
            Journal(store).heartbeat(KEY, "run-1")
        Journal(store).unlock(KEY, "run-1")
        return "kept it"

    with processes() as group:
        group.start(run)
        _until(lambda: open_store().read(KEY)[0] is not None)
        with pytest.raises(Busy, match="its run is alive: .* held by run run-1"):
            take_over(open_store(), "run-2")
        stop.set()
        assert group.results() == ["kept it"]


def test_waiting_for_a_run_that_dies_meanwhile_is_patient(open_store: Open) -> None:
    stop = FORK.Event()

    def run() -> str:
        store = open_store()
        acquire(store, "run-1", ttl=0.4)
        while not stop.wait(0.1):
            Journal(store).heartbeat(KEY, "run-1")
        return "died"

    with processes() as group:
        group.start(run)
        _until(lambda: open_store().read(KEY)[0] is not None)
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            stop.set()

        assert take_over(open_store(), "run-2", patient=SECONDS, say=say)["taken"]
    assert "silent for" in said[0]


def test_a_sweep_and_a_taker_share_what_they_have_observed(open_store: Open) -> None:
    clock = iter([100.0, 161.0, 161.0])
    acquire(open_store(), "run-1")
    sweep = Journal(open_store(), monotonic=lambda: next(clock), observer="boot-1")
    assert [item["why"] for item in sweep.due()["held"]] == ["held"]
    another = Journal(open_store(), monotonic=lambda: next(clock), observer="boot-1")
    assert [item["why"] for item in another.due()["due"]] == ["stale"]
    assert another.take_over(KEY, owner("run-2"))["taken"]


def test_what_is_due_can_be_asked_of_one_journal(open_store: Open) -> None:
    for key in ("one", "two"):
        acquire(open_store(), "run-1", key=key)
        Journal(open_store()).unlock(key, "run-1")
    assert [(item["key"], item["why"]) for item in Journal(open_store()).due(key="two")["due"]] == [("two", "stale")]
    assert len(Journal(open_store()).due()["due"]) == 2
    assert Journal(open_store()).due(key="three")["due"] == []


# ---- the verbs


def test_status_shows_all_and_read_the_history_of_one(open_store: Open) -> None:
    for key in ("one", "two"):
        acquire(open_store(), "run-1", key=key)
    journal = Journal(open_store())
    in_short = look(journal.perform, None)
    assert [(item["key"], item["state"], item["lock"]["owner"]["run"]) for item in in_short] == [
        ("one", "Progressing", "run-1"),
        ("two", "Progressing", "run-1"),
    ]
    assert "entries" not in in_short[0]["release"]
    (whole,) = look(journal.perform, "one")
    assert [len(release["entries"]) for release in whole["releases"]] == [1]


def test_a_journal_of_a_newer_collection_does_not_hide_the_others(open_store: Open) -> None:
    acquire(open_store(), "run-1", key="one")
    store = open_store()
    store.swap("two", store.read("two")[1], {"schema": 99, "key": "two"})
    journal = Journal(store)
    assert [("problem" in item) for item in journal.status()["journals"]] == [False, True]
    assert [(item["key"], item["why"]) for item in journal.due()["due"]] == [("two", "unreadable")]
    with pytest.raises(JournalError, match="has schema 99"):
        acquire(store, "run-1", key="two")
    assert store.read("two")[0] == {"schema": 99, "key": "two"}


def test_looking_at_what_was_never_released_writes_nothing(open_store: Open) -> None:
    journal = Journal(open_store())
    assert journal.read(KEY)["release"] is None
    assert journal.unlock(KEY, "run-1")["changed"] is False
    with pytest.raises(Fenced):
        journal.heartbeat(KEY, "run-1")
    assert open_store().keys() == []


def test_an_unchanged_journal_is_not_written_again(open_store: Open) -> None:
    acquire(open_store(), "run-1")
    before = open_store().read(KEY)[1]
    assert Journal(open_store()).pending(KEY, "run-1") == {"commands": [], "changed": False}
    assert open_store().read(KEY)[1] == before


def test_a_dry_store_refuses_what_would_be_refused_and_writes_nothing(open_store: Open) -> None:
    assert acquire(DryStore(open_store()), "run-1")["changed"] is True
    assert open_store().keys() == []
    acquire(open_store(), "run-1")
    with pytest.raises(Busy):
        acquire(DryStore(open_store()), "run-2")


@pytest.mark.parametrize(
    ("verb", "arguments", "sentence"),
    [
        ("erase", {}, "'erase' is not a verb of the journal: there are acquire, heartbeat"),
        ("_change", {}, "'_change' is not a verb"),
        ("note", {"key": KEY}, "release_journal note: missing a required argument: 'run'"),
        ("read", {"key": KEY, "colour": "blue"}, "release_journal read: got an unexpected keyword argument 'colour'"),
        ("acquire", {"key": KEY, "owner": {}, "ttl": 1, "release": {}}, "the lock needs the owner's run"),
    ],
)
def test_a_wrong_call_is_one_sentence(open_store: Open, verb: str, arguments: dict[str, t.Any], sentence: str) -> None:
    with pytest.raises(JournalError, match=sentence):
        Journal(open_store()).perform(verb, **arguments)


def test_every_verb_is_there(open_store: Open) -> None:
    journal = Journal(open_store())
    assert all(callable(getattr(journal, verb)) for verb in VERBS)


def test_a_store_that_always_loses_the_exchange_is_given_up_with_a_sentence(open_store: Open) -> None:
    class Losing(DryStore):
        def swap(self, key: str, version: str, document: dict[str, t.Any]) -> bool:
            return False

    with pytest.raises(Unreachable, match="was changed by others 200 times in a row"):
        Journal(Losing(open_store()), sleep=lambda seconds: None).acquire(KEY, owner("run-1"), 60.0, {"id": "one"})


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
