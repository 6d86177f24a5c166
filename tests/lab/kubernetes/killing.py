# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of real pods that are killed at a known moment: the ground of C(hosts/killing.py) on a test bed of its own.

The journal is a ConfigMap, and what a release writes is seen by watches: journal, traffic object, Deployments. Where
traffic is, the API server says; Envoy follows it a tenth of a second later.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import ssl
import sys
import tempfile
import threading
import time
import typing as t
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.lab.hosts.killing import Ground, Live, Sights
from tests.lab.hosts.world import MARK, SLOTS, end
from tests.lab.kubernetes import images
from tests.lab.kubernetes.testbed import Shop, TestBed, testbed
from tests.lab.kubernetes.testbed import missing as missing_bed

# As many as one run may want; the node has no registry to get a later one from.
RELEASES = 400
JOURNAL = "journal.json"
JOURNALS = "app.kubernetes.io/component=journal"

__all__ = ["KubernetesGround", "missing_bed"]


class KubernetesGround(Ground):
    """The shop of two slots in pods, behind C(driver); C(bed) is one of its own by default."""

    def __init__(self, driver: str, bed: TestBed | None = None, **variables: t.Any) -> None:
        super().__init__(driver, **variables)
        self._bed, self._ends = bed, contextlib.ExitStack()

    def __enter__(self) -> KubernetesGround:
        try:
            self._open(self._bed or self._ends.enter_context(testbed()))
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        if hasattr(self, "folder"):
            end(self.folder)
        self._ends.close()

    @property
    def lease_seconds(self) -> float:
        # No lease lives here: what no process of ours has put back by then waits for a resume.
        return 0.5

    def sights(self) -> Sights:
        return WatchedSights(self)

    def live(self) -> Live:
        return (self.shop.weights_of(self._get(self.shop.path)),)

    def healthy(self, slot: str) -> bool:
        return self.shop.ready(slot) > 0

    def document(self) -> dict[str, t.Any] | None:
        found = self._get(f"/api/v1/namespaces/{self.shop.namespace}/configmaps?labelSelector={JOURNALS}")["items"]
        return t.cast("dict[str, t.Any]", json.loads(found[0]["data"][JOURNAL])) if found else None

    def generation(self, name: str) -> int:
        """Return how often what a Deployment asks for has changed."""
        found = self._get(f"/apis/apps/v1/namespaces/{self.shop.namespace}/deployments/{name}")
        return int(found["metadata"]["generation"])

    def doors(self) -> list[str]:
        return [self.shop.url]

    def environment(self) -> dict[str, str]:
        users = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        return {
            **users,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "ANSIBLE_COLLECTIONS_PATH": os.environ.get("ANSIBLE_COLLECTIONS_PATH", ""),
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            MARK: str(self.folder),
        }

    def _open(self, bed: TestBed) -> None:
        bed.node.load(images.shop({"first": "", **{f"r{number}": "" for number in range(1, RELEASES + 1)}}))
        self.folder = Path(tempfile.mkdtemp(prefix="zdt-kills-", dir="/tmp"))
        variables = {
            name: value
            for name, value in self.variables.items()
            if not name.startswith("release_hosts_") and name != "release_lease_ttl"
        }
        # The seconds in which a lock goes stale are those of the ground.
        self.shop = Shop(
            bed.cluster,
            bed.mesh,
            self.driver,
            self.folder,
            {"release_drain_timeout": "1s", **variables, "release_verify": None},
            {"ttl": "6s"},
        )
        self._api = bed.cluster.api
        self._trust = ssl.create_default_context(cafile=str(self._api.ca))
        self._connection: http.client.HTTPSConnection | None = None
        self.events: queue.SimpleQueue[dict[str, t.Any]] = queue.SimpleQueue()
        self.must("deploy", "-e", "release_revision=first")
        namespace = self.shop.namespace
        parent, _slash, name = self.shop.path.rpartition("/")
        self._watch(f"/api/v1/namespaces/{namespace}/configmaps", labelSelector=JOURNALS)
        self._watch(f"/apis/apps/v1/namespaces/{namespace}/deployments")
        self._watch(parent, fieldSelector=f"metadata.name={name}")

    def _watch(self, path: str, **query: str) -> None:
        def look() -> None:
            # It ends with the API server.
            with contextlib.suppress(OSError, http.client.HTTPException):
                while True:
                    for found in self._api.watch(path, **query):
                        self.events.put(found)

        threading.Thread(target=look, daemon=True).start()

    def _get(self, path: str) -> dict[str, t.Any]:
        """Return an object by a connection that stays: it is asked for hundreds of times a second."""
        for last in (False, True):
            try:
                if self._connection is None:
                    host = self._api.url.partition("//")[2]
                    self._connection = http.client.HTTPSConnection(host, timeout=30, context=self._trust)
                self._connection.request("GET", path, headers={"Authorization": f"Bearer {self._api.token}"})
                return t.cast("dict[str, t.Any]", json.loads(self._connection.getresponse().read()))
            except (OSError, http.client.HTTPException):
                self._connection = None
                if last:
                    raise
        raise AssertionError


class WatchedSights(Sights):
    """Names what a release writes, within milliseconds of each write. Entered before the release begins."""

    def __init__(self, ground: KubernetesGround) -> None:
        self.ground: KubernetesGround = ground
        while not ground.events.empty():
            ground.events.get()
        before, self._weights = ground.document(), ground.live()[0]
        self._canary = next(slot for slot in SLOTS if self._weights and not self._weights[slot])
        self._entries = {r["id"]: r["entry"] for r in before["releases"]} if before else {}
        self._locked = bool(before and before["lock"])
        names = (f"shop-{slot}" for slot in SLOTS)
        self._generations = {name: ground.generation(name) for name in names}
        self._last, self._seen = "the start", Counter[str]()

    def close(self) -> None:
        """Its watches are the ground's."""

    def until(self, seconds: float, over: t.Callable[[], bool]) -> Iterator[str]:
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            done = over()
            try:
                found = self.ground.events.get(timeout=0.3 if done else 0.05)
            except queue.Empty:
                if done:
                    return
                continue
            yield from self._names(found)

    def _names(self, found: dict[str, t.Any]) -> Iterator[str]:
        metadata = found["metadata"]
        if JOURNAL in found.get("data", {}):
            yield from self._entry(json.loads(found["data"][JOURNAL]))
        elif metadata["name"] in ("shop-blue", "shop-green"):
            before = self._generations[metadata["name"]]
            self._generations[metadata["name"]] = metadata["generation"]
            if metadata["generation"] > before:
                yield self._unique(f"{metadata['name']} asks for {found['spec']['replicas']}")
        elif "spec" in found:
            weights = self.ground.shop.weights_of(found)
            if weights != self._weights:
                self._weights = weights
                yield self._unique(f"traffic at {weights[self._canary]} %")
