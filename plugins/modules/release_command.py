#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_command
short_description: Tell a running release what to do, or take it over
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Leaves a command for the run that holds the release, from any machine that reaches the journal, and waits for its
    acknowledgement.
  - V(abort) and V(rollback) take the release over when no run holds it or its run does not answer and is seen dead.
    V(resume) and V(sweep) take over what a dead run left.
options:
  verb:
    description: What to do.
    type: str
    choices: [promote, abort, pause, rollback, resume, sweep]
    required: true
  settings:
    description: The settings, C(__release_settings).
    type: dict
    required: true
  key:
    description: The key of the journal.
    type: str
    required: true
  run:
    description: The name of this run, if it takes over.
    type: str
    required: true
  step:
    description: The step, in percent, that the command is meant for; refused when the release stands elsewhere.
    type: raw
  floor:
    description: The fence that stands at the traffic object; a run that takes over goes on above it.
    type: int
    default: 0
  why:
    description: Why, for the journal.
    type: str
    default: ""
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
- name: Let the paused release go on
  zerodowntime.bluegreen.release_command:
    verb: promote
    settings: "{{ __release_settings }}"
    key: "{{ __release_plan.key }}"
    run: "{{ __release_plan.run }}"
"""

RETURN = r"""
taken:
  description: Whether this run now holds the release and has to end it.
  returned: success
  type: bool
  sample: false
outcome:
  description: The outcome that the verb leads to, when taken.
  returned: when taken
  type: str
  sample: RolledBack
msg:
  description: What the run said.
  returned: success
  type: str
  sample: "abort: restoring"
"""
