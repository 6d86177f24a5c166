# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of C(http_probe) and C(load_test), and what they mean."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import revision_source
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.target import Tls

Spec = dict[str, t.Any]

_REQUEST: Spec = {
    "url": {"type": "str"},
    "header": {"type": "str"},
    "json_path": {"type": "str"},
    "headers": {"type": "dict", "default": {}},
    "authorization": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "server_name": {"type": "str"},
    "machine": {"type": "str"},
}

PROBE_SPEC: Spec = {
    **_REQUEST,
    "url": {"type": "str", "required": True},
    "timeout": {"type": "str", "default": "5s"},
    "expect": {"type": "raw"},
    "status": {"type": "int", "default": 200},
    "consecutive": {"type": "int", "default": 1},
    "interval": {"type": "str", "default": "1s"},
    "deadline": {"type": "str", "default": "30s"},
}

LOAD_SPEC: Spec = {
    **_REQUEST,
    "state": {"type": "str", "choices": ["run", "started", "finished"], "default": "run"},
    "timeout": {"type": "str", "default": "10s"},
    "rate": {"type": "float", "default": 5.0},
    "connections": {"type": "int", "default": 10},
    "max_connections": {"type": "int", "default": 1000},
    "post_path": {"type": "str"},
    "post_share": {"type": "int", "default": 50},
    "post_body": {"type": "str", "default": "zerodowntime"},
    "slow_path": {"type": "str"},
    "slow_share": {"type": "int", "default": 1},
    "backoff": {"type": "bool", "default": False},
    "duration": {"type": "str", "default": "30s"},
    "report": {"type": "path"},
    "max_duration": {"type": "str", "default": "2h"},
    "beside": {"type": "int"},
    "max_error_rate": {"type": "float"},
    "max_p95": {"type": "str"},
    "fail_on_alarm": {"type": "bool", "default": False},
    "fail_on_dropped": {"type": "bool"},
}
LOAD_RULES: dict[str, t.Any] = {
    "required_if": [
        ("state", "run", ["url"]),
        ("state", "started", ["url", "report"]),
        ("state", "finished", ["report"]),
    ],
}


def load_of(params: t.Mapping[str, t.Any]) -> Load:
    """Return the load that the options describe. Raises ReleaseError naming the option that is wrong."""
    _positive(params, "connections", "max_connections")
    if params["rate"] < 0:
        raise ReleaseError(f"rate is {params['rate']:g}: requests per second, or 0 for as fast as answers come")
    return Load(
        url=params["url"],
        rate=params["rate"],
        connections=params["connections"],
        max_connections=max(params["max_connections"], params["connections"]),
        timeout=span(params, "timeout"),
        revision=revision_source(params["header"], params["json_path"]),
        headers=headers_of(params),
        post_path=params["post_path"] or "",
        post_share=params["post_share"],
        post_body=params["post_body"],
        slow_path=params["slow_path"] or "",
        slow_share=params["slow_share"],
        tls=tls_of(params),
        backoff=params["backoff"],
    )


def headers_of(params: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the headers to send."""
    headers = {str(name): str(value) for name, value in params["headers"].items()}
    if params["authorization"]:
        headers["Authorization"] = params["authorization"]
    return headers


def tls_of(params: t.Mapping[str, t.Any]) -> Tls:
    """Return how the server proves itself."""
    return Tls(params["validate_certs"], params["ca_path"] or "", params["server_name"] or "")


def span(params: t.Mapping[str, t.Any], name: str) -> float:
    """Return the seconds of the option C(name), above 0. Raises ReleaseError."""
    try:
        seconds = duration.seconds(params[name])
    except ValueError as error:
        raise ReleaseError(f"{name}: {error}") from error
    if seconds <= 0:
        raise ReleaseError(f"{name} is {params[name]}: it has to be longer than nothing")
    return seconds


def expected(params: t.Mapping[str, t.Any]) -> t.Optional[str]:
    """Return the revision to expect. Raises ReleaseError when it is no text: C(1.10) is the number 1.1 in YAML."""
    expect = params["expect"]
    if expect is None or expect == "":
        return None
    if not isinstance(expect, str):
        raise ReleaseError(f"expect is {expect!r}, not text: put the revision in quotes")
    if not (params["header"] or params["json_path"]):
        raise ReleaseError("expect needs header or json_path: where the answer says its revision")
    return expect


def _positive(params: t.Mapping[str, t.Any], *names: str) -> None:
    for name in names:
        if params[name] < 1:
            raise ReleaseError(f"{name} is {params[name]}: at least 1")


def consecutive_of(params: t.Mapping[str, t.Any]) -> int:
    """Return how many good answers in a row are wanted. Raises ReleaseError."""
    _positive(params, "consecutive")
    return t.cast(int, params["consecutive"])
