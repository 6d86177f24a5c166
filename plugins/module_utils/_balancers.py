# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All balancers of one service: forward one after the other, restore all at once.

State is kept per balancer. A forward move stops at the first refusal and puts back those that had moved; a restore
tries all until its deadline and names those it could not reach.
"""

from __future__ import annotations

import abc
import threading
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights, parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError

Result = dict[str, t.Any]
Lease = t.Optional[t.Mapping[str, t.Any]]


class Balancer(abc.ABC):
    """One balancer: its name, and the two calls of a driver made there (in this process or on its machine)."""

    name: str

    @abc.abstractmethod
    def observe(self, lease: Lease = None) -> Result:
        """Return the driver's view as plain values; renews C(lease). Raises ReleaseError or Lost."""

    @abc.abstractmethod
    def move(self, params: t.Mapping[str, t.Any], lease: Lease = None) -> Result:
        """Move traffic and return the result. Raises Refused, Lost or ReleaseError."""

    def owned(self) -> list[dict[str, t.Any]]:
        """Return what this collection has made there, as plain values. Raises ReleaseError or Lost."""
        return []


@dataclass(frozen=True)
class Sight:
    """What all balancers say together; C(weights) is None when they differ or one has no state of ours."""

    weights: t.Optional[Weights]
    trouble: str
    views: t.Mapping[str, Result]

    def up(self, slot: str) -> t.Optional[bool]:
        """Return whether every balancer has healthy servers for C(slot); None when none of them can know."""
        known = [view["slots"][slot]["up"] for view in self.views.values() if view["slots"][slot]["up"] is not None]
        return all(known) if known else None

    def total(self, slot: str, counter: str) -> t.Optional[int]:
        """Return the sum of a counter (requests, bad, in_flight) over all balancers; None when one does not know."""
        values = [view["slots"][slot][counter] for view in self.views.values()]
        return None if any(value is None for value in values) else int(sum(values))

    def pids(self) -> t.Mapping[str, str]:
        """Return the process id of each balancer, which changes when it reloads."""
        return {name: str(view["facts"].get("pid", "")) for name, view in self.views.items()}

    def warnings(self) -> list[str]:
        """Return what will go wrong later if nobody sees to it, a sentence each."""
        return [str(view["facts"]["warning"]) for view in self.views.values() if view["facts"].get("warning")]

    @property
    def counts_late(self) -> bool:
        """Return whether a counter counts a request when it ends, not when it begins."""
        return any(view["facts"].get("counted") == "at the end" for view in self.views.values())

    @property
    def age(self) -> float:
        """Return how old the oldest part of this is, in seconds: a driver may keep what is dear to ask for."""
        return max(float(view["facts"].get("age", 0.0)) for view in self.views.values())

    @property
    def pause(self) -> float:
        """Return how many seconds apart a wait looks, where a system counts the calls that it gets; else 0."""
        return max(float(view["facts"].get("pause", 0.0)) for view in self.views.values())

    @property
    def fence(self) -> int:
        """Return the highest fence that stands anywhere."""
        return max(int(view["fence"]) for view in self.views.values())


