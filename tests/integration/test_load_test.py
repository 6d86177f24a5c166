# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(load_test) in real plays: within a task, beside a play, and on another machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
import typing as t
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import sshd
from tests.lab.hosts.demo import DemoApp
from tests.lab.hosts.playbook import Playbook, Run

HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture
def app() -> Iterator[DemoApp]:
    with DemoApp("v1", "--slot", "blue", "--stop-grace", "0.2") as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Playbook:
    return Playbook(tmp_path, {"lb1": HERE})


@pytest.fixture(scope="module")
def lab() -> Iterator[sshd.SshMachines]:
    if why := sshd.missing():
        pytest.skip(why)
    with sshd.SshMachines(["far1"]) as machines:
        yield machines


def task(register: str = "result", **options: t.Any) -> dict[str, t.Any]:
    return {"zerodowntime.bluegreen.load_test": options, "register": register}


def load(project: Playbook, *words: str, **options: t.Any) -> Run:
    return project.run([task(**options)], *words)


def eventually(what: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("machine", [None, "lb1"])
def test_a_run_returns_the_certificate_and_shows_it(project: Playbook, app: DemoApp, machine: str | None) -> None:
    options = {"machine": machine} if machine else {}
    run = load(project, url=app.url, header="X-Version", rate=100, duration="3s", post_path="/", **options)
    assert run.code == 0, run.output
    assert run.result["requests"] == run.result["revisions"]["v1"]["requests"] >= 250
    assert (run.result["dropped"], run.result["errors"], run.result["complete"]) == (0, 0, True)
    assert run.result["msg"] in run.lines
    assert "[shop] revision  requests" in run.lines
    assert not run.result["changed"]


def test_a_run_in_this_process_says_how_it_goes(project: Playbook, app: DemoApp) -> None:
    run = load(project, url=app.url, rate=20, duration="2500ms")
    assert "[shop] load test: " in run.lines
    assert "s left" in run.lines


@pytest.mark.parametrize("machine", [None, "lb1"])
def test_a_dropped_request_fails_a_run_with_its_numbers(project: Playbook, app: DemoApp, machine: str | None) -> None:
    options = {"machine": machine} if machine else {}
    app.fault('{"reset": 3}')
    run = load(project, url=app.url, header="X-Version", rate=50, duration="500ms", **options)
    assert run.code == 2
    assert run.result["dropped_by_kind"]["reset"] == 3
    assert "3 dropped (3 reset)" in run.result["msg"]
    assert "The first: reset after 0" in run.result["msg"]
    app.fault('{"reset": 3}')
    run = load(project, url=app.url, rate=50, duration="500ms", fail_on_dropped=False, **options)
    assert (run.code, run.result["dropped"]) == (0, 3)


def test_a_threshold_is_an_alarm_and_fails_only_when_asked_to(project: Playbook, app: DemoApp) -> None:
    app.fault('{"error_rate": 1, "latency": 0.05}')
    limits = {"max_error_rate": 0.05, "max_p95": "20ms"}
    options = {"url": app.url, "header": "X-Version", "rate": 50, "duration": "1s", **limits}
    run = load(project, **options)
    assert run.code == 0
    assert [words.split(" ")[1] for words in run.result["alarms"]] == ["error", "p95"]
    run = load(project, **options, fail_on_alarm=True)
    assert run.code == 2
    assert "error rate 100 %" in run.result["msg"]


@pytest.mark.parametrize("machine", [None, "lb1"])
def test_a_load_beside_a_play_is_started_once_and_returns_what_it_counted(
    project: Playbook, app: DemoApp, tmp_path: Path, machine: str | None
) -> None:
    where = {"machine": machine} if machine else {}
    report = str(tmp_path / "report.json")
    start = {"state": "started", "url": app.url, "header": "X-Version", "rate": 50, "report": report, **where}
    run = project.run(
        [
            task("first", **start),
            task("second", **start),
            {"ansible.builtin.pause": {"seconds": 1}},
            task("third", state="finished", report=report, **where),
            task("fourth", state="finished", report=report, **where),
            {
                "ansible.builtin.set_fact": {
                    "result": {name: f"{{{{ {name} }}}}" for name in ("first", "second", "third", "fourth")}
                }
            },
        ]
    )
    assert run.code == 0, run.output
    tasks = [run.result[name] for name in ("first", "second", "third", "fourth")]
    assert [one["changed"] for one in tasks] == [True, False, True, False]
    assert tasks[0]["pid"] == tasks[1]["pid"]
    assert tasks[2]["requests"] == tasks[3]["requests"] >= 40
    assert (tasks[2]["dropped"], tasks[2]["complete"]) == (0, True)
    assert gone(tasks[0]["pid"])
    assert [name.name for name in tmp_path.glob("report.json*")] == ["report.json"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_by_itself_when_the_controller_dies(
    project: Playbook, app: DemoApp, tmp_path: Path, number: signal.Signals
) -> None:
    report = tmp_path / "report.json"
    controller = project.start(
        [
            task(state="started", url=app.url, header="X-Version", rate=50, report=str(report)),
            {"ansible.builtin.pause": {"seconds": 8}},
        ]
    )
    eventually(lambda: report.exists() and json.loads(report.read_text())["requests"] > 20, 20)
    pid = json.loads(report.read_text())["pid"]
    controller.send_signal(number)
    controller.wait(10)
    eventually(lambda: gone(pid), 3)
    found = json.loads(report.read_text())
    assert (found["state"], found["dropped"]) == ("finished", 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(controller.pid, signal.SIGKILL)  # what the controller left behind
    for pipe in (controller.stdout, controller.stderr):
        t.cast(t.IO[str], pipe).close()


def test_a_run_stops_sending_when_the_controller_is_killed(project: Playbook, app: DemoApp) -> None:
    def answered() -> float:
        with urllib.request.urlopen(app.url + "metrics", timeout=5) as answer:
            counts = re.findall(rb"^http_requests_total.* (\d+)$", answer.read(), re.M)
        return sum(map(int, counts))

    controller = project.start([task(url=app.url, rate=50, duration="10s")])
    eventually(lambda: answered() > 20, 20)
    controller.kill()
    controller.wait(10)
    time.sleep(0.5)
    before = answered()
    time.sleep(0.5)
    assert answered() == before
    for pipe in (controller.stdout, controller.stderr):
        t.cast(t.IO[str], pipe).close()


def test_a_load_from_a_machine_over_ssh_outlives_its_connection(
    lab: sshd.SshMachines, app: DemoApp, tmp_path: Path
) -> None:
    project = Playbook(tmp_path, lab.inventory())
    report = str(tmp_path / "far.json")
    began = time.monotonic()
    options = {"url": app.url, "header": "X-Version", "rate": 50, "max_duration": "1m"}
    started = load(project, state="started", machine="far1", report=report, **options)
    assert started.code == 0, started.output
    assert time.monotonic() - began < 20  # ssh does not wait for a process that holds its pipes
    time.sleep(1)
    ended = load(project, state="finished", machine="far1", report=report)
    assert ended.code == 0, ended.output
    assert ended.result["requests"] >= 40
    assert (ended.result["dropped"], ended.result["complete"]) == (0, True)


def test_a_machine_that_is_lost_is_a_failure(lab: sshd.SshMachines, app: DemoApp, tmp_path: Path) -> None:
    project = Playbook(tmp_path, lab.inventory())
    lab.lose("far1")
    try:
        run = load(project, url=app.url, duration="1s", machine="far1")
    finally:
        lab.revive("far1")
    assert run.code == 2
    assert run.result["failed"]
    assert run.result["msg"].startswith("far1: ")


@pytest.mark.parametrize("machine", [None, "lb1"])
def test_check_mode_sends_and_starts_nothing(
    project: Playbook, app: DemoApp, tmp_path: Path, machine: str | None
) -> None:
    where = {"machine": machine} if machine else {}
    report = tmp_path / "report.json"
    assert not load(project, "--check", url=app.url, **where).result["changed"]
    started = load(project, "--check", state="started", url=app.url, report=str(report), **where)
    assert started.result["changed"]
    assert not report.exists()


def test_a_secret_is_shown_nowhere(project: Playbook, app: DemoApp, tmp_path: Path) -> None:
    report = str(tmp_path / "report.json")
    options = {"url": app.url, "authorization": "Bearer planted-canary", "header": "X-Version"}
    outputs = [
        load(project, "-vvv", duration="200ms", **options),
        load(project, "-vvv", duration="200ms", machine="lb1", **options),
        load(project, "-vvv", state="started", report=report, max_duration="1s", **options),
    ]
    for run in outputs:
        assert run.code == 0, run.output
        assert "planted-canary" not in run.output + run.lines
    assert "planted-canary" not in Path(report).read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": -1}, "rate is -1: requests per second"),
        ({"duration": "5 minutes"}, "duration: '5 minutes' is not a duration"),
        ({"max_error_rate": 5}, "max_error_rate is 5: a share from 0 to 1"),
        ({"max_p95": "fast"}, "max_p95: 'fast' is not a duration"),
        ({"post_path": "/", "post_share": 80, "slow_path": "/slow", "slow_share": 30}, "the shares 80, 30 are not"),
        ({"connections": 0}, "connections is 0: at least 1"),
        ({"state": "started"}, "state is started but all of the following are missing: report"),
        ({"state": "finished", "report": "/none/report.json"}, "no report of a load test at /none/report.json"),
        ({"state": "started", "report": "/none/report.json"}, "cannot write the report /none/report.json"),
        ({"state": "started", "report": "r.json", "beside": 4194999}, "there is no process 4194999 to run beside"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    project: Playbook, app: DemoApp, options: dict[str, t.Any], words: str
) -> None:
    run = load(project, **{"url": app.url, **options})
    assert run.code == 2
    assert words in run.result["msg"]
    assert "Traceback" not in run.output + run.lines
