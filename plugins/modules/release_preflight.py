#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_preflight
short_description: Look at everything a release needs, and say what it would do
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Looks at the live traffic, the journal, the front door and the gate's source, and touches nothing.
  - Returns the plan, to be registered as C(__release_plan), with the slot that is stable, the one that gets the
    revision, and what is recorded as the way back.
  - Refuses a state that no journal explains, with a sentence that says what was seen.
options:
  settings:
    description: The settings, C(__release_settings).
    type: dict
    required: true
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: A second call with the same options changes nothing.
    support: full
notes:
  - Runs in the controller's process.
"""

EXAMPLES = r"""
- name: Look before anything is touched
  zerodowntime.bluegreen.release_preflight:
    settings: "{{ __release_settings }}"
  register: __release_plan
"""

RETURN = r"""
msg:
  description: What the release would do.
  returned: success
  type: str
  sample: blue serves; 1.4.2 goes into green, then 5 %, 25 %, 50 %, 100 %
stable:
  description: The slot that serves.
  returned: success
  type: str
  sample: blue
canary:
  description: The slot that gets the revision.
  returned: success
  type: str
  sample: green
first:
  description: Whether nothing serves yet, so that there is no way back.
  returned: success
  type: bool
  sample: false
serving:
  description: Whether the revision serves already, so that there is nothing to do.
  returned: success
  type: bool
  sample: false
recorded:
  description: The weights that a restore puts back.
  returned: success
  type: dict
  sample: {blue: 100, green: 0}
"""
