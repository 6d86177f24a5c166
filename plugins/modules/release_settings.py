#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_settings
short_description: Read the variables of an environment, once
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Reads every C(release_) variable of the environment, gives it its type and its default, to be registered as
    C(__release_settings). Text and empty text, as surveys send them, are accepted.
  - What is wrong is one sentence that names the variable, before anything is touched.
options:
  needed:
    description: Variables that must be set, beside those that every environment needs.
    type: list
    elements: str
    default: []
  revision:
    description: The revision, whatever the variable says. An extra variable of a survey cannot be set by a task.
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
- name: Read the settings
  zerodowntime.bluegreen.release_settings:
    needed: [release_revision]
  register: __release_settings
"""

RETURN = r"""
app:
  description: The app; likewise every other variable without its prefix, durations in seconds.
  returned: success
  type: str
  sample: shop
steps:
  description: The steps as percents.
  returned: success
  type: list
  elements: int
  sample: [5, 25, 50, 100]
"""
