#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the journals of releases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_journal_info
short_description: See the releases of a traffic object, who holds it and what happened
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Reads the journals that M(zerodowntime.bluegreen.release_journal) writes. Takes no lock and changes nothing.
options:
  key:
    description: The canonical identity of one traffic object, for its whole history. By default all are shown in short.
    type: str
attributes:
  check_mode:
    support: full
    description: Only looks.
  diff_mode:
    support: none
    description: Only looks.
  idempotent:
    support: full
    description: Only looks.
extends_documentation_fragment:
  - zerodowntime.bluegreen._journal
seealso:
  - module: zerodowntime.bluegreen.release_journal
"""

EXAMPLES = r"""
- name: See all releases that this balancer knows of
  zerodowntime.bluegreen.release_journal_info:
    machine: lb1
  register: known

- name: See who holds the shop, and what happened to its releases
  zerodowntime.bluegreen.release_journal_info:
    key: haproxy:/run/haproxy/admin.sock:/etc/haproxy/zerodowntime.map:shop
"""

RETURN = r"""
journals:
  description:
    - One element for each traffic object. C(lock) is null or names the owner, its step and C(age), the seconds since
      its last sign of life. C(release) is the newest one; with O(key) it has its entries and C(releases) has the older
      ones too, oldest first. A journal that cannot be read has a C(problem) instead.
  returned: success
  type: list
  elements: dict
  sample:
    - key: haproxy:/run/haproxy/admin.sock:/etc/haproxy/zerodowntime.map:shop
      environment: shop-eu
      app: shop
      fence: 7
      state: Progressing
      lock: {owner: {run: 4711-shop-eu, environment: shop-eu, awx_job_id: 4711}, step: 2, heartbeat: 12, age: 3.1}
      release: {id: 20261124-101502-4711, revision: 1.4.2, phase: Progressing, step: 2, steps: [5, 25, 50, 100]}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import Journal, look
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.options import INFO_SPEC, open_store


def main() -> t.NoReturn:
    """Look at this machine's store."""
    module = AnsibleModule(argument_spec=INFO_SPEC, supports_check_mode=True)
    try:
        journals = look(Journal(open_store(module.params)).perform, module.params["key"])
    except JournalError as error:
        module.fail_json(msg=str(error), kind=error.kind, facts=error.facts)
    module.exit_json(changed=False, journals=journals)


if __name__ == "__main__":
    main()
