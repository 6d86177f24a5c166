# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet driver is, and the frame around it: observe, plan, write, wait for the new instances by id.

A driver knows one platform. The frame knows the contract: capacity comes from what the other slot runs now, what gets
requests is never taken away, and a wait ends at once when the platform itself says that an instance has failed.
"""

from __future__ import annotations

import abc
import contextlib
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import plan
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import text
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, other
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError

POLL = 0.25
PROGRESS = 2.0
GROWTH = 1.3

Facts = dict[str, t.Any]


@dataclass(frozen=True)
class Instance:
    """One instance of a slot. C(state) is C(ready), C(starting), C(failed) or C(stopping); C(why) explains it."""

    id: str
    name: str
    revision: str
    state: str
    why: str = ""
    address: str = ""


@dataclass(frozen=True)
class Fleet:
    """All instances of one slot at one moment, and what is written down for it.

    C(trouble) says why the platform will never bring it up, C(pending) what it has not done yet.
    """

    instances: tuple[Instance, ...]
    revision: str = ""
    capacity: int = 0
    trouble: str = ""
    pending: str = ""

    @property
    def ready(self) -> int:
        """Return how many instances can answer requests."""
        return sum(instance.state == "ready" for instance in self.instances)

    def plain(self) -> Facts:
        """Return the fleet as a module returns it."""
        return {
            "ready": self.ready,
            "revision": self.revision,
            "capacity": self.capacity,
            "trouble": self.trouble,
            "pending": self.pending,
            "instances": [dict(vars(instance)) for instance in self.instances],
        }


@dataclass(frozen=True)
class Order:
    """What a slot shall run; C(capacity) 0 takes it down."""

    slot: str
    capacity: int
    revision: str = ""


class Driver(abc.ABC):
    """One platform. Methods raise ReleaseError, Refused or Lost, never a client library's own error."""

    name: t.ClassVar[str]
    spec: t.ClassVar[Facts]
    # Whether the platform starts instances after the call that orders them, and replaces those that it loses.
    replaces: t.ClassVar[bool] = False
    # Seconds between two looks of a long wait; the first ones come sooner. A cloud counts the calls of an account.
    longest_pause: t.ClassVar[float] = POLL

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        self.options = options

    @abc.abstractmethod
    def identity(self) -> str:
        """Return the canonical identity of the fleet: driver, address, object."""

    @abc.abstractmethod
    def observe(self) -> t.Mapping[str, Fleet]:
        """Return what both slots run now."""

    @abc.abstractmethod
    def changes(self, fleets: t.Mapping[str, Fleet], order: Order) -> list[plan.Change]:
        """Return what C(write) would change, nothing when it stands. Raises Refused for what cannot be released."""

    @abc.abstractmethod
    def write(self, fleets: t.Mapping[str, Fleet], order: Order) -> None:
        """Make the platform start, or take down, what is ordered; the other slot stays untouched."""

    @abc.abstractmethod
    def words(self, instance: str, lines: int) -> list[str]:
        """Return the last lines that an instance wrote, none where they cannot be had."""

    def size(self, fleets: t.Mapping[str, Fleet], slot: str) -> int:
        """Return how many instances a slot gets that nobody sized: as the other has, else as it was to have, else 1."""
        there = fleets[other(slot)]
        return there.ready or there.capacity or fleets[slot].capacity or 1

    def owned(self) -> list[Owned]:
        """Return what this collection has made there beside instances; called after C(observe)."""
        return []

    def settle(self, slot: str) -> bool:
        """Take back what C(write) arranged for the wait alone, whichever way that ended; return whether there was any.

        By default there is nothing.
        """
        del slot
        return False


# What every *_fleet name takes beside the driver's own options.
FLEET_SPEC: Facts = {
    "slot": {"type": "str", "choices": list(SLOTS), "required": True},
    "state": {"type": "str", "choices": ["staged", "retired", "settled"], "default": "staged"},
    "revision": {"type": "str"},
    "capacity": {"type": "int"},
    "weight": {"type": "int"},
    "deadline": {"type": "str", "default": "600s"},
    "wait": {"type": "bool", "default": True},
}
FLEET_RULES: Facts = {"required_if": [("state", "staged", ("revision",))]}


def observe(driver: Driver, logs: int = 0, owned: bool = False) -> Facts:
    """Return both slots as plain values; C(logs) last lines of each instance that is not ready; C(owned) too."""
    slots = {slot: fleet.plain() for slot, fleet in driver.observe().items()}
    for instance in (i for slot in slots.values() for i in slot["instances"] if logs):
        instance["logs"] = [] if instance["state"] == "ready" else driver.words(instance["id"], logs)
    made = {"owned": [thing.plain() for thing in driver.owned()]} if owned else {}
    return {"changed": False, "identity": driver.identity(), "slots": slots, **made}


