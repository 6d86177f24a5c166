# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The C(main) of every C(*_fleet) module and its C(_info): the driver and the frame, on the machine it runs on."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet, _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

MACHINES: dict[str, t.Any] = {"type": "list", "elements": "str", "default": []}

# What the action of the same name reads before it sends the module: who gets requests, and the run that waits.
OF_THE_ACTION: dict[str, t.Any] = {
    "traffic": {"type": "dict"},
    "journal": {"type": "dict"},
    "key": {"type": "str", "no_log": False},
    "run": {"type": "str"},
}


def fleet_spec(driver: type[_fleet.Driver]) -> dict[str, t.Any]:
    """Return the argument spec of the driver's C(*_fleet) name."""
    return {**driver.spec, **_fleet.FLEET_SPEC, "machines": MACHINES, **OF_THE_ACTION}


def info_spec(driver: type[_fleet.Driver]) -> dict[str, t.Any]:
    """Return the argument spec of the driver's C(*_fleet_info) name."""
    return {
        **driver.spec,
        "machines": MACHINES,
        "logs": {"type": "int", "default": 0},
        "owned": {"type": "bool", "default": False},
    }


def main_fleet(driver: type[_fleet.Driver]) -> t.NoReturn:
    """Stage or retire a slot on this machine and exit with the result."""
    module = AnsibleModule(argument_spec=fleet_spec(driver), supports_check_mode=True, **_fleet.FLEET_RULES)
    params = module.params
    try:
        wait = _fleet.Wait(seconds(params["deadline"])) if params["wait"] and not module.check_mode else None
        result = _fleet.run([_fleet.Here(driver(params), module.check_mode)], params, wait)
    except ValueError as error:
        module.fail_json(msg=f"deadline: {error}")
    except ReleaseError as error:
        module.fail_json(**_traffic.failure(error))
    module.exit_json(**result)
    raise AssertionError  # exit_json ended the process


def main_info(driver: type[_fleet.Driver]) -> t.NoReturn:
    """Look at both slots on this machine and exit with what was seen."""
    module = AnsibleModule(argument_spec=info_spec(driver), supports_check_mode=True)
    try:
        result = _fleet.observe(driver(module.params), module.params["logs"], module.params["owned"])
    except ReleaseError as error:
        module.fail_json(**_traffic.failure(error))
    module.exit_json(**result)
    raise AssertionError  # exit_json ended the process
