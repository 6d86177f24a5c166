# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load in a process of its own: it writes while it runs, ends when it has to, and leaves its counts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load import report
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.detached import (
    already_running,
    finish,
    order,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.process import identify
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._sender import start_by_subprocess
from scripted_server import Reply, ScriptedServer, answer

Start = Callable[..., int]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that answers everything but every tenth request, which it keeps waiting."""
    with ScriptedServer(lambda number, _: Reply(then="hang") if number % 10 == 0 else Reply(answer())) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "report.json")


@pytest.fixture
def start(server: ScriptedServer, path: str) -> Iterator[Start]:
    """Return a call that starts the load; whatever runs at the end of the test is killed."""
    pids: list[int] = []

    def begin(max_duration: float = 60, beside: int = 0, **options: t.Any) -> int:
        options = {"rate": 50, "timeout": 1.0, "revision": RevisionSource(header="X-Version"), **options}
        pids.append(start_by_subprocess(order(Load(server.url, **options), path, max_duration, beside)))
        return pids[-1]

    yield begin
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def eventually(what: Callable[[], t.Any], seconds: float) -> t.Any:
    """Return C(what()) as soon as it is true; fail after C(seconds)."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def quiet(line: str) -> None:
    raise AssertionError(f"a short wait said {line!r}")


def test_another_process_reads_the_counts_so_far(start: Start, path: str) -> None:
    pid = start()
    first = report.read(path)
    assert (first["state"], first["pid"], first["requests"]) == ("running", pid, 0)
    seen = eventually(lambda: (now := report.read(path))["requests"] >= 40 and now, 5)
    assert seen["revisions"]["v1"].keys() >= {"requests", "errors", "dropped"}


def test_the_end_waits_for_what_is_in_flight_and_counts_every_request(
    start: Start, path: str, server: ScriptedServer
) -> None:
    pid = start()
    time.sleep(0.7)
    found = finish(path, quiet)
    assert found["complete"]
    assert found["requests"] == len(server.requests) >= 20
    assert found["dropped"] == found["dropped_by_kind"]["timeout"] == len(server.requests) // 10
    assert found["unfinished"] == 0
    eventually(lambda: identify(pid) is None, 2)
    assert finish(path, quiet) == found  # a second time changes nothing


def test_it_ends_within_two_seconds_of_the_death_of_the_process_it_runs_beside(start: Start, path: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as controller:
        pid = start(beside=controller.pid, timeout=30.0)
        time.sleep(0.5)
        assert identify(pid)
        controller.kill()  # and not reaped: a zombie is dead
        killed = time.monotonic()
        eventually(lambda: identify(pid) is None, 4)
        assert time.monotonic() - killed < 2.5
    found = report.read(path)
    assert found["state"] == "finished"
    assert found["unfinished"] >= 1
    assert found["dropped"] == 0


def test_it_ends_after_its_longest_duration(start: Start, path: str) -> None:
    pid = start(max_duration=0.5)
    eventually(lambda: identify(pid) is None, 5)
    assert 0.5 <= report.read(path)["seconds"] <= 1.5


def test_sigterm_ends_it_with_a_last_report(start: Start, path: str) -> None:
    pid = start()
    time.sleep(0.5)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: identify(pid) is None, 5)
    assert report.read(path)["state"] == "finished"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_of_a_terminal_do_not_end_it(start: Start, path: str, number: signal.Signals) -> None:
    pid = start()
    os.kill(pid, number)
    time.sleep(0.3)
    assert report.running(report.read(path))


def test_after_a_kill_the_last_report_counts_and_says_that_it_is_not_complete(start: Start, path: str) -> None:
    pid = start()
    eventually(lambda: report.read(path)["requests"], 5)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: identify(pid) is None, 2)
    found = finish(path, quiet)
    assert not found["complete"]
    assert found["requests"] >= 1


def test_a_load_that_runs_is_found_and_another_one_to_the_same_report_refused(
    start: Start, path: str, server: ScriptedServer
) -> None:
    load = Load(server.url)
    assert already_running(path, load) is None
    pid = start()
    assert already_running(path, load) == pid
    with pytest.raises(ReleaseError, match="already writes to"):
        already_running(path, Load(server.url + "other"))
    finish(path, quiet)
    assert already_running(path, load) is None
    assert start() != pid  # an old request to end does not end the next one
    time.sleep(0.3)
    assert report.running(report.read(path))


def test_no_secret_is_in_the_report_or_on_the_command_line(start: Start, path: str, server: ScriptedServer) -> None:
    pid = start(headers={"Authorization": "Bearer planted-canary"}, slow_path="/?token=planted-canary", slow_share=50)
    eventually(lambda: server.requests, 5)
    assert b"planted-canary" in b"".join(server.requests)
    for place in (Path(path), Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ")):
        assert b"planted-canary" not in place.read_bytes()


def test_it_holds_no_file_or_session_of_who_started_it(start: Start, tmp_path: Path) -> None:
    held = (tmp_path / "held").open("w")
    os.set_inheritable(held.fileno(), True)
    pid = start()
    files = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
    held.close()
    assert {name for name in files if not name.startswith(("socket:", "anon_inode:"))} == {"/dev/null"}
    assert os.getsid(pid) not in (os.getsid(0), pid)


def test_what_cannot_be_started_is_one_sentence(start: Start, server: ScriptedServer, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"cannot write the report .*/none/report.json: no such file or directory"):
        start_by_subprocess(order(Load(server.url), str(tmp_path / "none/report.json"), 5))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(ReleaseError, match=f"there is no process {ended.pid} to run beside"):
        start(beside=ended.pid)
    assert server.requests == []


def test_a_report_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no report of a load test at .*: no such file"):
        finish(str(tmp_path / "none.json"), quiet)
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ReleaseError, match="it holds something else"):
        finish(str(tmp_path / "other.json"), quiet)
    (tmp_path / "torn.json").write_text("{")
    with pytest.raises(ReleaseError, match="not JSON"):
        finish(str(tmp_path / "torn.json"), quiet)


def test_a_process_number_that_is_used_again_is_another_process() -> None:
    me = t.cast(t.Any, identify(os.getpid()))
    assert me.alive()
    assert not type(me)(me.pid, "1").alive()
