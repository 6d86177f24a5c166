# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes at one release: one holds it, the others are told, wait, command or take over; none writes late."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab.hosts.killing import Ground, Run
from tests.lab.hosts.world import ENVIRONMENT, World

PATIENCE = 60.0
# A gate that can never decide: it holds each step until an operator does.
HELD = {
    "release_steps": [10, 50, 100],
    "release_gate": {
        "preset": "http",
        "source": {"haproxy": {}},
        "initial_delay": "0",
        "min_duration": "0",
        "min_step_duration": "0",
        "max_duration": "2s",
        "min_requests": 1000000,
    },
}
HOLD = ("-e", json.dumps(HELD))
BAKE = ("-e", "release_bake_time=10m")
RESUME = {
    "name": "Put back what a dead run left",
    "zerodowntime.bluegreen.traffic_shift": {
        "state": "{{ state }}",
        "traffic": "{{ release_traffic }}",
        "journal": "{{ release_journal }}",
        "key": "KEY",
        "run": "by-hand",
    },
}


def needs_haproxy() -> None:
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin"):
        pytest.skip("needs haproxy")


@pytest.fixture(scope="module")
def quick() -> Iterator[Ground]:
    """Both slots run all the time, and a release takes seconds."""
    needs_haproxy()
    with Ground() as ground:
        yield ground


@pytest.fixture(scope="module")
def real() -> Iterator[World]:
    """Slots that are started and stopped by a user's own tasks."""
    needs_haproxy()
    with World(variables={"release_steps": [50, 100], "release_bake_time": "0"}) as world:
        for revision in ("v1", "v2", "v3", "v4"):
            world.build(revision)
        assert world.run("deploy", "-e", "release_revision=v1") == 0
        yield world


def until(true: Callable[[], t.Any], what: str, seconds: float = PATIENCE) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.05)


def at(run: Run, moment: str) -> Run:
    """Return the run when the moment has come."""
    for name in run.sights.until(PATIENCE, run.ended):
        if name == moment:
            return run
    raise AssertionError(f"it never came to {moment!r}:\n{run.log.read_text()}")


def baking(ground: Ground, *options: str) -> Run:
    """Start a release and return it when it has all the traffic and bakes."""
    return at(ground.deploy(False, *BAKE, *options), "done 2")


def playbook(ground: World, name: str, *options: str) -> tuple[int, str]:
    said: list[str] = []
    status = ground.run(name, *options, say=said.append)
    return status, "\n".join(said)


def entries(ground: Ground) -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", ground.release()["entries"])


def end(ground: Ground, run: Run) -> None:
    """End a release that a test has only begun."""
    assert playbook(ground, "abort")[0] == 0
    run.end()


# ---- one winner


def test_of_two_controllers_at_once_one_releases_and_the_other_is_told_who_holds_it(quick: Ground) -> None:
    before = len((quick.document() or {})["releases"])
    runs = [quick.deploy(), quick.deploy()]
    statuses = [run.end() for run in runs]
    assert sorted(status == 0 for status in statuses) == [False, True], [run.log.read_text() for run in runs]
    loser = runs[0 if statuses[0] else 1]
    winner = runs[1 if statuses[0] else 0]
    assert "is held by run" in loser.log.read_text()
    document = t.cast("dict[str, t.Any]", quick.document())
    assert len(document["releases"]) == before + 1
    assert (quick.release()["revision"], quick.release()["outcome"]) == (winner.revision, "Promoted")


def test_a_write_that_lands_after_the_restore_is_refused(quick: Ground) -> None:
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.journal import forward_number
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._haproxy.driver import HAProxyTraffic

    run = at(quick.deploy(False, *BAKE), "done 1")
    fence = forward_number(t.cast("dict[str, t.Any]", quick.document())["fence"])
    end(quick, run)
    options = {"persist": True, "timeout": 5.0, **quick.balancers[0].options}
    canary = quick.release()["canary"]
    late = {"weights": {"blue": 50, "green": 50}, "expect": run.recorded, "fence": fence}
    with pytest.raises(Refused, match="a newer writer was here"):
        _traffic.move(HAProxyTraffic(options), late)
    assert t.cast("dict[str, int]", quick.live()[0])[canary] == 0


