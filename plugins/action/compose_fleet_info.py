# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(compose_fleet_info) in the controller's process."""

from __future__ import annotations

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.driver import ComposeFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import info_spec
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._fleet_action import FleetInfoAction


class ActionModule(FleetInfoAction):
    """Looks at the slots of an app in a Compose project."""

    DRIVER = ComposeFleet
    SPEC = info_spec(ComposeFleet)