class Balancers:
    """The balancers of one service, in the order in which they move."""

    def __init__(
        self,
        members: t.Sequence[Balancer],
        monotonic: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.members = members
        self._monotonic = monotonic
        self._sleep = sleep

    def observe(self, lease: Lease = None) -> Sight:
        """Return what all balancers see now, asked at once. Raises the first error, with the balancer's name."""
        views = self._all_at_once(lambda balancer: balancer.observe(lease))
        failed = [error for error in views.values() if isinstance(error, ReleaseError)]
        if failed:
            raise failed[0]
        return together(t.cast("dict[str, Result]", views))

    def owned(self) -> list[dict[str, t.Any]]:
        """Return what this collection has made at each balancer, with the balancer's name as C(at)."""
        return [{"at": balancer.name, **thing} for balancer in self.members for thing in balancer.owned()]

    def forward(
        self,
        weights: Weights,
        expect: t.Sequence[Weights],
        fence: t.Optional[int] = None,
        lease: Lease = None,
        force: bool = False,
    ) -> dict[str, Result]:
        """Move one balancer after the other and return each one's result.

        The first that refuses ends it: those that had moved are put back, then the error is raised.
        """
        done: dict[str, Result] = {}
        for balancer in self.members:
            try:
                done[balancer.name] = balancer.move(
                    {"weights": weights.plain(), "expect": _plain(expect), "fence": fence, "force": force}, lease
                )
            except ReleaseError as error:
                stuck = self._put_back(done, weights, fence)
                back = [name for name in done if name not in stuck]
                tail = f"; put back {', '.join(back)}" if back else ""
                tail += f"; could not put back {', '.join(stuck)}" if stuck else ""
                raise type(error)(f"{error}{tail}") from error
        return done

    def restore(
        self,
        weights: Weights,
        expect: t.Sequence[Weights],
        fence: t.Optional[int],
        patience: float,
        say: t.Callable[[str], None] = lambda text: None,
        force: bool = False,
    ) -> dict[str, t.Union[Result, ReleaseError]]:
        """Put C(weights) back on all balancers at once, retrying each until C(patience) seconds have gone by.

        Returns each one's result, or the error that stayed. A Refused is final: somebody else writes there.
        """
        deadline = self._monotonic() + patience
        answers: dict[str, t.Union[Result, ReleaseError]] = {}
        left = list(self.members)
        while left:
            answers.update(
                self._all_at_once(
                    lambda balancer: balancer.move(
                        {"weights": weights.plain(), "expect": _plain(expect), "fence": fence, "force": force}
                    ),
                    left,
                )
            )
            left = [
                balancer
                for balancer in left
                if isinstance(answers[balancer.name], ReleaseError) and not isinstance(answers[balancer.name], Refused)
            ]
            if not left or self._monotonic() >= deadline:
                break
            say(
                f"waiting for {', '.join(balancer.name for balancer in left)} to take the traffic back, "
                f"{max(0, deadline - self._monotonic()):.0f} s left"
            )
            self._sleep(1)
        return answers

    def _put_back(self, done: t.Mapping[str, Result], weights: Weights, fence: t.Optional[int]) -> list[str]:
        """Return the names of those that keep the new weights."""
        stuck = []
        for balancer in self.members:
            if balancer.name not in done:
                continue
            before = done[balancer.name]["before"]["weights"]
            if before is None:  # what stood there was not one of ours
                stuck.append(balancer.name)
                continue
            try:
                balancer.move({"weights": before, "expect": weights.plain(), "fence": fence})
            except ReleaseError:
                stuck.append(balancer.name)
        return stuck

    def _all_at_once(
        self, call: t.Callable[[Balancer], Result], members: t.Optional[t.Sequence[Balancer]] = None
    ) -> dict[str, t.Union[Result, ReleaseError]]:
        chosen = self.members if members is None else members
        answers: dict[str, t.Union[Result, ReleaseError]] = {}

        def ask(balancer: Balancer) -> None:
            try:
                answers[balancer.name] = call(balancer)
            except ReleaseError as error:
                answers[balancer.name] = error
            except Exception as error:  # an error lost in a thread would be taken for success
                answers[balancer.name] = Lost(f"{balancer.name}: {error}")

        if len(chosen) == 1:
            ask(chosen[0])
            return answers
        threads = [threading.Thread(target=ask, args=(balancer,), daemon=True) for balancer in chosen]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # In the order in which they are named, not in which they answered.
        return {balancer.name: answers[balancer.name] for balancer in chosen}


def after(results: t.Mapping[str, Result]) -> Sight:
    """Return what the balancers read back when they had moved: no further look is needed."""
    return together({name: result["after"] for name, result in results.items()})


def together(views: t.Mapping[str, Result]) -> Sight:
    seen = {name: parse(view["weights"]) if view["weights"] else None for name, view in views.items()}
    distinct = set(seen.values())
    troubles = [f"{name}: {view['trouble']}" for name, view in views.items() if view["trouble"]]
    if len(distinct) > 1:
        each = ", ".join(f"{name} has {weights or 'none of ours'}" for name, weights in seen.items())
        troubles.insert(0, f"the balancers disagree: {each}")
    return Sight(weights=distinct.pop() if len(distinct) == 1 else None, trouble="; ".join(troubles), views=views)


def _plain(expect: t.Sequence[Weights]) -> t.Optional[list[dict[str, int]]]:
    return [weights.plain() for weights in expect] or None