def test_of_two_takers_of_an_expired_lock_one_takes_it(quick: Ground) -> None:
    run = at(quick.deploy(False, *BAKE), "done 1")
    run.kill("both", signal.SIGKILL)
    run.end()
    takers = [quick.start("resume"), quick.start("resume")]
    said = [taker.communicate(timeout=PATIENCE)[0] for taker in takers]
    assert [entry["kind"] for entry in entries(quick)].count("taken_over") == 1, said
    assert any(taker.returncode == 0 for taker in takers), said
    assert (quick.release()["outcome"], (quick.document() or {})["lock"]) == ("RolledBack", None), said


def test_a_run_that_was_stopped_past_its_ttl_writes_nothing_when_it_goes_on(quick: Ground) -> None:
    run = baking(quick)
    time.sleep(1)  # it is to sleep, not to hold the lock of the journal's file
    processes = [run.process.pid, *run.workers]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: quick.live()[0] == run.recorded, "the lease puts the traffic back")
    status, said = playbook(quick, "resume")
    assert status == 0, said
    assert "silent for" in said, f"{quick.document()}\n{run.log.read_text()}"
    entry, map_then = quick.release()["entry"], quick.balancers[0].map.read_bytes()
    for pid in processes:
        os.kill(pid, signal.SIGCONT)
    assert run.end() != 0
    assert (quick.release()["outcome"], quick.release()["entry"]) == ("RolledBack", entry), run.log.read_text()
    assert quick.balancers[0].map.read_bytes() == map_then
    assert "took it over with resume" in run.log.read_text()


def test_resume_without_the_journal_fails_in_its_sentence(quick: Ground) -> None:
    (journal,) = (quick.folder / "journal").glob("*.json")
    content = journal.read_bytes()
    journal.write_text("torn")
    try:
        status, said = playbook(quick, "resume")
    finally:
        journal.write_bytes(content)
    assert status != 0
    assert "is not a journal" in said


def test_resume_of_a_living_run_says_so_and_touches_nothing(quick: Ground) -> None:
    run = baking(quick)
    live = quick.live()
    status, said = playbook(quick, "resume")
    assert status != 0
    assert "its run is alive" in said
    assert quick.live() == live
    end(quick, run)


# ---- commands


def test_abort_from_another_process_ends_a_staging(quick: Ground) -> None:
    slow = quick.folder / "slow.yml"
    slow.write_text("- name: Start slowly\n  ansible.builtin.command: sleep 300\n")
    run = at(quick.deploy(False, "-e", f"release_hosts_start={slow}"), "hook_begun start")
    status, said = playbook(quick, "abort", "-e", "release_reason=unwanted")
    assert status == 0, said
    assert run.end() != 0
    assert quick.live()[0] == run.recorded
    assert (quick.release()["outcome"], (quick.document() or {})["lock"]) == ("Aborted", None)
    assert "unwanted" in run.log.read_text()


def test_abort_from_another_process_ends_a_bake_at_100_percent(quick: Ground) -> None:
    run = baking(quick)
    status, said = playbook(quick, "abort")
    assert status == 0, said
    assert run.end() != 0
    assert (quick.release()["outcome"], quick.live()[0]) == ("Aborted", run.recorded)


def test_abort_of_what_is_promoted_is_refused_and_names_rollback(quick: Ground) -> None:
    assert quick.deploy().end() == 0
    live = quick.live()
    status, said = playbook(quick, "abort")
    assert status != 0
    assert "run rollback" in said
    assert quick.live() == live


def held(ground: Ground) -> Run:
    """Start a release and return it when it is paused at its first step."""
    run = ground.deploy(False, *HOLD)
    until(lambda: ground.release()["revision"] == run.revision and paused(ground, 1), "paused at step 1")
    return run


def paused(ground: Ground, step: int) -> bool:
    release = ground.release()
    return (release["phase"], release["step"]) == ("Paused", step)


def test_abort_from_another_process_ends_a_step(quick: Ground) -> None:
    run = held(quick)
    status, said = playbook(quick, "abort")
    assert status == 0, said
    assert run.end() != 0
    assert (quick.release()["outcome"], quick.live()[0]) == ("Aborted", run.recorded)


