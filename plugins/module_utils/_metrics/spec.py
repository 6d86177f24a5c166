# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of C(metric_gate) and C(gate_replay)."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._haproxy.driver import HAProxyTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.settings import PRESETS, SOURCES

STATUSES = ("fail", "inconclusive", "error")

# Where balancers are reached, as in haproxy_traffic; inside of a shift nothing has to be said.
_SOURCES = {name: source.spec for name, source in SOURCES.items()}
_SOURCES["haproxy"] = {
    **{name: {**option, "required": False} for name, option in HAProxyTraffic.spec.items()},
    "machines": {"type": "list", "elements": "str", "default": []},
}

# Without defaults: a preset has to know what the user left open. What is the default then, Options says.
GATE: dict[str, t.Any] = {
    "preset": {"type": "str", "choices": list(PRESETS), "default": "http"},
    "source": {
        "type": "dict",
        "required": True,
        "options": {name: {"type": "dict", "options": options} for name, options in sorted(_SOURCES.items())},
    },
    "watch": {"type": "list", "elements": "dict"},
    "analysis": {"type": "str", "choices": ["sequential", "threshold"]},
    "metrics": {"type": "list", "elements": "raw"},
    "alpha": {"type": "float"},
    "beta": {"type": "float"},
    "null_ratio": {"type": "float"},
    "interval": {"type": "str"},
    "initial_delay": {"type": "str"},
    "failure_limit": {"type": "int"},
    "consecutive_error_limit": {"type": "int"},
    "intervals": {"type": "int"},
    "min_duration": {"type": "str"},
    "min_step_duration": {"type": "str"},
    "min_requests": {"type": "int"},
    "max_duration": {"type": "str"},
    "no_data_limit": {"type": "int"},
    "lookback": {"type": "str"},
    "dispersion": {"type": "raw"},
    "dispersion_prior": {"type": "float"},
    "impact_budget": {"type": "float"},
    "on_inconclusive": {"type": "str", "choices": ["hold", "promote", "rollback"]},
    "dry_run": {"type": "bool"},
}

_WHERE: dict[str, t.Any] = {
    "canary": {"type": "str", "required": True, "choices": list(SLOTS)},
    "slots": {"type": "dict", "default": {}},
    "revisions": {"type": "dict", "default": {}},
    "picture": {"type": "path"},
}


def _fail_on(*statuses: str) -> dict[str, t.Any]:
    return {"type": "list", "elements": "str", "choices": list(STATUSES), "default": list(statuses)}


METRIC_GATE: dict[str, t.Any] = {
    **GATE,
    **_WHERE,
    "weight": {"type": "int"},
    "next_weight": {"type": "int"},
    "fail_on": _fail_on("fail"),
}

GATE_REPLAY: dict[str, t.Any] = {
    **_WHERE,
    "gate": {"type": "raw", "required": True},
    "mode": {"type": "str", "choices": ["incident", "aa"], "default": "incident"},
    "start": {"type": "str", "required": True},
    "end": {"type": "str", "default": "now"},
    "steps": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"at": {"type": "str", "default": "0"}, "weight": {"type": "int", "required": True}},
    },
    "fail_on": _fail_on(),
}


def gate_of(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the gate that a task's C(params) say, as users write it where a gate is an option."""
    gate = {name: params[name] for name in GATE if params[name] is not None}
    # What the spec filled in, and the second name of an option, is not what the user said.
    gate["source"] = {
        name: {
            key: value
            for key, value in options.items()
            if key in _SOURCES[name] and value != _SOURCES[name][key].get("default")
        }
        for name, options in params["source"].items()
        if options is not None
    }
    return gate
