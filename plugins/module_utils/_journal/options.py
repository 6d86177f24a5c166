# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say where the journal is, shared by all who use one, and the store they name."""

from __future__ import annotations

import importlib
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.file import FileStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import VERBS
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Store

_HERE = "ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal"

# The stores beside C(file): each is a module here that says its options in C(SPEC), and its class.
_STORES = {"dynamodb": "DynamoDBStore", "kubernetes": "KubernetesStore"}

STORE: dict[str, dict[str, t.Any]] = {
    "store": {"type": "str", "choices": ["file", "dynamodb", "kubernetes"], "default": "file"},
    "path": {"type": "str", "default": "/var/lib/zerodowntime"},
    "machine": {"type": "str"},
    "dynamodb": {"type": "dict", "default": {}},
    "kubernetes": {"type": "dict", "default": {}},
    "ttl": {"type": "str", "default": "60s"},
}

SPEC: dict[str, dict[str, t.Any]] = {
    **STORE,
    "verb": {"type": "str", "required": True, "choices": list(VERBS)},
    "key": {"type": "str", "no_log": False},
    "arguments": {"type": "dict", "default": {}},
}

INFO_SPEC: dict[str, dict[str, t.Any]] = {**STORE, "key": {"type": "str", "no_log": False}}


def open_store(options: t.Mapping[str, t.Any]) -> Store:
    """Return the store that C(options), validated by C(STORE), name. Opens nothing yet.

    Raises JournalError when an option of the store's own is wrong.
    """
    if options["store"] == "file":
        return FileStore(str(options["path"]))
    name = str(options["store"])
    # Imported only where it is used: a client library takes half a second.
    try:
        module = importlib.import_module(f"{_HERE}.{name}")
    except ImportError as error:  # a module that was sent to another machine has only what it names itself
        raise JournalError(f"the {name} journal is reached from the controller: leave 'machine' out") from error
    given = dict(options[name] or {})
    unknown = [option for option in given if option not in module.SPEC]
    if unknown:
        raise JournalError(f"journal: {name} has no option {unknown[0]!r}; there are {', '.join(module.SPEC)}")
    checked = ArgumentSpecValidator(module.SPEC).validate(given)
    if checked.error_messages:
        raise JournalError(f"journal: {name}: {checked.error_messages[0]}")
    return t.cast(Store, getattr(module, _STORES[name])(checked.validated_parameters))


def ttl_of(options: t.Mapping[str, t.Any]) -> float:
    """Return the C(ttl) option in seconds; raises JournalError with one sentence."""
    try:
        span = duration.seconds(options["ttl"])
    except ValueError as error:
        raise JournalError(f"the journal's ttl: {error}") from None
    if span <= 0:
        raise JournalError("the journal's ttl is 0: a lock that is dead at once protects nothing")
    return span


def arguments_of(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the arguments of C(params)' verb: C(arguments) with the options C(key) and C(ttl) where it takes them."""
    arguments = dict(params["arguments"])
    if params["key"] is not None:
        arguments["key"] = params["key"]
    if params["verb"] in ("acquire", "take_over"):
        arguments.setdefault("ttl", ttl_of(params))
    return arguments
