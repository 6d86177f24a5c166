# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The C(kubernetes) store: one ConfigMap per journal, exchanged by its resourceVersion."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError, Unreachable
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Document, name_of
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import (
    AUTH_SPEC,
    Client,
    Conflict,
    Missing,
    Object,
    path,
)

SPEC: dict[str, t.Any] = {**AUTH_SPEC, "namespace": {"type": "str", "required": True}}

NOTHING = "none"
PREFIX = "zerodowntime-"
DATA = "journal.json"
LABELS = {"app.kubernetes.io/managed-by": "zerodowntime.bluegreen", "app.kubernetes.io/component": "journal"}
SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())
# The API server takes 1 MiB for all of a ConfigMap.
ROOM = 1024 * 1024
# Seconds between attempts of a write of which it is unknown what became.
PAUSES = (0.2, 0.5)


class KubernetesStore:
    """Journals as ConfigMaps of one namespace. C(make) and C(sleep) are for tests."""

    def __init__(
        self,
        options: t.Mapping[str, t.Any],
        make: t.Callable[[t.Mapping[str, t.Any]], Client] = Client,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self.namespace = str(options["namespace"])
        self._options = options
        self._make = make
        self._opened: t.Optional[Client] = None

    def read(self, key: str) -> tuple[t.Optional[Document], str]:
        with self._sentences():
            found = self._client.find(self._where(key))
        if found is None:
            return None, NOTHING
        return self._document(found), str(found["metadata"]["resourceVersion"])

    def swap(self, key: str, version: str, document: Document) -> bool:
        content = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
        body: Object = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": configmap_of(key), "namespace": self.namespace, "labels": LABELS},
            "data": {DATA: content},
        }
        if version != NOTHING:
            body["metadata"]["resourceVersion"] = version
        with self._sentences():
            for pause in (*PAUSES, None):
                try:
                    return self._exchange(key, version, body)
                except Lost:
                    if pause is None:
                        raise
                    self._sleep(pause)
                # What became of it, the ConfigMap says: ours stands, or what was to be replaced does, or another's.
                found = self._client.find(self._where(key))
                if found and (found.get("data") or {}).get(DATA) == content:
                    return True
                if (str(found["metadata"]["resourceVersion"]) if found else NOTHING) != version:
                    return False
        raise AssertionError  # the last attempt returned or raised

    def _exchange(self, key: str, version: str, body: Object) -> bool:
        try:
            if version == NOTHING:
                self._client.create(self._where(), body)
            else:
                self._client.replace(self._where(key), body)
        except Conflict:
            return False
        except Missing:
            if version == NOTHING:
                raise  # the namespace is not there
            return False
        return True

    def keys(self) -> list[str]:
        with self._sentences():
            found = self._client.list(self._where(), labelSelector=SELECTOR)
        return sorted(str(self._document(one)["key"]) for one in found)

    def check(self) -> dict[str, t.Any]:
        probe = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{PREFIX}probe", "namespace": self.namespace, "labels": LABELS},
            "data": {DATA: "0" * (ROOM // 4)},
        }
        with self._sentences():
            # All that a write goes through, quota and admission too, and nothing is kept.
            self._client.create(self._where(), probe, dry_run=True)
        return {"store": "kubernetes", "path": f"{self._client.address} namespace {self.namespace}", "exists": True}

    def owned(self, key: str) -> list[Owned]:
        with self._sentences():
            found = self._client.find(self._where(key))
        return [Owned("ConfigMap", f"{self.namespace}/{configmap_of(key)}", "the journal")] if found else []

    @property
    def _client(self) -> Client:
        if self._opened is None:
            self._opened = self._make(self._options)
        return self._opened

    def _where(self, key: t.Optional[str] = None) -> str:
        return path("v1", "configmaps", self.namespace, "" if key is None else configmap_of(key))

    def _document(self, found: Object) -> Document:
        try:
            document = json.loads(found["data"][DATA])
        except (KeyError, TypeError, ValueError):
            document = None
        if not isinstance(document, dict) or "key" not in document:
            raise JournalError(
                f"the ConfigMap {self.namespace}/{found['metadata']['name']} is not a journal: move it away and run "
                "status to see where traffic is"
            )
        return document

    @contextlib.contextmanager
    def _sentences(self) -> t.Iterator[None]:
        try:
            yield
        except JournalError:
            raise
        except Lost as error:
            raise Unreachable(f"the journal: {error}") from error
        except ReleaseError as error:
            raise Unreachable(
                f"the journal in namespace {self.namespace} cannot be used: {error}; it needs the verbs get, list, "
                "create and update on configmaps"
            ) from error


def configmap_of(key: str) -> str:
    """Return the name of the ConfigMap that holds a journal."""
    return PREFIX + name_of(key)