def test_promote_counts_once_and_only_for_the_step_it_names(quick: Ground) -> None:
    run = held(quick)
    both = [quick.start("promote", "-e", "release_step=1") for _number in range(2)]
    for promote in both:
        promote.communicate(timeout=PATIENCE)
    assert any(promote.returncode == 0 for promote in both)
    until(lambda: paused(quick, 2), "paused at step 2")
    status, said = playbook(quick, "promote", "-e", "release_step=1")
    assert status != 0, said
    assert "was meant for step 1" in said
    time.sleep(3)
    assert paused(quick, 2)
    end(quick, run)


def test_pause_from_another_process_holds_a_bake_until_promote(quick: Ground) -> None:
    run = at(quick.deploy(False, "-e", "release_bake_time=4s"), "done 2")
    status, said = playbook(quick, "pause", "-e", "release_reason=lunch")
    assert status == 0, said
    assert quick.release()["phase"] == "Paused"
    time.sleep(5)
    assert not run.ended()
    status, said = playbook(quick, "promote")
    assert status == 0, said
    assert run.end() == 0
    assert "pause by" in run.log.read_text() and "lunch" in run.log.read_text()
    assert quick.release()["outcome"] == "Promoted"


def test_retry_releases_again_what_was_aborted_and_nothing_else(quick: Ground) -> None:
    run = baking(quick)
    end(quick, run)
    status, said = playbook(quick, "retry", "-e", "release_revision=another")
    assert status != 0
    assert f"retry releases {run.revision} again" in said
    status, said = playbook(quick, "retry", "-e", "release_revision=")  # as a survey sends what was left empty
    assert status == 0, said
    assert (quick.release()["revision"], quick.release()["outcome"]) == (run.revision, "Promoted")
    status, said = playbook(quick, "retry")
    assert status != 0
    assert "there is nothing to retry" in said


def test_the_steps_that_the_gate_chooses_are_journaled(quick: Ground) -> None:
    auto = json.dumps({**HELD, "release_steps": "auto"})
    run = quick.deploy(False, "-e", auto)
    until(lambda: quick.release()["revision"] == run.revision and paused(quick, 1), "paused at step 1")
    assert quick.release()["steps"] == [10, 25, 50, 100]
    end(quick, run)
    assert "the gate will take" in run.log.read_text()


def test_traffic_shift_resumes_by_itself_what_a_dead_run_left(quick: Ground) -> None:
    run = at(quick.deploy(False, *BAKE), "done 1")
    tasks = yaml.safe_dump([{"hosts": ENVIRONMENT, "gather_facts": False, "tasks": [RESUME]}])
    (quick.folder / "shift.yml").write_text(tasks.replace("KEY", quick.document()["key"]))  # type: ignore[index]
    command = ["ansible-playbook", "-i", "inventory.yml", "shift.yml"]

    def resume(state: str = "resume") -> subprocess.CompletedProcess[str]:
        where = {"cwd": quick.folder, "env": quick.environment()}
        words = [*command, "-e", f"state={state}"]
        return subprocess.run(words, **where, capture_output=True, text=True, timeout=PATIENCE, check=False)

    # As --start-at-task would have it.
    without_lock = resume("shifted")
    assert without_lock.returncode != 0
    assert "run by-hand no longer has the lock" in without_lock.stdout
    alive = resume()
    assert alive.returncode != 0
    assert "its run is alive" in alive.stdout
    run.kill("both", signal.SIGKILL)
    run.end()
    assert resume().returncode == 0
    assert (quick.release()["outcome"], quick.live()[0]) == ("RolledBack", run.recorded)
    assert (quick.document() or {})["lock"] is None


# ---- hooks


def hooks(**files: Path) -> tuple[str, str]:
    return "-e", json.dumps({"release_hooks": {moment: str(file) for moment, file in files.items()}})


def hook(ground: Ground, name: str, *tasks: dict[str, t.Any]) -> Path:
    file = ground.folder / f"{name}.yml"
    file.write_text(yaml.safe_dump(list(tasks)))
    return file


def announcing(ground: Ground) -> Path:
    """Return a hook that keeps what it is told, as one that sends it to people would."""
    kept = {"dest": str(ground.folder / "announced.json"), "content": "{{ release_result | to_json }}"}
    return hook(ground, "announce", {"name": "Announce", "ansible.builtin.copy": {**kept, "mode": "0600"}})


