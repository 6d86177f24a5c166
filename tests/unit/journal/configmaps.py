# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server's ConfigMaps, as far as a journal uses them, in a file that processes share.

Its answers are those of a real kube-apiserver 1.37; tests/integration/kubernetes asks that one the same questions.
"""

from __future__ import annotations

import fcntl
import json
import typing as t
import urllib.parse
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Answer, Client

Objects = dict[str, t.Any]


def configmaps(folder: Path) -> Client:
    """Return a client whose requests a file in C(folder) answers."""

    def send(method: str, target: str, content: bytes | None, headers: t.Mapping[str, str]) -> Answer:
        with (folder / "configmaps.json").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            known = json.loads(file.read() or '{"version": 0, "objects": {}}')
            status, body, changed = _answer(known, method, target, json.loads(content or b"null"))
            if changed:
                file.truncate(0)
                file.write(json.dumps(known))
        return Answer(status, json.dumps(body).encode())

    return Client({}, send=send, sleep=lambda seconds: None)


def _answer(known: Objects, method: str, target: str, body: t.Any) -> tuple[int, Objects, bool]:
    url = urllib.parse.urlsplit(target)
    prefix, _slash, name = url.path.partition("/configmaps")
    assert prefix == "/api/v1/namespaces/shop"
    objects, name = known["objects"], name.strip("/") or (body or {}).get("metadata", {}).get("name", "")
    query = dict(urllib.parse.parse_qsl(url.query))
    if method == "GET" and not name:
        wanted = dict(label.split("=") for label in query["labelSelector"].split(","))
        found = [one for one in objects.values() if wanted.items() <= one["metadata"]["labels"].items()]
        return 200, {"items": found}, False
    if method == "POST" and name in objects:
        return 409, {"message": f'configmaps "{name}" already exists'}, False
    if method != "POST" and name not in objects:
        return 404, {"message": f'configmaps "{name}" not found'}, False
    if method == "GET":
        return 200, objects[name], False
    if method == "PUT" and body["metadata"]["resourceVersion"] != objects[name]["metadata"]["resourceVersion"]:
        return 409, {"message": "the object has been modified; please apply your changes to the latest version"}, False
    if "dryRun" in query:
        return 201, body, False
    known["version"] += 1
    body["metadata"]["resourceVersion"] = str(known["version"])
    objects[name] = body
    return 201, body, True
