#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move traffic between the slots of an app behind a Gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_traffic
short_description: Move traffic between blue and green behind a Gateway
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Sets the percent of requests that each slot of an app gets in one rule of an HTTPRoute or GRPCRoute of the
    Gateway API.
  - One JSON patch changes the weights of that rule and an annotation with the fence. It is bound to the version
    that was looked at and to the backends' names; filters, matches, timeouts and all other rules stay byte for
    byte. When somebody else changes the object meanwhile it is read again, and written only if the weights are
    still those that were seen.
  - The call waits until each Gateway that took the route says that it has seen the change, and fails with its
    reason when it does not within O(settle).
  - A rule that leads to one slot only is not changed unless O(force) is set; the backend of the other slot is then
    added, as M(zerodowntime.bluegreen.release_adopt) does.
options: {}
attributes:
  check_mode:
    support: full
    details: The API server checks the patch itself and keeps nothing (a dry run).
  diff_mode:
    support: full
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._kubernetes
  - zerodowntime.bluegreen._kubernetes.gateway
  - zerodowntime.bluegreen._traffic
  - zerodowntime.bluegreen._traffic.move
  - zerodowntime.bluegreen._traffic.verify
seealso:
  - module: zerodowntime.bluegreen.gateway_traffic_info
  - module: zerodowntime.bluegreen.traffic_shift
"""

EXAMPLES = r"""
- name: Send a tenth of the requests to green
  zerodowntime.bluegreen.gateway_traffic:
    namespace: shop
    route: shop
    slots: {blue: shop-blue, green: shop-green}
    weights: {blue: 90, green: 10}
    expect: {blue: 100, green: 0}
    verify:
      url: http://shop.example.com/
      header: X-Version
      slots: {blue: v1, green: v2}

- name: See what would change, in another cluster
  zerodowntime.bluegreen.gateway_traffic:
    kubeconfig: ~/.kube/config
    context: staging
    namespace: shop
    route: shop
    slots: {blue: shop-blue, green: shop-green}
    weights: {blue: 90, green: 10}
  check_mode: true
  diff: true
"""

RETURN = r"""
before:
  description: What stood before the call.
  returned: success
  type: dict
  sample: {weights: {blue: 100, green: 0}, fence: 6, trouble: ""}
after:
  description: What was read back after it; in check mode what would stand.
  returned: success
  type: dict
  sample: {weights: {blue: 90, green: 10}, fence: 6, trouble: ""}
weights:
  description: The weights that stand now.
  returned: success
  type: dict
  sample: {blue: 90, green: 10}
fence:
  description: The fence that is stored in the object's annotation.
  returned: success
  type: int
  sample: 6
identity:
  description: The canonical identity of the traffic object, the key of lock and journal.
  returned: success
  type: str
  sample: "HTTPRoute:https://10.0.0.1:6443:shop/shop/rules"
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
  sample:
    driver: gateway_traffic
    object: "HTTPRoute:https://10.0.0.1:6443:shop/shop/rules"
    weights: {blue: 100, green: 0}
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.gateway import GatewayTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import main_move


def main() -> None:
    """Move the traffic, with the credentials of this machine."""
    main_move(GatewayTraffic)


if __name__ == "__main__":
    main()
