#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the Auto Scaling groups of an app's slots."""

from __future__ import annotations

DOCUMENTATION = r"""
module: asg_fleet_info
short_description: Look at the Auto Scaling groups of an app's slots
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Says which instances each group has and in which state they are, in the words of their target groups. Changes
    nothing.
options:
  logs:
    description: How many of the last lines of its console to bring from each instance that is not ready.
    type: int
    default: 0
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: A second call with the same options changes nothing.
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._asg
  - zerodowntime.bluegreen._aws
  - zerodowntime.bluegreen._owned
seealso:
  - module: zerodowntime.bluegreen.asg_fleet
"""

EXAMPLES = r"""
- name: Look at both slots
  zerodowntime.bluegreen.asg_fleet_info:
    region: eu-central-1
    groups: {blue: shop-blue, green: shop-green}
"""

RETURN = r"""
slots:
  description:
    - What each slot runs. C(revision) of an instance is its version of the launch template, C(address) its zone.
    - C(state) is C(ready), C(starting), C(failed) or C(stopping).
  returned: success
  type: dict
  sample:
    blue:
      ready: 1
      revision: ami-0123456789abcdef0
      capacity: 1
      instances:
        - {id: i-0abc, name: i-0abc, revision: "7", state: ready, why: is healthy, address: eu-central-1a}
places:
  description: The same by machine, from the action.
  returned: success
  type: dict
  sample: {}
identity:
  description: The canonical identity of the fleet.
  returned: success
  type: str
  sample: asg:eu-central-1:shop-blue:shop-green
owned:
  description: What this collection has made there, C(at) which place.
  returned: when O(owned) is set
  type: list
  elements: dict
  sample: [{at: here, kind: tag, name: "shop-blue: zerodowntime:staged", about: 7 3f2a ami-0123}]
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.fleet import AsgFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import main_info


def main() -> None:
    """Look at the Auto Scaling groups of both slots."""
    main_info(AsgFleet)


if __name__ == "__main__":
    main()
