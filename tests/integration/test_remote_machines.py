# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic on machines of the inventory, from real playbooks: lost ones, several of one service, wrongly named ones."""

from __future__ import annotations

import shutil
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conformance.world import BLUE, GREEN, SPLIT, lab_folder
from tests.lab.hosts import sshd
from tests.lab.hosts.haproxy import HAProxy, demo_apps, free_port
from tests.lab.hosts.playbook import Playbook, Run

NAME = "zerodowntime.bluegreen.haproxy_traffic"
MACHINES = ("lb1", "lb2")


@pytest.fixture(scope="module")
def machines() -> Iterator[sshd.SshMachines]:
    if why := sshd.missing():
        pytest.skip(why)
    with sshd.SshMachines(MACHINES) as lab:
        yield lab


@pytest.fixture(scope="module")
def apps() -> Iterator[dict[str, list[str]]]:
    ports = {slot: free_port() for slot in ("blue", "green")}
    with demo_apps(sys.executable, {slot: [port] for slot, port in ports.items()}, {"blue": "v1", "green": "v2"}):
        yield {slot: [f"127.0.0.1:{port}"] for slot, port in ports.items()}


@pytest.fixture
def folder() -> Iterator[Path]:
    place = lab_folder()
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def balancers(folder: Path, apps: dict[str, list[str]]) -> Iterator[dict[str, HAProxy]]:
    """Two balancers of one service, one for each machine."""
    labs = {name: HAProxy(folder / name, free_port(), apps, weights="100:0:1") for name in MACHINES}
    try:
        for lab in labs.values():
            lab.start()
        yield labs
    finally:
        for lab in labs.values():
            lab.stop()


@pytest.fixture
def project(folder: Path, machines: sshd.SshMachines) -> Playbook:
    return Playbook(folder, machines.inventory())


def options(balancers: dict[str, HAProxy]) -> dict[str, t.Any]:
    """Return the options of both: what the second one has elsewhere stands in its entry."""
    first, second = (lab.options for lab in balancers.values())
    other = {"machine": "lb2", "socket": second["socket"], "map": second["map"]}
    return {**first, "machines": ["lb1", other]}


def entries(balancers: dict[str, HAProxy]) -> list[str]:
    return [lab.map.read_text().split()[1] for lab in balancers.values()]


def rescued(project: Playbook, task: dict[str, t.Any], *extra: str) -> Run:
    """Run a task that fails; C(result) is what rescue found."""
    caught = {"ansible.builtin.set_fact": {"result": "{{ ansible_failed_result }}"}}
    return project.run([{"block": [task], "rescue": [caught]}], *extra)


def failure(run: Run) -> str:
    """Return the sentence of a failure that reached rescue; nothing was unreachable, nothing raised."""
    assert run.code == 0, run.output
    assert "unreachable=0" in run.output
    assert "rescued=1" in run.output
    assert "Traceback" not in run.output + run.lines
    assert run.result["failed"] is True
    assert not run.result.get("unreachable")
    sentence = str(run.result["msg"])
    assert "\n" not in sentence
    return sentence


def test_all_balancers_of_a_service_move_and_each_says_where_it_stands(
    project: Playbook, balancers: dict[str, HAProxy]
) -> None:
    task = {NAME: {**options(balancers), "weights": SPLIT, "expect": BLUE, "fence": 2}, "register": "result"}
    run = project.run([task])
    assert run.code == 0, run.output
    assert entries(balancers) == ["60:40:2", "60:40:2"]
    assert {name: view["weights"] for name, view in run.result["balancers"].items()} == dict.fromkeys(MACHINES, SPLIT)
    assert len(run.result["diff"]) == 2


@pytest.mark.parametrize("by", ["machines", "delegate_to"])
def test_an_unreachable_machine_is_a_failure_that_reaches_rescue(
    project: Playbook, machines: sshd.SshMachines, balancers: dict[str, HAProxy], by: str
) -> None:
    arguments = {**balancers["lb2"].options, "weights": GREEN}
    task = {NAME: {**arguments, "machines": ["lb2"]}} if by == "machines" else {NAME: arguments, "delegate_to": "lb2"}
    machines.lose("lb2")
    try:
        sentence = failure(rescued(project, task))
    finally:
        machines.revive("lb2")
    assert "127.0.0.2 port" in sentence  # the words before it are those of ansible-core
    assert sentence.startswith("lb2: " if by == "machines" else "shop: ")
    assert entries(balancers) == ["100:0:1", "100:0:1"]


def test_a_second_machine_that_is_lost_has_the_first_put_back(
    project: Playbook, machines: sshd.SshMachines, balancers: dict[str, HAProxy]
) -> None:
    machines.lose("lb2")
    try:
        sentence = failure(rescued(project, {NAME: {**options(balancers), "weights": GREEN, "expect": BLUE}}))
    finally:
        machines.revive("lb2")
    assert sentence.startswith("lb2: ")
    assert sentence.endswith("; put back lb1")
    assert entries(balancers) == ["100:0:1", "100:0:1"]


def test_a_second_machine_that_refuses_has_the_first_put_back(project: Playbook, balancers: dict[str, HAProxy]) -> None:
    balancers["lb2"].ask("disable server shop_green/s0")
    sentence = failure(rescued(project, {NAME: {**options(balancers), "weights": GREEN, "expect": BLUE}}))
    assert sentence.startswith("lb2: ")
    assert "green has no healthy server and would get 100 % of the requests" in sentence
    assert sentence.endswith("; put back lb1")
    assert entries(balancers) == ["100:0:1", "100:0:1"]


def test_machines_that_disagree_are_seen_and_named(project: Playbook, balancers: dict[str, HAProxy]) -> None:
    balancers["lb2"].map.write_text("shop 60:40:1\n")
    balancers["lb2"].ask(f"set map {balancers['lb2'].map} shop 60:40:1")
    run = project.run([{f"{NAME}_info": options(balancers), "register": "result"}])
    assert run.code == 0, run.output
    assert run.result["weights"] is None
    assert "lb1 has blue 100 / green 0, lb2 has blue 60 / green 40" in run.result["trouble"]


def test_a_machine_that_the_inventory_does_not_know_is_one_sentence(
    project: Playbook, balancers: dict[str, HAProxy]
) -> None:
    task = {NAME: {**balancers["lb1"].options, "machines": ["lb7"], "weights": GREEN}}
    assert failure(rescued(project, task)) == "the machine lb7 is not in the inventory"


def test_become_of_an_action_in_the_controllers_process_is_refused_in_one_sentence(
    project: Playbook, balancers: dict[str, HAProxy]
) -> None:
    task = {NAME: {**balancers["lb1"].options, "weights": GREEN}, "become": True}
    sentence = failure(rescued(project, task))
    assert "runs in the controller's process, where become does nothing: name its machines" in sentence
    assert entries(balancers) == ["100:0:1", "100:0:1"]
