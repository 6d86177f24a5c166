# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(http_probe) in real plays: from the controller and from another machine."""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.hosts.demo import DemoApp
from tests.lab.hosts.playbook import Playbook, Run

HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture(scope="module")
def app() -> Iterator[DemoApp]:
    with DemoApp("1.4.2", "--slot", "green") as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Playbook:
    return Playbook(tmp_path, {"lb1": HERE})


def probe(project: Playbook, *words: str, **options: t.Any) -> Run:
    return project.run([{"zerodowntime.bluegreen.http_probe": options, "register": "result"}], *words)


@pytest.mark.parametrize("machine", [None, "lb1"])
def test_it_returns_what_the_good_answer_said(project: Playbook, app: DemoApp, machine: str | None) -> None:
    options = {"machine": machine} if machine else {}
    run = probe(
        project, url=app.url + "health", header="X-Version", expect="1.4.2", consecutive=3, interval="50ms", **options
    )
    assert run.code == 0, run.output
    assert not run.result["changed"]
    assert [run.result[key] for key in ("status", "revision", "slot", "attempts")] == [200, "1.4.2", "green", 3]


@pytest.mark.parametrize("machine", [None, "lb1"])
def test_it_fails_with_what_it_saw_last(project: Playbook, app: DemoApp, machine: str | None) -> None:
    options = {"machine": machine} if machine else {}
    run = probe(project, url=app.url + "nope", interval="100ms", deadline="500ms", **options)
    assert run.code == 2
    assert run.result["msg"] == f"{app.url}nope: 404 instead of 200 (no good answer within 0.5s)"
    assert run.result["status"] == 404


def test_a_wait_over_two_seconds_shows_a_line(project: Playbook, app: DemoApp) -> None:
    run = probe(project, url=app.url, header="X-Version", expect="1.5.0", interval="500ms", deadline="4s")
    assert f"[shop] waiting, {app.url}: header X-Version is 1.4.2 instead of 1.5.0, " in run.lines


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"header": "X-Version", "expect": 1.10}, "expect is 1.1, not text: put the revision in quotes"),
        ({"expect": "1.4.2"}, "expect needs header or json_path"),
        ({"header": "A", "json_path": "b"}, "give header or json_path, not both"),
        ({"interval": "soon"}, "interval: 'soon' is not a duration"),
        ({"deadline": "0"}, "deadline is 0: it has to be longer than nothing"),
        ({"consecutive": 0}, "consecutive is 0: at least 1"),
        ({"machine": "lb9"}, "the machine lb9 is not in the inventory"),
        ({"ca_path": "/none.pem", "url": "https://127.0.0.1:1/"}, "cannot use /none.pem as authorities: no such file"),
        ({"url": "shop.example.com"}, "is not a URL such as"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    project: Playbook, app: DemoApp, options: dict[str, t.Any], words: str
) -> None:
    run = probe(project, **{"url": app.url, **options})
    assert run.code == 2
    assert words.lower() in run.result["msg"].lower()
    assert "Traceback" not in run.output + run.lines
