#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage a revision in the Auto Scaling group of a slot, or take the slot down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: asg_fleet
short_description: Stage a revision in the Auto Scaling group of a slot, or take the slot down
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - A slot is an Auto Scaling group. Staging makes a version of the group's launch template where none stands that says
    the same, pins the group to it by number, and sizes it from the other group's current desired capacity.
  - It then waits until every new instance is C(InService) and healthy in its target group. It fails at once, in AWS's
    own words, when an instance cannot be launched (a quota, an AMI that is gone), when a target is unhealthy after the
    group's health check grace period, or when nothing uses the target group, so that no target is ever checked.
  - Before a group is changed, its size goes into its tag C(zerodowntime:kept), from which any process can put it back.
    While the slots share the traffic, the other group may grow and may not shrink. Retiring a slot gives the group that
    stays its minimum and maximum back.
  - C(AZRebalance) and C(ReplaceUnhealthy) are suspended in the staged group while it is waited for, and resumed after,
    whichever way the wait ended. A run that was killed in it is settled by C(state=retired) or C(state=settled), one of
    which the playbooks resume and sweep end with. C(Launch) is never suspended.
  - Instances that get requests are never taken away. Nothing moves traffic here.
  - A group without a launch template of its own (a launch configuration, a mixed instances policy), without a target
    group, or whose neighbour follows C($Latest) of the same launch template is refused.
options:
  slot:
    description: The slot.
    type: str
    choices: [blue, green]
    required: true
  state:
    description:
      - V(staged) runs O(revision) in the slot. V(retired) sets the group's minimum and desired capacity to 0; its
        targets drain for the deregistration delay of their target group before they are terminated.
      - V(settled) leaves the instances as they are and takes back what was arranged for the wait alone, where a run
        was killed in it and the slot is not to be retired, because it is the first one.
    type: str
    choices: [staged, retired, settled]
    default: staged
  revision:
    description:
      - What the slot shall run, required for O(state=staged). The id of an AMI, or any name together with O(ami) or
        O(template_data).
    type: str
  capacity:
    description: How many instances; by default the desired capacity that the other group has now.
    type: int
  weight:
    description:
      - The percent of the requests that the slot gets now, for the refusal to take instances away from them. Read
        from O(traffic) where that is given.
    type: int
  traffic:
    description: The traffic system, one name with its options, asked for the weight of the slot.
    type: dict
  deadline:
    description: How long the instances may take to be healthy.
    type: str
    default: 600s
  wait:
    description: Whether to wait for the instances to be healthy.
    type: bool
    default: true
  journal:
    description: Where the journal is, for a run that keeps its lock and hears of an abort meanwhile.
    type: dict
  key:
    description: The key of the journal.
    type: str
  run:
    description: The run that holds the lock.
    type: str
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: A second call with the same options changes nothing.
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._asg
  - zerodowntime.bluegreen._aws
seealso:
  - module: zerodowntime.bluegreen.asg_fleet_info
"""

EXAMPLES = r"""
- name: Run a new AMI in green, with as many instances as blue has
  zerodowntime.bluegreen.asg_fleet:
    region: eu-central-1
    groups: {blue: shop-blue, green: shop-green}
    slot: green
    revision: ami-0123456789abcdef0
    weight: 0

- name: Take blue down
  zerodowntime.bluegreen.asg_fleet:
    region: eu-central-1
    groups: {blue: shop-blue, green: shop-green}
    slot: blue
    state: retired
    weight: 0
"""

RETURN = r"""
capacity:
  description: How many instances the slot was given, the smallest number of all machines.
  returned: success
  type: int
  sample: 3
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
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.fleet import AsgFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import main_fleet


def main() -> None:
    """Stage or retire the Auto Scaling group of a slot."""
    main_fleet(AsgFleet)


if __name__ == "__main__":
    main()
