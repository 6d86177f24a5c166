# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stores that the tests run against, and real processes that meet there."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.dynamodb import DynamoDBStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.file import FileStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.kubernetes import KubernetesStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Store
from configmaps import configmaps
from tables import tables

# How to open each store on a folder of the test's own; every process calls it for itself.
STORES: dict[str, Callable[[Path], Store]] = {
    "file": lambda folder: FileStore(str(folder / "journal")),
    "dynamodb": lambda folder: DynamoDBStore(
        {"table": "journal", "create_table": False, "retention": "0", "region": "eu-central-1"},
        tables(folder, "journal"),
    ),
    "kubernetes": lambda folder: KubernetesStore({"namespace": "shop"}, lambda options: configmaps(folder)),
}

FORK = multiprocessing.get_context("fork")
SECONDS = 60.0


class Processes:
    """Real processes that run a function; what it returns comes back, an exception as its text."""

    def __init__(self) -> None:
        self._running: list[tuple[t.Any, t.Any]] = []

    def start(self, work: Callable[[], t.Any]) -> int:
        """Run C(work) in a process of its own and return its pid."""
        ours, theirs = FORK.Pipe(duplex=False)
        process = FORK.Process(target=_report, args=(work, theirs), daemon=True)
        process.start()
        theirs.close()
        self._running.append((process, ours))
        return t.cast(int, process.pid)

    def results(self) -> list[t.Any]:
        """Return what each process returned, in the order of their starts."""
        found = []
        for process, pipe in self._running:
            assert pipe.poll(SECONDS), "a process did not end"
            found.append(pipe.recv())
            process.join(SECONDS)
        return found

    def end(self) -> None:
        """Kill what still runs."""
        for process, _pipe in self._running:
            process.kill()
            process.join(SECONDS)


@contextlib.contextmanager
def processes() -> Iterator[Processes]:
    """Processes that end with the test."""
    group = Processes()
    try:
        yield group
    finally:
        group.end()


def in_child(work: Callable[[], t.Any]) -> t.Any:
    """Return what C(work) returns in a process of its own, for limits and users that cannot be taken back."""
    with processes() as group:
        group.start(work)
        return group.results()[0]


def _report(work: Callable[[], t.Any], pipe: t.Any) -> None:
    try:
        result = work()
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    pipe.send(result)
    pipe.close()
    os._exit(0)
