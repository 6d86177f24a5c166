# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dies as the kernel kills a process for want of memory, on request while it writes a line to the controller."""

from __future__ import annotations

import os
import signal
import typing as t

from ansible.utils.display import Display
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction


class ActionModule(ReleaseAction):
    """die."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {"writing": {"type": "bool", "default": False}}

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        if params["writing"]:
            Display()._final_q._wlock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError
