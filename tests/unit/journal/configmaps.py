# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server's ConfigMaps, as far as a journal uses them, in files that processes share.

Its answers are those of a real kube-apiserver 1.37; tests/integration/kubernetes asks that one the same questions.
"""

from __future__ import annotations

import fcntl
import json
import typing as t
import urllib.parse
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Answer, Client

Object = dict[str, t.Any]


def configmaps(folder: Path) -> Client:
    """Return a client whose requests files in C(folder) answer, one for each ConfigMap."""
    objects = folder / "configmaps"
    objects.mkdir(exist_ok=True)

    def send(method: str, target: str, content: bytes | None, headers: t.Mapping[str, str]) -> Answer:
        with (folder / "configmaps.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            status, body = _answer(objects, method, target, json.loads(content or b"null"))
        return Answer(status, json.dumps(body).encode())

    return Client({}, send=send, sleep=lambda seconds: None)


def _answer(objects: Path, method: str, target: str, body: t.Any) -> tuple[int, Object]:
    url = urllib.parse.urlsplit(target)
    prefix, _slash, name = url.path.partition("/configmaps")
    assert prefix == "/api/v1/namespaces/shop"
    name = name.strip("/") or (body or {}).get("metadata", {}).get("name", "")
    query = dict(urllib.parse.parse_qsl(url.query))
    if method == "GET" and not name:
        wanted = dict(label.split("=") for label in query["labelSelector"].split(","))
        every = [json.loads(path.read_text()) for path in sorted(objects.iterdir())]
        return 200, {"items": [one for one in every if wanted.items() <= one["metadata"]["labels"].items()]}
    path = objects / name
    known = json.loads(path.read_text()) if path.exists() else None
    if method == "POST" and known is not None:
        return 409, {"message": f'configmaps "{name}" already exists'}
    if method != "POST" and known is None:
        return 404, {"message": f'configmaps "{name}" not found'}
    if method == "GET":
        return 200, known or {}
    if method == "PUT" and known and body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
        return 409, {"message": "the object has been modified; please apply your changes to the latest version"}
    if "dryRun" in query:
        return 201, body
    body["metadata"]["resourceVersion"] = str(int(known["metadata"]["resourceVersion"]) + 1 if known else 1)
    path.write_text(json.dumps(body))
    return 201, body
