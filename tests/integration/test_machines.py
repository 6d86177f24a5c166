# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action reaches other machines of the inventory over real SSH connections that it opens itself."""

from __future__ import annotations

import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import sshd
from tests.lab.hosts.playbook import Playbook, Run

NAMES = ["lb1", "lb2", "lb3"]


@pytest.fixture(scope="module")
def lab() -> Iterator[sshd.SshMachines]:
    if why := sshd.missing():
        pytest.skip(why)
    with sshd.SshMachines(NAMES) as machines:
        yield machines


@pytest.fixture
def project(lab: sshd.SshMachines, tmp_path: Path) -> Playbook:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    return Playbook(tmp_path, {**lab.inventory(), "here": here})


def drive(project: Playbook, do: str, names: list[str], *options: str, **args: t.Any) -> Run:
    return project.run([call(do, names, **args)], *options)


def call(do: str, names: list[str], **args: t.Any) -> dict[str, t.Any]:
    return {"machines": {"do": do, "names": names, **args}, "register": "result"}


@pytest.mark.parametrize("pipelining", [True, False])
def test_modules_run_repeatedly_on_each_machine(project: Playbook, pipelining: bool) -> None:
    project.variables["ansible_pipelining"] = pipelining
    run = drive(project, "thrice", ["lb1", "here"])
    assert run.code == 0, run.output
    for answers, name in zip(run.result["answers"], ["lb1", None], strict=True):
        assert [answer["machine"] for answer in answers] == [name] * 3
        assert not any(answer["failed"] or answer["changed"] for answer in answers)


@pytest.mark.parametrize("pipelining", [True, False])
def test_no_temporary_file_stays_on_the_machine(lab: sshd.SshMachines, project: Playbook, pipelining: bool) -> None:
    project.variables["ansible_pipelining"] = pipelining
    assert drive(project, "thrice", ["lb1"]).code == 0
    assert not list(lab.folder.glob("remote-tmp/*"))


def test_several_machines_answer_at_the_same_time(project: Playbook) -> None:
    answers = drive(project, "together", [*NAMES, "here"], "-vvv").result["answers"]
    times = [first["times"] for first, _second in answers.values()]
    assert max(begun for begun, _done in times) < min(done for _begun, done in times)
    assert {name: [one["machine"] for one in both] for name, both in answers.items()} == {
        **{name: [name, name] for name in NAMES},
        "here": [None, None],
    }


@pytest.mark.parametrize("pipelining", [True, False])
def test_an_interrupted_call_does_not_spoil_the_next(project: Playbook, pipelining: bool) -> None:
    project.variables["ansible_pipelining"] = pipelining
    run = drive(project, "interrupted", ["lb1", "here"])
    assert run.code == 0, run.output
    for (first, second, seconds), name in zip(run.result["answers"], ["lb1", None], strict=True):
        assert first["machine"] == second["machine"] == name
        assert not first["failed"]
        assert seconds < 15  # nothing waits for the interrupted module


def test_a_signal_handler_can_call_while_a_call_is_in_flight(project: Playbook) -> None:
    answers = drive(project, "from_handler", ["lb2"]).result["answers"]
    assert [(answer["failed"], answer.get("machine")) for answer in answers] == [(False, "lb2")] * 2


def test_a_machine_lost_in_the_middle_is_lost_until_it_is_back(lab: sshd.SshMachines, project: Playbook) -> None:
    begun = project.folder / "begun"
    process = project.start([call("lost", ["lb3"], folder=str(project.folder))])
    try:
        wait_for(begun, there=True)
        lab.lose("lb3")
        wait_for(begun, there=False)
    finally:
        lab.revive("lb3")
    (project.folder / "back").touch()
    before, during, refused, after = project.end(process).result["answers"]
    assert before["machine"] == after["machine"] == "lb3"
    for answer in (during, refused):
        assert answer["failed"]
        assert answer["lost"]
        assert answer["msg"].startswith("lb3: ")
        assert "\n" not in answer["msg"]


def test_a_machine_that_hangs_is_lost(lab: sshd.SshMachines, project: Playbook) -> None:
    begun = project.folder / "begun"
    process = project.start([call("hung", ["lb3"], folder=str(project.folder))])
    wait_for(begun, there=True)
    with lab.hung("lb3"):
        begun.unlink()
        before, during = project.end(process).result["answers"]
    assert before["machine"] == "lb3"
    assert during["lost"]
    assert during["msg"].startswith("lb3: ")


