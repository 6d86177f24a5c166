# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conditions of a rule, as users write them and as AWS describes them; pure."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

# Fields that take values, and those whose values belong to a name.
PLAIN = ("host-header", "path-pattern", "http-request-method", "source-ip")
NAMED = ("http-header", "query-string")

# Each condition as its field and the values of which one must match, in no order.
Conditions = frozenset[tuple[str, frozenset[str]]]


def asked(conditions: t.Mapping[str, t.Any]) -> Conditions:
    """Return what C({"host-header": ["shop.example.com"], "http-header": {"X-Shop": ["eu"]}}) asks for.

    Raises ReleaseError with the fields there are.
    """
    found: list[tuple[str, frozenset[str]]] = []
    for field, values in conditions.items():
        if field in PLAIN and not isinstance(values, t.Mapping):
            found.append((field, frozenset(_texts(values))))
        elif field == "http-header" and isinstance(values, t.Mapping):
            found += [(f"{field} {name.lower()}", frozenset(_texts(each))) for name, each in values.items()]
        elif field == "query-string" and isinstance(values, t.Mapping):
            found += [(field, frozenset(f"{key}={text}" for text in _texts(each))) for key, each in values.items()]
        else:
            raise ReleaseError(
                f"alb_traffic: conditions take {', '.join(PLAIN)} with values, and {' and '.join(NAMED)} "
                f"with values by name; there is {field}: {values!r}"
            )
    return frozenset(found)


def described(conditions: t.Sequence[t.Mapping[str, t.Any]]) -> Conditions:
    """Return the conditions of a rule of AWS, which come with their values in either of two places."""
    found = []
    for one in conditions:
        field = str(one["Field"])
        config: t.Mapping[str, t.Any] = next((value for key, value in one.items() if key.endswith("Config")), {})
        values = config.get("Values") or one.get("Values") or ()
        if field == "query-string":
            values = [f"{pair.get('Key', '')}={pair['Value']}" for pair in values]
        name = f" {str(config['HttpHeaderName']).lower()}" if config.get("HttpHeaderName") else ""
        found.append((field + name, frozenset(map(str, values))))
    return frozenset(found)


def text(conditions: Conditions) -> str:
    """Return conditions as an operator reads them."""
    return " and ".join(f"{field} {' or '.join(sorted(values))}" for field, values in sorted(conditions, key=str))


def _texts(values: t.Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, (list, tuple)) else [str(values)]
