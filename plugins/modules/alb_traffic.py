#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move traffic between the slots of an app behind an Application Load Balancer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: alb_traffic
short_description: Move traffic between blue and green behind an AWS ALB
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Sets the weights of two target groups in the default action of a listener, or in a rule, by one C(ModifyListener)
    or C(ModifyRule). Stickiness, authentication in front and everything else stays as it is, and what was written is
    read back.
  - Weights that are both zero, a third target group in the forward, and actions that are not understood are refused.
  - Every request is decided anew (the unit is the request), unless stickiness binds a client to a target group.
  - An ALB has no conditional write and no place for O(fence). O(expect) is compared just before the write. A write
    that was broken off is waited for, and M(zerodowntime.bluegreen.traffic_shift) goes on looking for a while after it
    has put traffic back, for a late write of a run that died.
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._aws
  - zerodowntime.bluegreen._aws.alb
  - zerodowntime.bluegreen._traffic
  - zerodowntime.bluegreen._traffic.move
  - zerodowntime.bluegreen._traffic.verify
seealso:
  - module: zerodowntime.bluegreen.alb_traffic_info
  - module: zerodowntime.bluegreen.traffic_shift
"""

EXAMPLES = r"""
- name: Send a tenth of the requests to green
  zerodowntime.bluegreen.alb_traffic:
    load_balancer: shop
    port: 443
    slots: {blue: shop-blue, green: shop-green}
    weights: {blue: 90, green: 10}
    expect: {blue: 100, green: 0}
    verify:
      url: https://shop.example.com/
      header: X-Version
      slots: {blue: v1, green: v2}
"""

RETURN = r"""
before:
  description: What stood before the call.
  returned: success
  type: dict
  sample: {weights: {blue: 100, green: 0}, fence: 0, trouble: ""}
after:
  description: What was read back after it; in check mode what would stand.
  returned: success
  type: dict
  sample: {weights: {blue: 90, green: 10}, fence: 0, trouble: ""}
weights:
  description: The weights that stand now.
  returned: success
  type: dict
  sample: {blue: 90, green: 10}
fence:
  description: The fence of this call; an ALB stores none.
  returned: success
  type: int
  sample: 0
identity:
  description: The canonical identity of the traffic object, the key of lock and journal.
  returned: success
  type: str
  sample: alb:arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2
unit:
  description: What is decided one by one, C(request) or C(connection).
  returned: success
  type: str
  sample: request
verified:
  description: Whether the move was seen at the data plane.
  returned: success, not in check mode
  type: str
  sample: verified
verified_by:
  description: The numbers that rests on.
  returned: success, not in check mode
  type: str
  sample: "probes: 11 of 90 on green; asked blue 90 / green 10"
undo:
  description: What puts C(before) back, without connection options.
  returned: success
  type: dict
  sample: {driver: alb_traffic, object: "alb:arn:...", weights: {blue: 100, green: 0}}
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.alb import ALBTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import main_move


def main() -> None:
    """Move the traffic of an ALB from this machine."""
    main_move(ALBTraffic)


if __name__ == "__main__":
    main()
