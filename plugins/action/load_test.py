# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(load_test) in the controller's process (C(run)) or a process of its own beside it, or on the machine it names."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.options import LOAD_RULES, LOAD_SPEC
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.verbs import load_test
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._sender import from_elsewhere, start_by_subprocess


class ActionModule(ReleaseAction):
    """Sends a load and counts what becomes of each request."""

    SPEC = LOAD_SPEC
    RULES = LOAD_RULES

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the certificate; for a load that was started, where its report is."""
        result = from_elsewhere(self, "load_test", params, task_vars)
        if result is None:
            controller = os.getppid()
            result = load_test(params, self.say, start_by_subprocess, controller, self._task.check_mode)
        for line in result.get("summary", ()):
            self.say(line)
        return result
