# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of every C(*_traffic) name and its C(_info)."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic, _verify
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight, after
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights, parse, parse_expect
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._front_door import front_door
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import InProcess, open_balancers


class TrafficAction(ReleaseAction):
    """Moves the traffic of one app on all its balancers, and proves it."""

    DRIVER: t.ClassVar[type[_traffic.Driver]]

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return before, after, weights, changed, diff, verified and undo."""
        options = {name: params[name] for name in (*self.DRIVER.spec, "machines") if params.get(name) is not None}
        balancers = open_balancers(self, {self.DRIVER.name: options}, task_vars)
        weights, expect = _asked(params)
        proof = _proof_of(params["verify"])  # what is wrong with it is said before anything is written
        moved: dict[str, dict[str, t.Any]]
        if self._task.check_mode:
            moved = {balancer.name: self._plan(balancer, params) for balancer in balancers.members}
        else:
            moved = balancers.forward(weights, expect, params["fence"], params["lease"], params["force"])
        result = _merge(moved)
        if not self._task.check_mode:
            before = parse(result["before"]["weights"]) if result["before"]["weights"] else weights
            result.update(proof(after(moved), balancers.observe, weights, before).plain())
            if result["verified"] == "refuted":
                raise ReleaseError(
                    f"{result['identity']}: written, but traffic did not follow: {result['verified_by']}"
                )
        return result

    def _plan(self, balancer: t.Any, params: dict[str, t.Any]) -> dict[str, t.Any]:
        asked = {name: params[name] for name in ("weights", "expect", "fence", "force")}
        if isinstance(balancer, InProcess):
            return balancer.move(asked, check_mode=True)
        return t.cast("dict[str, t.Any]", balancer.move(asked))  # the module sees the task's check mode itself


class TrafficInfoAction(ReleaseAction):
    """Looks at the traffic of one app on all its balancers; changes nothing."""

    DRIVER: t.ClassVar[type[_traffic.Driver]]

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return weights, fence, slots, trouble and facts, and each balancer's own as C(balancers)."""
        options = {name: params[name] for name in (*self.DRIVER.spec, "machines") if params.get(name) is not None}
        balancers = open_balancers(self, {self.DRIVER.name: options}, task_vars)
        sight = balancers.observe(params["lease"])
        first = next(iter(sight.views.values()))
        return {
            **first,
            "changed": False,
            "weights": sight.weights.plain() if sight.weights else None,
            "trouble": sight.trouble,
            "fence": sight.fence,
            "balancers": dict(sight.views),
            **({"owned": balancers.owned()} if params["owned"] else {}),
        }


def _proof_of(
    verify: dict[str, t.Any] | None,
) -> t.Callable[[Sight, t.Callable[[], Sight], Weights, Weights], _verify.Proof]:
    """Return what proves a move as C(verify) says. Raises ReleaseError when that option is wrong."""
    if verify is None:
        return lambda moved, observe, asked, before: _verify.Proof("unverifiable", "verify was not asked for")
    door = front_door(verify)
    try:
        patience = seconds(verify["patience"])
    except ValueError as error:
        raise ReleaseError(f"verify.patience: {error}") from error
    return lambda moved, observe, asked, before: _verify.prove(
        moved, observe, asked, before, door, patience, time.monotonic, time.sleep
    )


def _asked(params: dict[str, t.Any]) -> tuple[Weights, list[Weights]]:
    try:
        return parse(params["weights"]), parse_expect(params["expect"])
    except ValueError as error:
        raise ReleaseError(str(error)) from error


def _merge(moved: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
    """Return one result for all balancers: the first one's, with C(changed) and C(diff) of all."""
    first = next(iter(moved.values()))
    return {
        **{key: first[key] for key in ("identity", "unit", "before", "after", "weights", "fence", "undo")},
        "changed": any(result["changed"] for result in moved.values()),
        "diff": [part for result in moved.values() for part in result["diff"]],
        "balancers": {name: result["after"] for name, result in moved.items()},
    }
