#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move traffic between the slots of an app behind a Kubernetes Service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_traffic
short_description: Move traffic between blue and green behind a Kubernetes Service
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - "Sends all connections of a Service to one slot of an app, by one label in its selector. A Service has no
    weights: other steps than 0 and 100 are refused."
  - One JSON patch changes the label and an annotation with the fence. It is bound to the version that was looked
    at; everything else in the Service stays byte for byte.
  - The slot must have ready pods before. The call then waits until the EndpointSlices of the Service hold ready
    pods of that slot and none of the other one, and fails when they do not within O(settle).
  - "Open connections stay where they are, and a client that keeps one goes on sending requests to the old slot: let
    the old pods drain before they end."
options: {}
attributes:
  check_mode:
    support: full
    details: The API server checks the patch itself and keeps nothing (a dry run).
  diff_mode:
    support: full
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._kubernetes
  - zerodowntime.bluegreen._kubernetes.service
  - zerodowntime.bluegreen._traffic
  - zerodowntime.bluegreen._traffic.move
  - zerodowntime.bluegreen._traffic.verify
seealso:
  - module: zerodowntime.bluegreen.service_traffic_info
  - module: zerodowntime.bluegreen.traffic_shift
"""

EXAMPLES = r"""
- name: Send everything to green
  zerodowntime.bluegreen.service_traffic:
    namespace: shop
    service: shop
    label: version
    slots: {blue: blue, green: green}
    weights: {blue: 0, green: 100}
    expect: {blue: 100, green: 0}
    verify:
      url: http://shop.example.com/
      header: X-Version
      slots: {blue: v1, green: v2}

- name: See what would change, in another cluster
  zerodowntime.bluegreen.service_traffic:
    kubeconfig: ~/.kube/config
    context: staging
    namespace: shop
    service: shop
    label: version
    slots: {blue: blue, green: green}
    weights: {blue: 0, green: 100}
  check_mode: true
  diff: true
"""

RETURN = r"""
before:
  description: What stood before the call.
  returned: success
  type: dict
  sample: {weights: {blue: 100, green: 0}, fence: 6, trouble: ""}
after:
  description: What was read back after it; in check mode what would stand.
  returned: success
  type: dict
  sample: {weights: {blue: 0, green: 100}, fence: 6, trouble: ""}
weights:
  description: The weights that stand now.
  returned: success
  type: dict
  sample: {blue: 0, green: 100}
fence:
  description: The fence that is stored in the object's annotation.
  returned: success
  type: int
  sample: 6
identity:
  description: The canonical identity of the traffic object, the key of lock and journal.
  returned: success
  type: str
  sample: "Service:https://10.0.0.1:6443:shop/shop"
unit:
  description: What is decided one by one, C(request) or C(connection).
  returned: success
  type: str
  sample: connection
verified:
  description: Whether the move was seen at the data plane.
  returned: success, not in check mode
  type: str
  sample: verified
verified_by:
  description: The numbers that rests on.
  returned: success, not in check mode
  type: str
  sample: "probes: 20 of 20 on green; asked blue 0 / green 100"
undo:
  description: What puts C(before) back, without connection options.
  returned: success
  type: dict
  sample:
    driver: service_traffic
    object: "Service:https://10.0.0.1:6443:shop/shop"
    weights: {blue: 100, green: 0}
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.service import ServiceTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import main_move


def main() -> None:
    """Move the traffic, with the credentials of this machine."""
    main_move(ServiceTraffic)


if __name__ == "__main__":
    main()
