# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that only looks: what C(--check) puts in front of the real one."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Document, Store


class DryStore:
    """Reads from C(store); accepts every swap that it would have tried, and writes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, key: str) -> tuple[t.Optional[Document], str]:
        return self._store.read(key)

    def swap(self, key: str, version: str, document: Document) -> bool:
        return self._store.read(key)[1] == version

    def keys(self) -> list[str]:
        return self._store.keys()

    def check(self) -> dict[str, t.Any]:
        return self._store.check()

    def owned(self, key: str) -> list[Owned]:
        return self._store.owned(key)
