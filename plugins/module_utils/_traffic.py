# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a traffic driver is, and the frame around it: observe, plan, write once, read back.

A driver knows one traffic system. The frame knows the contract: C(expect) guards against drift, the fence against
a late writer, and both are compared, the write made and the fence stored under one lock where the object lives.
"""

from __future__ import annotations

import abc
import contextlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import plan
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import (
    SLOTS,
    Weights,
    parse,
    parse_expect,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError


@dataclass(frozen=True)
class Slot:
    """One slot in the balancer's eyes; None where that system cannot know.

    C(requests) and C(bad) count since the balancer started, C(in_flight) counts requests now.
    """

    up: t.Optional[bool] = None
    ready: t.Optional[int] = None
    requests: t.Optional[int] = None
    bad: t.Optional[int] = None
    in_flight: t.Optional[int] = None


@dataclass(frozen=True)
class View:
    """What a driver saw. C(weights) is None, and C(trouble) a sentence, when the state is not one of ours."""

    weights: t.Optional[Weights]
    fence: int
    slots: t.Mapping[str, Slot]
    trouble: str = ""
    facts: t.Mapping[str, t.Any] = field(default_factory=dict)

    def plain(self) -> dict[str, t.Any]:
        """Return the view as a module returns it."""
        return {
            "weights": self.weights.plain() if self.weights else None,
            "fence": self.fence,
            "slots": {slot: dict(vars(self.slots[slot])) for slot in SLOTS},
            "trouble": self.trouble,
            "facts": dict(self.facts),
        }


class Driver(abc.ABC):
    """One traffic system. Methods raise ReleaseError, Refused or Lost, never a client library's own error."""

    name: t.ClassVar[str]
    unit: t.ClassVar[str] = "request"
    machine_bound: t.ClassVar[bool] = False
    whole: t.ClassVar[bool] = False  # one slot has all the traffic; nothing in between is possible
    spec: t.ClassVar[dict[str, t.Any]]

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        self.options = options

    @abc.abstractmethod
    def identity(self) -> str:
        """Return the canonical identity of the traffic object: driver, address, object."""

    @abc.abstractmethod
    def observe(self) -> View:
        """Return what stands now."""

    @abc.abstractmethod
    def changes(self, view: View, weights: Weights, fence: int) -> list[plan.Change]:
        """Return what C(write) would change, in an operator's words."""

    @abc.abstractmethod
    def write(self, view: View, weights: Weights, fence: int) -> None:
        """Make C(weights) and C(fence) stand, in one mutation; everything else in the object stays."""

    def rehearse(self, view: View, weights: Weights, fence: int) -> None:
        """Let the system itself check in check mode what C(write) would do, where it can. Raises as C(write) does."""
        return

    def owned(self) -> list[Owned]:
        """Return what this collection has made there and what is there now; nothing where it only sets weights."""
        return []

    def folder(self) -> t.Optional[str]:
        """Return the folder beside the object where a lease can live, None where there is none."""
        return None

    def lock(self) -> t.ContextManager[None]:
        """Return the lock where the object lives, held around observe and write."""
        return contextlib.nullcontext()


# What every *_traffic name takes beside the driver's own options.
MOVE_SPEC: dict[str, t.Any] = {
    "weights": {"type": "dict", "required": True},
    "expect": {"type": "raw"},
    "fence": {"type": "int"},
    "force": {"type": "bool", "default": False},
}


def observe(driver: Driver) -> dict[str, t.Any]:
    """Return the driver's view as plain values, with C(identity) and C(unit)."""
    return {**driver.observe().plain(), "identity": driver.identity(), "unit": driver.unit, "changed": False}


def move(driver: Driver, params: t.Mapping[str, t.Any], check_mode: bool = False) -> dict[str, t.Any]:
    """Make the asked weights stand and return before, after, weights, changed, diff, undo.

    Raises Refused, with nothing written, when C(expect) or the fence does not hold or a slot that would get requests
    has nobody to answer them; Lost when it is unknown whether the write was made; ReleaseError otherwise.
    """
    try:
        weights = parse(params["weights"])
        expected = parse_expect(params.get("expect"))
    except ValueError as error:
        raise ReleaseError(f"{driver.name}: {error}") from error
    force = bool(params.get("force"))
    with driver.lock():
        before = driver.observe()
        fence = before.fence if params.get("fence") is None else int(params["fence"])
        if fence < before.fence:
            raise Refused(
                f"{driver.identity()}: a newer writer was here (fence {before.fence}, ours {fence}); nothing written"
            )
        if before.trouble and not expected and not force:
            raise Refused(f"{driver.identity()}: {before.trouble}; nothing was written")
        if expected and before.weights not in expected:
            who = before.facts.get("changed_by") or "somebody else"
            raise Refused(
                f"{driver.identity()}: weights are {before.weights or before.trouble}, "
                f"expected {' or '.join(map(str, expected))}; {who} changed them; nothing was written"
            )
        had = before.weights
        silent = [
            slot for slot in SLOTS if weights[slot] > (had[slot] if had else 0) and before.slots[slot].up is False
        ]
        if silent and not force:
            raise Refused(
                f"{driver.identity()}: {silent[0]} has no healthy server and would get {weights[silent[0]]} % "
                f"of the requests; nothing was written"
            )
        moved = before.weights != weights or bool(before.trouble)
        changes = driver.changes(before, weights, fence) if moved or fence != before.fence else []
        after = before
        if changes and check_mode:
            driver.rehearse(before, weights, fence)
        if changes and not check_mode:
            driver.write(before, weights, fence)
            after = _read_back(driver)
            if after.weights != weights or after.trouble:
                raise ReleaseError(f"{driver.identity()}: wrote {weights}, read back {after.weights or after.trouble}")
    return {
        "changed": moved,
        "identity": driver.identity(),
        "unit": driver.unit,
        "before": before.plain(),
        "after": {**after.plain(), "weights": weights.plain()} if check_mode else after.plain(),
        "weights": weights.plain(),
        "fence": fence,
        "diff": plan.diff(changes),
        "undo": {
            "driver": driver.name,
            "object": driver.identity(),
            "weights": before.weights.plain() if before.weights else None,
        },
    }


def _read_back(driver: Driver) -> View:
    try:
        return driver.observe()
    except ReleaseError as error:
        # The write went out: that it cannot be seen now does not mean that it failed.
        raise Lost(f"{driver.identity()}: written, and cannot be read back: {error}") from error


def failure(error: ReleaseError) -> dict[str, t.Any]:
    """Return the failed result of a module for C(error); C(raised) gives the error back on the caller's side."""
    kind = "refused" if isinstance(error, Refused) else "lost" if isinstance(error, Lost) else "error"
    return {"failed": True, "msg": str(error), "kind": kind}


def raised(result: t.Mapping[str, t.Any]) -> ReleaseError:
    """Return the error that a failed module result stands for."""
    kind = "lost" if result.get("lost") else result.get("kind")
    message = str(result.get("msg") or "failed without a message").strip()
    return {"refused": Refused, "lost": Lost}.get(str(kind), ReleaseError)(message)
