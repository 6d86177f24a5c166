# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is DynamoDB's own: a table that may be missing, answers that are lost, the size of an item, retention."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.dynamodb import NOTHING, DynamoDBStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError, Unreachable
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.options import STORE, open_store
from tables import Call, error, items, lossy, tables

TABLE = "zerodowntime-journal"
ONE, TWO = {"key": "shop", "n": 1}, {"key": "shop", "n": 2}


def store(call: Call, **more: t.Any) -> DynamoDBStore:
    options = {"table": TABLE, "create_table": False, "retention": "0", "region": "eu-central-1", **more}
    return DynamoDBStore(options, call, wall=lambda: 1000.0, sleep=lambda seconds: None)


def test_without_a_table_a_release_is_refused_and_told_both_ways_out(tmp_path: Path) -> None:
    refusing = store(tables(tmp_path))
    for use in (refusing.check, refusing.keys, lambda: refusing.read("shop"), lambda: refusing.swap("s", "", {})):
        with pytest.raises(JournalError, match=r"no table zerodowntime-journal in eu-central-1: .*set create_"):
            use()
    assert not (tmp_path / "tables").exists()


def test_on_request_the_first_write_makes_the_table_and_waits_until_it_is_ready(tmp_path: Path) -> None:
    made = store(tables(tmp_path), create_table=True, retention="90d")
    assert (made.check()["exists"], made.keys(), made.read("shop")) == (False, [], (None, NOTHING))
    assert not (tmp_path / "tables").exists(), "looking makes nothing"
    assert made.swap("shop", NOTHING, ONE)
    ttl = json.loads((tmp_path / "tables" / f"{TABLE}.ttl").read_text())
    assert ttl == {"Enabled": True, "AttributeName": "expires"}
    assert made.read("shop")[0] == ONE
    assert made.check()["exists"] is True


def test_a_table_that_somebody_else_makes_at_the_same_moment_is_waited_for(tmp_path: Path) -> None:
    inner, calls = tables(tmp_path), []

    def call(operation: str, **asked: t.Any) -> dict[str, t.Any]:
        calls.append(operation)
        if operation == "create_table":
            inner(operation, **asked)  # the other one
        return inner(operation, **asked)

    assert store(call, create_table=True).swap("shop", NOTHING, ONE)
    assert calls == ["put_item", "create_table", "describe_table", "describe_table", "put_item"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_read_again_and_the_exchange_is_made_once(tmp_path: Path, when: str) -> None:
    inner = tables(tmp_path, TABLE)
    losing = store(lossy(inner, "put_item", when))
    assert losing.swap("shop", NOTHING, ONE)
    document, version = store(inner).read("shop")
    assert document == ONE
    assert store(lossy(inner, "put_item", when)).swap("shop", version, TWO)
    assert store(inner).read("shop")[0] == TWO


def test_a_lost_answer_behind_which_somebody_else_won_is_an_exchange_that_was_not_made(tmp_path: Path) -> None:
    inner = tables(tmp_path, TABLE)
    first = store(inner)
    assert first.swap("shop", NOTHING, ONE)
    version = first.read("shop")[1]

    def call(operation: str, **asked: t.Any) -> dict[str, t.Any]:
        if operation == "put_item" and first.read("shop")[1] == version:
            assert first.swap("shop", version, TWO)
            raise Lost("AWS dynamodb: no answer")
        return inner(operation, **asked)

    assert not store(call).swap("shop", version, {"key": "shop", "n": 3})
    assert first.read("shop")[0] == TWO


def test_a_refusal_of_a_second_try_by_our_own_first_one_is_no_refusal(tmp_path: Path) -> None:
    inner = tables(tmp_path, TABLE)

    def call(operation: str, **asked: t.Any) -> dict[str, t.Any]:
        answer = inner(operation, **asked)
        if operation == "put_item":  # botocore sent it again after a reset, and the condition failed
            raise error("ConditionalCheckFailedException", Lost)
        return answer

    assert store(call).swap("shop", NOTHING, ONE)


def test_answers_that_stay_lost_leave_the_exchange_unknown(tmp_path: Path) -> None:
    losing = store(lossy(tables(tmp_path, TABLE), "put_item", "before", times=99))
    with pytest.raises(Unreachable, match="the journal: AWS dynamodb: no answer"):
        losing.swap("shop", NOTHING, ONE)


def test_a_journal_that_no_item_can_hold_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    whole = store(tables(tmp_path, TABLE))
    with pytest.raises(
        JournalError, match=r"the journal of shop has \d+ bytes, more than an item of DynamoDB can hold"
    ):
        whole.swap("shop", NOTHING, {"key": "shop", "text": "\N{SNOWMAN}" * 140_000})
    assert whole.swap("shop", NOTHING, {"key": "shop", "text": "\N{SNOWMAN}" * 128 * 1024})


def test_each_change_puts_off_when_a_journal_may_be_forgotten(tmp_path: Path) -> None:
    kept = store(tables(tmp_path, TABLE), retention="90d")
    assert kept.swap("shop", NOTHING, ONE)
    (item,) = items(tmp_path, TABLE).values()
    assert item["expires"] == {"N": str(1000 + 90 * 86400)}
    assert store(tables(tmp_path)).swap("shop", kept.read("shop")[1], TWO)
    (item,) = items(tmp_path, TABLE).values()
    assert "expires" not in item


def test_an_item_that_is_no_journal_is_named(tmp_path: Path) -> None:
    call = tables(tmp_path, TABLE)
    store(call).swap("shop", NOTHING, ONE)
    (id, item) = next(iter(items(tmp_path, TABLE).items()))
    version = item["version"]
    asked = {"ConditionExpression": "version = :seen", "ExpressionAttributeValues": {":seen": version}}
    call("put_item", TableName=TABLE, Item={**item, "document": {"S": "{"}}, **asked)
    with pytest.raises(JournalError, match=f"the item {id} of the table {TABLE} is not a journal"):
        store(call).read("shop")


def test_a_role_without_the_rights_is_told_which() -> None:
    def denied(operation: str, **asked: t.Any) -> dict[str, t.Any]:
        raise error("AccessDeniedException")

    with pytest.raises(Unreachable, match="it needs dynamodb:GetItem, dynamodb:PutItem, dynamodb:Scan$"):
        store(denied).check()
    with pytest.raises(Unreachable, match="dynamodb:Scan, dynamodb:CreateTable, dynamodb:DescribeTable, dynamodb:Up"):
        store(denied, create_table=True).check()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tabel": "x"}, "journal: dynamodb has no option 'tabel'; there are profile, region"),
        ({"create_table": "perhaps"}, "journal: dynamodb: .*perhaps.*"),
        ({"retention": "long"}, "journal: dynamodb: retention: 'long' is not a duration"),
    ],
)
def test_a_wrong_option_is_one_sentence(options: dict[str, t.Any], sentence: str) -> None:
    with pytest.raises(JournalError, match=sentence):
        open_store({"store": "dynamodb", "dynamodb": options})
    assert "dynamodb" in STORE["store"]["choices"]
