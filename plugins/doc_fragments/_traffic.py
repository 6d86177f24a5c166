# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that every traffic name has."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every traffic name (C(DOCUMENTATION)), of those that move traffic (C(MOVE)), of proofs (C(VERIFY))."""

    DOCUMENTATION = r"""
options:
  machines:
    description:
      - Inventory names of the machines the balancers run on. The module runs on each of them, over that host's own
        connection; forward moves go one machine after the other, and the first refusal puts the others back.
      - An entry may be a mapping with C(machine) and the options that differ on it.
      - Without it the work is done in the controller's process when the task's host has a local connection, else on
        the task's host.
    type: list
    elements: raw
    default: []
  lease:
    description:
      - A process on the balancer's machine that puts O(lease.weights) back when it has not been renewed for
        O(lease.ttl). Each call with the same O(lease.id) renews it. M(zerodowntime.bluegreen.traffic_shift) uses it.
    type: dict
    suboptions:
      state:
        description: Start or renew the lease, or end it.
        type: str
        choices: [held, ended]
        default: held
      id:
        description: Whose lease it is; another id replaces the lease.
        type: str
        required: true
      ttl:
        description: Seconds without a renewal after which the lease acts.
        type: float
        default: 15.0
      weights:
        description: The weights that the lease puts back.
        type: dict
      expect:
        description: The weights that may stand when the lease acts; anything else is left alone.
        type: list
        elements: dict
      fence:
        description: The fence of the lease's write.
        type: int
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
  idempotent:
    description: A second call with the same options changes nothing.
"""

    MOVE = r"""
options:
  weights:
    description:
      - Percent of requests for each slot. Both slots are named, the zero too; integers that add up to 100.
    type: dict
    required: true
  expect:
    description:
      - The weights that must stand now, or a list of weights one of which must. When something else stands, the call
        fails and writes nothing. Guards against somebody else's change.
    type: raw
  fence:
    description:
      - A number that only grows. A call with a smaller fence than the one stored beside the weights writes nothing.
        Guards against a late writer. Without it the stored fence stays.
    type: int
  force:
    description:
      - Move even if a slot that gets requests has no healthy server, or the state is not one of ours.
    type: bool
    default: false
"""

    VERIFY = r"""
options:
  verify:
    description:
      - How to prove at the data plane that traffic moved. Probes go out from the controller; counters of the
        balancers are read too, where they have any.
    type: dict
    suboptions:
      url:
        description:
          - An address behind the balancer that both slots answer, asked by GET. Without it the balancers' counters
            alone have to show it, which takes traffic.
        type: str
      header:
        description: The header of the answer that tells the slots apart.
        type: str
      json_path:
        description: The place of that value in a JSON answer, such as C(build.version), instead of a header.
        type: str
      slots:
        description:
          - The value with which each slot answers. M(zerodowntime.bluegreen.traffic_shift) learns it by itself, from
            what stable answers now and from the revision.
        type: dict
      cookies:
        description: A cookie per slot (C(NAME=VALUE)) that binds a client to it; at weight 0 it must not answer to it.
        type: dict
      ca_path:
        description: File with the certificates to trust.
        type: path
      validate_certs:
        description: Whether the server's certificate is verified.
        type: bool
        default: true
      timeout:
        description: Seconds one probe may take.
        type: float
        default: 5.0
      patience:
        description: How long traffic may take to follow.
        type: str
        default: 10s
"""
