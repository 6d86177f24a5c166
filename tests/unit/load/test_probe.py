# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One probe against real sockets: what it saw, and the sentence that says what is wrong."""

from __future__ import annotations

import time

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.probe import Probe, probe
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import (
    RevisionSource,
    revision_in,
    revision_source,
    steps,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.wait import wait
from scripted_server import Reply, ScriptedServer, answer, closed_port

VERSION = RevisionSource(header="X-Version")


def fault(reply: Reply, expect: str | None = "v1", source: RevisionSource = VERSION) -> str:
    """Return the sentence about one probe that gets C(reply), without the URL."""
    with ScriptedServer(lambda *_: reply) as server:
        seen = probe(server.url, revision=source, timeout=0.5)
        return seen.fault(source, expect).replace(server.url, "URL")


def test_a_good_answer_tells_status_revision_and_slot() -> None:
    with ScriptedServer(lambda *_: Reply(answer(200, "v1", b"ok", "X-Slot: green"), then="close")) as server:
        seen = probe(server.url, revision=VERSION, headers={"Cookie": "a=b"})
        assert b"\r\nCookie: a=b\r\n" in server.requests[0]
        assert b"\r\nConnection: close\r\n" in server.requests[0]
    assert (seen.status, seen.revision, seen.slot, seen.kind) == (200, "v1", "green", "")
    assert seen.fault(VERSION, "v1") == ""


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(answer(404)), "URL: 404 instead of 200"),
        (Reply(answer(revision=None)), "URL: header X-Version absent"),
        (Reply(answer(revision="v2")), "URL: header X-Version is v2 instead of v1"),
        (Reply(then="reset"), "URL: connection reset by peer"),
        (Reply(then="close"), "URL: closed without an answer"),
        (Reply(answer(body=b"x" * 9)[:-3], then="close"), "URL: half an answer"),
        (Reply(then="hang"), "URL: no whole answer within 0.5 s"),
        (Reply(b"SMTP ready\r\n", then="close"), "URL: not an HTTP/1.1 answer"),
    ],
)
def test_a_fault_is_one_sentence_about_what_was_seen(reply: Reply, words: str) -> None:
    assert fault(reply) == words


def test_a_drip_of_bytes_does_not_outlast_the_timeout() -> None:
    def drip(*_: object) -> Reply:
        time.sleep(0.2)
        return Reply(answer(body=b"x" * 999)[:90])

    with ScriptedServer(drip) as server:
        began = time.monotonic()
        assert probe(server.url, timeout=0.5).kind == "timeout"
        assert time.monotonic() - began < 2


def test_a_closed_port_is_refused() -> None:
    seen = probe(f"http://127.0.0.1:{closed_port()}/")
    assert (seen.status, seen.kind, seen.detail) == (0, "refused", "connection refused")


def test_a_name_that_does_not_resolve_is_refused() -> None:
    assert probe("http://no-such-host.invalid/").kind == "refused"


def test_a_revision_in_json_is_found_at_its_path() -> None:
    reply = Reply(answer(revision=None, body=b'{"build": {"number": 7, "tags": ["a", "b"]}}'))
    assert fault(reply, "7", RevisionSource(json_path="build.number")) == ""
    assert fault(reply, "b", RevisionSource(json_path="$.build.tags[1]")) == ""
    assert fault(reply, "b", RevisionSource(json_path="$.build.tag")) == "URL: JSON path $.build.tag absent"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"a": null}', b'{"a": {"b": 1}}', b"\xff"])
def test_a_body_without_the_path_has_no_revision(body: bytes) -> None:
    assert revision_in(body, steps("a")) == ""


@pytest.mark.parametrize("path", ["", "$", "a..b", "a[x]", "a[", "$.", "[1"])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(ReleaseError, match="is not a JSON path"):
        steps(path)


def test_header_and_json_path_exclude_each_other() -> None:
    with pytest.raises(ReleaseError, match="not both"):
        revision_source("X-Version", "a")


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waited(faults: str, consecutive: int, deadline: float) -> tuple[int, str, list[str]]:
    """Return attempts, fault and lines of a wait whose probes are C(.) (good) or C(x), the last one for ever."""
    clock, seen, lines = Clock(), iter(faults + faults[-1] * 1000), list[str]()
    result = wait(
        lambda _left: Probe("URL", status=200 if next(seen) == "." else 503),
        lambda seen: "" if seen.status == 200 else "URL: 503 instead of 200",
        consecutive=consecutive,
        interval=1.0,
        deadline=deadline,
        clock=clock,
        sleep=clock.sleep,
        say=lines.append,
    )
    return result.attempts, result.fault, lines


def test_good_answers_have_to_come_in_a_row() -> None:
    assert waited("..x...", 3, 30) == (6, "", ["waiting, URL: 503 instead of 200, 28s left"])


def test_the_deadline_ends_the_wait_and_the_sentence_says_what_was_seen_last() -> None:
    attempts, words, _lines = waited("x", 3, 4)
    assert (attempts, words) == (5, "URL: 503 instead of 200 (not 3 good answers in a row within 4s)")


def test_one_probe_is_always_sent() -> None:
    assert waited("x", 1, 0.5) == (1, "URL: 503 instead of 200", [])


def test_a_long_wait_says_what_it_waits_for_after_two_seconds_and_then_every_five() -> None:
    _attempts, _words, lines = waited("x", 1, 14)
    assert lines == [f"waiting, URL: 503 instead of 200, {left}s left" for left in (12, 7, 2)]
