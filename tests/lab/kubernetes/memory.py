# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kube-apiserver answers to the drivers' requests, from objects in memory: for unit tests.

Only what was seen of the real one: 409 for an old resourceVersion, 422 for a C(test) that fails, a dry run that keeps
nothing. The same drivers run against a real server in tests/integration/kubernetes.
"""

from __future__ import annotations

import copy
import json
import typing as t
import urllib.parse

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import (
    Answer,
    Client,
    Unanswered,
    Unsent,
)

Object = dict[str, t.Any]
Fault = int | type[Exception] | t.Callable[["MemoryApi"], None]


class MemoryApi:
    """C(objects) by path, lists by the path of the collection. C(faults) are used up by writes, C(outages) by reads.

    A fault is a status, an exception of the connection (C(Unanswered) after the work was done), or what somebody else
    does to the objects just before the write arrives.
    """

    def __init__(self, objects: t.Mapping[str, t.Any]) -> None:
        self.objects = copy.deepcopy(dict(objects))
        self.asked: list[str] = []
        self.patches: list[t.Any] = []
        self.faults: list[Fault] = []
        self.outages: list[Fault] = []
        self.slept: list[float] = []

    def client(self, **options: t.Any) -> Client:
        """Return a client of it that does not wait."""
        return Client({"host": "https://api.example.com:6443", **options}, self.send, self.slept.append)

    def send(self, method: str, target: str, content: bytes | None, _headers: t.Mapping[str, str]) -> Answer:
        """Answer one request."""
        place, _mark, query = target.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        self.asked.append(f"{method} {target}")
        due = self.outages if method == "GET" else self.faults
        fault = due.pop(0) if due else None
        if isinstance(fault, int):
            return _status(fault, "a fault")
        if fault is Unsent:
            raise Unsent("connection refused")
        between = fault if callable(fault) and not isinstance(fault, type) else None
        patch = json.loads(content or b"null")
        answer = self._get(place, asked) if method == "GET" else self._patch(place, patch, asked, between)
        if fault is Unanswered:
            raise Unanswered("the connection ended")
        return answer

    def touch(self, place: str, change: t.Callable[[Object], None]) -> None:
        """Change an object by other hands."""
        change(self.objects[place])
        self._count(self.objects[place])

    def _get(self, place: str, asked: t.Mapping[str, str]) -> Answer:
        found = self.objects.get(place)
        if found is None:
            return _status(404, "not found")
        if isinstance(found, list):
            wanted = dict(one.split("=") for one in asked.get("labelSelector", "").split(",") if one)
            found = {"items": [one for one in found if wanted.items() <= one["metadata"].get("labels", {}).items()]}
        return Answer(200, json.dumps(found).encode())

    def _patch(
        self,
        place: str,
        patch: list[Object],
        asked: t.Mapping[str, str],
        between: t.Callable[[MemoryApi], None] | None,
    ) -> Answer:
        self.patches.append(copy.deepcopy(patch))
        if between:
            between(self)  # somebody was faster
        made = copy.deepcopy(self.objects[place])
        for step in patch:
            *way, last = [
                part.replace("~1", "/").replace("~0", "~") for part in step["path"].removeprefix("/").split("/")
            ]
            at: t.Any = made
            for part in way:
                at = at[int(part) if isinstance(at, list) else part]
            if step["op"] == "test":
                if at[int(last) if isinstance(at, list) else last] != step["value"]:
                    return _status(422, "the server rejected our request due to an error in our request")
            elif isinstance(at, list):
                at.append(step["value"])
            else:
                at[last] = step["value"]
        if made["metadata"]["resourceVersion"] != self.objects[place]["metadata"]["resourceVersion"]:
            return _status(409, "the object has been modified")
        self._count(made)
        if asked.get("dryRun") != "All":
            self.objects[place] = made
        return Answer(200, json.dumps(made).encode())

    @staticmethod
    def _count(found: Object) -> None:
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)


def _status(code: int, message: str) -> Answer:
    return Answer(code, json.dumps({"kind": "Status", "code": code, "message": message}).encode())
