# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that no result and no line of an action may show, wherever among its options they stand.

C(no_log) of an argument spec reaches neither the options of a traffic system within C(traffic) nor the live lines.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping

# Names of options and of headers whose value is a secret.
_NAMES = re.compile(r"passw|secret|token|api_?key|authorization|bearer|cookie$", re.I)
_SHORTEST = 4  # what is shorter stands in every second word
HIDDEN = "********"


def secret(name: str) -> bool:
    """Return whether an option or header of that name holds a secret."""
    return bool(_NAMES.search(name))


def within(value: t.Any, hidden: bool = False) -> Iterator[str]:
    """Yield every secret in C(value), all texts of it where it is C(hidden) itself."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from within(item, hidden or secret(str(name)))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from within(item, hidden)
    elif hidden and isinstance(value, str) and len(value) >= _SHORTEST:
        yield value


def masked(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """Return C(value) without any of C(secrets)."""
    if not secrets:
        return value
    if isinstance(value, str):
        for one in sorted(secrets, key=len, reverse=True):  # one may be a part of another
            value = value.replace(one, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {masked(name, secrets): masked(item, secrets) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item, secrets) for item in value]
    return value
