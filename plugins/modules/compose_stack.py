#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring up what a Compose project has beside its slots."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_stack
short_description: Bring up what a Docker Compose project has beside its slots
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Starts the services that are no slots, such as the balancer and the database, and waits until they run, and are
    healthy where they have a health check. It is how a project comes up the first time.
  - The slots stay as they are, whatever they run; M(zerodowntime.bluegreen.compose_fleet) fills them.
  - A project whose slots could not be released afterwards is refused before anything starts.
options:
  start:
    description: Whether to start anything; otherwise it is only seen whether the slots can be released.
    type: bool
    default: true
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
extends_documentation_fragment:
  - zerodowntime.bluegreen._compose
seealso:
  - module: zerodowntime.bluegreen.compose_fleet
"""

EXAMPLES = r"""
- name: Start the balancer and the database
  zerodowntime.bluegreen.compose_stack:
    project_src: /srv/shop
    services: {blue: app-blue, green: app-green}
"""

RETURN = r"""
configuration:
  description: A mark of what the Compose file says about both slots; it changes when a released container would.
  returned: success
  type: str
  sample: 1b2c9f0e7d6a5b43
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker import stack
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError


def main() -> t.NoReturn:
    """Bring the services up on this machine and exit with the result."""
    module = AnsibleModule(argument_spec=stack.SPEC, supports_check_mode=True)
    try:
        result = stack.bring_up(module.params, module.check_mode)
    except ReleaseError as error:
        module.fail_json(**_traffic.failure(error))
    module.exit_json(**result)
    raise AssertionError  # exit_json ended the process


if __name__ == "__main__":
    main()
