# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cases share: the applications of the slots, the machines, and the session that reaches them."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conformance.cases import HERE, MACHINES, Case
from tests.integration.conformance.over_ssh import Session
from tests.integration.conformance.world import REVISIONS, lab_folder, running
from tests.lab.hosts.haproxy import demo_apps, free_port
from tests.lab.hosts.sshd import SshMachines


@pytest.fixture(scope="session")
def addresses() -> Iterator[dict[str, str]]:
    """Run the demo app once per slot; return where."""
    ports = {slot: free_port() for slot in REVISIONS}
    with demo_apps(sys.executable, {slot: [port] for slot, port in ports.items()}, REVISIONS):
        give_up = time.monotonic() + 20
        for port in ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert time.monotonic() < give_up, "the demo app does not answer"
                    time.sleep(0.02)
        yield {slot: f"127.0.0.1:{port}" for slot, port in ports.items()}


@pytest.fixture(scope="session")
def machines() -> Iterator[SshMachines]:
    with SshMachines(MACHINES) as lab:
        yield lab


@pytest.fixture(scope="session")
def session(machines: SshMachines) -> Iterator[Session]:
    folder = lab_folder()
    with Session(folder, machines) as serving:
        yield serving
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    place = lab_folder()
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def case(request: pytest.FixtureRequest, folder: Path, addresses: dict[str, str]) -> Iterator[Case]:
    world, place = request.param
    remote = place != HERE
    with running(world(folder / "a", addresses)) as started:
        yield Case(
            started,
            request.getfixturevalue("session") if remote else None,
            request.getfixturevalue("machines") if remote else None,
        )
