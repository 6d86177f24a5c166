# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the conformance suite needs to know of a traffic system: a world, one small class per driver.

A world starts a real balancer with two slots behind it, breaks it, and reads its raw state; the cases do the rest.
"""

from __future__ import annotations

import abc
import contextlib
import http.client
import os
import tempfile
import typing as t
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancer
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Driver
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._verify import FrontDoor
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._front_door import front_door
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import InProcess

Weights = dict[str, int]

BLUE: Weights = {"blue": 100, "green": 0}
GREEN: Weights = {"blue": 0, "green": 100}
SPLIT: Weights = {"blue": 60, "green": 40}

REVISIONS = {"blue": "v1", "green": "v2"}
SLOTS = tuple(REVISIONS)


class World(abc.ABC):
    """One traffic system with the two slots of the app C(shop) behind it.

    It starts with BLUE under fence 1, and with things of other apps beside ours. What a system cannot do is said by
    the class attributes; the cases that need it are then not run against it.
    """

    name: t.ClassVar[str]
    driver: t.ClassVar[type[Driver]]

    FENCES = True  # whether the object has a place for a fence; it reads 0 where it has none
    KNOWS_HEALTH = True  # whether the driver sees that a slot is down
    COUNTS = True  # whether it counts the requests of each slot
    LEASES = True  # whether a lease can live beside the object
    RELOADS = True  # whether it can be reloaded
    LOADS = True  # whether real requests can be sent
    REMOTE = True  # whether its modules can be sent to a machine
    LOSES_ANSWERS = True  # whether an answer can get lost on the way to the driver in process
    REFUSES = True  # whether the system itself can refuse a write
    LOSSLESS = True  # whether it promises that a switch loses no request
    MOVES = 30  # over how many moves it is held to that
    SPLITS = True  # whether a slot can have a part of the requests
    PREVIEWS = True  # whether a header or cookie of a request names its slot

    # What makes a state that is none of ours, and how the sentence names it.
    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]]

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        self.folder = folder
        self.addresses = addresses

    @classmethod
    def missing(cls) -> str | None:
        """Return what this machine lacks for this world, None when all is there."""
        return None

    @abc.abstractmethod
    def start(self) -> None:
        """Start the system."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End it, however broken it is."""

    @property
    @abc.abstractmethod
    def options(self) -> dict[str, t.Any]:
        """The driver's own options."""

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """The front door, without a path."""

    @abc.abstractmethod
    def raw(self) -> dict[str, t.Any]:
        """Return all that the system goes by, read without any code of the driver: files, process, foreign parts."""

    @abc.abstractmethod
    def foreign(self) -> dict[str, t.Any]:
        """Return the part of C(raw) that belongs to others."""

    def processes(self) -> object:
        """Return what changes when the system is made to act, be it to no effect: a reload's workers, say."""
        return None

    def take_down(self, slot: str) -> None:
        """Let the system find that nobody answers in C(slot)."""
        raise NotImplementedError

    def reload(self) -> None:
        """Reload the system as an operator would."""
        raise NotImplementedError

    def lie(self) -> None:
        """Let the system take every weight from now on, and send all requests to blue."""
        raise NotImplementedError

    def refusing(self) -> contextlib.AbstractContextManager[tuple[dict[str, t.Any], str]]:
        """Let the system refuse what it is told; yields the options under which it does, and a part of its words."""
        raise NotImplementedError

    def answer_lost(self) -> contextlib.AbstractContextManager[dict[str, t.Any]]:
        """Let the answer to the next write get lost; yields the options under which that happens."""
        raise NotImplementedError

    def held_after_write(self) -> contextlib.AbstractContextManager[tuple[dict[str, t.Any], Callable[[], None]]]:
        """Let the next write be made and then hang; yields the options, and what waits until it hangs."""
        raise NotImplementedError

    # What follows is the same for every system.

    @property
    def part(self) -> Weights:
        """Weights that differ from those of the start, with a part for each slot where that is possible."""
        return SPLIT if self.SPLITS else GREEN

    def fence(self, number: int) -> int:
        """Return what is read back of a fence that was given with a write."""
        return number if self.FENCES else 0

    def make(self, **changed: t.Any) -> Driver:
        """Return a driver with these options, as a fresh process would make it."""
        result = ArgumentSpecValidator(self.driver.spec).validate({**self.options, **changed})
        assert not result.error_messages, result.error_messages
        return self.driver(result.validated_parameters)

    def balancer(self, **changed: t.Any) -> Balancer:
        """Return the balancer as the engine sees it, in this process."""
        return InProcess(self.make(**changed))

    def door(self) -> FrontDoor:
        """Return the front door, where the slots are told apart by a header."""
        return front_door({"url": f"{self.url}/", "header": "X-Version", "slots": REVISIONS})

    def asked(self, number: int, **headers: str) -> Counter[str]:
        """Return how many of C(number) requests each slot answered; C(X_Header="value") sends that header."""
        slots = {revision: slot for slot, revision in REVISIONS.items()}
        host = self.url.removeprefix("http://")
        seen: Counter[str] = Counter()
        with contextlib.closing(http.client.HTTPConnection(host, timeout=10)) as connection:
            for _turn in range(number):
                connection.request("GET", "/", headers={name.replace("_", "-"): v for name, v in headers.items()})
                answer = connection.getresponse()
                answer.read()
                seen[slots.get(answer.headers["X-Version"], str(answer.status))] += 1
        return seen

    @contextlib.contextmanager
    def nothing_written(self) -> Iterator[None]:
        """Assert that nothing of the system changes within the block."""
        before = self.raw(), self.processes()
        yield
        assert (self.raw(), self.processes()) == before


@contextlib.contextmanager
def running(world: World) -> Iterator[World]:
    """Start a world and end it."""
    try:
        world.start()
        yield world
    finally:
        world.stop()


def files(*folders: Path) -> dict[str, t.Any]:
    """Return every file and link below C(folders) with its mode and content."""
    seen: dict[str, t.Any] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.is_symlink():
            seen[str(path)] = f"-> {path.readlink()}"
        elif path.is_file():
            seen[str(path)] = (oct(path.stat().st_mode), path.read_bytes())
    return seen


def lab_folder() -> Path:
    """Return a new folder with a short path (a socket's has less than 108 bytes), in memory, where fsync is free."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="zdt-case-", dir=memory if os.access(memory, os.W_OK) else "/tmp"))
