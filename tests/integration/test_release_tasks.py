# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' own task files on real machines over SSH: any failure there reaches the rescue of the play that asked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import sshd
from tests.lab.hosts.playbook import ENVIRONMENT, Playbook, Run

NAMES = ["app1", "app2", "app3"]


@pytest.fixture(scope="module")
def lab() -> Iterator[sshd.SshMachines]:
    if why := sshd.missing():
        pytest.skip(why)
    with sshd.SshMachines(NAMES) as machines:
        yield machines


@pytest.fixture
def project(lab: sshd.SshMachines, tmp_path: Path) -> Playbook:
    book = Playbook(tmp_path, lab.inventory())
    book.groups["shop_blue"] = NAMES
    return book


def release_tasks(project: Playbook, tasks: str, *options: str, **args: t.Any) -> Run:
    """Run the action on a file with these tasks; the rescue notes that it fired."""
    (project.folder / "hook.yml").write_text(tasks)
    return project.run(guarded(project, **args), *options)


def guarded(project: Playbook, **args: t.Any) -> list[dict[str, t.Any]]:
    call = {"file": "hook.yml", "machines": ["shop_blue"], **args}
    task = {"zerodowntime.bluegreen.release_tasks": call, "register": "result"}
    rescued = {"ansible.builtin.debug": {"msg": "THE RESCUE FIRED"}}
    return [{"block": [task], "rescue": [rescued]}]


def rescued(run: Run) -> bool:
    return "THE RESCUE FIRED" in run.output


def test_machines_work_in_parallel(project: Playbook) -> None:
    run = release_tasks(
        project,
        """
        - name: Wait
          ansible.builtin.shell: date +%s.%N; sleep 4; date +%s.%N
          register: waited
        - name: Keep
          ansible.builtin.copy:
            content: "{{ waited.stdout }}"
            dest: "{{ inventory_dir }}/{{ inventory_hostname }}.times"
        """,
    )
    assert run.result["machines"] == dict.fromkeys(NAMES, "ok")
    times = [(project.folder / f"{name}.times").read_text().split() for name in NAMES]
    assert max(float(start) for start, _end in times) < min(float(end) for _start, end in times)


def test_each_machine_has_its_own_variables_and_those_of_the_call(project: Playbook) -> None:
    project.machines["app1"]["weight"] = "{{ 1 + 1 }}"
    (project.folder / "group_vars").mkdir()
    (project.folder / "group_vars" / "shop_blue.yml").write_text("weight: 7\n")
    run = release_tasks(
        project,
        """
        - ansible.builtin.assert:
            that:
              - weight | int == (2 if inventory_hostname == 'app1' else 7)
              - release_slot == 'blue'
              - release_revision == '1.4.2'
              - from_command_line == 'yes'
              - "'{' ~ '{ not a template }' ~ '}' == literal"
        """,
        "-e",
        "from_command_line=yes",
        slot="blue",
        variables={"release_revision": "1.4.2", "literal": "{{ '{' ~ '{ not a template }' ~ '}' }}"},
    )
    assert run.result["machines"] == dict.fromkeys(NAMES, "ok"), run.result


def test_vaulted_variables_are_opened(project: Playbook) -> None:
    (project.folder / "password").write_text("open sesame\n")
    (project.folder / "host_vars").mkdir()
    secrets = project.folder / "host_vars" / "app1.yml"
    secrets.write_text("token: from-the-vault\n")
    vault = ["--vault-password-file", str(project.folder / "password")]
    subprocess.run([project.program("ansible-vault"), "encrypt", *vault, str(secrets)], check=True, capture_output=True)
    run = release_tasks(
        project, "- ansible.builtin.assert: {that: token == 'from-the-vault'}", *vault, machines=["app1"]
    )
    assert run.result["machines"] == {"app1": "ok"}, run.result


def test_check_mode_and_diff_are_passed_on(project: Playbook) -> None:
    made = project.folder / "made"
    tasks = f"- ansible.builtin.copy: {{content: new, dest: {made}}}"
    run = release_tasks(project, tasks, "--check", "--diff", machines=["app1"])
    assert run.result["changed"]
    assert not made.exists()
    assert [difference["after"] for difference in run.result["diff"]] == ["new"]
    assert "app1" in run.output  # the difference names its machine


