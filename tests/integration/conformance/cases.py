# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A case: one world, and its balancer reached in one of two ways."""

from __future__ import annotations

import types
import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancer

from tests.integration.conformance.over_ssh import OverSSH, Session
from tests.integration.conformance.world import World
from tests.integration.conformance.worlds import WORLDS
from tests.lab.hosts.sshd import SshMachines, missing

HERE, SSH = "in_process", "over_ssh"
MACHINES = ("lb1", "lb2")


@dataclass(frozen=True)
class Case:
    """What a case works with. C(session) and C(machines) are there over SSH only."""

    world: World
    session: Session | None
    machines: SshMachines | None

    @property
    def remote(self) -> bool:
        """Whether the balancer is reached over SSH."""
        return self.session is not None

    def balancer(self, world: World | None = None, machine: str = MACHINES[0], **changed: t.Any) -> Balancer:
        """Return the balancer of the case's world, or of another one of the same kind."""
        chosen = world or self.world
        if self.session is None:
            balancer = chosen.balancer(**changed)
            balancer.name = machine
            return balancer
        return OverSSH(self.session, machine, chosen.driver.name, {**chosen.options, **changed})

    def move(self, weights: t.Mapping[str, t.Any], **params: t.Any) -> dict[str, t.Any]:
        """Move traffic and return the result."""
        return self.balancer().move({"weights": dict(weights), **params})

    def observe(self) -> dict[str, t.Any]:
        """Return what the driver sees."""
        return self.balancer().observe()


def on_every_world(
    *needs: str, where: t.Sequence[str] = (HERE, SSH), of: t.Callable[[type[World]], t.Iterable[t.Any]] | None = None
) -> pytest.MarkDecorator:
    """Run a case on every world that has what C(needs) names, by each way.

    C(of) gives several values for a world, which the case takes as C(kind).
    """
    return on_worlds(WORLDS, needs, where, of)


def on_worlds(
    worlds: t.Iterable[type[World]],
    needs: t.Sequence[str],
    where: t.Sequence[str],
    of: t.Callable[[type[World]], t.Iterable[t.Any]] | None = None,
) -> pytest.MarkDecorator:
    """Run a case on those of C(worlds) that have what it needs; C(asks) of the mark says what that is."""
    sets = []
    for world in worlds:
        for place in where:
            if not all(getattr(world, need) for need in needs) or (place == SSH and not world.REMOTE):
                continue
            why = world.missing() or (missing() if place == SSH else None)
            marks = [pytest.mark.skip(reason=why)] if why else []
            for kind in of(world) if of else [None]:
                name = f"{world.name}-{place}" + (f"-{kind}" if of else "")
                values = ((world, place), kind) if of else ((world, place),)
                sets.append(pytest.param(*values, id=name.replace(" ", "_"), marks=marks))
    mark = pytest.mark.parametrize(("case", "kind") if of else ("case",), sets, indirect=["case"])
    ASKS[id(mark.mark)] = (mark, needs, where, of)
    return mark


# What the mark of a case asks for, so that it can be run on worlds that live elsewhere.
ASKS: dict[int, tuple[pytest.MarkDecorator, t.Sequence[str], t.Sequence[str], t.Any]] = {}


def elsewhere(case: t.Any, worlds: t.Sequence[type[World]]) -> t.Any:
    """Return a copy of a case of this suite that runs on C(worlds), None when it needs what none of them has."""
    marks, asked = [], None
    for mark in case.pytestmark:
        asks = ASKS.get(id(mark))
        asked = asks or asked
        marks.append(mark if asks is None else None)
    if asked is None:
        return None
    _mark, needs, where, of = asked
    fit = [world for world in worlds if all(getattr(world, need) for need in needs)]
    if not fit or HERE not in where:
        return None
    copy = types.FunctionType(case.__code__, case.__globals__, case.__name__, case.__defaults__, case.__closure__)
    copy.__dict__.update({"pytestmark": [mark for mark in marks if mark is not None]})
    return on_worlds(fit, needs, [HERE], of)(copy)
