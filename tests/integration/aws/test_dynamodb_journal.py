# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal in the lab's DynamoDB: what every store keeps its word about, and what can happen to its API calls."""

from __future__ import annotations

import sys
import threading
import typing as t
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="needs the Python package moto")
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal import takeover
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import (
    Busy,
    JournalError,
    Unreachable,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import Journal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.options import open_store as opened
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Store

from tests.lab.aws.cloud import Cloud

sys.path.append(str(Path(__file__).parents[2] / "unit" / "journal"))
pytest.register_assert_rewrite("test_journal_stores")

import test_journal_stores  # noqa: E402  found only now

# The same tests, against this store. Those that fork stay with the unit tests, which race them hundreds of times: this
# process has the lab's threads, and moto is slow.
FORKING = ("of_400_races", "of_two_takers", "no_note_is_lost", "a_living_run", "a_process_stopped", "a_killed_run")
FORKING += ("waiting_for_a_run",)
globals().update(
    {
        name: test
        for name, test in vars(test_journal_stores).items()
        if name.startswith("test_") and not name.startswith(tuple(f"test_{word}" for word in FORKING))
    }
)

ONE, TWO = {"key": "shop", "n": 1}, {"key": "shop", "n": 2}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as lab:
        yield lab


@pytest.fixture
def options(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[dict[str, t.Any]]:
    """A table of the test's own, made by the first write."""
    cloud.faults.clear()
    name = f"journal-{abs(hash(request.node.name))}"
    yield {**cloud.options, "table": name, "create_table": True, "retries": 2}
    cloud.faults.clear()


@pytest.fixture
def open_store(options: dict[str, t.Any]) -> Callable[[], Store]:
    return lambda: opened({"store": "dynamodb", "dynamodb": options})


def test_without_the_word_no_table_is_made(options: dict[str, t.Any], cloud: Cloud) -> None:
    store = opened({"store": "dynamodb", "dynamodb": {**options, "create_table": False}})
    with pytest.raises(JournalError, match=f"there is no table {options['table']} in eu-central-1"):
        store.check()
    assert options["table"] not in cloud.client("dynamodb").list_tables()["TableNames"]


def test_what_is_made_on_request_forgets_what_nobody_changes(options: dict[str, t.Any], cloud: Cloud) -> None:
    store = opened({"store": "dynamodb", "dynamodb": {**options, "retention": "90d"}})
    assert store.swap("shop", store.read("shop")[1], ONE)
    dynamodb = cloud.client("dynamodb")
    assert dynamodb.describe_table(TableName=options["table"])["Table"]["BillingModeSummary"]["BillingMode"] == (
        "PAY_PER_REQUEST"
    )
    kept = dynamodb.describe_time_to_live(TableName=options["table"])["TimeToLiveDescription"]
    assert (kept["TimeToLiveStatus"], kept["AttributeName"]) == ("ENABLED", "expires")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["throttle", "error", "html", "reset"])
def test_a_write_whose_answer_is_lost_is_made_once(
    open_store: Callable[[], Store], cloud: Cloud, kind: str, when: str
) -> None:
    store = open_store()
    assert store.swap("shop", store.read("shop")[1], ONE)
    cloud.faults.plan("PutItem", kind, when=when)
    assert store.swap("shop", store.read("shop")[1], TWO)
    assert open_store().read("shop")[0] == TWO


def test_of_two_takers_of_an_expired_lock_one_wins(open_store: Callable[[], Store]) -> None:
    for turn in range(3):
        key = f"race-{turn}"
        test_journal_stores.acquire(open_store(), "dead", ttl=0.2, key=key)
        together = threading.Barrier(2)

        def take(run: str, key: str = key, together: threading.Barrier = together) -> str:
            journal = Journal(open_store())

            def once(dead: str | None = None) -> dict[str, t.Any]:
                owner = test_journal_stores.owner(run)
                return journal.perform("take_over", key=key, owner=owner, ttl=5.0, dead=dead)

            together.wait(60.0)
            try:
                return f"fence {takeover.wait(once)['fence']}"
            except Busy as busy:
                return f"busy {busy}"

        with ThreadPoolExecutor(2) as takers:
            said = list(takers.map(take, ("taker-1", "taker-2")))
        assert sorted(word.split()[0] for word in said) == ["busy", "fence"], said
        assert "fence 2" in said


def test_a_table_out_of_reach_is_one_sentence(open_store: Callable[[], Store], cloud: Cloud) -> None:
    store = open_store()
    assert store.swap("shop", store.read("shop")[1], ONE)
    cloud.faults.plan("*", "denied", times=99)
    with pytest.raises(Unreachable, match="AccessDenied.*it needs dynamodb:GetItem, dynamodb:PutItem, dynamodb:Scan"):
        store.check()
    cloud.faults.clear()
    cloud.faults.plan("*", "reset", times=99)
    with pytest.raises(Unreachable, match="the journal: AWS dynamodb get_item: no answer"):
        store.read("shop")
