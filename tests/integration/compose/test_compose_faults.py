# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks under a release of a Compose project: it ends in a sentence, and traffic is on a slot that answers."""

from __future__ import annotations

import json
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.compose.project import Project


def until(true: Callable[[], t.Any], what: str, seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.1)


def begun(project: Project, revision: str, *options: str, bake: str = "30s") -> tuple[subprocess.Popen[str], str]:
    """Start a release and return it with the slot of its revision, when all requests go there and it bakes."""
    canary = project.idle()
    process = project.start("deploy", "-e", f"release_revision={revision}", "-e", f"release_bake_time={bake}", *options)
    until(lambda: process.poll() is not None or project.weights()[canary] == 100, "all traffic on the revision")
    assert process.poll() is None, process.communicate()[0]
    return process, canary


def test_containers_that_die_while_traffic_moves_send_it_back_to_the_slot_that_answers(shop: Project) -> None:
    before = shop.answer()[1]
    process, canary = begun(shop, shop.other_revision())
    for container in shop.containers(f"app-{canary}"):
        # By the engine's API: nothing restarts them.
        shop.engine.api.call("POST", f"/containers/{container['Id']}/kill", signal="KILL")
    said, _nothing = process.communicate(timeout=120)
    assert (process.returncode, f"{canary} has no healthy server left" in said, "Traceback" in said) == (2, True, False)
    assert (shop.answer(), shop.weights()[canary]) == ((200, before), 0), said


def test_of_two_releases_at_once_the_second_is_told_who_holds_it(shop: Project) -> None:
    before = shop.answer()[1]
    first, canary = begun(shop, shop.other_revision())
    status, said = shop.deploy("v1")
    assert (status, "is held by run" in said, "Traceback" in said) == (2, True, False), said
    assert shop.run("abort")[0] == 0
    first.communicate(timeout=120)
    assert (shop.answer(), shop.weights()[canary]) == ((200, before), 0)


@pytest.fixture
def own_address(shop: Project) -> tuple[str, str]:
    """The balancer asked at its own address: the engine's proxy for ports of loopback dies with the engine."""
    networks = shop.containers("balancer")[0]["NetworkSettings"]["Networks"]
    url = f"http://{next(iter(networks.values()))['IPAddress']}/"
    load = {"rate": 20, "url": url, "max_duration": "5m"}
    return "-e", json.dumps({"release_verify": {"url": url, "header": "X-Version"}, "release_certificate": load})


def test_an_engine_that_stops_while_a_revision_is_staged_ends_it_in_a_sentence_and_traffic_goes_on(
    shop: Project, own_address: tuple[str, str]
) -> None:
    before, canary = shop.answer(), shop.idle()
    process = shop.start("deploy", "-e", "release_revision=unhealthy", *own_address)
    until(lambda: shop.containers(f"app-{canary}"), "containers of the canary")
    shop.engine.halt()
    try:
        said, _nothing = process.communicate(timeout=120)
    finally:
        shop.engine.go_on()
    assert process.returncode == 2
    assert "cannot reach the Docker engine at unix://" in said
    assert "nobody listens there; does the engine run?" in said
    assert "Traceback" not in said
    report = shop.report("unhealthy")
    assert (report["outcome"], report["dropped"]) == ("RolledBack", 0), said
    assert (shop.answer(), shop.weights()[canary]) == (before, 0)


def test_an_engine_that_stops_while_traffic_moves_loses_none_of_it_and_sweep_retires_the_old_slot(
    shop: Project, own_address: tuple[str, str]
) -> None:
    revision, old = shop.other_revision(), shop.serving()
    process, _canary = begun(shop, revision, *own_address, bake="5s")
    shop.engine.halt()
    try:
        said, _nothing = process.communicate(timeout=120)
    finally:
        shop.engine.go_on()
    assert (process.returncode, "Traceback" in said) == (2, False), said
    assert f"{revision} serves, but not all is done: cannot reach the Docker engine at unix://" in said
    assert "Run sweep to finish it." in said
    assert shop.report(revision)["dropped"] == 0
    assert (shop.answer(), shop.weights()[old]) == ((200, revision), 0)
    status, said = shop.run("sweep")
    assert (status, shop.answer(), shop.containers(f"app-{old}")) == (0, (200, revision), []), said


@pytest.fixture
def full(shop: Project) -> Iterator[Path]:
    """An env file on a disk where not a byte is free."""
    tiny = shop.folder / "tiny"
    tiny.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tiny], check=False).returncode:
        pytest.skip("skipped: needs the right to mount a tmpfs")
    try:
        before = (shop.folder / ".env").read_text()
        (tiny / "release.env").write_text("".join(line for line in before.splitlines(True) if "APP_" in line))
        with pytest.raises(OSError), (tiny / "filler").open("wb") as filler:
            while True:
                filler.write(b"x" * 4096)
                filler.flush()
        yield tiny
    finally:
        subprocess.run(["umount", tiny], check=True)


def test_a_full_disk_under_the_env_file_ends_the_release_in_a_sentence_and_changes_nothing(
    shop: Project, full: Path
) -> None:
    weights, answer = shop.weights(), shop.answer()
    where = ("-e", "release_compose_env_file=tiny/release.env")
    status, said = shop.deploy(shop.other_revision(), *where)
    assert (status, "No space left on device" in said, "Traceback" in said) == (2, True, False), said
    assert (shop.weights(), shop.answer()) == (weights, answer)
    (full / "filler").unlink()
    status, said = shop.run("resume", *where)
    assert (status, shop.weights(), shop.answer()) == (0, weights, answer), said
