# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store of journals is: documents by key, exchanged whole by compare-and-swap."""

from __future__ import annotations

import hashlib
import re
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned

Document = dict[str, t.Any]


class Store(t.Protocol):
    """A place that outlives the process of a release.

    Every method raises Unreachable with one sentence when the store cannot be used, JournalError when what lies there
    is not a journal.
    """

    def read(self, key: str) -> tuple[t.Optional[Document], str]:
        """Return the document of C(key) and its version; None and a version where there is none yet.

        What is returned was once written whole: no reader ever sees half a document.
        """

    def swap(self, key: str, version: str, document: Document) -> bool:
        """Put C(document) in the place of the one with C(version), durably; return False if that one is gone."""

    def keys(self) -> list[str]:
        """Return the keys of all documents, sorted."""

    def check(self) -> dict[str, t.Any]:
        """Return where the store is and how much room it has, having proven that it can be written; changes nothing.

        Raises JournalError too when the store would not outlive this run.
        """

    def owned(self, key: str) -> list[Owned]:
        """Return what there is of the journal of C(key)."""


def name_of(key: str) -> str:
    """Return the name of a journal in its store: the hash makes it unique, the slug tells a person which one it is."""
    slug = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:60].strip("-")
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{slug}-{digest}" if slug else digest
