#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage a revision in a slot of a Compose project, or take the slot down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_fleet
short_description: Stage a revision in a slot of a Docker Compose project, or take the slot down
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - A slot is a service of the project. Staging writes image, revision and scale of that service into an env file, makes
    new containers of that service alone, and waits for these very containers to be healthy.
  - It fails at once, with the last lines that a container wrote, when one exits, is unhealthy or restarts again and
    again, when the image cannot be had, or when the engine refuses.
  - Containers that get requests are never taken away. Nothing moves traffic here.
  - A service with C(container_name), with a fixed host port, with a scale of its own or without a health check is
    refused, as is Compose v1.
options:
  slot:
    description: The slot.
    type: str
    choices: [blue, green]
    required: true
  state:
    description:
      - V(staged) runs O(revision) in the slot. V(retired) stops its containers, each with its own grace, and removes
        them.
      - V(settled) changes nothing on this platform, which arranges nothing for a wait.
    type: str
    choices: [staged, retired, settled]
    default: staged
  revision:
    description: What the slot shall run; required for O(state=staged).
    type: str
  capacity:
    description: How many containers; by default as many as the other slot has healthy now, and one where it has none.
    type: int
  weight:
    description:
      - The percent of the requests that the slot gets now, for the refusal to take containers away from them. Read
        from O(traffic) where that is given.
    type: int
  traffic:
    description: The traffic system, one name with its options, asked for the weight of the slot.
    type: dict
  deadline:
    description: How long the containers may take to be healthy.
    type: str
    default: 600s
  wait:
    description: Whether to wait for the containers to be healthy.
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
  - zerodowntime.bluegreen._compose
seealso:
  - module: zerodowntime.bluegreen.compose_fleet_info
"""

EXAMPLES = r"""
- name: Run 1.4.2 in green, with as many containers as blue has
  zerodowntime.bluegreen.compose_fleet:
    project_src: /srv/shop
    services: {blue: app-blue, green: app-green}
    image: registry.example.com/shop
    slot: green
    revision: 1.4.2
    weight: 0

- name: Take blue down
  zerodowntime.bluegreen.compose_fleet:
    project_src: /srv/shop
    services: {blue: app-blue, green: app-green}
    slot: blue
    state: retired
    traffic:
      haproxy_traffic:
        socket: /srv/shop/balancer/admin.sock
        map: /srv/shop/balancer/zerodowntime.map
        slots: {blue: shop_blue, green: shop_green}
"""

RETURN = r"""
capacity:
  description: How many containers the slot was given, the smallest number of all machines.
  returned: success
  type: int
  sample: 3
instances:
  description: The containers that were waited for, on the first machine.
  returned: success
  type: list
  elements: str
  sample: [3f2a]
slots:
  description: What each slot runs, on the first machine. C(state) is C(ready), C(starting), C(failed) or C(stopping).
  returned: success
  type: dict
  sample:
    blue:
      ready: 1
      revision: 1.4.2
      capacity: 1
      instances:
        - {id: 3f2a, name: shop-app-blue-1, revision: "shop:1.4.2", state: ready, why: is healthy, address: 10.0.0.2}
places:
  description: The same by machine, from the action.
  returned: success
  type: dict
  sample: {}
identity:
  description: The canonical identity of the fleet.
  returned: success
  type: str
  sample: compose:/run/docker.sock:/srv/shop:app-blue
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.driver import ComposeFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import main_fleet


def main() -> None:
    """Stage or retire a slot of a Compose project on this machine."""
    main_fleet(ComposeFleet)


if __name__ == "__main__":
    main()
