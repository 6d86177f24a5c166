# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine sends the requests of C(http_probe) and C(load_test)."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine


def from_elsewhere(
    action: ReleaseAction, name: str, params: dict[str, t.Any], task_vars: dict[str, t.Any]
) -> dict[str, t.Any] | None:
    """Return the result of the module C(name) on C(params.machine); None when this process is to send the requests."""
    if not params["machine"]:
        return None
    given = {key: value for key, value in params.items() if value is not None and key != "machine"}
    machine = Machine.open(action, params["machine"], task_vars, [params["authorization"] or ""])
    try:
        result = machine.module(f"zerodowntime.bluegreen.{name}", given)
    finally:
        machine.close()
    if result.get("lost"):
        raise ReleaseError(result["msg"])
    return result
