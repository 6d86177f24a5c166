# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(./quickstart --platform compose) keeps what it promises on an engine that runs already, and cleans up."""

from __future__ import annotations

import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

from tests.lab.compose.engine import Engine
from tests.lab.hosts.world import CHECKOUT

CACHE = os.environ.get("ZERODOWNTIME_CACHE") or str(Path.home() / ".cache/zerodowntime-bluegreen")


def quickstart(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CHECKOUT / "quickstart"), "--platform", "compose", *options],
        env={**os.environ, "ZERODOWNTIME_CACHE": CACHE, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def test_v2_is_promoted_v3_is_taken_back_without_a_dropped_request_and_it_runs_on_until_its_stop(
    engine: Engine, tmp_path: Path
) -> None:
    done = quickstart("--keep", "--report", str(tmp_path), **engine.environment)
    assert done.returncode == 0, done.stdout
    v2, v3 = (t.cast("dict[str, t.Any]", json.loads((tmp_path / f"{name}.json").read_text())) for name in ("v2", "v3"))
    assert (v2["outcome"], v2["dropped"], v2["errors"]) == ("Promoted", 0, 0)
    assert (v3["outcome"], v3["dropped"]) == ("RolledBack", 0)
    assert "errors: canary" in v3["failure"], "it is the gate that found v3"
    kept = re.search(r"quickstart --stop (\S+)", done.stdout)
    assert kept
    folder = Path(kept[1])
    label = f"com.docker.compose.project={folder.name}"
    assert len(engine.api.get("/containers/json", filters=json.dumps({"label": [label]}))) == 4
    command = ". ./env && ansible-playbook zerodowntime.bluegreen.status -i inventory.yml"
    shown = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert "v2 healthy" in shown.stderr, shown.stdout + shown.stderr
    stopped = quickstart("--stop", str(folder), **engine.environment)
    assert (stopped.returncode, folder.exists()) == (0, False), stopped.stdout
    assert engine.api.get("/containers/json", all="1", filters=json.dumps({"label": [label]})) == []


def test_without_an_engine_it_says_so(tmp_path: Path) -> None:
    done = quickstart(DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert done.returncode == 2
    assert "needs a Docker engine that runs: cannot reach the Docker engine at unix://" in done.stdout
    assert "Traceback" not in done.stdout
