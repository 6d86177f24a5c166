# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed releases on AWS, where nothing can refuse a late write; C(benchmarks/kills --driver alb) is the whole."""

from __future__ import annotations

import signal
import threading

import pytest

pytest.importorskip("moto", reason="needs the Python package moto")

from tests.lab.aws.killing import AwsGround
from tests.lab.hosts.killing import RUN_SECONDS, Run

BLUE = {"blue": 100, "green": 0}


def killed(run: Run, moment: str) -> None:
    """Kill controller and worker of C(run) at C(moment), and forget the run."""
    for name in run.sights.until(RUN_SECONDS, run.ended):
        if name == moment:
            assert run.kill("both", signal.SIGKILL)
            break
    else:
        pytest.fail(run.log.read_text())
    run.sights.close()
    run.end()


def test_a_write_that_lands_after_the_restore_is_put_right_again() -> None:
    with AwsGround() as ground:
        lands = threading.Event()
        ground.cloud.faults.plan("ModifyListener", "delay", seconds=90.0, over=lands)
        run = ground.deploy()
        ground.cloud.wait("it is under way", lambda: "ModifyListener" in ground.cloud.faults.calls, 60.0)
        assert run.kill("both", signal.SIGKILL)
        run.sights.close()
        run.end()

        said: list[str] = []
        resume = threading.Thread(target=ground.run, args=("resume",), kwargs={"say": said.append})
        resume.start()
        ground.cloud.wait("traffic is restored", lambda: _restored(ground), 60.0)
        assert ground.live()[0] == BLUE
        lands.set()
        ground.cloud.wait("it has landed", lambda: ground.live()[0] == {"blue": 50, "green": 50})
        resume.join()
        assert "a late write has set blue 50 / green 50: traffic is put back again" in "\n".join(said)
        assert ground.live()[0] == BLUE
        assert ground.release()["outcome"] == "RolledBack"
        assert ground.left_over() == []


def _restored(ground: AwsGround) -> bool:
    return any(entry["kind"] == "restored" for entry in ground.release().get("entries", []))


def test_a_first_release_that_was_killed_while_it_staged_is_settled_by_resume() -> None:
    with AwsGround(size=0, release_aws_capacity=1) as ground:
        killed(ground.deploy(), "SuspendProcesses")
        assert ground.shop.suspended("blue") == ["AZRebalance", "ReplaceUnhealthy"]
        ground.must("resume")
        assert ground.shop.suspended("blue") == []
        assert list(ground.shop.tags("blue")) == ["staged"]
        said = ground.must("deploy", "-e", "release_revision=r2", "-e", f"release_aws_ami={ground.shop.ami('r2')}")
        assert "r2 in blue: Promoted" in said
