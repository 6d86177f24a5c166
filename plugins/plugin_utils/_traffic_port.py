# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a traffic driver runs: in the controller's process, on the task's host, or on the machines it names.

This is the one place of that decision; drivers and engine see balancers only.
"""

from __future__ import annotations

import importlib
import os
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _lease, _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import (
    Balancer,
    Balancers,
    Lease,
    Result,
    Sight,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine

COLLECTION = "zerodowntime.bluegreen"
_UTILS = "ansible_collections.zerodowntime.bluegreen.plugins.module_utils"

# The traffic systems: the name users write, and the driver behind it.
DRIVERS = {
    "alb_traffic": ("_aws.alb", "ALBTraffic"),
    "gateway_traffic": ("_kubernetes.gateway", "GatewayTraffic"),
    "haproxy_traffic": ("_haproxy.driver", "HAProxyTraffic"),
    "istio_traffic": ("_kubernetes.istio", "IstioTraffic"),
    "nginx_traffic": ("_nginx.driver", "NginxTraffic"),
    "service_traffic": ("_kubernetes.service", "ServiceTraffic"),
}


def driver_class(name: str) -> type[_traffic.Driver]:
    """Return the driver that C(name) stands for. Raises ReleaseError with the names there are."""
    if name not in DRIVERS:
        raise ReleaseError(f"unknown traffic system '{name}'; there are {', '.join(sorted(DRIVERS))}")
    module, attribute = DRIVERS[name]
    return t.cast("type[_traffic.Driver]", getattr(importlib.import_module(f"{_UTILS}.{module}"), attribute))


class InProcess(Balancer):
    """A balancer that this process reaches by itself."""

    name = "here"

    def __init__(self, driver: _traffic.Driver) -> None:
        self.driver = driver

    def observe(self, lease: Lease = None) -> Result:
        return {**_traffic.observe(self.driver), "lease": _keep(self.driver, lease)}

    def move(self, params: t.Mapping[str, t.Any], lease: Lease = None, check_mode: bool = False) -> Result:
        if _keep(self.driver, None if check_mode else lease) == "fired":
            raise Refused(f"{self.driver.identity()}: the lease has put the traffic back; nothing was written")
        return _traffic.move(self.driver, params, check_mode)

    def owned(self) -> list[dict[str, t.Any]]:
        return [thing.plain() for thing in _lease.owned(self.driver)]


class Remote(t.Protocol):
    """A machine that can be sent a module; a lost connection is a result with C(lost), never an exception."""

    name: str

    def module(self, name: str, args: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run a module there and return its result."""


class TaskHost:
    """The task's own host, reached by the task's own connection."""

    def __init__(self, action: ReleaseAction, task_vars: dict[str, t.Any]) -> None:
        self.name = action.environment
        self._action = action
        self._task_vars = task_vars

    def module(self, name: str, args: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run a module there and return its result; a lost connection is a failure with C(lost)."""
        try:
            return t.cast(
                "dict[str, t.Any]",
                self._action._execute_module(module_name=name, module_args=args, task_vars=self._task_vars),
            )
        except AnsibleConnectionFailure as error:
            return {"failed": True, "lost": True, "msg": f"{self.name}: {error}"}


class OnMachine(Balancer):
    """A balancer that only its own machine reaches: the module of the driver's name runs there."""

    def __init__(self, machine: Remote, driver: str, options: t.Mapping[str, t.Any]) -> None:
        self.machine = machine
        self.name = machine.name
        self._driver = driver
        self._options = options

    def observe(self, lease: Lease = None) -> Result:
        return self._run(f"{self._driver}_info", {"lease": lease})

    def move(self, params: t.Mapping[str, t.Any], lease: Lease = None) -> Result:
        return self._run(self._driver, {**params, "lease": lease})

    def owned(self) -> list[dict[str, t.Any]]:
        return t.cast("list[dict[str, t.Any]]", self._run(f"{self._driver}_info", {"owned": True})["owned"])

    def _run(self, module: str, params: t.Mapping[str, t.Any]) -> Result:
        result = self.machine.module(
            f"{COLLECTION}.{module}",
            {key: value for key, value in {**self._options, **params}.items() if value is not None},
        )
        if result.get("failed"):
            error = _traffic.raised(result)
            raise type(error)(str(error) if str(error).startswith(self.name) else f"{self.name}: {error}")
        return result


def open_balancers(action: ReleaseAction, traffic: t.Any, task_vars: dict[str, t.Any]) -> Balancers:
    """Return the balancers of C(traffic), a mapping of one traffic name to its options.

    Raises ReleaseError with one sentence when the name or an option is wrong, or a machine is not in the inventory.
    """
    if not isinstance(traffic, dict) or len(traffic) != 1:
        raise ReleaseError(
            "traffic takes one name and its options, such as {haproxy_traffic: {socket: ..., slots: ...}}"
        )
    name, given = next(iter(traffic.items()))
    driver = driver_class(name)
    options = dict(given) if isinstance(given, dict) else {}
    machines = options.pop("machines", None) or []
    if machines:
        return Balancers([_on_machine(action, name, driver, options, entry, task_vars) for entry in machines])
    checked = validated(name, driver.spec, options)
    driver(checked)  # what is wrong with the options is said before a connection is opened
    if not action.local:
        return Balancers([OnMachine(TaskHost(action, task_vars), name, options)])
    if action.becomes:
        raise ReleaseError(f"{name} runs in the controller's process, where become does nothing: name its machines")
    return Balancers([InProcess(driver(checked))])


def _on_machine(
    action: ReleaseAction,
    name: str,
    driver: type[_traffic.Driver],
    options: dict[str, t.Any],
    entry: t.Any,
    task_vars: dict[str, t.Any],
) -> OnMachine:
    """Return the balancer on the machine that C(entry) names; a mapping also says which options differ there."""
    own = dict(entry) if isinstance(entry, dict) else {"machine": entry}
    machine = str(own.pop("machine", "") or "")
    if not machine:
        raise ReleaseError(f"{name}: an entry of machines is a name, or a mapping with machine and what differs there")
    here = {**options, **own}
    driver(validated(name, driver.spec, here))  # what is wrong is said before a connection is opened
    return OnMachine(Machine.open(action, machine, task_vars), name, here)


def validated(name: str, spec: dict[str, t.Any], options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return C(options) checked and completed by C(spec). Raises ReleaseError naming the option."""
    unknown = [option for option in options if option not in spec]
    if unknown:
        raise ReleaseError(f"{name} has no option {unknown[0]!r}; there are {', '.join([*spec, 'machines'])}")
    result = ArgumentSpecValidator(spec).validate(options)
    if result.error_messages:
        raise ReleaseError(f"{name}: {result.error_messages[0]}")
    return t.cast("dict[str, t.Any]", result.validated_parameters)


def _keep(driver: _traffic.Driver, lease: Lease) -> str:
    return _lease.keep(driver, lease, owner=os.getpid()) if lease else "none"


def object_key(sight: Sight) -> str:
    """Return the key of lock and journal: the identity of the traffic object.

    With several balancers it is the first one's in order of identity, so that two environments which share it collide.
    """
    return min(str(view["identity"]) for view in sight.views.values())
