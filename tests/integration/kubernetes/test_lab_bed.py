# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that brings the test bed up for a person."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.kubernetes import control_plane, mesh

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder() -> Iterator[Path]:
    why = control_plane.missing() or mesh.missing()
    if why:
        pytest.skip(why)
    # Short: the path of a socket has 107 bytes at most.
    place = Path(tempfile.mkdtemp(prefix="zdt-bed-", dir="/tmp"))
    yield place
    _bed("down", place)
    shutil.rmtree(place, ignore_errors=True)


def test_one_command_brings_the_bed_up_and_one_takes_it_down(folder: Path) -> None:
    said = _bed("up", folder)
    assert f"export KUBECONFIG={folder}/cluster/admin.kubeconfig" in said
    assert "ingress: http://127.0.0.1:" in said
    servers = _servers(folder)
    assert {"etcd", "kube-apiserver", "kube-controller-manager", "pilot-discovery"} <= servers
    assert _bed("up", folder) == said
    _bed("down", folder)
    assert not _servers(folder)
    assert not (folder / "cluster").exists()


def _bed(verb: str, folder: Path) -> str:
    words = [sys.executable, "-m", "tests.lab.kubernetes", verb, "--folder", str(folder)]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _servers(folder: Path) -> set[str]:
    """Return the programs that run with something of C(folder) in their arguments."""
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in listed.splitlines() if f"{folder}/" in line]
    return {Path(words[0]).name for words in lines}
