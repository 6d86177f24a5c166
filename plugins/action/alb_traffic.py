# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(alb_traffic) in the controller's process."""

from __future__ import annotations

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.alb import ALBTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import move_spec
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_action import TrafficAction


class ActionModule(TrafficAction):
    """Moves traffic between the slots of an app behind an ALB."""

    DRIVER = ALBTraffic
    SPEC = move_spec(ALBTraffic)
