# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: its file, its process, and what it does when nobody renews it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files, _lease, _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights, parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

BLUE, SPLIT, GREEN = {"blue": 100, "green": 0}, {"blue": 60, "green": 40}, {"blue": 0, "green": 100}
TTL = 0.4  # seconds; also the longest that anything here has to take


class FileTraffic(_traffic.Driver):
    """A traffic system that is one file, which other processes see."""

    name = "file_traffic"
    spec: t.ClassVar[dict[str, t.Any]] = {}

    def __init__(self, folder: Path) -> None:
        super().__init__({})
        self.file = folder / "traffic.json"
        self.place: str | None = str(folder)

    def put(self, weights: dict[str, int], fence: int, blue_up: bool = True) -> None:
        text = json.dumps({"weights": weights, "fence": fence, "blue_up": blue_up})
        _files.replace(str(self.file), text.encode())

    @property
    def now(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self.file.read_text()))

    def identity(self) -> str:
        return f"file:{self.file}"

    def folder(self) -> str | None:
        return self.place

    def lock(self) -> t.ContextManager[None]:
        return _files.locked(f"{self.file}.lock")

    def observe(self) -> _traffic.View:
        now = self.now
        slots = {"blue": _traffic.Slot(up=now["blue_up"]), "green": _traffic.Slot(up=True)}
        return _traffic.View(parse(now["weights"]), now["fence"], slots)

    def changes(self, view: _traffic.View, weights: Weights, fence: int) -> list[Change]:
        return [Change("file", str(view.weights), str(weights))]

    def write(self, view: _traffic.View, weights: Weights, fence: int) -> None:
        self.put(weights.plain(), fence, self.now["blue_up"])


@pytest.fixture
def driver(tmp_path: Path) -> FileTraffic:
    made = FileTraffic(tmp_path)
    made.put(SPLIT, 2)
    return made


def lease(**changed: t.Any) -> dict[str, t.Any]:
    held = {"state": "held", "id": "run-1", "ttl": TTL, "weights": BLUE, "expect": [BLUE, SPLIT], "fence": 3}
    return {**held, **changed}


def keep(driver: FileTraffic, **changed: t.Any) -> str:
    return _lease.keep(driver, lease(**changed))


def orders(driver: FileTraffic) -> list[Path]:
    return [path for path in driver.file.parent.glob(".zd-lease-*") if not path.name.endswith(("lock", ".new"))]


def until(done: Callable[[], bool], seconds: float = 15.0) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up, "did not come about in time"
        time.sleep(0.01)


def stands(driver: FileTraffic) -> tuple[dict[str, int], int]:
    return driver.now["weights"], driver.now["fence"]


def test_nobody_renews_and_the_recorded_traffic_is_put_back(driver: FileTraffic) -> None:
    begun = time.monotonic()
    assert keep(driver) == "held"
    until(lambda: stands(driver) == (BLUE, 3))
    assert time.monotonic() - begun >= TTL
    assert keep(driver) == "fired", "the run is told, for good"
    assert keep(driver, state="ended") == "fired"


def test_every_renewal_starts_the_time_anew(driver: FileTraffic) -> None:
    keep(driver, ttl=1.0)
    for _turn in range(8):
        time.sleep(0.2)
        assert keep(driver, ttl=1.0) == "held"
    assert stands(driver) == (SPLIT, 2)
    until(lambda: stands(driver) == (BLUE, 3))


def test_an_ended_lease_leaves_nothing_but_its_lock(driver: FileTraffic) -> None:
    keep(driver)
    assert keep(driver, state="ended") == "ended"
    assert orders(driver) == []
    time.sleep(2 * TTL)
    assert stands(driver) == (SPLIT, 2)


def test_a_lease_that_never_was_can_be_ended(driver: FileTraffic) -> None:
    assert keep(driver, state="ended") == "ended"


def test_a_system_without_a_place_for_it_has_no_lease(driver: FileTraffic) -> None:
    driver.place = None
    assert keep(driver) == "none"
    assert orders(driver) == []


