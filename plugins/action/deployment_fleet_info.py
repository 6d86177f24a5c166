# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(deployment_fleet_info) in the controller's process."""

from __future__ import annotations

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import info_spec
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.fleet import DeploymentFleet
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._fleet_action import FleetInfoAction


class ActionModule(FleetInfoAction):
    """Looks at the slots of an app that are Deployments."""

    DRIVER = DeploymentFleet
    SPEC = info_spec(DeploymentFleet)
