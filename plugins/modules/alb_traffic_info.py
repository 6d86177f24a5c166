#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the traffic of an app behind an Application Load Balancer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: alb_traffic_info
short_description: See how traffic is split between blue and green behind an AWS ALB
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Reads the weights of two target groups from a listener's default action or from a rule, the health of their targets
    by state and reason, stickiness at both levels, and how long targets drain. Changes nothing.
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._aws
  - zerodowntime.bluegreen._aws.alb
  - zerodowntime.bluegreen._traffic
  - zerodowntime.bluegreen._owned
seealso:
  - module: zerodowntime.bluegreen.alb_traffic
"""

EXAMPLES = r"""
- name: See which slot serves
  zerodowntime.bluegreen.alb_traffic_info:
    load_balancer: shop
    port: 443
    slots: {blue: shop-blue, green: shop-green}
  register: traffic
"""

RETURN = r"""
weights:
  description: The weights that stand; null when the balancers disagree or the state is not one of ours.
  returned: success
  type: dict
  sample: {blue: 100, green: 0}
fence:
  description: Always 0, as an ALB has no place for a fence.
  returned: success
  type: int
  sample: 0
trouble:
  description: What is wrong with the state, empty when nothing is.
  returned: success
  type: str
  sample: ""
slots:
  description: Whether each slot has a healthy target, and how many. An ALB tells no counters at once.
  returned: success
  type: dict
  sample: {blue: {up: true, ready: 3, requests: null, bad: null, in_flight: null}}
facts:
  description:
    - C(health), the number of targets by state and by AWS's reason, C(stickiness) of the forward, C(attributes) of each
      target group (its own stickiness, and C(deregistration_delay) in seconds), C(groups), the ARN of each, and
      C(in_front), the actions before the forward.
  returned: success
  type: dict
  sample:
    health:
      blue: {healthy: {no reason given: 3}}
      green: {unhealthy: {"Target.ResponseCodeMismatch: Health checks failed with these codes: [503]": 1}}
    stickiness: {Enabled: false}
    attributes: {blue: {deregistration_delay: 30, sticky: false}, green: {deregistration_delay: 30, sticky: false}}
    in_front: []
identity:
  description: The canonical identity of the traffic object, the key of lock and journal.
  returned: success
  type: str
  sample: alb:arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2
balancers:
  description: What each balancer says, by name.
  returned: success
  type: dict
owned:
  description: What this collection has made there, C(at) which balancer.
  returned: when O(owned) is set
  type: list
  elements: dict
  sample: [{at: lb1, kind: line, name: /etc/haproxy/zerodowntime.map, about: "shop 0:100:6"}]
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.alb import ALBTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import main_info


def main() -> None:
    """Look at the traffic of an ALB from this machine."""
    main_info(ALBTraffic)


if __name__ == "__main__":
    main()
