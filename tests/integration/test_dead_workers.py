# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that is killed fails its task: rescue runs, and the run ends."""

from __future__ import annotations

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
