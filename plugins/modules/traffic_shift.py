#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_shift
short_description: Shift traffic to a new revision step by step, and back when it turns out to be bad
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Owns everything between the first request moved and committed or restored, in one process.
  - For each step it journals the intent, writes the weights (only over what it wrote last), proves at the data plane
    that traffic moved, asks the gate, and journals the outcome.
  - A failing gate, a refuted weight, a slot without healthy servers, somebody else's change, a lost journal, any
    exception, a task timeout, SIGTERM, SIGINT and the death of the controller put the recorded traffic back first.
  - With O(verify), a move that cannot be proven is taken back too.
  - It runs only with the lock of the release (M(zerodowntime.bluegreen.release_journal), verb C(acquire)), but for
    O(state=resume), which takes it.
options:
  state:
    description:
      - V(shifted) moves traffic to the canary of the release; V(restored) puts the recorded traffic back.
      - V(resume) is for a release whose run is dead. It takes the lock over, as soon as the run is seen dead, puts the
        recorded traffic back unless the release was journaled as promoted, and gives the lock back. It never gives the
        canary more, and is refused while the run lives.
    type: str
    choices: [shifted, restored, resume]
    default: shifted
  traffic:
    description: The traffic system, one name with its options, such as C(haproxy_traffic).
    type: dict
    required: true
  journal:
    description: Where the journal is, the options of M(zerodowntime.bluegreen.release_journal).
    type: dict
    required: true
  key:
    description: The identity of the traffic object, as the driver's C(_info) returns it.
    type: str
    required: true
  run:
    description: The run that holds the lock.
    type: str
    required: true
  steps:
    description:
      - Percents of the canary, rising, 100 the last. A list, or text such as V(5,25,50,100).
      - V(auto) lets O(gate) choose them for the traffic of now, each about twice the one before. In any case a step
        ends when it is proven that the next one cannot make the whole site worse than the gate's C(impact_budget).
    type: raw
    default: [100]
  gate:
    description:
      - How measurements are judged at each step, the options of M(zerodowntime.bluegreen.metric_gate). Without it a
        step ends when traffic is proven to have moved.
    type: raw
  picture:
    description: The SVG file that shows what the gate saw.
    type: path
  preview:
    description:
      - The headers by which a request to O(verify.url) reaches a slot whatever the weights are, C($slot) stands for its
        name. The health of slots is seen that way where balancers do not know it (nginx).
    type: dict
    default: {}
  bake_time:
    description: How long to watch at 100 % with the gate still on, before the release is journaled as promoted.
    type: str
    default: "0"
  pause_timeout:
    description: How long a pause may last before the recorded traffic is put back.
    type: str
    default: 1h
  rollback_window:
    description: How long the old slot stays warm after the promotion; V(0) means O(scale_down_delay).
    type: str
    default: "0"
  scale_down_delay:
    description: How long the old slot stays at least.
    type: str
    default: 30s
  lease_ttl:
    description:
      - Where a driver is bound to a machine, how long that machine waits for a sign of life of this run before it puts
        the recorded traffic back by itself.
    type: str
    default: 15s
  restore_deadline:
    description: How long a restore goes on trying balancers that cannot be reached.
    type: str
    default: 60s
  probes:
    description:
      - The report of a M(zerodowntime.bluegreen.load_test) that probes beside the release. The gate does not count its
        requests, so that they cannot earn a pass in a quiet night.
    type: path
  force:
    description: Whether O(state=restored) puts traffic back onto a slot that has no healthy server.
    type: bool
    default: false
  reason:
    description: Why the traffic is put back, for O(state=restored).
    type: str
  promoted_too:
    description: Whether O(state=restored) takes back a release that is journaled as promoted, which is a rollback.
    type: bool
    default: false
  outcome:
    description: What the journal says of a release that O(state=restored) took back.
    type: str
    choices: [RolledBack, Aborted]
    default: RolledBack
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: partial
    details: Options are checked; nothing is moved or predicted.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: A second call with the same options changes nothing.
    support: full
notes:
  - Runs in the controller's process. The client libraries of the traffic system must be in the controller's Python.
extends_documentation_fragment:
  - zerodowntime.bluegreen._traffic.verify
seealso:
  - module: zerodowntime.bluegreen.release_journal
  - module: zerodowntime.bluegreen.metric_gate
"""

EXAMPLES = r"""
- name: Shift the traffic of the release that holds the lock
  zerodowntime.bluegreen.traffic_shift:
    traffic:
      haproxy_traffic:
        socket: /run/haproxy/admin.sock
        slots: {blue: shop_blue, green: shop_green}
    journal: {store: file, path: /var/lib/zerodowntime}
    key: haproxy:/run/haproxy/admin.sock:/etc/haproxy/zerodowntime.map:shop
    run: run-1
    steps: [5, 25, 50, 100]
    verify: {url: "http://127.0.0.1:8080/", header: X-Version}
    bake_time: 5m

- name: Put back what a dead run left
  zerodowntime.bluegreen.traffic_shift:
    state: resume
    traffic:
      haproxy_traffic:
        socket: /run/haproxy/admin.sock
        slots: {blue: shop_blue, green: shop_green}
    journal: {store: file, path: /var/lib/zerodowntime}
    key: haproxy:/run/haproxy/admin.sock:/etc/haproxy/zerodowntime.map:shop
    run: run-2
"""

RETURN = r"""
outcome:
  description: C(Promoted), C(RolledBack), C(Aborted), or empty when it is degraded.
  returned: always
  type: str
  sample: Promoted
phase:
  description: C(Healthy), or C(Degraded) when a person has to look.
  returned: always
  type: str
  sample: Healthy
reason:
  description: One word for what ended it.
  returned: always
  type: str
  sample: gate
where:
  description: Where traffic is now, as a sentence.
  returned: always
  type: str
  sample: Traffic is on blue 0 / green 100.
weights:
  description: The weights that stand; null when that is not known.
  returned: always
  type: dict
  sample: {blue: 0, green: 100}
steps:
  description: Each step with its weights and how it was proven.
  returned: always
  type: list
  elements: dict
restore_seconds:
  description: How long it took from the decision until all balancers had the recorded traffic back.
  returned: always
  type: float
  sample: 0.004
gate:
  description: What the gate saw and said, as M(zerodowntime.bluegreen.metric_gate) returns it; null without a gate.
  returned: always
  type: dict
retire_after:
  description: When the old slot may be retired, in seconds since the epoch.
  returned: always
  type: float
"""