def announced(ground: Ground) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((ground.folder / "announced.json").read_text()))


def test_a_release_that_fails_leaves_a_diagnosis_in_its_report_and_is_announced(quick: Ground) -> None:
    failing = hook(quick, "failing", {"name": "Start", "ansible.builtin.fail": {"msg": "no room"}})
    word = {"name": "Look", "ansible.builtin.command": "seq 20000", "changed_when": False}
    secret = {"name": "Ask", "ansible.builtin.command": "echo kept-from-view", "no_log": True}
    options = {"release_hosts_start": failing, "release_hosts_diagnose": hook(quick, "diagnose", word, secret)}
    run = quick.deploy(
        False, "-e", json.dumps({n: str(p) for n, p in options.items()}), *hooks(after_report=announcing(quick))
    )
    assert run.end() != 0
    report = quick.report(run.revision)
    assert report and report["failure"].endswith("'Start' failed: no room")
    log = Path(report["diagnosis"]).read_text()
    assert "blue1: Look\n" in log or "green1: Look\n" in log
    assert "\n20000\n" in log and "characters before]" in log and len(log) < 20000
    assert "hidden by no_log" in log and "kept-from-view" not in log
    assert "20000" not in json.dumps(quick.document()), "logs go into the folder of reports, not into the journal"
    told = announced(quick)
    assert (told["outcome"], told["failure"]) == ("RolledBack", report["failure"])
    metrics = (quick.folder / "reports" / f"{ENVIRONMENT}.prom").read_text()
    assert f'zerodowntime_release_info{{app="shop",environment="{ENVIRONMENT}",revision="{run.revision}"' in metrics


def test_a_secret_is_on_no_screen_and_in_no_journal_report_or_file_of_a_release(quick: Ground) -> None:
    secret = "kept-out-of-sight"
    nobody = {"url": "http://127.0.0.1:9", "username": "u", "password": f"{secret}-1"}
    gate: dict[str, t.Any] = {
        "source": {
            "http": {
                "url": f"{quick.balancers[0].url}/",
                "headers": {"X-Release-Slot": "$slot", "X-Token": f"{secret}-2"},
            }
        },
        "initial_delay": "0",
        "interval": "0.5s",
        "min_duration": "0",
        "min_step_duration": "0",
        "max_duration": "2s",
        "on_inconclusive": "rollback",
    }
    variables = {
        "release_gate": gate,
        "release_certificate": {"headers": {"Authorization": f"Bearer {secret}-3"}},
        "release_steps": [50, 100],
        "release_force": True,
        "release_reason": "the gate has no traffic to reckon with",
    }
    watch = [{"alertmanager": {**nobody, "labels": {"a": "b"}, "headers": {"X-Token": f"{secret}-4"}}}]
    watched = {**variables, "release_gate": {**gate, "watch": watch}}
    refused = quick.deploy(False, "-vvv", "-e", json.dumps(watched))
    assert refused.end() != 0
    assert "Alertmanager at http://127.0.0.1:9: connection refused" in refused.log.read_text()
    run = quick.deploy(False, "-vvv", "-e", json.dumps(variables), *hooks(after_report=announcing(quick)))
    assert run.end() != 0
    assert (quick.release()["revision"], quick.release()["outcome"]) == (run.revision, "RolledBack")
    kept = [path for path in quick.folder.rglob("*") if path.is_file() and secret in path.read_text("latin-1")]
    assert kept == []


def test_a_freeze_stops_a_deploy_and_neither_abort_nor_rollback(quick: Ground) -> None:
    frozen = {"name": "Freeze", "ansible.builtin.fail": {"msg": "no releases until Monday"}}
    freeze = hooks(before_stage=hook(quick, "freeze", frozen))
    assert quick.deploy().end() == 0
    before = next(known for known in quick.release()["undo"])["weights"]
    status, said = playbook(quick, "rollback", *freeze)
    assert status == 0, said
    assert quick.live()[0] == before
    run = baking(quick)
    status, said = playbook(quick, "abort", *freeze)
    assert status == 0, said
    assert (run.end() != 0, quick.live()[0]) == (True, before)
    stopped = quick.deploy(False, *freeze)
    assert stopped.end() != 0
    assert "no releases until Monday" in stopped.log.read_text()
    assert quick.live()[0] == before
    assert "intent" not in [entry["kind"] for entry in entries(quick)]


