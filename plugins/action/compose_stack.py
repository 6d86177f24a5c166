# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(compose_stack): in the controller's process, or on the machines that are named."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker import stack
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.driver import ComposeFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import COLLECTION, Remote, TaskHost


class ActionModule(ReleaseAction):
    """Brings up what a Compose project has beside its slots."""

    SPEC = stack.SPEC

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return changed and diff of all machines; raises ReleaseError with the first one's reason."""
        options = {name: params[name] for name in ComposeFleet.spec if params.get(name) is not None}
        ComposeFleet(params)  # what is wrong with the options is said before a connection is opened
        machines: list[Remote] = [Machine.open(self, name, task_vars) for name in params["machines"]]
        if not machines and not self.local:
            machines = [TaskHost(self, task_vars)]
        if not machines:
            if self.becomes:
                raise ReleaseError("compose_stack runs in the controller's process, where become does nothing")
            return stack.bring_up(params, self._task.check_mode)
        results = [machine.module(f"{COLLECTION}.compose_stack", options) for machine in machines]
        for machine, result in zip(machines, results, strict=True):
            if result.get("failed"):
                raise ReleaseError(f"{machine.name}: {_traffic.raised(result)}")
        return {
            "changed": any(result["changed"] for result in results),
            "diff": [part for result in results for part in result["diff"]],
        }
