# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run lives: the job's container that takes the store with it, and the processes that may be gone."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal import machine
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.ephemeral import ephemeral

ROOT_MOUNT = "22 1 0:30 / / rw,relatime - overlay overlay rw"
VOLUME = "25 22 8:1 /srv /var/lib/zerodowntime rw,relatime - ext4 /dev/sda1 rw"
JOB = {"AWX_HOST": "https://awx.example.com", "AWX_PRIVATE_DATA_DIR": "/runner"}


def world(folder: Path, *files: str, mounts: tuple[str, ...] = (ROOT_MOUNT,), cgroup: str = "0::/\n") -> str:
    for name in (*files, "proc/self/mountinfo", "proc/1/cgroup"):
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    (folder / "proc/self/mountinfo").write_text("\n".join(mounts) + "\n")
    (folder / "proc/1/cgroup").write_text(cgroup)
    return str(folder)


@pytest.mark.parametrize(
    ("files", "environ", "cgroup"),
    [
        ([".dockerenv"], JOB, "0::/\n"),
        (["run/.containerenv"], JOB, "0::/\n"),
        ([], {**JOB, "container": "podman"}, "0::/\n"),
        ([], {**JOB, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "0::/\n"),
        ([], JOB, "12:pids:/kubepods/burstable/pod1/2\n"),
        # An execution environment started by ansible-navigator sets no variable of AWX.
        (["run/.containerenv", "runner/"], {}, "0::/\n"),
    ],
)
def test_a_folder_in_a_jobs_container_is_lost_with_it(
    tmp_path: Path, files: list[str], environ: dict[str, str], cgroup: str
) -> None:
    seen = ephemeral("/var/lib/zerodowntime", environ, world(tmp_path, *files, cgroup=cgroup))
    assert seen.startswith("seen: ")
    assert "/var/lib/zerodowntime on overlay mounted at /" in seen


@pytest.mark.parametrize(
    "mount",
    [
        "25 22 0:40 / /var/lib/zerodowntime rw - tmpfs tmpfs rw",
        "25 22 8:1 /tmp/awx_42_x /runner rw - xfs /dev/sda1 rw",
        "25 22 8:1 /tmp/awx_42_x /runner/project rw - xfs /dev/sda1 rw",
    ],
)
def test_what_is_mounted_for_the_job_only_is_lost_too(tmp_path: Path, mount: str) -> None:
    root = world(tmp_path, ".dockerenv", mounts=(ROOT_MOUNT, mount))
    point = mount.split()[4]
    assert ephemeral(f"{point}/journal", JOB, root)


@pytest.mark.parametrize(
    ("files", "environ", "mounts"),
    [
        # A machine, and a machine where ansible-runner runs a playbook.
        ([], {}, (ROOT_MOUNT,)),
        ([], {"AWX_ISOLATED_DATA_DIR": "/tmp/artifacts", "RUNNER_OMIT_EVENTS": "False"}, (ROOT_MOUNT,)),
        # AWX of old ran its jobs on the machine itself.
        ([], JOB, (ROOT_MOUNT,)),
        # A container that somebody lives in.
        ([".dockerenv"], {}, (ROOT_MOUNT,)),
        # A job's container with a volume for the journal.
        ([".dockerenv", "runner/"], JOB, (ROOT_MOUNT, VOLUME)),
    ],
)
def test_a_folder_that_stays_is_not_refused(
    tmp_path: Path, files: list[str], environ: dict[str, str], mounts: tuple[str, ...]
) -> None:
    assert ephemeral("/var/lib/zerodowntime", environ, world(tmp_path, *files, mounts=mounts)) == ""


def test_a_volume_holds_only_what_lies_below_it(tmp_path: Path) -> None:
    root = world(tmp_path, ".dockerenv", mounts=(ROOT_MOUNT, VOLUME))
    assert ephemeral("/var/lib/zerodowntime/shop", JOB, root) == ""
    assert ephemeral("/var/lib/zerodowntime-of-another", JOB, root)


# ---- processes


def run_of(*processes: dict[str, t.Any] | None, **more: t.Any) -> dict[str, t.Any]:
    return {**machine.place(), "processes": list(processes), **more}


@pytest.fixture
def dead() -> dict[str, t.Any]:
    """A process of this machine that is gone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        seen = machine.process(process.pid)
    assert seen is not None
    return seen


def test_a_run_is_gone_when_all_its_processes_are(dead: dict[str, t.Any]) -> None:
    alive = machine.process(os.getpid())
    assert machine.gone(run_of(dead))
    assert machine.gone(run_of(dead, dead))
    assert not machine.gone(run_of(dead, alive))
    assert not machine.gone(run_of(alive))


def test_a_number_given_to_another_process_is_not_the_run() -> None:
    here = machine.process(os.getpid())
    assert here is not None
    assert machine.gone(run_of({**here, "started": "1"}))


def test_a_dead_process_that_its_parent_has_not_buried_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = machine.process(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert machine.process(process.pid) is None
        assert machine.gone(run_of(seen))
    finally:
        process.communicate()


@pytest.mark.parametrize(
    "elsewhere",
    [{"boot_id": "another"}, {"pid_namespace": "pid:[1]"}, {"boot_id": ""}, {"processes": []}, {"processes": None}],
)
def test_a_run_that_cannot_be_seen_from_here_is_not_gone(dead: dict[str, t.Any], elsewhere: dict[str, t.Any]) -> None:
    assert not machine.gone(run_of(dead, **elsewhere))
    assert not machine.gone({})


def test_a_process_that_may_not_be_read_counts_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    here = machine.process(os.getpid())
    monkeypatch.setattr(machine, "_stat", lambda pid: None)
    assert not machine.gone(run_of(here))


def test_processes_of_one_boot_share_a_clock() -> None:
    command = [sys.executable, "-c", f"from {machine.__name__} import clock; print(clock())"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == machine.clock()


def test_without_proc_nobody_shares_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_boot_id", lambda: "")
    assert machine.clock().startswith("process-")
    assert not machine.gone({"boot_id": "", "pid_namespace": "", "processes": [{"pid": 2**22 + 1, "started": "1"}]})