def test_once_the_data_were_contracted_a_rollback_needs_force(quick: Ground) -> None:
    contract = {"name": "Contract", "ansible.builtin.debug": {"msg": "columns dropped"}}
    assert quick.deploy(False, *hooks(after_rollback_window=hook(quick, "contract", contract))).end() == 0
    live = quick.live()
    told = [(entry["kind"], entry["hook"]) for entry in entries(quick) if "hook" in entry][-2:]
    assert told == [("hook_begun", "after_rollback_window"), ("hook_ended", "after_rollback_window")]
    status, said = playbook(quick, "rollback")
    assert status != 0
    assert "The hook after_rollback_window has run" in said
    assert quick.live() == live
    status, said = playbook(quick, "rollback", "-e", "release_force=true", "-e", "release_reason=restored a backup")
    assert status == 0, said
    assert quick.live() != live


# ---- long requests


@pytest.mark.parametrize("cut", [True, False])
def test_requests_that_outlast_the_drain_are_cut_off_and_counted_only_when_that_is_asked(
    quick: Ground, cut: bool
) -> None:
    url = f"{quick.balancers[0].url}/slow?seconds=20"
    slow = subprocess.Popen(["curl", "-s", "-o", "/dev/null", url])
    try:
        time.sleep(0.5)
        run = quick.deploy(False, "-e", "release_drain_timeout=1s", "-e", f"release_cut={cut}")
        assert run.end() == 0
        assert slow.poll() is None, "the release took longer than the request"
    finally:
        slow.kill()
        slow.wait()
    retired = any(str(entry.get("msg")).endswith(" retired") for entry in entries(quick))
    assert (retired, (quick.report(run.revision) or {})["cut"] > 0) == (cut, cut)
    assert f": {'they are cut off' if cut else 'the slot stays until they are gone'}\n" in run.log.read_text()


# ---- a second deploy


def test_a_second_deploy_fails_at_once_when_that_is_asked(quick: Ground) -> None:
    run = baking(quick)
    second = quick.deploy()
    assert second.end() != 0
    assert "is held by run" in second.log.read_text()
    assert "Nothing was touched: wait for its end, or run status, or abort" in second.log.read_text()
    assert quick.release()["revision"] == run.revision
    end(quick, run)


def test_a_second_deploy_waits_when_that_is_asked(quick: Ground) -> None:
    first = at(quick.deploy(False, "-e", "release_bake_time=8s"), "done 2")
    second = quick.deploy(False, "-e", "release_on_busy=wait")
    assert (first.end(), second.end()) == (0, 0), second.log.read_text()
    document = t.cast("dict[str, t.Any]", quick.document())
    last = [(known["revision"], known["outcome"]) for known in document["releases"][-2:]]
    assert last == [(first.revision, "Promoted"), (second.revision, "Promoted")]


def test_a_second_deploy_aborts_the_first_when_that_is_asked(quick: Ground) -> None:
    first = baking(quick)
    second = quick.deploy(False, "-e", "release_on_busy=abort_first")
    assert first.end() != 0
    assert second.end() == 0, second.log.read_text()
    document = t.cast("dict[str, t.Any]", quick.document())
    last = [(known["revision"], known["outcome"]) for known in document["releases"][-2:]]
    assert last == [(first.revision, "Aborted"), (second.revision, "Promoted")]


# ---- check mode


def changes(said: str) -> list[tuple[str, str, str]]:
    """Return what a diff shows, one change of one line each: what of, before, after."""
    return re.findall(r"^--- before: (.*)\n\+\+\+ after: .*\n@@ .*\n-(.*)\n\+(.*)$", said, re.M)


