# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(./quickstart --platform kubernetes) keeps what it promises, in a cluster of its own or one that is named."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.lab.hosts import quickstart as story
from tests.lab.hosts.world import CHECKOUT, processes
from tests.lab.kubernetes import images, testbed
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.mesh import Mesh
from tests.lab.kubernetes.node import Node

CACHE = os.environ.get("ZERODOWNTIME_CACHE") or str(Path.home() / ".cache/zerodowntime-bluegreen")
needs_a_bed = pytest.mark.skipif(bool(testbed.missing()), reason=f"skipped: {testbed.missing()}")


def quickstart(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CHECKOUT / "quickstart"), *options],
        env={**os.environ, "ZERODOWNTIME_CACHE": CACHE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def promised(folder: Path) -> None:
    v2, v3 = (t.cast("dict[str, t.Any]", json.loads((folder / f"{name}.json").read_text())) for name in ("v2", "v3"))
    assert (v2["outcome"], v2["dropped"], v2["errors"]) == ("Promoted", 0, 0)
    assert (v3["outcome"], v3["dropped"]) == ("RolledBack", 0)
    assert "errors: canary" in v3["failure"], "it is the gate that found v3"


def test_in_a_cluster_that_is_named_v2_is_promoted_and_v3_taken_back_and_its_namespace_goes(
    cluster: Cluster, machine: Node, mesh: Mesh, tmp_path: Path
) -> None:
    machine.load(images.quick())
    options = ["--kubeconfig", str(cluster.kubeconfig), "--url", mesh.url, "--report", str(tmp_path)]
    done = quickstart("--platform", "kubernetes", *options)
    assert done.returncode == 0, done.stdout
    promised(tmp_path)
    found = re.search(r"in the folder (\S+) and the namespace (\S+)", done.stdout)
    assert found
    assert not Path(found[1]).exists()
    left = [one for one in cluster.api.get("/api/v1/namespaces")["items"] if one["metadata"]["name"] == found[2]]
    assert all(one["metadata"].get("deletionTimestamp") for one in left)


@needs_a_bed
def test_a_bed_of_its_own_stays_with_keep_and_goes_with_stop(tmp_path: Path) -> None:
    done = quickstart("--platform", "kubernetes", "--report", str(tmp_path), "--keep")
    assert done.returncode == 0, done.stdout
    promised(tmp_path)
    found = re.search(r"in the folder (\S+) and", done.stdout)
    assert found
    folder = Path(found[1])
    try:
        command = ". ./env && ansible-playbook zerodowntime.bluegreen.deploy -i inventory.yml -e release_revision=v4"
        played = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
        assert played.returncode == 0, played.stdout + played.stderr
    finally:
        ended = quickstart("--stop", str(folder))
    assert ended.returncode == 0, ended.stdout
    assert not folder.exists()
    assert not list(processes(folder))


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["quickstart", "--platform", "kubernetes", "--haproxy", "none"])
    assert story.main() == 2
    said = capsys.readouterr().err
    assert "quickstart: --platform kubernetes makes a cluster of its own, and needs root for a Kubernetes node" in said
    assert said.strip().endswith("; or name one with --kubeconfig and --url")


def test_a_cluster_without_its_front_door_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = ["quickstart", "--platform", "kubernetes", "--kubeconfig", str(tmp_path / "config"), "--haproxy", "none"]
    monkeypatch.setattr(sys, "argv", argv)
    assert story.main() == 2
    assert "--kubeconfig needs --url" in capsys.readouterr().err
