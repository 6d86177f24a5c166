#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for good answers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: http_probe
short_description: Wait until a URL answers well, with the right revision, several times in a row
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Sends GET requests one after the other, each on a connection of its own, until enough answers in a row are good. An
    answer is good when it is whole, has the status O(status), and comes from the revision O(expect) where one is named.
    Redirects are not followed and proxies not used.
  - Fails when the deadline passes first; the message says what was seen last.
options:
  url:
    description:
      - What to ask for.
    type: str
    required: true
  expect:
    description:
      - The revision that has to answer, as text. Needs O(header) or O(json_path).
    type: raw
  status:
    description:
      - The status of a good answer.
    type: int
    default: 200
  consecutive:
    description:
      - How many good answers in a row it takes.
    type: int
    default: 1
  interval:
    description:
      - The time between two probes, such as V(1s).
    type: str
    default: 1s
  deadline:
    description:
      - How long to try, such as V(30s) or V(5m). One probe is always sent.
    type: str
    default: 30s
  timeout:
    description:
      - How long one answer may take.
    type: str
    default: 5s
attributes:
  check_mode:
    support: full
    description: Probes as usual; they change nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._probe
seealso:
  - module: zerodowntime.bluegreen.load_test
"""

EXAMPLES = r"""
- name: Wait until the new revision is healthy on its own port
  zerodowntime.bluegreen.http_probe:
    url: http://127.0.0.1:8002/health
    header: X-Version
    expect: "1.4.2"
    consecutive: 3
    deadline: 2m

- name: See from the balancer that a machine of the pool answers
  zerodowntime.bluegreen.http_probe:
    url: "http://{{ ansible_host }}:8080/health"
    machine: lb1
"""

RETURN = r"""
status:
  description: The status of the last answer, 0 when there was none.
  returned: always
  type: int
  sample: 200
revision:
  description: The revision of the last answer, empty where it does not say one.
  returned: always
  type: str
  sample: 1.4.2
slot:
  description: The header C(X-Slot) of the last answer, empty where there is none.
  returned: always
  type: str
  sample: green
attempts:
  description: How many probes were sent.
  returned: always
  type: int
  sample: 4
seconds:
  description: How long it took.
  returned: always
  type: float
  sample: 3.012
msg:
  description: What was seen last, in one sentence.
  returned: failure
  type: str
  sample: "http://127.0.0.1:8002/health: 404 instead of 200 (no good answer within 30s)"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.options import PROBE_SPEC
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.verbs import probe_until_good


def main() -> None:
    """Probe from this machine."""
    module = AnsibleModule(argument_spec=PROBE_SPEC, supports_check_mode=True)
    try:
        result = probe_until_good(module.params, lambda _line: None)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
