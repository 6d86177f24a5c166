#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_adopt
short_description: Make an environment of other hands ready for releases
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Gives the balancers the state that their driver needs, with O(serving) at 100, and opens the journal with what was
    found. M(zerodowntime.bluegreen.release_preflight) names it where it is missing; a release never changes structure.
options:
  settings:
    description: The settings, C(__release_settings).
    type: dict
    required: true
  serving:
    description:
      - The slot that serves now. By default the one that has all the traffic, else the only one with healthy servers,
        else V(blue).
    type: str
    choices: [blue, green]
  confirm:
    description: Whether to change anything; without it the changes are only shown.
    type: bool
    default: false
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
- name: Give the balancers what a release needs
  zerodowntime.bluegreen.release_adopt:
    settings: "{{ __release_settings }}"
    serving: blue
    confirm: true
"""

RETURN = r"""
msg:
  description: What was or would be done.
  returned: success
  type: str
  sample: "adopted: blue serves, green takes the next revision"
"""
