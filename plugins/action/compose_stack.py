# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(compose_stack): in the controller's process, or on the machines that are named."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker import stack
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _stack
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction


class ActionModule(ReleaseAction):
    """Brings up what a Compose project has beside its slots."""

    SPEC = stack.SPEC

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return changed, diff and configuration of all machines; raises ReleaseError with the first one's reason."""
        return _stack.run(self, params, task_vars)
