#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_wait
short_description: Wait until a slot is ready for requests, or has none left
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Waits for a slot in the balancers' own eyes, with a live line while it waits.
options:
  traffic:
    description: The traffic system, one name with its options.
    type: dict
    required: true
  slot:
    description: The slot that is waited for.
    type: str
    choices: [blue, green]
    required: true
  until:
    description:
      - V(ready) fails at the deadline. V(drained) fails when the slot still has weight on a balancer; at the deadline
        it returns with the requests that are still open.
    type: str
    choices: [ready, drained]
    required: true
  servers:
    description: How many servers each balancer must call healthy, for O(until=ready).
    type: int
    default: 1
  deadline:
    description: How long to wait.
    type: str
    default: 600s
  at_least:
    description: How long to stay even when it is done before.
    type: str
    default: "0"
  cut:
    description: Whether what is open at the deadline of O(until=drained) is going to be cut off; it is only said.
    type: bool
    default: false
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
    support: none
  idempotent:
    description: A second call with the same options changes nothing.
    support: full
notes:
  - Runs in the controller's process.
"""

EXAMPLES = r"""
- name: Wait until the old slot has drained
  zerodowntime.bluegreen.traffic_wait:
    traffic:
      haproxy_traffic:
        socket: /run/haproxy/admin.sock
        slots: {blue: shop_blue, green: shop_green}
    slot: blue
    until: drained
    deadline: 30s
"""

RETURN = r"""
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 0.4
open:
  description:
    - How many requests are still open at the deadline (of nginx, how many workers that answer some), V(0) when the slot
      is ready or drained.
  returned: success
  type: int
  sample: 0
msg:
  description: What was seen last.
  returned: success
  type: str
  sample: blue still answers 0 requests
"""
