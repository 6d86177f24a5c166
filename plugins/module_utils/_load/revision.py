# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which revision answered: by a header of the answer, or by a JSON path in its body."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True)
class RevisionSource:
    """Where an answer says its revision: a header, a place in a JSON body, or nowhere."""

    header: str = ""
    json_path: str = ""

    def __bool__(self) -> bool:
        return bool(self.header or self.json_path)

    def __str__(self) -> str:
        """Return the words for sentences: C(header X-Version), C(JSON path build.version)."""
        return f"header {self.header}" if self.header else f"JSON path {self.json_path}"


def revision_source(header: t.Optional[str], json_path: t.Optional[str]) -> RevisionSource:
    """Return the source that the two options name. Raises ReleaseError when both are given or one cannot be read."""
    if header and json_path:
        raise ReleaseError("give header or json_path, not both: a revision is read at one place")
    if json_path:
        steps(json_path)
    return RevisionSource(header or "", json_path or "")


def steps(path: str) -> list[t.Union[str, int]]:
    """Return the keys and indexes of C(path), written C(build.version), C($.items[0].tag). Raises ReleaseError."""
    rest = path[1:] if path.startswith("$") else path
    found: list[t.Union[str, int]] = []
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if not step:
            break
        found.append(int(step.group(2)) if step.group(2) else step.group(1))
        at = step.end()
    if at < len(rest) or not found:
        raise ReleaseError(f"{path!r} is not a JSON path such as build.version or $.items[0].tag")
    return found


def revision_in(body: bytes, path: t.Sequence[t.Union[str, int]]) -> str:
    """Return the text or number at C(path) in the JSON C(body); nothing when it is not there."""
    try:
        value = json.loads(body)
        for step in path:
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    return "" if value is None or isinstance(value, (dict, list)) else str(value)
