# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release and a real Alertmanager: the silence is there before traffic moves, and no dead run keeps it."""

from __future__ import annotations

import json
import shutil
import signal
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.silence import LASTS

from tests.lab.hosts.haproxy import free_port
from tests.lab.hosts.killing import Ground
from tests.lab.metrics.alertmanager import Alertmanager, seconds_left

SILENCED = {"alertname": "InstanceDown", "app": "shop"}
PATIENCE = 60.0


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    alertmanager = Alertmanager(tmp_path_factory.mktemp("alertmanager"), free_port()).start()
    yield alertmanager
    alertmanager.stop()


@pytest.fixture(scope="module")
def ground(alertmanager: Alertmanager) -> Iterator[Ground]:
    """Both slots run all the time; the gate can never decide, and holds the release at its first step."""
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin"):
        pytest.skip("needs haproxy")
    with Ground() as ground:
        yield ground


def held(alertmanager: Alertmanager) -> tuple[str, str]:
    gate = {
        "source": {"haproxy": {}},
        "watch": [{"alertmanager": {"url": alertmanager.url, "labels": {"app": "shop"}, "silence": SILENCED}}],
        "interval": "1s",
        "initial_delay": "0",
        "min_requests": 1000000,
    }
    return "-e", json.dumps({"release_steps": [50, 100], "release_gate": gate})


def silences(alertmanager: Alertmanager, state: str) -> list[dict[str, t.Any]]:
    return [one for one in alertmanager.silences() if one["status"]["state"] == state]


def test_alerts_are_silenced_before_traffic_moves_and_no_longer_than_the_shift(
    ground: Ground, alertmanager: Alertmanager
) -> None:
    run = ground.deploy(False, *held(alertmanager))
    for moment in run.sights.until(PATIENCE, run.ended):
        if moment == "done 1":
            break
    [silence] = silences(alertmanager, "active")
    assert {matcher["name"]: matcher["value"] for matcher in silence["matchers"]} == SILENCED
    assert 0 < seconds_left(silence) <= LASTS
    ground.must("abort")
    run.end()
    assert not silences(alertmanager, "active")
    said = run.log.read_text()
    lines = [
        "silenced alerts with alertname=",
        "step 1/2",
        "alerts with alertname=InstanceDown, app=shop are silenced no",
    ]
    places = [said.find(line) for line in lines]
    assert -1 not in places and places == sorted(places), said


def test_a_run_that_is_killed_leaves_a_silence_of_minutes(ground: Ground, alertmanager: Alertmanager) -> None:
    run = ground.deploy(False, *held(alertmanager))
    for moment in run.sights.until(PATIENCE, run.ended):
        if moment == "done 1":
            break
    run.kill("both", signal.SIGKILL)
    run.end()
    [silence] = silences(alertmanager, "active")
    assert 0 < seconds_left(silence) <= LASTS
    ground.must("resume")
