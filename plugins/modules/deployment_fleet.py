#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage a revision in a slot that is a Deployment, or take the slot down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_fleet
short_description: Stage a revision in a slot that is a Kubernetes Deployment, or take the slot down
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - A slot is a Deployment. Staging writes the image of one container and the replicas in one guarded patch, or the
    whole pod template, and leaves everything else in the Deployment as it is.
  - It waits until the controller has seen the change, every replica is of this revision and available, no pod of the
    revision before runs, and the Service of the slot sends requests to all of them.
  - It fails at once, with the pod's own reason and the last lines that it wrote, on C(ImagePullBackOff),
    C(CrashLoopBackOff) and their kin, when no pod can be made (a quota), and when the Deployment's own progress
    deadline is over.
  - Pods that get requests are never taken away, and a paused Deployment is refused. Nothing moves traffic here.
  - The replicas of a Deployment with a HorizontalPodAutoscaler are never sent, but to wake it from 0. While both slots
    may serve, its C(minReplicas) is raised to what the slot runs; O(state=retired) of either slot puts it back. The
    value before stands in the annotation C(zerodowntime.bluegreen/min-replicas), so that any run can.
  - In check mode the API server itself judges the patch, as a dry run.
options:
  slot:
    description: The slot.
    type: str
    choices: [blue, green]
    required: true
  state:
    description:
      - V(staged) runs O(revision) in the slot. V(retired) takes its Deployment to 0 replicas; each pod has its grace.
        After a stage that came to nothing it puts image (or template) and replicas back as that stage found them. They
        stand in the annotation C(zerodowntime.bluegreen/before) until the slot beside it is staged.
      - V(settled) changes nothing on this platform, which arranges nothing for a wait.
    type: str
    choices: [staged, retired, settled]
    default: staged
  revision:
    description: What the slot shall run; required for O(state=staged).
    type: str
  capacity:
    description:
      - How many pods; by default as many as the other slot has to have now, by its Deployment or its
        HorizontalPodAutoscaler.
    type: int
  weight:
    description:
      - The percent of the requests that the slot gets now, for the refusal to take pods away from them. Read from
        O(traffic) where that is given.
    type: int
  traffic:
    description: The traffic system, one name with its options, asked for the weight of the slot.
    type: dict
  deadline:
    description: How long the pods may take to be ready.
    type: str
    default: 600s
  wait:
    description: Whether to wait for the pods to be ready.
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
  - zerodowntime.bluegreen._kubernetes
  - zerodowntime.bluegreen._deployments
seealso:
  - module: zerodowntime.bluegreen.deployment_fleet_info
"""

EXAMPLES = r"""
- name: Run 1.4.2 in green, with as many pods as blue has
  zerodowntime.bluegreen.deployment_fleet:
    namespace: shop
    deployments: {blue: shop-blue, green: shop-green}
    services: {blue: shop, green: shop}
    container: shop
    image: registry.example.com:5000/shop
    slot: green
    revision: 1.4.2
    weight: 0

- name: Take blue down
  zerodowntime.bluegreen.deployment_fleet:
    namespace: shop
    deployments: {blue: shop-blue, green: shop-green}
    slot: blue
    state: retired
    weight: 0
"""

RETURN = r"""
capacity:
  description: How many pods the slot was given.
  returned: success
  type: int
  sample: 3
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
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import main_fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.fleet import DeploymentFleet


def main() -> None:
    """Stage or retire a slot that is a Deployment."""
    main_fleet(DeploymentFleet)


if __name__ == "__main__":
    main()
