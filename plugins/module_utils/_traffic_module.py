# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The C(main) of every C(*_traffic) module and its C(_info): the driver and the frame, on the machine it runs on."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _lease, _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError

VERIFY_SPEC: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "url": {"type": "str"},
        "header": {"type": "str"},
        "json_path": {"type": "str"},
        "slots": {"type": "dict"},
        "cookies": {"type": "dict"},
        "ca_path": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 5.0},
        "patience": {"type": "str", "default": "10s"},
    },
}


def move_spec(driver: type[_traffic.Driver]) -> dict[str, t.Any]:
    """Return the argument spec of the driver's C(*_traffic) name."""
    return {**_common_spec(driver), **_traffic.MOVE_SPEC, "verify": VERIFY_SPEC}


def info_spec(driver: type[_traffic.Driver]) -> dict[str, t.Any]:
    """Return the argument spec of the driver's C(*_traffic_info) name."""
    return {**_common_spec(driver), "owned": {"type": "bool", "default": False}}


def _common_spec(driver: type[_traffic.Driver]) -> dict[str, t.Any]:
    return {
        **driver.spec,
        "machines": {"type": "list", "elements": "raw", "default": []},
        "lease": _lease.LEASE_SPEC,
    }


def main_move(driver: type[_traffic.Driver]) -> t.NoReturn:
    """Move traffic on this machine and exit with the result."""
    module = AnsibleModule(argument_spec=move_spec(driver), supports_check_mode=True)
    try:
        instance = driver(module.params)
        lease = module.params["lease"]
        if lease and not module.check_mode and _lease.keep(instance, lease) == "fired":
            raise Refused(f"{instance.identity()}: the lease has put the traffic back; nothing was written")
        result = _traffic.move(instance, module.params, module.check_mode)
    except ReleaseError as error:
        module.fail_json(**_traffic.failure(error))
    module.exit_json(**result)
    raise AssertionError  # exit_json ended the process


def main_info(driver: type[_traffic.Driver]) -> t.NoReturn:
    """Look at the traffic on this machine and exit with what was seen."""
    module = AnsibleModule(argument_spec=info_spec(driver), supports_check_mode=True)
    try:
        instance = driver(module.params)
        lease = module.params["lease"]
        kept = _lease.keep(instance, lease) if lease and not module.check_mode else "none"
        result = {**_traffic.observe(instance), "lease": kept}
        if module.params["owned"]:
            result["owned"] = [thing.plain() for thing in _lease.owned(instance)]
    except ReleaseError as error:
        module.fail_json(**_traffic.failure(error))
    module.exit_json(**result)
    raise AssertionError  # exit_json ended the process
