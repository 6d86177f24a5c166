# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(asg_fleet_info) in the controller's process."""

from __future__ import annotations

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.fleet import AsgFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import info_spec
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._fleet_action import FleetInfoAction


class ActionModule(FleetInfoAction):
    """Looks at the slots of an app in a pair of Auto Scaling groups."""

    DRIVER = AsgFleet
    SPEC = info_spec(AsgFleet)
