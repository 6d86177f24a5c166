# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(http_probe) in the controller's process, or on the machine it names."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.options import PROBE_SPEC
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.verbs import probe_until_good
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._sender import from_elsewhere


class ActionModule(ReleaseAction):
    """Waits for good answers in a row."""

    SPEC = PROBE_SPEC

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return status, revision, slot, attempts and seconds."""
        result = from_elsewhere(self, "http_probe", params, task_vars)
        return probe_until_good(params, self.say) if result is None else result