def test_a_module_that_dies_without_an_answer_is_lost(project: Playbook) -> None:
    run = drive(project, "once", ["lb1", "here"], args={"die": True})
    assert [(one["failed"], one["lost"]) for one in run.result["answers"]] == [(True, True)] * 2
    assert run.result["answers"][0]["msg"].startswith("lb1: no answer from probe: ")


def test_a_failed_module_is_not_lost(project: Playbook) -> None:
    (failed,) = drive(project, "once", ["lb1"], args={"fail": "no such backend"}).result["answers"]
    assert (failed["failed"], failed["msg"], failed.get("lost")) == (True, "no such backend", None)


def test_an_unknown_module_fails_in_one_sentence(project: Playbook) -> None:
    (failed,) = drive(project, "once", ["lb1"], module="no.such.module").result["answers"]
    assert failed["failed"]
    assert "lost" not in failed
    assert failed["msg"].startswith("lb1: The module no.such.module was not found")


def test_an_unknown_machine_is_refused(project: Playbook) -> None:
    run = drive(project, "once", ["lb9"])
    assert run.result["msg"] == "the machine lb9 is not in the inventory"
    assert "Traceback" not in run.output + run.lines


def test_variables_that_make_no_connection_are_refused(project: Playbook) -> None:
    project.machines["lb1"]["ansible_connection"] = "pigeon"
    assert drive(project, "once", ["lb1"]).result["msg"] == "lb1: there is no connection plugin pigeon"
    project.machines["lb1"].update(ansible_connection="ssh", ansible_port="{{ nowhere }}")
    run = drive(project, "once", ["lb1"])
    assert run.result["msg"].startswith("lb1: ")
    assert "nowhere" in run.result["msg"]


def test_templates_in_the_variables_are_resolved_for_the_machine(project: Playbook) -> None:
    variables = project.machines["lb1"]
    variables.update(port_of={"lb1": variables["ansible_port"]}, ansible_port="{{ port_of[inventory_hostname] }}")
    variables.update(login=variables["ansible_user"], ansible_user="{{ hostvars['lb1'].login }}")
    (answer,) = drive(project, "once", ["lb1"]).result["answers"]
    assert answer["machine"] == "lb1"
    assert answer["python"] == sys.executable


def test_vaulted_variables_are_opened(project: Playbook) -> None:
    key = project.machines["lb1"].pop("ansible_ssh_private_key_file")
    (project.folder / "password").write_text("open sesame\n")
    (project.folder / "host_vars").mkdir()
    secrets = project.folder / "host_vars" / "lb1.yml"
    secrets.write_text(f"ansible_ssh_private_key_file: {key}\n")
    vault = ["--vault-password-file", str(project.folder / "password")]
    subprocess.run([project.program("ansible-vault"), "encrypt", *vault, str(secrets)], check=True, capture_output=True)
    (answer,) = drive(project, "once", ["lb1"], *vault).result["answers"]
    assert answer["machine"] == "lb1"


def test_become_is_that_of_the_machine(project: Playbook) -> None:
    project.machines["lb1"].update(
        ansible_become=True,
        ansible_become_method="lab",
        ansible_become_user="haproxy",
        ansible_become_password="{{ 'canary-' ~ 'password' }}",
    )
    run = drive(project, "once", ["lb1", "lb2"])
    assert not run.result["failed"], run.result
    first, second = run.result["answers"]
    assert first["became"] == "haproxy with VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # the password is in no answer
    assert second["became"] is None


def test_check_mode_and_environment_of_the_task_reach_the_module(project: Playbook) -> None:
    task = {**call("once", ["lb1"]), "environment": {"LAB_SETTING": "on"}}
    for options, check in (([], False), (["--check"], True)):
        (answer,) = project.run([task], *options).result["answers"]
        assert (answer["check"], answer["setting"]) == (check, "on")


def test_secrets_are_in_no_answer_and_no_line(project: Playbook) -> None:
    secret = "canary-in-the-coal-mine"
    run = drive(project, "once", ["lb1"], "-vvv", args={"secret": secret})
    assert run.result["answers"][0]["secret"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert secret not in run.output + run.lines
    run = drive(project, "once", ["lb1"], args={"fail": f"refused {secret}"}, secrets=[secret])
    assert run.result["answers"][0]["msg"] == "refused VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def wait_for(path: Path, there: bool, seconds: float = 30.0) -> None:
    give_up = time.monotonic() + seconds
    while path.exists() != there:
        assert time.monotonic() < give_up, f"waited in vain for {path.name}"
        time.sleep(0.05)
