# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of every C(*_fleet) name and its C(_info): in this process, or on the machines that are named."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet, _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet import Facts, Here, Place, Wait
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _pulse
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import (
    COLLECTION,
    Remote,
    TaskHost,
    open_balancers,
)


class OnMachine(Place):
    """A fleet that only its own machine reaches: the module of the driver's name runs there."""

    def __init__(self, machine: Remote, driver: str, options: Facts) -> None:
        self.name = machine.name
        self._machine, self._driver, self._options = machine, driver, options

    def begin(self, params: t.Mapping[str, t.Any]) -> Facts:
        # The wait is ours: a module that waits says nothing meanwhile, and hears of no abort.
        return self._run(self._driver, {**{name: params.get(name) for name in _fleet.FLEET_SPEC}, "wait": False})

    def observe(self, logs: int = 0, owned: bool = False) -> Facts:
        return self._run(f"{self._driver}_info", {"logs": logs, **({"owned": True} if owned else {})})

    def _run(self, module: str, params: t.Mapping[str, t.Any]) -> Facts:
        given = {name: value for name, value in {**self._options, **params}.items() if value is not None}
        result = self._machine.module(f"{COLLECTION}.{module}", given)
        if result.get("failed"):
            raise _traffic.raised(result)
        return result


class FleetAction(ReleaseAction):
    """Stages a revision in a slot, or takes the slot down, wherever its instances run."""

    DRIVER: t.ClassVar[type[_fleet.Driver]]

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return changed, diff, capacity and the slots; raises ReleaseError with the reason of a failed instance."""
        try:
            deadline = seconds(params["deadline"])
        except ValueError as error:
            raise ReleaseError(f"deadline: {error}") from error
        places = open_places(self, self.DRIVER, params, task_vars)
        if params["traffic"]:
            params["weight"] = self._weight(params, task_vars)
        pulse = _pulse.Pulse(self, params, task_vars)
        waits = params["wait"] and not self._task.check_mode
        result = _fleet.run(places, params, Wait(deadline, pulse.check, self.say) if waits else None)
        pulse.rest()
        return result

    def _weight(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> int:
        """Return the percent of the requests that the slot gets; where that is unclear, it may be all of them."""
        weights = open_balancers(self, params["traffic"], task_vars).observe().weights
        return weights[params["slot"]] if weights else 100


class FleetInfoAction(ReleaseAction):
    """Looks at the instances of both slots; changes nothing."""

    DRIVER: t.ClassVar[type[_fleet.Driver]]

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the slots of the first machine, and those of each as C(places)."""
        places = open_places(self, self.DRIVER, params, task_vars)
        seen = {place.name: place.observe(params["logs"], params["owned"]) for place in places}
        result = {**next(iter(seen.values())), "places": {name: result["slots"] for name, result in seen.items()}}
        if params["owned"]:
            result["owned"] = [{"at": name, **thing} for name, here in seen.items() for thing in here["owned"]]
        return result


def open_places(
    action: ReleaseAction, driver: type[_fleet.Driver], params: dict[str, t.Any], task_vars: dict[str, t.Any]
) -> list[Place]:
    """Return where the fleet runs. Raises ReleaseError when an option is wrong or a machine is not in the inventory."""
    options = {name: params[name] for name in driver.spec if params.get(name) is not None}
    checked = driver(params)  # what is wrong with the options is said before a connection is opened
    if params["machines"]:
        return [OnMachine(Machine.open(action, name, task_vars), driver.name, options) for name in params["machines"]]
    if not action.local:
        return [OnMachine(TaskHost(action, task_vars), driver.name, options)]
    if action.becomes:
        raise ReleaseError(f"{driver.name} runs in the controller's process, where become does nothing: name machines")
    return [Here(checked, action._task.check_mode)]
