# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every name that sends HTTP requests by itself."""

from __future__ import annotations


class ModuleDocFragment:
    """How to ask, how the server proves itself, where the answer says its revision, and which machine asks."""

    DOCUMENTATION = r"""
options:
  header:
    description:
      - The header of an answer that says the revision. Not together with O(json_path).
    type: str
  json_path:
    description:
      - The place of the revision in a JSON answer, such as C(build.version) or C($.items[0].tag).
    type: str
  headers:
    description:
      - Headers to send; a C(Host) among them replaces the one of O(url). Not for secrets, which may be shown; see
        O(authorization).
    type: dict
    default: {}
  authorization:
    description:
      - The value of the header C(Authorization), such as C(Bearer ...).
    type: str
  validate_certs:
    description:
      - Whether the server's certificate is verified.
    type: bool
    default: true
  ca_path:
    description:
      - File with the certificates to trust, instead of the system's.
    type: path
  server_name:
    description:
      - The name that the server's certificate has to carry, and that is sent to the server (SNI). The host of O(url)
        by default.
    type: str
  machine:
    description:
      - The machine of the inventory that sends the requests, over its own connection. Without it they come from the
        process of C(ansible-playbook), on the controller, whichever host the task is for.
    type: str
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
  idempotent:
    description: A second call with the same options changes nothing.
"""
