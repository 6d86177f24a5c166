#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gate_replay
short_description: Ask what a gate would have said of the past
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Reads a time range of the past and judges it as M(zerodowntime.bluegreen.metric_gate) would have judged it then.
  - V(incident) tells whether, when and why a gate would have stopped a rollout, and how many bad requests that would
    have spared.
  - V(aa) compares two halves of the stable fleet's instances, again and again. They run the same revision, so every
    alarm is a false one. It is the test to run on one's own traffic before trusting a gate.
options:
  gate:
    description:
      - The gate, a mapping of the options of M(zerodowntime.bluegreen.metric_gate). Its source has to be C(prometheus).
    type: raw
    required: true
  mode:
    description: What is judged.
    type: str
    choices: [incident, aa]
    default: incident
  start:
    description:
      - When the canary got its first requests, or when the comparison begins. A time such as V(2026-01-01T00:00:00Z),
        seconds since the epoch, or a duration such as V(2h) for that long ago.
    type: str
    required: true
  end:
    description: When to stop, written like O(start).
    type: str
    default: now
  steps:
    description: The canary's weights, if they are known. Without them nobody can tell whether it was starved.
    type: list
    elements: dict
    default: []
    suboptions:
      at:
        description: How long after O(start) the step began.
        type: str
        default: "0"
      weight:
        description: The canary's percent of the requests from then on.
        type: int
        required: true
  fail_on:
    description: The verdicts that fail the task; a false alarm is V(fail).
    type: list
    elements: str
    choices: [fail, inconclusive, error]
    default: []
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
extends_documentation_fragment:
  - zerodowntime.bluegreen._gate.where
notes:
  - Runs in the controller's process.
seealso:
  - module: zerodowntime.bluegreen.metric_gate
"""

EXAMPLES = r"""
- name: Would the gate have stopped last night's release?
  zerodowntime.bluegreen.gate_replay:
    gate: "{{ release_gate }}"
    canary: green
    revisions: {blue: 1.3.9, green: 1.4.0}
    start: "2026-01-01T01:30:00Z"
    end: "2026-01-01T02:00:00Z"
    steps:
      - {at: 0, weight: 10}
      - {at: 5m, weight: 50}
    picture: /tmp/incident.svg

- name: How many false alarms does the gate raise on the traffic of the last hour?
  zerodowntime.bluegreen.gate_replay:
    gate: "{{ release_gate }}"
    mode: aa
    canary: green
    revisions: {blue: 1.3.9}
    start: 1h
    fail_on: [fail]
"""

RETURN = r"""
status:
  description:
    - C(fail) when the gate would have stopped the release, else its last word. For O(mode=aa) C(fail) when there was a
      false alarm.
  returned: always
  type: str
  sample: fail
msg:
  description: The answer in one line.
  returned: always
  type: str
reason:
  description: One word for what decided.
  returned: always
  type: str
  sample: worse
verdicts:
  description: Each change of the verdict with its time, or each of the judgements of O(mode=aa).
  returned: always
  type: list
  elements: dict
stopped_at:
  description: When it would have stopped the release; null when it would not have.
  returned: O(mode=incident)
  type: str
  sample: "2026-01-01T01:31:10Z"
seconds:
  description: How long after O(start) that was.
  returned: O(mode=incident)
  type: float
spared:
  description: Bad requests of the canary from then until O(end).
  returned: O(mode=incident)
  type: float
metrics:
  description: The numbers of that verdict, as M(zerodowntime.bluegreen.metric_gate) returns them.
  returned: O(mode=incident)
  type: dict
counts:
  description: How many judgements there were of each kind.
  returned: O(mode=aa)
  type: dict
  sample: {pass: 11, inconclusive: 1, fail: 0}
phi:
  description: How much more than chance failures cluster, for each metric.
  returned: O(mode=aa)
  type: dict
  sample: {errors: 1.3}
"""
