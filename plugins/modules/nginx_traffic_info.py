#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the traffic of an app behind nginx."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_traffic_info
short_description: See how traffic is split between blue and green behind nginx
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Reads the weights of an app from what nginx reads them from, whether nginx runs and is set up to follow them, and
    the counters of both slots where it keeps any. Changes nothing.
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._nginx
  - zerodowntime.bluegreen._traffic
  - zerodowntime.bluegreen._owned
seealso:
  - module: zerodowntime.bluegreen.nginx_traffic
"""

EXAMPLES = r"""
- name: See which slot serves
  zerodowntime.bluegreen.nginx_traffic_info:
    slots: {blue: shop_blue, green: shop_green}
  register: traffic
"""

RETURN = r"""
weights:
  description: The weights that stand; null when the balancers disagree or the state is not one of ours.
  returned: success
  type: dict
  sample: {blue: 100, green: 0}
fence:
  description: The highest fence stored beside the weights.
  returned: success
  type: int
  sample: 6
trouble:
  description: What is wrong with the state, empty when nothing is.
  returned: success
  type: str
  sample: ""
slots:
  description: Each slot as the first balancer sees it, with the counters of O(counters); what is not known is null.
  returned: success
  type: dict
  sample: {blue: {up: null, ready: null, requests: 1042, bad: 0, in_flight: null}}
facts:
  description:
    - Version and process id of the first balancer, where O(pid_file) is known, and whether a switch loses no request.
    - In mode V(reload) also the workers that still answer by the old split. Retire nothing before that list is empty.
  returned: success
  type: dict
  sample: {version: 1.22.1, pid: "812", lossless: false, old_workers: [], warning: "a reload of nginx 1.22.1 can ..."}
identity:
  description: The canonical identity of the traffic object, the key of lock and journal.
  returned: success
  type: str
  sample: nginx:/etc/nginx/zerodowntime:shop
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

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.driver import NginxTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import main_info


def main() -> None:
    """Look at the traffic of nginx on this machine."""
    main_info(NginxTraffic)


if __name__ == "__main__":
    main()
