#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_report
short_description: Report a release that ended
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Shows a table and hands the report to AWX as job artifacts. When a folder is set it writes there the report as JSON,
    the same as C(ENVIRONMENT.prom) for Prometheus, and what the instances of a canary that failed wrote last.
  - A report that is there already keeps the requests that it counted.
options:
  settings:
    description: The settings, C(__release_settings).
    type: dict
    required: true
  plan:
    description: The plan, C(__release_plan).
    type: dict
    required: true
  certificate:
    description: The certificate of the release, as M(zerodowntime.bluegreen.load_test) returns it.
    type: dict
  failure:
    description: What failed.
    type: str
    default: ""
  fleet:
    description: The slot that failed, as its platform's fleet saw it.
    type: dict
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
- name: Report
  zerodowntime.bluegreen.release_report:
    settings: "{{ __release_settings }}"
    plan: "{{ __release_plan }}"
"""

RETURN = r"""
report:
  description: The report.
  returned: success
  type: dict
  sample: {release: 20260901T120000Z-a1b2c3, outcome: Promoted, requests: 9000, dropped: 0, errors: 0}
path:
  description: Where the report was written, empty when it was not.
  returned: success
  type: str
"""
