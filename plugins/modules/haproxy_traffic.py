#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move traffic between the slots of an app behind HAProxy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_traffic
short_description: Move traffic between blue and green behind HAProxy
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Sets the percent of requests that each slot of an app gets, through HAProxy's runtime API, without a reload.
  - The map file and the running process are changed in one step, under a lock, so that a reload or a reboot keeps
    the weights; a difference between them is found and named.
  - Every request is decided anew (the unit is the request). Open websockets stay where they are.
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._haproxy
  - zerodowntime.bluegreen._traffic
  - zerodowntime.bluegreen._traffic.move
  - zerodowntime.bluegreen._traffic.verify
seealso:
  - module: zerodowntime.bluegreen.haproxy_traffic_info
  - module: zerodowntime.bluegreen.traffic_shift
"""

EXAMPLES = r"""
- name: Send a tenth of the requests to green
  zerodowntime.bluegreen.haproxy_traffic:
    socket: /run/haproxy/admin.sock
    slots: {blue: shop_blue, green: shop_green}
    weights: {blue: 90, green: 10}
    expect: {blue: 100, green: 0}
    verify:
      url: http://127.0.0.1:8080/
      header: X-Version
      slots: {blue: v1, green: v2}
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
  description: The fence that is stored beside the weights.
  returned: success
  type: int
  sample: 6
identity:
  description: The canonical identity of the traffic object, the key of lock and journal.
  returned: success
  type: str
  sample: haproxy:/run/haproxy/admin.sock:/etc/haproxy/zerodowntime.map:shop
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
  sample: {driver: haproxy_traffic, object: "haproxy:...", weights: {blue: 100, green: 0}}
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._haproxy.driver import HAProxyTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import main_move


def main() -> None:
    """Move the traffic of HAProxy on this machine."""
    main_move(HAProxyTraffic)


if __name__ == "__main__":
    main()
