#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: metric_gate
short_description: Judge a new revision by its failed and slow requests
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Compares the requests of the canary with those of the stable slot until there is a verdict. The evidence is valid at
    every look, so a bad release is found as early as the data allow, and a good one is not taken back by noise.
  - V(pass) means that the canary is less than the margin worse, V(fail) that it is worse or over its hard limit,
    V(inconclusive) that the data cannot tell, with how many more requests would. No data is never health.
  - It never touches traffic. A verdict in O(fail_on) fails the task, so that C(rescue) is the rollback.
    M(zerodowntime.bluegreen.traffic_shift) asks the same gate between its steps.
options:
  weight:
    description:
      - The canary's percent of the requests now, if it is known. A canary that gets less than half of it is starved.
    type: int
  next_weight:
    description:
      - The canary's percent after a pass. It sets how much has to be proven, see O(impact_budget). Without it each
        metric's margin is.
    type: int
  fail_on:
    description: The verdicts that fail the task.
    type: list
    elements: str
    choices: [fail, inconclusive, error]
    default: [fail]
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: The source is looked at and nothing is judged.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: A second call with the same options changes nothing.
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._gate
  - zerodowntime.bluegreen._gate.where
notes:
  - Runs in the controller's process, and so does the source.
seealso:
  - module: zerodowntime.bluegreen.traffic_shift
  - module: zerodowntime.bluegreen.gate_replay
"""

EXAMPLES = r"""
- name: Judge green by what the application counts
  zerodowntime.bluegreen.metric_gate:
    canary: green
    revisions: {blue: 1.3.9, green: 1.4.0}
    source:
      prometheus:
        url: http://prometheus.example.com:9090
        exporter: app
        match: {job: shop}

- name: Judge green by what the balancer counts, with a limit of 2 % and a picture
  zerodowntime.bluegreen.metric_gate:
    canary: green
    weight: 10
    source:
      haproxy:
        socket: /run/haproxy/admin.sock
        slots: {blue: shop_blue, green: shop_green}
    metrics:
      - {name: errors, limit: 0.02}
    picture: /var/lib/zerodowntime/shop.svg

- name: Judge green by counters of one's own
  zerodowntime.bluegreen.metric_gate:
    canary: green
    fail_on: [fail, inconclusive]
    source:
      prometheus:
        url: https://metrics.example.com
        bearer_token: "{{ vault_metrics_token }}"
        requests: orders_total{slot="$slot"}
        bad:
          refused: orders_total{slot="$slot",result="refused"}
        latency:
          "0.5": orders_seconds_count{slot="$slot"} - ignoring(le) orders_seconds_bucket{slot="$slot",le="0.5"}

- name: Judge green by what the balancer counts, as long as its memory and its queue stay within limits
  zerodowntime.bluegreen.metric_gate:
    canary: green
    source:
      haproxy:
        socket: /run/haproxy/admin.sock
        slots: {blue: shop_blue, green: shop_green}
    watch:
      - prometheus:
          url: http://prometheus.example.com:9090
          gauges:
            memory:
              query: max(process_resident_memory_bytes{slot="$slot"})
              max_ratio: 1.5
              failure_limit: 2
            queue:
              query: sum(orders_waiting{slot="$slot"})
              max: 100
      - alertmanager:
          url: http://alertmanager.example.com:9093
          labels: {app: shop}
          on_firing: hold
"""

RETURN = r"""
status:
  description: C(pass), C(fail), C(inconclusive), or C(error).
  returned: always
  type: str
  sample: fail
reason:
  description: One word for what decided.
  returned: always
  type: str
  sample: worse
msg:
  description: The verdict in one line, with the numbers it rests on and what was needed.
  returned: always
  type: str
  sample: >-
    FAIL after 2m00s: errors: canary 1.17% (7/600) against baseline 0.07% (4/5400); worse than the baseline;
    odds 472:1 (needed 125:1)
metrics:
  description: For each metric the odds so far and those needed, the counts of both slots, margin and dispersion.
  returned: always
  type: dict
samples:
  description: The counts that were judged, since any moment; C(columns) names what stands in each of C(rows).
  returned: always
  type: dict
watch:
  description: What each thing of O(watch) said last.
  returned: always
  type: list
  elements: dict
  sample: [{name: cpu, status: ok, sentence: cpu is 0.42}]
steps:
  description: When each step began, in seconds, and the canary's weights.
  returned: always
  type: list
  elements: dict
source:
  description: What each query of the source returned at the beginning.
  returned: always
  type: list
  elements: dict
"""
