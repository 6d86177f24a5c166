# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(asg_fleet) in the controller's process."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.fleet import AsgFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import fleet_spec
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _pulse
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._fleet_action import FleetAction


class ActionModule(FleetAction):
    """Stages and retires the slots of an app in a pair of Auto Scaling groups."""

    DRIVER = AsgFleet
    SPEC = fleet_spec(AsgFleet)
    RULES: t.ClassVar[dict[str, t.Any]] = {**_fleet.FLEET_RULES, **_pulse.RULES}
