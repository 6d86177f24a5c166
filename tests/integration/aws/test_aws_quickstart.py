# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of C(./quickstart --platform aws): its commands work as a user types them, and nothing stays of it.

The whole story takes a minute and more; the lab runs here in a process of its own as it does there.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="needs the Python package moto")

from tests.lab.aws.quickstart import AwsWorld
from tests.lab.hosts.quickstart import VARIABLES
from tests.lab.hosts.world import CHECKOUT, processes

# Without the load of the story, and the gate that needs it.
QUICK: dict[str, t.Any] = {
    **VARIABLES,
    "release_gate": None,
    "release_certificate": None,
    "release_bake_time": "0",
    "release_drain_timeout": "0",
    "release_steps": [100],
}


@pytest.fixture
def kept() -> Iterator[AwsWorld]:
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
    if not haproxy:
        pytest.skip("needs haproxy")
    with AwsWorld(QUICK, haproxy) as world:
        world.build("v1")
        world.keep()
    yield world
    if world.folder.exists():
        world.close()


def test_what_keep_leaves_can_be_released_and_is_ended_by_stop(kept: AwsWorld) -> None:
    script = "\n".join(
        [
            f"set -ex\ncd {kept.folder} && . ./env",
            " ".join(kept.command("deploy", "-e", "release_revision=v1")),
            *kept.revision_of_ones_own(),
            " ".join(kept.command("deploy", "-e", "release_revision=v4")),
            " ".join(kept.command("status")),
            f"curl -sSi {kept.balancer.url}/",
        ]
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=240, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "v4 in green: Promoted" in said
    assert "x-version: v4" in said.lower()
    assert kept.weights() == {"blue": 0, "green": 100}

    assert list(processes(kept.folder))
    stop = [str(Path(CHECKOUT) / "quickstart"), "--stop", str(kept.folder)]
    subprocess.run(stop, capture_output=True, timeout=60, check=True)
    assert not kept.folder.exists()
    with contextlib.suppress(FileNotFoundError):
        assert not list(processes(kept.folder))
