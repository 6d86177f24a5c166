# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down what a task returned, for the test to read."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import plain


class ActionModule(ActionBase):
    """note."""

    def run(self, tmp=None, task_vars=None):
        Path(self._task.args["path"]).write_text(json.dumps(plain(self._task.args["result"])))
        return {"changed": False}
