# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Compose project as a whole, wherever it lies: brought up, or only looked at before a release."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker import stack
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.driver import ComposeFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import COLLECTION, Remote, TaskHost

Facts = dict[str, t.Any]


def run(action: ReleaseAction, params: Facts, task_vars: Facts) -> Facts:
    """Return what C(compose_stack) returns, of all machines; raises ReleaseError with the first one's reason."""
    options = {name: params[name] for name in (*ComposeFleet.spec, "start") if params.get(name) is not None}
    ComposeFleet(params)  # what is wrong with the options is said before a connection is opened
    machines: list[Remote] = [Machine.open(action, name, task_vars) for name in params["machines"]]
    if not machines and not action.local:
        machines = [TaskHost(action, task_vars)]
    if not machines:
        if action.becomes:
            raise ReleaseError("compose_stack runs in the controller's process, where become does nothing")
        return stack.bring_up(params, action._task.check_mode)
    results = [machine.module(f"{COLLECTION}.compose_stack", options) for machine in machines]
    for machine, result in zip(machines, results, strict=True):
        if result.get("failed"):
            raise ReleaseError(f"{machine.name}: {_traffic.raised(result)}")
    marks = [result["configuration"] for result in results]
    return {
        "changed": any(result["changed"] for result in results),
        "diff": [part for result in results for part in result["diff"]],
        # Machines that agree are as good as one of them.
        "configuration": marks[0] if len(set(marks)) == 1 else hashlib.sha256("".join(marks).encode()).hexdigest()[:16],
    }


def configuration(action: ReleaseAction, settings: Facts, task_vars: Facts) -> str:
    """Return the mark of what the Compose file says about both slots; raises ReleaseError when they are unfit."""
    options = {name: settings.get(f"compose_{name}") for name in ComposeFleet.spec}
    seen = run(action, {**options, "machines": settings["compose_machines"], "start": False}, task_vars)
    return str(seen["configuration"])