def test_limit_does_not_take_the_machines_away(project: Playbook) -> None:
    made = project.folder / "made"
    tasks = f"- ansible.builtin.file: {{path: {made}, state: touch}}"
    run = release_tasks(project, tasks, "--limit", ENVIRONMENT, machines=["app2"])
    assert run.result["machines"] == {"app2": "ok"}, run.result
    assert made.exists()


def test_tags_and_start_at_task_of_the_command_line_do_not_thin_out_the_file(project: Playbook) -> None:
    (project.folder / "hook.yml").write_text("- ansible.builtin.fail: {msg: reached}")
    tasks = guarded(project, machines=["app1"])
    tasks[0].update(name="Release", tags="release")
    tasks[0]["block"][0]["name"] = "Start"
    run = project.run(tasks, "--tags", "release,always", "--start-at-task", "Start")
    assert "reached" in run.output, run.output


def test_a_file_finds_what_lies_beside_it(project: Playbook) -> None:
    beside = project.folder / "hooks"
    beside.mkdir()
    (beside / "main.yml").write_text("- ansible.builtin.include_tasks: more.yml")
    (beside / "more.yml").write_text("- ansible.builtin.fail: {msg: \"{{ lookup('template', 'text.j2') }}\"}")
    (beside / "text.j2").write_text("from the template")
    run = project.run(guarded(project, file="hooks/main.yml", machines=["app1"]))
    assert "from the template" in run.result["msg"], run.result


def test_without_machines_the_tasks_run_where_the_release_runs(project: Playbook) -> None:
    tasks = "- ansible.builtin.fail: {msg: 'on {{ inventory_hostname }} by {{ ansible_connection }}'}"
    for machines in ([], [ENVIRONMENT]):
        run = release_tasks(project, tasks, machines=machines)
        assert run.result["machines"] == {ENVIRONMENT: "failed"}
        assert f"on {ENVIRONMENT} by local" in run.result["msg"]


def test_a_failure_names_machine_and_task_stops_the_others_and_reaches_rescue(project: Playbook) -> None:
    run = release_tasks(
        project,
        """
        - name: Start the service
          ansible.builtin.shell: echo it broke >&2; exit 3
          when: inventory_hostname == 'app2'
        - name: Next
          ansible.builtin.file: {path: "{{ inventory_dir }}/next", state: touch}
        """,
        hook="before_stage",
    )
    assert rescued(run)
    assert run.result["machines"] == {"app1": "stopped", "app2": "failed", "app3": "stopped"}
    sentence = run.result["failures"].pop("app2")
    assert re.fullmatch("'Start the service' failed: .*non-zero return code \\(3\\): it broke", sentence)
    assert not run.result["failures"]
    assert run.result["msg"] == f"before_stage: app2: {sentence}; not done on app1, app3"
    assert f"[{ENVIRONMENT}] before_stage: app2: {sentence}" in run.lines
    assert not (project.folder / "next").exists()


def test_an_unreachable_machine_stops_the_others_and_reaches_rescue(lab: sshd.SshMachines, project: Playbook) -> None:
    lab.lose("app2")
    try:
        run = release_tasks(
            project,
            """
            - name: First
              ansible.builtin.command: 'true'
            - name: Next
              ansible.builtin.file: {path: "{{ inventory_dir }}/next", state: touch}
            """,
        )
    finally:
        lab.revive("app2")
    assert rescued(run)
    assert run.result["machines"] == {"app1": "stopped", "app2": "unreachable", "app3": "stopped"}
    assert "unreachable at 'First'" in run.result["failures"]["app2"]
    assert run.result["msg"].startswith("hook.yml: app2: unreachable at 'First': ")
    assert not (project.folder / "next").exists()


@pytest.mark.parametrize(
    ("tasks", "args", "words"),
    [
        ("- no.such.module: {}", {}, ["no.such.module", "hook.yml"]),
        ("- ansible.builtin.command: [\n- x: }", {}, ["YAML", "hook.yml"]),
        ("- hosts: all\n  tasks: []", {}, ["hook.yml"]),
        ("", {"file": "none.yml"}, ["there is no task file", "none.yml"]),
        ("", {"machines": ["app9"]}, ["app9 is neither a machine nor a group"]),
        ("", {"machines": ["nobody"]}, ["the group nobody has no machines"]),
        ("", {"deadline": "soon"}, ["soon", "is not a duration"]),
        ("- ansible.builtin.include_tasks: later.yml", {}, ["later.yml"]),
    ],
    ids=["module", "syntax", "playbook", "no-file", "no-machine", "no-members", "no-duration", "no-include"],
)
def test_what_cannot_be_run_is_one_sentence_and_reaches_rescue(
    project: Playbook, tasks: str, args: dict[str, t.Any], words: list[str]
) -> None:
    project.groups["nobody"] = []
    run = release_tasks(project, tasks, **args)
    assert rescued(run)
    assert run.result["failed"]
    for word in words:
        assert word in run.result["msg"]
    assert "\n" not in run.result["msg"]
    assert "Traceback" not in run.output + run.lines