def begin(driver: Driver, params: t.Mapping[str, t.Any], check_mode: bool = False) -> Facts:
    """Order what C(params) ask for and return changed, diff, capacity, slots and the C(instances) to wait for.

    Raises Refused, with nothing changed, when instances that get requests would be taken away.
    """
    slot = str(params["slot"])
    if params["state"] == "settled":
        return _settled(driver, slot, check_mode)
    fleets = driver.observe()
    capacity = 0 if params["state"] == "retired" else _capacity(driver, fleets, params)
    order = Order(slot, capacity, params.get("revision") or "")
    changes = driver.changes(fleets, order)
    weight = params.get("weight") or 0
    if changes and weight and (fleets[slot].ready or not order.capacity):
        raise Refused(
            f"{driver.identity()}: {slot} gets {weight} % of the requests and has {fleets[slot].ready} instances that "
            "answer them; nothing was changed"
        )
    after = fleets
    if changes and not check_mode:
        driver.write(fleets, order)
        after = driver.observe()
    return {
        "changed": bool(changes),
        "identity": driver.identity(),
        "diff": plan.diff(changes),
        "capacity": order.capacity,
        "instances": None if driver.replaces else [instance.id for instance in after[slot].instances],
        "slots": {name: fleet.plain() for name, fleet in after.items()},
    }


def _settled(driver: Driver, slot: str, check_mode: bool) -> Facts:
    """Settle a slot whose wait was broken off, and return what C(begin) does."""
    changed = not check_mode and driver.settle(slot)
    fleets = {name: fleet.plain() for name, fleet in driver.observe().items()}
    known = {"capacity": fleets[slot]["capacity"], "instances": None, "diff": []}
    return {"changed": changed, "identity": driver.identity(), **known, "slots": fleets}


def _capacity(driver: Driver, fleets: t.Mapping[str, Fleet], params: t.Mapping[str, t.Any]) -> int:
    """Return how many: as asked, else as the driver finds it right."""
    if params.get("capacity") is not None:
        if params["capacity"] < 1:
            raise ReleaseError(f"capacity is {params['capacity']}: a slot that is staged has at least one instance")
        return int(params["capacity"])
    return driver.size(fleets, str(params["slot"]))


class Place(abc.ABC):
    """Where a fleet's slots run: one machine, in this process or reached by a module."""

    name: str
    longest_pause: float = POLL

    @abc.abstractmethod
    def begin(self, params: t.Mapping[str, t.Any]) -> Facts:
        """Do what C(begin) does, there."""

    @abc.abstractmethod
    def observe(self, logs: int = 0, owned: bool = False) -> Facts:
        """Do what C(observe) does, there."""

    def settle(self, slot: str) -> None:
        """Do what the driver's C(settle) does, there. A module that waits settles by itself."""
        del slot


class Here(Place):
    """A fleet that this process reaches by itself."""

    name = "here"

    def __init__(self, driver: Driver, check_mode: bool = False) -> None:
        self.driver = driver
        self.longest_pause = driver.longest_pause
        self._check_mode = check_mode

    def begin(self, params: t.Mapping[str, t.Any]) -> Facts:
        return begin(self.driver, params, self._check_mode)

    def observe(self, logs: int = 0, owned: bool = False) -> Facts:
        return observe(self.driver, logs, owned)

    def settle(self, slot: str) -> None:
        if not self._check_mode:
            self.driver.settle(slot)


@dataclass
class Wait:
    """A wait for the instances that were ordered. C(pulse) may raise to end it, C(say) gets a line now and then."""

    deadline: float
    pulse: t.Callable[[], None] = lambda: None
    say: t.Callable[[str], None] = lambda text: None
    monotonic: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep

    def until_ready(self, places: t.Sequence[Place], slot: str, begun: t.Mapping[str, Facts]) -> dict[str, Facts]:
        """Return what each place shows when all its new instances are ready.

        Raises ReleaseError when one failed, is gone or is not ready at the deadline, with the last lines it wrote.
        """
        started = said = self.monotonic()
        pause, longest = POLL, max(place.longest_pause for place in places)
        while True:
            self.pulse()
            seen, line = {}, ""
            for place in places:
                try:
                    seen[place.name] = place.observe()
                except Lost as error:  # nothing is known: ask again
                    line = str(error)
                    continue
                verdict = judge(seen[place.name]["slots"][slot], begun[place.name], slot)
                if verdict.failed:
                    raise ReleaseError(self._at(places, place) + verdict.failed + _last_words(place, slot, verdict.of))
                line = line or (self._at(places, place) + verdict.waiting if verdict.waiting else "")
            elapsed = self.monotonic() - started
            if not line:
                return seen
            if elapsed >= self.deadline:
                words = "".join(_last_words(place, slot, "") for place in places[:1])
                raise ReleaseError(f"{line} after {text(elapsed)}{words}")
            if self.monotonic() - said >= PROGRESS:
                said = self.monotonic()
                self.say(f"{line}, waiting for {text(self.deadline - elapsed)} at most")
            self.sleep(pause)
            pause = min(longest, pause * GROWTH)

    @staticmethod
    def _at(places: t.Sequence[Place], place: Place) -> str:
        return f"{place.name}: " if len(places) > 1 else ""


