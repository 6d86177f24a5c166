# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(release_journal) from real playbooks: in the controller's process, and on another machine over SSH."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import sshd
from tests.lab.hosts.playbook import ENVIRONMENT, Playbook, Run

KEY = "haproxy:lb1:/etc/haproxy/zerodowntime.map:shop"
JOURNAL = "zerodowntime.bluegreen.release_journal"
SOON = 30.0  # seconds; the TTL of the locks here is an hour


@pytest.fixture(scope="module")
def lab() -> Iterator[sshd.SshMachines]:
    if why := sshd.missing():
        pytest.skip(why)
    with sshd.SshMachines(["lb1"]) as machines:
        yield machines


@pytest.fixture
def project(lab: sshd.SshMachines, tmp_path: Path) -> Playbook:
    return Playbook(tmp_path, lab.inventory())


@pytest.fixture(params=["here", "lb1"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, t.Any]:
    """The options of one journal, once by the controller's process and once by its machine."""
    machine = {"machine": request.param} if request.param != "here" else {}
    return {"path": str(tmp_path / "journal"), "ttl": "1h", **machine}


def task(where: dict[str, t.Any], verb: str, key: str | None = KEY, **arguments: t.Any) -> dict[str, t.Any]:
    options = {**where, "verb": verb, "arguments": arguments, **({"key": key} if key else {})}
    return {JOURNAL: options, "register": "result"}


def acquire(where: dict[str, t.Any], run: str = "run-1", **owner: t.Any) -> dict[str, t.Any]:
    release = {"id": f"{run}-release", "revision": "1.4.2", "steps": [5, 100]}
    return task(where, "acquire", owner={"run": run, "app": "shop", **owner}, release=release)


def journal_of(where: dict[str, t.Any]) -> dict[str, t.Any]:
    (path,) = Path(where["path"]).glob("*.json")
    return t.cast("dict[str, t.Any]", json.loads(path.read_text()))


def refused(run: Run, kind: str) -> str:
    """Return the sentence of a task that failed with C(kind)."""
    assert run.result["failed"], run.output
    assert run.result["kind"] == kind, run.result
    sentence = str(run.result["msg"])
    assert "\n" not in sentence
    assert "Traceback" not in run.output + run.lines
    return sentence


def test_a_release_is_opened_noted_and_ended(project: Playbook, where: dict[str, t.Any]) -> None:
    note = task(
        where,
        "note",
        run="run-1",
        entry={"kind": "phase", "phase": "Healthy"},
        changes={"phase": "Healthy", "outcome": "Promoted", "step": 2},
    )
    run = project.run([task(where, "check", None), acquire(where), note, task(where, "unlock", run="run-1")])
    assert run.code == 0, run.output
    document = journal_of(where)
    assert (document["environment"], document["lock"], document["fence"]) == (ENVIRONMENT, None, 1)
    assert document["releases"][0]["outcome"] == "Promoted"


def test_check_touches_nothing(project: Playbook, where: dict[str, t.Any]) -> None:
    run = project.run([task(where, "check", None)])
    assert run.code == 0, run.output
    assert run.result["answer"]["path"] == where["path"]
    assert run.result["changed"] is False
    assert not os.path.exists(where["path"])


def test_a_second_release_is_told_who_holds_it(project: Playbook, where: dict[str, t.Any]) -> None:
    tasks = [acquire(where), acquire(where, "run-2", environment="shop-two")]
    run = project.run(tasks, "-e", "awx_job_id=42", "-e", "awx_user_name=alice")
    sentence = refused(run, "busy")
    assert sentence.startswith(
        f"shop-two (app shop) and {ENVIRONMENT} (app shop) name the same object: {KEY} is held by run"
    )
    assert "run-1 of shop (app shop), AWX job 42 by alice since" in sentence
    assert "before its first step" in sentence
    assert run.result["facts"]["holder"]["owner"]["run"] == "run-1"


def test_who_lost_the_lock_is_told_by_kind(project: Playbook, where: dict[str, t.Any]) -> None:
    run = project.run([acquire(where), task(where, "note", run="run-9", entry={"kind": "note"})])
    assert "run run-9 no longer has the lock" in refused(run, "fenced")


def test_a_run_that_ended_without_unlocking_is_taken_over_at_once(project: Playbook, where: dict[str, t.Any]) -> None:
    assert project.run([acquire(where)]).code == 0
    began = time.monotonic()
    run = project.run([task(where, "take_over", owner={"run": "run-2", "app": "shop"}, command="abort")])
    assert run.code == 0, run.output
    assert time.monotonic() - began < SOON
    assert run.result["answer"]["next"] == {"phase": "Healthy", "outcome": "Aborted"}
    assert f"[{ENVIRONMENT}] {KEY} is held by run run-1" in run.lines
    assert "its processes are gone from this machine" in run.lines


def test_a_killed_controller_is_stale_at_once_for_a_sweep_from_its_machine(
    project: Playbook, where: dict[str, t.Any]
) -> None:
    process = project.start([acquire(where), {"ansible.builtin.pause": {"seconds": 60}}])
    try:
        deadline = time.monotonic() + SOON
        while not list(Path(where["path"]).glob("*.json")):
            assert time.monotonic() < deadline, "no lock was taken"
            time.sleep(0.05)
        held = project_beside(project).run([task(where, "due", None)]).result["answer"]
        assert ([item["why"] for item in held["held"]], held["due"]) == (["held"], [])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    due = project.run([task(where, "due", None)]).result["answer"]["due"]
    assert [(item["why"], item["command"], item["key"]) for item in due] == [("stale", "resume", KEY)]


def test_a_run_of_another_boot_is_observed_for_its_ttl_and_the_wait_is_shown(
    project: Playbook, where: dict[str, t.Any]
) -> None:
    short = {**where, "ttl": "2s"}
    assert project.run([acquire(short, boot_id="another")]).code == 0
    began = time.monotonic()
    run = project.run([task(short, "take_over", owner={"run": "run-2", "app": "shop"})])
    assert run.code == 0, run.output
    assert time.monotonic() - began > 2
    assert "silent for" in run.lines
    assert "taken over if so for" in run.lines


def test_check_mode_refuses_what_would_be_refused_and_writes_nothing(
    project: Playbook, where: dict[str, t.Any]
) -> None:
    run = project.run([acquire(where)], "--check")
    assert run.code == 0, run.output
    assert run.result["changed"] is True
    assert not os.path.exists(where["path"])
    assert project.run([acquire(where, boot_id="another")]).code == 0
    before = journal_of(where)
    refused(project.run([acquire(where, "run-2")], "--check"), "busy")
    looked = project.run([task(where, "take_over", owner={"run": "run-2", "app": "shop"})], "--check")
    assert looked.result["answer"]["taken"] is False
    assert journal_of(where) == before


def test_info_shows_all_in_short_and_one_with_its_history(project: Playbook, where: dict[str, t.Any]) -> None:
    info = f"{JOURNAL}_info"
    assert project.run([acquire(where)]).code == 0
    before = journal_of(where)
    for key, history in (({}, None), ({"key": KEY}, 1)):
        run = project.run([{info: {**where, **key}, "register": "result"}])
        assert run.code == 0, run.output
        (known,) = run.result["journals"]
        assert (known["key"], known["state"], known["lock"]["owner"]["run"]) == (KEY, "Progressing", "run-1")
        assert ("releases" in known and len(known["releases"])) == (history or False)
        assert run.result["changed"] is False
    assert journal_of(where) == before


def test_a_machine_that_is_lost_is_a_failure_that_rescue_sees(
    lab: sshd.SshMachines, project: Playbook, tmp_path: Path
) -> None:
    there = {"path": str(tmp_path / "journal"), "machine": "lb1"}
    lab.lose("lb1")
    try:
        rescued = {"block": [task(there, "read")], "rescue": [{"debug": {"msg": "rescue ran"}}]}
        run = project.run([rescued])
    finally:
        lab.revive("lb1")
    assert "rescue ran" in run.output
    assert refused(run, "unreachable").startswith("the journal's machine was lost: lb1: ")


def test_a_journal_that_cannot_be_used_is_one_sentence(project: Playbook, where: dict[str, t.Any]) -> None:
    Path(where["path"]).write_text("precious")
    for verb, key in (("check", None), ("read", KEY)):
        run = project.run([task(where, verb, key)])
        assert f"the journal {where['path']} is not a folder" in refused(run, "unreachable")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ttl": "soon"}, "'soon' is not a duration"),
        ({"ttl": "0"}, "ttl is 0"),
        ({"machine": "lb9"}, "the machine lb9 is not in the inventory"),
        ({"store": "s3"}, "value of store must be one of: file"),
        ({"verb": "erase"}, "value of verb must be one of"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    project: Playbook, tmp_path: Path, options: dict[str, str], sentence: str
) -> None:
    run = project.run([{JOURNAL: {"path": str(tmp_path / "j"), "verb": "check", **options}, "register": "result"}])
    assert run.result["failed"]
    assert re.search(re.escape(sentence), run.result["msg"])
    assert "Traceback" not in run.output + run.lines


def test_become_is_refused_where_it_would_do_nothing(project: Playbook, tmp_path: Path) -> None:
    run = project.run([{**task({"path": str(tmp_path / "j")}, "check", None), "become": True}])
    assert "where become does nothing" in refused(run, "refused")


def project_beside(project: Playbook) -> Playbook:
    """Return another project with the same machines, for a run beside the one that runs."""
    folder = project.folder / "beside"
    folder.mkdir()
    return Playbook(folder, project.machines)
