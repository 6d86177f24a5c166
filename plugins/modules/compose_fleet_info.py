#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the slots of an app in a Compose project."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_fleet_info
short_description: Look at the slots of an app in a Docker Compose project
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Says which containers each slot has and in which state they are. Changes nothing.
options:
  logs:
    description: How many of the last lines to bring from each container that is not ready.
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
  - zerodowntime.bluegreen._compose
  - zerodowntime.bluegreen._owned
seealso:
  - module: zerodowntime.bluegreen.compose_fleet
"""

EXAMPLES = r"""
- name: Look at both slots
  zerodowntime.bluegreen.compose_fleet_info:
    project_src: /srv/shop
    services: {blue: app-blue, green: app-green}
"""

RETURN = r"""
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
owned:
  description: What this collection has made there, C(at) which place.
  returned: when O(owned) is set
  type: list
  elements: dict
  sample: [{at: here, kind: line, name: /srv/shop/.env, about: APP_BLUE_SCALE=2}]
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.driver import ComposeFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import main_info


def main() -> None:
    """Look at the slots of a Compose project on this machine."""
    main_info(ComposeFleet)


if __name__ == "__main__":
    main()