def test_check_mode_says_all_that_a_deploy_then_does_and_does_nothing(real: World) -> None:
    before, version = serving(real), revision(real)
    canary = "green" if before == "blue" else "blue"
    asked = ("-e", "release_revision=v4", "-e", "release_steps=25,100")
    journal = [path.read_bytes() for path in sorted((real.folder / "journal").iterdir())]
    map_then = real.balancer.map.read_bytes()
    status, said = playbook(real, "deploy", "--check", "--diff", *asked)
    assert (status, real.balancer.map.read_bytes()) == (0, map_then), said
    assert [path.read_bytes() for path in sorted((real.folder / "journal").iterdir())] == journal
    assert not running(real, canary)

    def split(percent: int) -> str:
        weights = {before: 100 - percent, canary: percent}
        return f"blue {weights['blue']} / green {weights['green']}"

    told = changes(said)
    assert told == [
        (f"{canary} of shop", "nothing", "v4"),
        ("traffic of shop", split(0), split(25)),
        ("traffic of shop", split(25), split(100)),
        (f"{before} of shop", version, "nothing"),
    ]
    assert real.run("deploy", *asked) == 0
    report = t.cast("dict[str, t.Any]", real.report("v4"))
    done = [f"blue {step['blue']} / green {step['green']}" for step in report["steps"]]
    assert done == [after for of, _was, after in told if of.startswith("traffic")]
    assert (revision(real), running(real, canary), running(real, before)) == ("v4", True, False)
    status, said = playbook(real, "deploy", "--check", "--diff", *asked)
    assert (status, changes(said)) == (0, []), said
    assert "v4 already serves" in said and "changed=0" in said


# ---- rollback, sweep, status


def serving(world: World) -> str:
    """Return the slot with all the traffic."""
    return next(slot for slot, percent in world.weights().items() if percent == 100)


def running(world: World, slot: str) -> bool:
    return (world.folder / "machines" / f"{slot}1" / "shop.pid").exists()


def revision(world: World) -> str:
    """Return what the front door answers with."""
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%header{x-version}", world.balancer.url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_rollback_within_the_window_is_one_switch_and_the_second_one_changes_nothing(real: World) -> None:
    before = serving(real)
    assert real.run("deploy", "-e", "release_revision=v2", "-e", "release_rollback_window=1h") == 0
    assert running(real, before)
    assert real.run("rollback") == 0
    assert serving(real) == before
    map_then = real.balancer.map.read_bytes()
    assert real.run("rollback") == 0
    assert real.balancer.map.read_bytes() == map_then


def test_rollback_after_the_window_stages_the_recorded_revision_again(real: World) -> None:
    before, version = serving(real), revision(real)
    assert real.run("deploy", "-e", "release_revision=v3") == 0
    assert not running(real, before)
    assert revision(real) == "v3"
    status, said = playbook(real, "rollback")
    assert status == 0, said
    assert (serving(real), revision(real)) == (before, version)


def test_sweep_retires_the_old_slot_when_its_window_is_over_and_not_before(real: World) -> None:
    before = serving(real)
    assert real.run("deploy", "-e", "release_revision=v2", "-e", "release_rollback_window=20s") == 0
    assert running(real, before)
    assert real.run("sweep") == 0
    assert running(real, before)
    time.sleep(20)
    assert real.run("sweep") == 0
    assert not running(real, before)
    assert serving(real) != before


def test_resume_takes_down_what_an_interrupted_staging_has_started(real: World) -> None:
    before, canary = serving(real), next(slot for slot, percent in real.weights().items() if percent == 0)
    run = real.start("deploy", "-e", "release_revision=v3")
    until(lambda: running(real, canary), "the canary is started")
    run.kill()
    run.communicate(timeout=PATIENCE)
    status, said = playbook(real, "resume")
    assert status == 0, said
    assert not running(real, canary)
    assert serving(real) == before
    assert "Healthy (RolledBack)" in said


def test_sweep_ends_what_a_dead_run_left_behind_and_announces_it(quick: Ground) -> None:
    run = at(quick.deploy(False, *BAKE), "done 1")
    run.kill("both", signal.SIGKILL)
    run.end()
    status, said = playbook(quick, "sweep", *hooks(after_report=announcing(quick)))
    assert status == 0, said
    assert (quick.release()["outcome"], quick.live()[0]) == ("RolledBack", run.recorded)
    assert announced(quick)["revision"] == run.revision
    assert (announced(quick)["outcome"], announced(quick)["failure"]) == ("RolledBack", "sweep")