@pytest.mark.parametrize(
    ("changed", "stays"),
    [
        ((SPLIT, 9), (SPLIT, 9)),  # a newer fence
        ((GREEN, 2), (GREEN, 2)),  # weights that the run never wrote
        ((BLUE, 2), (BLUE, 3)),  # back already: only the fence goes up, against a late writer
    ],
    ids=["newer_fence", "foreign_weights", "back_already"],
)
def test_what_is_not_the_runs_is_left_alone(
    driver: FileTraffic, changed: tuple[dict[str, int], int], stays: tuple[dict[str, int], int]
) -> None:
    keep(driver)
    driver.put(*changed)
    until(lambda: "fired" in json.loads(orders(driver)[0].read_text()))
    time.sleep(0.3)
    assert stands(driver) == stays


def test_it_waits_for_a_way_back_that_is_down(driver: FileTraffic) -> None:
    keep(driver)
    driver.put(SPLIT, 2, blue_up=False)
    time.sleep(TTL + 0.6)
    assert stands(driver) == (SPLIT, 2)
    driver.put(SPLIT, 2, blue_up=True)
    until(lambda: stands(driver) == (BLUE, 3))


def test_the_lease_of_another_run_takes_its_place(driver: FileTraffic) -> None:
    keep(driver)
    (first,) = orders(driver)
    assert keep(driver, id="run-2", ttl=60.0) == "held"
    (second,) = orders(driver)
    assert first != second
    time.sleep(2 * TTL)
    assert stands(driver) == (SPLIT, 2)
    assert keep(driver, id="run-2", state="ended") == "ended"


def test_a_run_that_starts_after_a_lease_has_acted_is_not_told_of_it(driver: FileTraffic) -> None:
    keep(driver)
    until(lambda: stands(driver) == (BLUE, 3))
    assert keep(driver, id="run-2", ttl=60.0) == "held"
    assert keep(driver, id="run-2", state="ended") == "ended"


def test_a_file_that_outlived_a_reboot_gets_a_watcher_again(driver: FileTraffic) -> None:
    keep(driver, ttl=60.0)
    (order,) = orders(driver)
    said = json.loads(order.read_text())
    keep(driver, state="ended")
    order.write_text(json.dumps({**said, "boot": "the one before"}))
    keep(driver)
    until(lambda: stands(driver) == (BLUE, 3))


def test_the_order_is_for_nobody_else_to_read_and_holds_no_options(driver: FileTraffic) -> None:
    driver.options = {"password": "secret"}
    keep(driver, ttl=60.0)
    (order,) = orders(driver)
    assert stat.S_IMODE(order.stat().st_mode) == 0o600
    said = json.loads(order.read_text())
    assert said.pop("boot")
    assert said == {"ttl": 60.0, "weights": BLUE, "expect": [BLUE, SPLIT], "fence": 3}
    keep(driver, state="ended")


def test_a_place_that_cannot_be_written_is_one_sentence(driver: FileTraffic, tmp_path: Path) -> None:
    driver.place = str(tmp_path / "not there")
    with pytest.raises(ReleaseError, match=r"cannot lock \S+/not there/\.zd-lease-\w+-lock: No such file or directory"):
        keep(driver)


def test_the_death_of_its_owner_is_noticed_long_before_the_time_is_over(driver: FileTraffic) -> None:
    child = os.fork()
    if child == 0:
        try:
            _lease.keep(driver, lease(ttl=600.0), owner=os.getpid())
            time.sleep(0.3)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    until(lambda: stands(driver) == (BLUE, 3))


def test_an_owner_that_lives_is_no_reason_to_wait_for_ever(driver: FileTraffic) -> None:
    _lease.keep(driver, lease(), owner=os.getpid())
    until(lambda: stands(driver) == (BLUE, 3))


def test_nobody_waits_for_its_process(tmp_path: Path) -> None:
    # As a module's: who reads its output must see the end of it, and a signal to its group must not reach the lease.
    code = (
        "import sys, os, pathlib\n"
        f"sys.path[:0] = {sys.path!r}\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_lease as own\n"
        "driver = own.FileTraffic(pathlib.Path(sys.argv[1]))\n"
        "driver.put(own.SPLIT, 2)\n"
        "print(own.keep(driver, ttl=600.0))\n"
    )
    maker = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    output, _errors = maker.communicate(timeout=60)
    assert output == "held\n"
    assert maker.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(maker.pid, signal.SIGKILL)
    driver = FileTraffic(tmp_path)
    assert keep(driver) == "held", "the process is there, and this renewal makes it impatient"
    until(lambda: stands(driver) == (BLUE, 3))
