#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_status
short_description: Show where traffic is, what the journal says, and what to run next
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Looks at the live traffic, which it needs, and at the journal, which it can do without.
options:
  settings:
    description: The settings, C(__release_settings).
    type: dict
    required: true
  quiet:
    description: Whether the table is only returned.
    type: bool
    default: false
  owned:
    description:
      - Also list everything that this collection has made for the environment and that is there now, of its traffic,
        its fleet, its journal and its reports, for whoever leaves.
    type: bool
    default: false
  fleet:
    description: What the platform's fleet lists as its own, RV(zerodowntime.bluegreen.compose_fleet_info#module:owned).
    type: list
    elements: dict
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
notes:
  - Runs in the controller's process.
"""

EXAMPLES = r"""
- name: Look
  zerodowntime.bluegreen.release_status:
    settings: "{{ __release_settings }}"
"""

RETURN = r"""
status:
  description: All of it, also handed to AWX as job artifacts under C(zerodowntime_status).
  returned: success
  type: dict
  sample: {phase: Healthy, outcome: Promoted, weights: {blue: 0, green: 100}, next: ""}
lines:
  description: The table.
  returned: success
  type: list
  elements: str
due:
  description: What a sweep has to do, C(stale), C(retire), C(degraded), C(paused).
  returned: success
  type: list
  elements: str
"""