def test_sweep_reports_what_is_degraded_and_touches_nothing(quick: Ground) -> None:
    run = baking(quick)
    foreign = {"blue": 70, "green": 30}
    lb = quick.balancers[0]
    text = f"{foreign['blue']}:{foreign['green']}:{lb.map.read_text().split(':')[-1].strip()}"
    lb.map.write_text(f"shop {text}\n")
    lb.ask(f"set map {lb.map} shop {text}")
    assert run.end() != 0
    status, said = playbook(quick, "sweep")
    assert status == 0, said
    assert f"release {quick.release()['id']} ({run.revision}) of {ENVIRONMENT} is Degraded since" in said
    assert "rollback --limit" in said and "release_force=true" in said
    assert (quick.live()[0], quick.release()["phase"]) == (foreign, "Degraded")
    status, said = playbook(quick, "rollback", "-e", "release_force=true", "-e", "release_reason=ours")
    assert status == 0, said
    assert quick.live()[0] == run.recorded


def test_status_lists_all_that_was_made_and_where_it_is(quick: Ground) -> None:
    status, said = playbook(quick, "status", "-e", "release_owned=true", "-e", f"release_report={quick.folder}/reports")
    assert status == 0, said
    listed = [line.split("] owned     ")[1] for line in said.splitlines() if "] owned " in line]
    map_file = quick.balancers[0].map
    value = next(line for line in map_file.read_text().splitlines() if line.startswith("shop "))
    assert f"traffic: map entry {map_file} in HAProxy's process ({value})" in listed
    assert f"traffic: line {map_file} ({value})" in listed
    files = {line.split()[2] for line in listed if line.split()[1] == "file"}
    counts = {str(path) for path in (quick.folder / "tmp").glob(f"zerodowntime-{ENVIRONMENT}-*.json")}  # of dead runs
    beside = {str(path) for path in map_file.parent.iterdir() if path.name.startswith((".zd-", "zerodowntime.map."))}
    journals = {str(path) for path in (quick.folder / "journal").iterdir()}
    reports = {str(path) for path in (quick.folder / "reports").iterdir()}
    assert journals and reports
    assert files == beside | journals | reports | counts


def test_status_needs_no_journal(quick: Ground) -> None:
    journal, aside = quick.folder / "journal", quick.folder / "aside"
    journal.rename(aside)
    try:
        status, said = playbook(quick, "status")
    finally:
        if journal.exists():
            shutil.rmtree(journal)
        Path(aside).rename(journal)
    assert status == 0, said
    live = t.cast("dict[str, int]", quick.live()[0])
    assert f"traffic   blue {live['blue']} / green {live['green']}" in said
    assert "never released" in said


# ---- adopt


def test_adopt_shows_then_makes_and_journals_what_a_driver_needs(quick: Ground) -> None:
    map_file, journal = quick.balancers[0].map, quick.folder / "journal"
    before, journals = map_file.read_text(), set(journal.iterdir())
    till = {**quick.balancers[0].options, "key": "till"}
    other = ("-e", json.dumps({"release_traffic": {"haproxy_traffic": till}, "release_serving": "blue"}))
    status, said = playbook(quick, "adopt", *other)
    assert status == 0, said
    assert "not adopted yet; run adopt again with -e release_confirm=true" in said
    assert (map_file.read_text(), set(journal.iterdir())) == (before, journals)
    status, said = playbook(quick, "adopt", *other, "-e", "release_confirm=true")
    assert status == 0, said
    assert map_file.read_text() == f"{before}till 100:0:0\n"
    (made,) = (path for path in set(journal.iterdir()) - journals if path.suffix == ".json")
    (release,) = json.loads(made.read_text())["releases"]
    assert (release["stable"], release["outcome"]) == ("blue", "Promoted")
    (adopted,) = (entry for entry in release["entries"] if entry.get("msg") == "adopted")
    assert "has no entry 'till'" in adopted["found"]["here"]
    assert [(thing["kind"], thing["about"]) for thing in adopted["made"]] == [
        ("map entry", "till 100:0:0"),
        ("line", "till 100:0:0"),
    ]
    status, said = playbook(quick, "adopt", *other, "-e", "release_confirm=true")
    assert (status, map_file.read_text()) == (0, f"{before}till 100:0:0\n"), said
