# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that is killed fails its task: rescue runs, and the run ends. So does one whose output nobody reads."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.lab.hosts.playbook import Playbook


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
@pytest.mark.parametrize("writing", [False, True])
def test_rescue_runs_when_the_worker_of_a_task_was_killed(tmp_path: Path, strategy: str, writing: bool) -> None:
    project = Playbook(tmp_path)
    project.settings = {"ANSIBLE_STRATEGY": strategy}
    rescue = {"ansible.builtin.set_fact": {"result": {"failed": "{{ ansible_failed_result.msg }}"}}}
    run = project.run([{"block": [{"die": {"writing": writing}}], "rescue": [rescue]}])
    assert run.code == 0, run.output + run.lines
    assert run.result["failed"] == "the process that ran this task was killed by SIGKILL and sent no result"
    assert "rescued=1" in run.output


@pytest.mark.parametrize("strategy", ["linear", "host_pinned"])
def test_a_run_ends_when_nobody_reads_what_it_says(tmp_path: Path, strategy: str) -> None:
    project = Playbook(tmp_path)
    project.settings = {"ANSIBLE_STRATEGY": strategy}
    waiting = {"url": "http://127.0.0.1:9/", "deadline": "60s"}
    process = project.start([{"zerodowntime.bluegreen.http_probe": waiting}])
    assert process.stdout and process.stderr
    while "[shop]" not in (line := process.stderr.readline()):
        assert line, "it never said what it waits for"
    process.stderr.close()
    process.stdout.close()
    try:
        assert process.wait(30) != 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
