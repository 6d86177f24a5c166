# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DynamoDB's tables, as far as a journal uses them, in files that processes share.

Its answers are DynamoDB's documented ones; tests/integration/aws asks moto the same questions.
"""

from __future__ import annotations

import fcntl
import json
import typing as t
from collections.abc import Callable
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError

Call = Callable[..., dict[str, t.Any]]
PAGE = 2  # items in an answer to Scan


class Refused(Exception):
    """What boto3 raises; its response names the code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


def error(code: str, kind: type[ReleaseError] = ReleaseError) -> ReleaseError:
    """Return what C(Service.call) makes of AWS's word."""
    raised = kind(f"AWS dynamodb: {code}: no reason given")
    raised.__cause__ = Refused(code)
    return raised


def tables(folder: Path, *made: str) -> Call:
    """Return what makes API calls on the tables in C(folder), those of C(made) among them."""
    for name in made:
        (folder / "tables" / name).mkdir(parents=True, exist_ok=True)

    def call(operation: str, **asked: t.Any) -> dict[str, t.Any]:
        with (folder / "tables.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _answer(folder / "tables" / asked["TableName"], operation, asked)

    return call


def lossy(call: Call, operation: str, when: str, times: int = 1) -> Call:
    """Return C(call) that loses the first answers to C(operation): C(before) it is made, or C(after)."""
    left = [times]

    def losing(asked_operation: str, **asked: t.Any) -> dict[str, t.Any]:
        lost = asked_operation == operation and left[0] > 0
        if lost:
            left[0] -= 1
            if when == "before":
                raise Lost("AWS dynamodb: no answer")
        answer = call(asked_operation, **asked)
        if lost:
            raise Lost("AWS dynamodb: no answer")
        return answer

    return losing


def items(folder: Path, table: str) -> dict[str, dict[str, t.Any]]:
    """Return the items of a table by their id."""
    return {path.name: json.loads(path.read_text()) for path in sorted((folder / "tables" / table).iterdir())}


def _answer(table: Path, operation: str, asked: dict[str, t.Any]) -> dict[str, t.Any]:
    making = table.with_suffix(".making")
    if operation == "create_table":
        if table.exists():
            raise error("ResourceInUseException")
        table.mkdir(parents=True)
        making.touch()
        return {"TableDescription": {"TableStatus": "CREATING"}}
    if not table.exists():
        raise error("ResourceNotFoundException")
    if operation == "describe_table":
        if making.exists():
            making.unlink()
            return {"Table": {"TableStatus": "CREATING"}}
        return {"Table": {"TableStatus": "ACTIVE"}}
    if operation == "update_time_to_live":
        table.with_suffix(".ttl").write_text(json.dumps(asked["TimeToLiveSpecification"]))
        return {}
    if operation == "get_item":
        assert asked["ConsistentRead"] is True
        found = _read(table / asked["Key"]["id"]["S"])
        return {"Item": found} if found else {}
    if operation == "scan":
        assert asked["ConsistentRead"] is True
        names = sorted(path.name for path in table.iterdir())
        first = names.index(asked["ExclusiveStartKey"]["id"]["S"]) + 1 if "ExclusiveStartKey" in asked else 0
        page = names[first : first + PAGE]
        answer: dict[str, t.Any] = {"Items": [{"journal": (_read(table / one) or {})["journal"]} for one in page]}
        if first + PAGE < len(names):
            answer["LastEvaluatedKey"] = {"id": {"S": page[-1]}}
        return answer
    assert operation == "put_item"
    path = table / asked["Item"]["id"]["S"]
    now = _read(path)
    if asked["ConditionExpression"] == "attribute_not_exists(id)":
        met = now is None
    elif asked["ConditionExpression"] == "version = :seen":
        met = now is not None and now["version"] == asked["ExpressionAttributeValues"][":seen"]
    else:
        assert asked["ConditionExpression"] == "attribute_exists(id) AND attribute_not_exists(id)"
        met = False
    if not met:
        raise error("ConditionalCheckFailedException")
    path.write_text(json.dumps(asked["Item"]))
    return {}


def _read(path: Path) -> dict[str, t.Any] | None:
    return json.loads(path.read_text()) if path.exists() else None
