#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the slots of an app that are Deployments."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_fleet_info
short_description: Look at the slots of an app that are Kubernetes Deployments
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Says which pods each slot has and in which state they are, and what its rollout lacks. Changes nothing.
options:
  logs:
    description: How many of the last lines to bring from each pod that is not ready.
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
  - zerodowntime.bluegreen._kubernetes
  - zerodowntime.bluegreen._deployments
  - zerodowntime.bluegreen._owned
seealso:
  - module: zerodowntime.bluegreen.deployment_fleet
"""

EXAMPLES = r"""
- name: Look at both slots
  zerodowntime.bluegreen.deployment_fleet_info:
    namespace: shop
    deployments: {blue: shop-blue, green: shop-green}
    logs: 20
"""

RETURN = r"""
slots:
  description:
    - What each slot runs. C(state) is C(ready), C(starting), C(failed) or C(stopping). C(pending) is what a rollout
      still lacks, C(trouble) why it will never come.
  returned: success
  type: dict
  sample:
    blue:
      ready: 1
      revision: 1.4.2
      capacity: 1
      trouble: ""
      pending: ""
      instances:
        - {id: shop-blue-6b8f-x2x, name: shop-blue-6b8f-x2x, revision: "shop:1.4.2", state: ready, why: is ready,
           address: 10.0.0.2}
places:
  description: The same under the name of the place that was asked, from the action.
  returned: success
  type: dict
  sample: {}
identity:
  description: The canonical identity of the fleet.
  returned: success
  type: str
  sample: deployment:https://10.0.0.1:6443:shop:shop-blue
owned:
  description: What this collection has made there, C(at) which place.
  returned: when O(owned) is set
  type: list
  elements: dict
  sample:
    - at: here
      kind: annotation
      name: HorizontalPodAutoscaler shop/shop
      about: "zerodowntime.bluegreen/min-replicas: 2"
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import main_info
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.fleet import DeploymentFleet


def main() -> None:
    """Look at the slots of an app that are Deployments."""
    main_info(DeploymentFleet)


if __name__ == "__main__":
    main()
