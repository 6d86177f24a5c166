# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A killed release puts its traffic back by itself, and one resume ends it: the reduced form of benchmarks/kills."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Iterator

import pytest

from tests.lab.hosts import sshd
from tests.lab.hosts.killing import Clients, Ground, Kill, killed_at, no_container
from tests.lab.hosts.nginx import debian_nginx

# Milliseconds on a machine that does many things at once: far above what is measured, far below a person's reaction.
SOON = 5000.0

Shop = tuple[Ground, Clients]


@pytest.fixture(scope="module")
def shop() -> Iterator[Ground]:
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin"):
        pytest.skip("needs haproxy")
    with Ground() as ground, Clients(ground.doors(), ground.folder) as clients:
        yield ground
        dropped, requests = clients.counted()
        assert (dropped, requests > 100) == (0, True)


def ended(kill: Kill, outcome: str) -> None:
    """Assert that the kill did no harm, and how its release ended."""
    assert not kill.faults, "\n".join(kill.notes)
    assert kill.outcome == outcome


@pytest.mark.parametrize(
    ("victim", "number", "moment"),
    [
        ("controller", "SIGKILL", "done 1"),
        ("controller", "SIGTERM", "lb1 at 100 % live"),
        ("controller", "SIGINT", "done 2"),
        ("worker", "SIGKILL", "lb1 at 50 % live"),
        ("worker", "SIGTERM", "intent 2"),
        ("both", "SIGKILL", "done 2"),
    ],
)
def test_traffic_comes_back_by_itself_while_a_process_of_ours_lives(
    shop: Ground, victim: str, number: str, moment: str
) -> None:
    kill = killed_at(shop, victim, number, moment)
    ended(kill, "RolledBack")
    assert kill.by_itself, kill.notes
    assert t.cast(float, kill.restore_ms) < SOON


@pytest.mark.parametrize("moment", ["hook_begun start", "intent 1", "lb1 at 50 % filed"])
def test_a_kill_before_the_first_request_moved_leaves_all_as_it_was(shop: Ground, moment: str) -> None:
    before = shop.live()
    ended(killed_at(shop, "controller", "SIGKILL", moment), "RolledBack")
    assert shop.live() == before


@pytest.mark.parametrize("victim", ["controller", "worker"])
def test_what_the_journal_calls_promoted_stays(shop: Ground, victim: str) -> None:
    kill = killed_at(shop, victim, "SIGKILL", "phase Promoted")
    ended(kill, "Promoted")
    assert shop.live()[0] != kill.recorded


def test_a_killed_job_container_is_ended_by_one_resume_from_outside(shop: Ground) -> None:
    if why := no_container():
        pytest.skip(why)
    # Nothing of ours outlives it in process: the resume waits until it is sure, then puts the traffic back.
    kill = killed_at(shop, "container", "SIGKILL", "done 1")
    ended(kill, "RolledBack")


def test_two_balancers_over_ssh_come_back_by_the_worker_or_by_their_leases() -> None:
    if why := sshd.missing():
        pytest.skip(why)
    with Ground(remote=True) as ground, Clients(ground.doors(), ground.folder) as clients:
        for victim, moment in (("controller", "done 1"), ("both", "lb2 at 100 % live")):
            kill = killed_at(ground, victim, "SIGKILL", moment)
            ended(kill, "RolledBack")
            assert kill.by_itself, kill.notes
        assert clients.counted()[0] == 0


def test_nginx_comes_back_too() -> None:
    if not debian_nginx():
        pytest.skip("needs nginx")
    with Ground("nginx") as ground, Clients(ground.doors(), ground.folder) as clients:
        for victim, moment in (("controller", "lb1 at 50 % live"), ("worker", "done 1"), ("both", "done 2")):
            kill = killed_at(ground, victim, "SIGKILL", moment)
            ended(kill, "RolledBack")
            assert kill.by_itself, kill.notes
        assert clients.counted()[0] == 0
