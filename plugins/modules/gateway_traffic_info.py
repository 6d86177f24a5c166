#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the traffic of an app behind a Gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_traffic_info
short_description: See how traffic is split between blue and green behind a Gateway
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Reads the weights of an app from an HTTPRoute or GRPCRoute, the ready endpoints of both slots, and who else manages
    the object. Changes nothing.
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
extends_documentation_fragment:
  - zerodowntime.bluegreen._kubernetes
  - zerodowntime.bluegreen._kubernetes.gateway
  - zerodowntime.bluegreen._traffic
  - zerodowntime.bluegreen._owned
seealso:
  - module: zerodowntime.bluegreen.gateway_traffic
"""

EXAMPLES = r"""
- name: See which slot serves
  zerodowntime.bluegreen.gateway_traffic_info:
    namespace: shop
    route: shop
    slots: {blue: shop-blue, green: shop-green}
  register: traffic

- name: Stop where a GitOps tool would put the weights back
  ansible.builtin.assert:
    that: not traffic.facts.fought_by
"""

RETURN = r"""
weights:
  description: The weights that stand; null when the state is not one of ours.
  returned: success
  type: dict
  sample: {blue: 100, green: 0}
fence:
  description: The fence that is stored in the object's annotation.
  returned: success
  type: int
  sample: 6
trouble:
  description: What is wrong with the state, empty when nothing is.
  returned: success
  type: str
  sample: ""
slots:
  description: The ready endpoints of each slot; null where they cannot be known. Kubernetes counts no requests.
  returned: success
  type: dict
  sample: {blue: {up: true, ready: 3, requests: null, bad: null, in_flight: null}}
facts:
  description:
    - The version of the object, and C(field_managers) of the field that holds the weights, the last one first.
    - C(changed_by) is the last of them when it was not this collection, C(fought_by) a GitOps tool among them, which
      will put its own weights back unless it is told to leave that field alone; C(warning) says that in a sentence,
      which preflight and status print.
  returned: success
  type: dict
  sample:
    resource_version: "4711"
    field_managers: [{name: argocd-controller, operation: Apply, time: "2026-11-24T10:00:00Z"}]
    changed_by: argocd-controller
    fought_by: argocd-controller
identity:
  description: The canonical identity of the traffic object, the key of lock and journal.
  returned: success
  type: str
  sample: "HTTPRoute:https://10.0.0.1:6443:shop/shop/rules"
balancers:
  description: What each place the module ran at says, by name.
  returned: success
  type: dict
owned:
  description: What this collection has made there, C(at) which place.
  returned: when O(owned) is set
  type: list
  elements: dict
  sample: [{at: here, kind: annotation, name: "HTTPRoute shop/shop", about: "zerodowntime.bluegreen/fence: 6"}]
"""

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.gateway import GatewayTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import main_info


def main() -> None:
    """Look at the traffic, with the credentials of this machine."""
    main_info(GatewayTraffic)


if __name__ == "__main__":
    main()
