# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath expressions that lead to numbers in a JSON answer."""

from __future__ import annotations

import importlib
import sys
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import SourceError


def library() -> t.Any:
    """Return the module C(jmespath). Raises SourceError with the command that installs it."""
    try:
        return importlib.import_module("jmespath")
    except ImportError:
        raise SourceError(
            f"the source web needs the Python package jmespath in {sys.executable}: "
            f"{sys.executable} -m pip install jmespath"
        ) from None


def quoted(value: str) -> str:
    """Return C(value) as it stands between double or single quotes of an expression."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")


def check(expression: str, what: str) -> None:
    """Raise SourceError, naming C(what), when C(expression) cannot be read."""
    jmespath = library()
    try:
        jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        raise SourceError(f"{what} is no JMESPath expression: {str(error).splitlines()[0]}") from None


def numbers(expression: str, document: t.Any, what: str) -> dict[t.Hashable, float]:
    """Return the counters that C(expression) finds in C(document), by key; nothing where it finds nothing.

    A number is one counter, a mapping one for each key, a list their sum: its order means nothing. Raises SourceError
    for anything else.
    """
    jmespath = library()
    try:
        found = jmespath.search(expression, document)
    except jmespath.exceptions.JMESPathError as error:
        raise SourceError(f"{what}: {str(error).splitlines()[0]}") from None
    if found is None:
        return {}
    if isinstance(found, dict):
        return {key: _number(value, what) for key, value in found.items()}
    if isinstance(found, list):
        return {"": sum(_number(value, what) for value in found)} if found else {}
    return {"": _number(found, what)}


def _number(value: t.Any, what: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise SourceError(f"{what} finds {type(value).__name__} instead of a number")