@dataclass(frozen=True)
class Verdict:
    """What one look says: C(failed) or C(waiting) is a sentence, C(of) the instance that failed; none of it: ready."""

    failed: str = ""
    waiting: str = ""
    of: str = ""


def judge(seen: t.Mapping[str, t.Any], begun: t.Mapping[str, t.Any], slot: str) -> Verdict:
    """Return the verdict on a slot of which the instances in C(begun) were ordered.

    Without them the platform starts and replaces instances itself, and all that it shows now are meant.
    """
    there = {instance["id"]: instance for instance in seen["instances"]}
    wanted, capacity = begun["instances"], begun["capacity"]
    replaced = wanted is None
    wanted = list(there) if replaced else wanted
    for name in wanted:
        if name not in there:
            return Verdict(failed=f"an instance of {slot} is gone ({name[:12]}): somebody removed it")
        if there[name]["state"] == "failed" or (there[name]["state"] == "stopping" and not replaced):
            return Verdict(failed=f"{there[name]['name']} {there[name]['why']}", of=name)
    if seen.get("trouble"):
        return Verdict(failed=f"{slot}: {seen['trouble']}")
    if len(wanted) < capacity and not replaced:
        return Verdict(failed=f"{slot} has {len(wanted)} of {capacity} instances: the platform started no more")
    waiting = [there[name] for name in wanted if there[name]["state"] not in ("ready", "stopping")]
    ready = sum(there[name]["state"] == "ready" for name in wanted)
    if waiting or ready < capacity or seen.get("pending"):
        first = f"{waiting[0]['name']} {waiting[0]['why']}" if waiting else seen.get("pending") or "more are to start"
        return Verdict(waiting=f"{slot} has {ready} of {capacity} instances ready; {first}")
    return Verdict()


LAST_LINES = 3
LAST_LENGTH = 300


def _last_words(place: Place, slot: str, instance: str) -> str:
    """Return the end of a sentence with what a failed instance wrote last; its failure must not hide behind this."""
    try:
        instances = place.observe(logs=LAST_LINES)["slots"][slot]["instances"]
    except ReleaseError:
        return ""
    for found in instances:
        if found["id"] == instance if instance else found["state"] != "ready":
            said = " | ".join(found.get("logs") or [])
            return f"; it said: {said[-LAST_LENGTH:]}" if said else "; it said nothing"
    return ""


def run(places: t.Sequence[Place], params: t.Mapping[str, t.Any], wait: t.Optional[Wait]) -> Facts:
    """Order it at every place, wait for all of it, and return the first place's result with all as C(places)."""
    begun = {place.name: _begun(place, params, len(places) > 1) for place in places}
    seen: t.Mapping[str, Facts] = begun
    if wait and params["state"] == "staged":
        seen = _waited(places, str(params["slot"]), begun, wait)
    return {
        **next(iter(begun.values())),
        "changed": any(result["changed"] for result in begun.values()),
        "diff": [part for result in begun.values() for part in result["diff"]],
        # A balancer beside each place sees that place's instances only.
        "capacity": min(result["capacity"] for result in begun.values()),
        "slots": next(iter(seen.values()))["slots"],
        "places": {name: result["slots"] for name, result in seen.items()},
    }


def _begun(place: Place, params: t.Mapping[str, t.Any], one_of_several: bool) -> Facts:
    """Return what was begun there; what it raises names the place where there are others, and keeps its kind."""
    try:
        return place.begin(params)
    except ReleaseError as error:
        if one_of_several and not str(error).startswith(place.name):
            raise type(error)(f"{place.name}: {error}") from error
        raise


def _waited(places: t.Sequence[Place], slot: str, begun: t.Mapping[str, Facts], wait: Wait) -> t.Mapping[str, Facts]:
    """Return what is seen when all is ready, and leave nothing arranged for the wait behind, not when it fails."""
    try:
        seen = wait.until_ready(places, slot, begun)
    except ReleaseError:
        for place in places:
            with contextlib.suppress(ReleaseError):  # what failed first is to be told; retiring settles again
                place.settle(slot)
        raise
    for place in places:
        place.settle(slot)
    return seen
