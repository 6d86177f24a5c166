# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The C(dynamodb) store: one item per journal, read consistently and exchanged by a conditional put.

Each put gives the item a version of its own. So when the answer of one is lost, the item that is read again says
whether it was that put, and the same put can be sent again: at most one of the two is carried out.
"""

from __future__ import annotations

import contextlib
import json
import time
import typing as t
import uuid

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import auth
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.session import Service, code
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError, Unreachable
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Document, name_of

SPEC: dict[str, t.Any] = {
    **auth.SPEC,
    "table": {"type": "str", "default": "zerodowntime-journal"},
    "create_table": {"type": "bool", "default": False},
    "retention": {"type": "str", "default": "0"},
}

NOTHING = "none"
KEY = "id"
EXPIRES = "expires"
# An item may have 400 KB, its names and its other attributes counted.
ROOM = 400 * 1024 - 8 * 1024
TRIES = 3
MADE_IN = 60.0  # seconds that AWS may take to make a table
USING = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan")
MAKING = ("dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:UpdateTimeToLive")

Item = dict[str, t.Any]
Call = t.Callable[..., dict[str, t.Any]]


class DynamoDBStore:
    """Journals as items of one table. C(call) makes an API call; it and the clocks are for tests."""

    def __init__(
        self,
        options: t.Mapping[str, t.Any],
        call: t.Optional[Call] = None,
        wall: t.Callable[[], float] = time.time,
        monotonic: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.table = str(options["table"])
        self._create = bool(options["create_table"])
        self._service = Service(options, "dynamodb")
        self._call = call or self._service.call
        self._wall, self._monotonic, self._sleep = wall, monotonic, sleep
        try:
            self._retention = duration.seconds(options["retention"])
        except ValueError as error:
            raise JournalError(f"journal: dynamodb: retention: {error}") from None

    def read(self, key: str) -> tuple[t.Optional[Document], str]:
        with self._sentences():
            item = self._item(key)
        if item is None:
            return None, NOTHING
        return self._document(item), str(item["version"]["S"])

    def swap(self, key: str, version: str, document: Document) -> bool:
        item = self._written(key, document)
        condition: Item = {"ConditionExpression": f"attribute_not_exists({KEY})"}
        if version != NOTHING:
            condition = {"ConditionExpression": "version = :seen", "ExpressionAttributeValues": {":seen": _s(version)}}
        with self._sentences():
            for left in reversed(range(TRIES)):
                try:
                    self._put(item, condition)
                    return True
                except Lost:
                    # Its answer was lost, or an earlier try of it was the one that changed the version.
                    there = self._item(key)
                    now = there["version"]["S"] if there else NOTHING
                    if now == item["version"]["S"]:
                        return True
                    if now == version and not left:
                        raise
                    if now != version:
                        return False
                except ReleaseError as error:
                    if code(error) == "ConditionalCheckFailedException":
                        return False
                    raise
        raise AssertionError("the last try returns or raises")

    def keys(self) -> list[str]:
        found: list[str] = []
        asked: Item = {"ProjectionExpression": "journal", "ConsistentRead": True}
        with self._sentences():
            while True:
                try:
                    answer = self._call("scan", TableName=self.table, **asked)
                except ReleaseError as error:
                    if self._to_be_made(error):
                        return []
                    raise
                found += [str(item["journal"]["S"]) for item in answer["Items"] if "journal" in item]
                if not answer.get("LastEvaluatedKey"):
                    return sorted(found)
                asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def check(self) -> dict[str, t.Any]:
        exists = True
        with self._sentences():
            try:
                # All that a write goes through, and a condition that nothing can meet.
                self._call(
                    "put_item",
                    TableName=self.table,
                    Item={KEY: _s("probe")},
                    ConditionExpression=f"attribute_exists({KEY}) AND attribute_not_exists({KEY})",
                )
            except ReleaseError as error:
                if self._to_be_made(error):
                    exists = False
                elif code(error) != "ConditionalCheckFailedException":
                    raise
            self._item("probe")
            region = self._service.region
        return {"store": "dynamodb", "path": f"{region} table {self.table}", "exists": exists}

    def owned(self, key: str) -> list[Owned]:
        with self._sentences():
            found = self._item(key)
        return [Owned("DynamoDB item", f"{self.table}/{name_of(key)}", "the journal")] if found else []

    # -- parts

    def _item(self, key: str) -> t.Optional[Item]:
        try:
            answer = self._call("get_item", TableName=self.table, Key={KEY: _s(name_of(key))}, ConsistentRead=True)
        except ReleaseError as error:
            if self._to_be_made(error):
                return None
            raise
        return answer.get("Item") or None

    def _put(self, item: Item, condition: Item) -> None:
        try:
            self._call("put_item", TableName=self.table, Item=item, **condition)
        except ReleaseError as error:
            if not self._to_be_made(error):
                raise
            self._make()
            self._call("put_item", TableName=self.table, Item=item, **condition)

    def _written(self, key: str, document: Document) -> Item:
        content = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        size = len(content.encode("utf-8", "surrogatepass")) + len(key.encode("utf-8", "surrogatepass"))
        if size > ROOM:
            raise JournalError(f"the journal of {key[:200]} has {size} bytes, more than an item of DynamoDB can hold")
        item = {KEY: _s(name_of(key)), "journal": _s(key), "version": _s(uuid.uuid4().hex), "document": _s(content)}
        if self._retention:
            item[EXPIRES] = {"N": str(int(self._wall() + self._retention))}
        return item

    def _document(self, item: Item) -> Document:
        try:
            document = json.loads(item["document"]["S"])
        except (KeyError, TypeError, ValueError):
            document = None
        if not isinstance(document, dict) or "key" not in document or "version" not in item:
            raise JournalError(
                f"the item {item[KEY]['S']} of the table {self.table} is not a journal: move it away and run status to "
                "see where traffic is"
            )
        return document

    # -- the table

    def _to_be_made(self, error: ReleaseError) -> bool:
        """Return whether there is no table yet and we may make it. Raises JournalError where we may not."""
        if code(error) != "ResourceNotFoundException":
            return False
        if not self._create:
            raise JournalError(
                f"there is no table {self.table} in {self._service.region}: make it, as "
                "docs/examples/terraform/journal.tf does, or set create_table of the dynamodb journal"
            ) from error
        return True

    def _make(self) -> None:
        """Make the table, or wait for whoever makes it at this moment."""
        try:
            self._call(
                "create_table",
                TableName=self.table,
                AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except ReleaseError as error:
            if not isinstance(error, Lost) and code(error) != "ResourceInUseException":
                raise
        give_up = self._monotonic() + MADE_IN
        while self._status() != "ACTIVE":
            if self._monotonic() > give_up:
                raise Unreachable(f"the table {self.table} is not ready {MADE_IN:.0f} s after it was made")
            self._sleep(1.0)
        if self._retention:
            try:
                self._call(
                    "update_time_to_live",
                    TableName=self.table,
                    TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES},
                )
            except ReleaseError as error:
                # It only tidies up; and whoever made the table at the same moment has enabled it already.
                if not isinstance(error, Lost) and code(error) != "ValidationException":
                    raise

    def _status(self) -> str:
        try:
            return str(self._call("describe_table", TableName=self.table)["Table"]["TableStatus"])
        except ReleaseError as error:
            if code(error) == "ResourceNotFoundException" or isinstance(error, Lost):
                return "unknown"
            raise

    @contextlib.contextmanager
    def _sentences(self) -> t.Iterator[None]:
        try:
            yield
        except JournalError:
            raise
        except Lost as error:
            raise Unreachable(f"the journal: {error}") from error
        except ReleaseError as error:
            rights = [*USING, *(MAKING if self._create else ())]
            needs = f"; it needs {', '.join(rights)}" if code(error).startswith("AccessDenied") else ""
            raise Unreachable(f"the journal in the table {self.table} cannot be used: {error}{needs}") from error


def _s(text: str) -> dict[str, str]:
    return {"S": text}
