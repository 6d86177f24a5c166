#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move traffic between the slots of an app behind nginx."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_traffic
short_description: Move traffic between blue and green behind nginx
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Sets the percent of requests that each slot of an app gets.
  - In mode V(flag) nginx looks for a file at each request, and one rename changes all of its answers. No reload, so no
    connection is touched; weights and fence are one name on disk, so a reload and a reboot keep them.
  - In mode V(reload) an included file holds the split. nginx tests it as a candidate before it is moved into place
    under a lock, the file before it is kept, nginx reloads, and the call returns when nobody is served by the old
    split any more, or after O(linger).
  - An nginx older than 1.27.4, or without C(keepalive_min_timeout), can cut keep-alive requests off when it reloads.
    The result then says so (C(facts.lossless), C(facts.warning)); mode V(flag) has no such limit.
  - Every request is decided anew (the unit is the request). Open websockets stay where they are. nginx does not check
    the health of its servers by itself, so whether a slot is up is not known here.
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._nginx
  - zerodowntime.bluegreen._traffic
  - zerodowntime.bluegreen._traffic.move
  - zerodowntime.bluegreen._traffic.verify
seealso:
  - module: zerodowntime.bluegreen.nginx_traffic_info
  - module: zerodowntime.bluegreen.traffic_shift
"""

EXAMPLES = r"""
- name: Send a tenth of the requests to green
  zerodowntime.bluegreen.nginx_traffic:
    slots: {blue: shop_blue, green: shop_green}
    pid_file: /run/nginx.pid
    config: /etc/nginx/nginx.conf
    weights: {blue: 90, green: 10}
    expect: {blue: 100, green: 0}
    verify:
      url: http://127.0.0.1:8080/
      header: X-Version
      slots: {blue: v1, green: v2}

- name: Send all requests to blue by a reload, on two balancers one after the other
  zerodowntime.bluegreen.nginx_traffic:
    machines: [lb1, lb2]
    slots: {blue: shop_blue, green: shop_green}
    mode: reload
    include: /etc/nginx/zerodowntime/shop.conf
    weights: {blue: 100, green: 0}
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
  sample: nginx:/etc/nginx/zerodowntime:shop
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
  sample: {driver: nginx_traffic, object: "nginx:...", weights: {blue: 100, green: 0}}
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.driver import NginxTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import main_move


def main() -> None:
    """Move the traffic of nginx on this machine."""
    main_move(NginxTraffic)


if __name__ == "__main__":
    main()