def test_a_failure_that_the_file_itself_handles_is_none(project: Playbook) -> None:
    run = release_tasks(
        project,
        """
        - block:
            - ansible.builtin.fail: {msg: "{{ inventory_hostname }}"}
              when: inventory_hostname == 'app1'
          rescue:
            - ansible.builtin.debug: {msg: handled}
        - ansible.builtin.fail:
          ignore_errors: true
        """,
    )
    assert not rescued(run)
    assert run.result["machines"] == dict.fromkeys(NAMES, "ok")


def test_no_log_is_kept(project: Playbook) -> None:
    run = release_tasks(
        project,
        """
        - name: Log in
          ansible.builtin.fail: {msg: "{{ password }}"}
          no_log: true
        """,
        "-vvv",
        machines=["app1"],
        variables={"password": "canary-in-the-coal-mine"},
    )
    assert rescued(run)
    assert run.result["msg"] == "hook.yml: app1: 'Log in' failed: the reason is hidden by no_log"
    assert "canary-in-the-coal-mine" not in run.output + run.lines


def test_the_deadline_ends_it_and_what_takes_long_is_named(project: Playbook) -> None:
    begun = time.monotonic()
    run = release_tasks(
        project,
        """
        - name: Take long
          ansible.builtin.command: sleep 60
        """,
        machines=["app1", "app2"],
        deadline="4s",
    )
    assert time.monotonic() - begun < 30
    assert rescued(run)
    assert run.result["machines"] == {"app1": "stopped", "app2": "stopped"}
    assert run.result["msg"] == "hook.yml: not done after 4s; not done on app1, app2"
    assert f"[{ENVIRONMENT}] hook.yml: 'Take long' runs on app1, app2: 0 of 2 done, 2 s, " in run.lines


def test_the_timeout_of_the_task_ends_it(project: Playbook) -> None:
    (project.folder / "hook.yml").write_text("- ansible.builtin.command: sleep 60")
    tasks = guarded(project, machines=["app1"])
    tasks[0]["block"][0]["timeout"] = 3
    begun = time.monotonic()
    assert rescued(project.run(tasks))
    assert time.monotonic() - begun < 30


TWO_TASKS = """
- name: First
  ansible.builtin.shell: touch {{ inventory_dir }}/first; sleep 12
- name: Next
  ansible.builtin.file: {path: "{{ inventory_dir }}/next", state: touch}
"""


def test_sigterm_to_its_worker_is_a_failure_that_reaches_rescue(project: Playbook) -> None:
    (project.folder / "hook.yml").write_text(TWO_TASKS)
    controller = project.start(guarded(project, machines=["app1"]))
    wait_until((project.folder / "first").exists)
    os.kill(children(controller.pid)[0], signal.SIGTERM)
    output, _lines = controller.communicate(timeout=60)
    assert "THE RESCUE FIRED" in output
    assert "SIGTERM" in output
    assert not (project.folder / "next").exists()


@pytest.mark.parametrize("killed", ["controller", "worker", "session"])
def test_after_a_kill_the_next_task_is_not_run(project: Playbook, killed: str) -> None:
    (project.folder / "hook.yml").write_text(TWO_TASKS)
    controller = project.start(guarded(project, machines=["app1", "app2"]))
    wait_until((project.folder / "first").exists)
    worker = children(controller.pid)[0]
    family = [worker, *children(worker)]
    if killed == "session":
        os.killpg(controller.pid, signal.SIGKILL)
    else:
        os.kill(controller.pid if killed == "controller" else worker, signal.SIGKILL)
    assert len(family) == 3
    # Before the task in flight is done: nobody is left to run the next one.
    wait_until(lambda: not any(map(alive, family)), seconds=8)
    controller.communicate(timeout=60)
    assert not (project.folder / "next").exists()


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in listed.stdout.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)
