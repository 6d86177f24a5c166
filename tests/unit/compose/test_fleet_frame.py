# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame around a fleet driver: capacity, the refusal to take away what serves, and a wait that fails early."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet import Fleet, Here, Instance, Order, Wait

Moments = list[tuple[str, ...]]


class Platform(_fleet.Driver):
    """A platform in memory: what is staged goes through C(moments), the states of its instances look by look."""

    name = "platform"
    spec: t.ClassVar[dict[str, t.Any]] = {}

    def __init__(self, blue: int = 0, moments: Moments | None = None, lost: int = 0) -> None:
        super().__init__({})
        self.fleets = {"blue": fleet("b", ["ready"] * blue), "green": Fleet(())}
        self.moments = moments or [("ready",)]
        self.orders: list[Order] = []
        self.lost = lost

    def identity(self) -> str:
        return "platform:here"

    def observe(self) -> dict[str, Fleet]:
        if self.orders and self.lost:
            self.lost -= 1
            raise Lost("the answer was lost")
        if self.orders and self.orders[-1].capacity:
            states = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
            self.fleets[self.orders[-1].slot] = fleet("n", states)
        return dict(self.fleets)

    def changes(self, fleets: t.Mapping[str, Fleet], order: Order) -> list[Change]:
        return [Change(order.slot, str(len(fleets[order.slot].instances)), str(order.capacity))]

    def write(self, fleets: t.Mapping[str, Fleet], order: Order) -> None:
        self.orders.append(order)

    def words(self, instance: str, lines: int) -> list[str]:
        return ["cannot connect to the database"]


def fleet(prefix: str, states: t.Sequence[str]) -> Fleet:
    return Fleet(
        tuple(Instance(f"{prefix}{n}", f"app-{n}", "v", state, f"is {state}") for n, state in enumerate(states))
    )


def stage(platform: Platform, deadline: float = 10.0, check_mode: bool = False, **asked: t.Any) -> dict[str, t.Any]:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    params = {"slot": "green", "state": "staged", "revision": "v2", "weight": 0, **asked}
    wait = Wait(deadline, monotonic=lambda: now[0], sleep=sleep)
    return _fleet.run([Here(platform, check_mode)], params, None if check_mode else wait)


@pytest.mark.parametrize(("blue", "asked", "capacity"), [(3, {}, 3), (3, {"capacity": 1}, 1), (0, {}, 1)])
def test_the_capacity_is_what_the_other_slot_has_ready_now(blue: int, asked: dict[str, t.Any], capacity: int) -> None:
    platform = Platform(blue, [("ready",) * capacity])
    assert stage(platform, **asked)["capacity"] == capacity
    assert platform.orders == [Order("green", capacity, "v2")]


def test_instances_that_get_requests_are_not_taken_away_but_broken_ones_of_a_first_release_are() -> None:
    platform = Platform(blue=2)
    with pytest.raises(Refused, match="blue gets 100 % of the requests and has 2 instances"):
        stage(platform, slot="blue", weight=100)
    with pytest.raises(Refused, match="blue gets 5 % of the requests"):
        stage(platform, slot="blue", weight=5, state="retired")
    assert platform.orders == []
    platform.fleets["green"] = fleet("old", ["failed"])
    assert stage(platform, weight=100, capacity=1)["changed"]


def test_check_mode_orders_nothing_and_says_what_would_change() -> None:
    platform = Platform(blue=2)
    result = stage(platform, check_mode=True)
    assert (result["changed"], result["diff"][0]["after"], platform.orders) == (True, "2\n", [])


@pytest.mark.parametrize(
    ("moments", "sentence"),
    [
        ([("starting",), ("failed",)], "app-0 is failed; it said: cannot connect to the database"),
        ([("starting",), ("stopping",)], "app-0 is stopping; it said"),
        ([("starting",), ()], "an instance of green is gone (n0): somebody removed it"),
        ([("starting",)], "green has 0 of 1 instances ready; app-0 is starting after 10s; it said: cannot connect"),
        ([()], "green has 0 of 1 instances: the platform started no more"),
    ],
)
def test_a_wait_ends_early_with_what_the_instance_said_last(moments: Moments, sentence: str) -> None:
    with pytest.raises(ReleaseError) as error:
        stage(Platform(0, moments))
    assert sentence in str(error.value)


def test_a_lost_answer_is_asked_again() -> None:
    platform = Platform(0, [("starting",), ("ready",)])
    params = {"slot": "green", "state": "staged", "revision": "v2", "weight": 0}
    begun = {"here": _fleet.begin(platform, params)}
    platform.lost = 2
    assert Wait(10, sleep=lambda seconds: None).until_ready([Here(platform)], "green", begun)


def test_a_wait_hears_an_abort() -> None:
    platform = Platform(0, [("starting",)])
    begun = {"here": _fleet.begin(platform, {"slot": "green", "state": "staged", "revision": "v2"})}

    def pulse() -> None:
        raise ReleaseError("abort by somebody")

    with pytest.raises(ReleaseError, match="abort by somebody"):
        Wait(10, pulse).until_ready([Here(platform)], "green", begun)


def judged(instances: list[tuple[str, str]], capacity: int = 2, **facts: str) -> _fleet.Verdict:
    """Return the verdict on a platform that starts and replaces instances by itself."""
    seen = Fleet(tuple(Instance(name, name, "v2", state, f"is {state}") for name, state in instances), **facts)
    return _fleet.judge(seen.plain(), {"instances": None, "capacity": capacity}, "green")


def test_a_platform_that_replaces_instances_is_waited_for_until_all_that_it_shows_are_ready() -> None:
    assert judged([]).waiting == "green has 0 of 2 instances ready; more are to start"
    assert judged([("a", "ready"), ("b", "starting")]).waiting == "green has 1 of 2 instances ready; b is starting"
    assert judged([("a", "ready"), ("c", "ready"), ("old", "stopping")]) == _fleet.Verdict()
    held = judged([("a", "ready"), ("c", "ready")], pending="an old one runs")
    assert held.waiting.endswith("ready; an old one runs")


def test_a_platform_that_gives_up_ends_the_wait_with_its_own_words_before_any_instance_is_there() -> None:
    assert judged([], trouble="exceeded quota: pods").failed == "green: exceeded quota: pods"
    assert judged([("a", "failed")], trouble="too slow").failed == "a is failed", "the instance knows more"


def test_of_several_places_the_one_that_refuses_is_named() -> None:
    class Named(Here):
        def __init__(self, name: str, platform: Platform) -> None:
            super().__init__(platform)
            self.name = name

    class Full(Platform):
        def write(self, fleets: t.Mapping[str, Fleet], order: Order) -> None:
            raise Refused("no space left")

    asked = {"slot": "green", "state": "staged", "revision": "v", "capacity": 1}
    with pytest.raises(Refused, match=r"^docker2: no space left$"):
        _fleet.run([Named("docker1", Platform()), Named("docker2", Full())], asked, None)
    with pytest.raises(Refused, match=r"^no space left$"):
        _fleet.run([Named("docker2", Full())], asked, None)
