# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict client against real sockets that misbehave: every request ends in exactly one count."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
import typing as t
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.certificate import certificate
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load, mix, run
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.target import Tls
from scripted_server import Reply, ScriptedServer, answer, closed_port

VERSION = RevisionSource(header="X-Version")
GOOD = Reply(answer())
CHUNKED = b"HTTP/1.1 200 OK\r\nX-Version: v1\r\nTransfer-Encoding: chunked\r\n\r\n"
MOSTLY_KEPT = 20  # connections for 50 requests: an answer that is late on a busy machine costs one more


def measure(url: str, seconds: float = 0.5, grace: float = 5.0, **options: t.Any) -> dict[str, t.Any]:
    """Return the certificate of a short load on C(url)."""
    options.setdefault("rate", 100)
    options.setdefault("connections", 4)
    options.setdefault("timeout", 5.0)
    options.setdefault("revision", VERSION)
    tally = Tally(time.monotonic())
    run(Load(url=url, **options), tally, lambda elapsed: grace if elapsed > seconds else None)
    return certificate(tally.counts(time.monotonic()))


def dropped(report: dict[str, t.Any]) -> dict[str, int]:
    """Return the kinds of drops that occurred."""
    return {kind: count for kind, count in report["dropped_by_kind"].items() if count}


def some(bad: Reply, numbers: t.Container[int] = (7, 11, 23)) -> t.Callable[[int, bytes], Reply]:
    """Return a script that does C(bad) to three requests and answers the rest."""
    return lambda number, _request: bad if number in numbers else GOOD


def test_every_answer_is_counted_under_the_revision_that_its_header_names() -> None:
    with ScriptedServer(lambda number, _: Reply(answer(revision="v2" if number % 4 == 0 else "v1"))) as server:
        report = measure(server.url)
    seen = len(server.requests)
    assert {name: of["requests"] for name, of in report["revisions"].items()} == {
        "v1": seen - seen // 4,
        "v2": seen // 4,
    }
    assert (report["requests"], report["dropped"], report["errors"]) == (seen, 0, 0)


def test_the_revision_can_stand_in_a_json_body() -> None:
    reply = Reply(answer(revision=None, body=b'{"build": {"tags": ["x", "v7"]}}'))
    with ScriptedServer(lambda *_: reply) as server:
        report = measure(server.url, revision=RevisionSource(json_path="$.build.tags[1]"))
    assert list(report["revisions"]) == ["v7"]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        pytest.param(Reply(then="reset"), "reset", id="reset-after-the-request"),
        pytest.param(Reply(answer()[:20], then="reset", pause=0.05), "reset", id="reset-in-the-head"),
        pytest.param(Reply(then="close"), "cut", id="closed-without-an-answer"),
        pytest.param(Reply(answer()[:20], then="close"), "cut", id="half-a-head"),
        pytest.param(Reply(answer(body=b"x" * 99)[:-50], then="close"), "cut", id="half-a-body"),
        pytest.param(Reply(CHUNKED + b"5\r\nhel", then="close"), "cut", id="half-a-chunk"),
        pytest.param(Reply(CHUNKED + b"5\r\nhello\r\n", then="close"), "cut", id="no-last-chunk"),
        pytest.param(Reply(b"SSH-2.0-OpenSSH_9.2\r\n", then="close"), "cut", id="not-http"),
        pytest.param(Reply(answer(502, revision=None)), "balancer", id="502-without-the-revision"),
        pytest.param(Reply(answer(404, revision=None)), "balancer", id="404-without-the-revision"),
    ],
)
def test_a_request_without_an_answer_of_the_application_is_dropped_and_never_sent_again(bad: Reply, kind: str) -> None:
    with ScriptedServer(some(bad)) as server:
        report = measure(server.url)
    assert dropped(report) == {kind: 3}
    assert report["errors"] == 0
    assert report["requests"] == len(server.requests)
    assert [drop["kind"] for drop in report["first_dropped"]] == [kind] * 3


def test_no_whole_answer_in_time_is_a_timeout() -> None:
    with ScriptedServer(some(Reply(answer(body=b"x" * 99)[:-50], then="hang"))) as server:
        report = measure(server.url, timeout=0.3)
    assert dropped(report) == {"timeout": 3}
    assert report["requests"] == len(server.requests)


def test_a_closed_port_refuses_every_request() -> None:
    report = measure(f"http://127.0.0.1:{closed_port()}/", seconds=0.3)
    assert report["requests"] >= 20
    assert dropped(report) == {"refused": report["requests"]}
    assert report["longest_gap_seconds"] == pytest.approx(report["seconds"], abs=0.01)


def test_a_drop_is_the_revisions_own_when_its_head_had_arrived() -> None:
    with ScriptedServer(some(Reply(answer(revision="v2", body=b"x" * 99)[:-50], then="close"))) as server:
        report = measure(server.url)
    assert report["revisions"]["v2"]["requests"] == report["revisions"]["v2"]["dropped"] == 3
    assert report["revisions"]["v1"]["dropped"] == 0


def test_a_failure_status_with_the_revision_is_an_error_of_the_application() -> None:
    with ScriptedServer(some(Reply(answer(503, revision="v2")))) as server:
        report = measure(server.url)
    assert (report["dropped"], report["errors"]) == (0, 3)
    assert report["revisions"]["v2"]["errors_by_status"] == {"503": 3}
    assert report["revisions"]["v2"]["error_rate"] == 1.0


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(answer(), then="close", pause=0.02), id="closed-while-idle"),
        pytest.param(Reply(answer(), then="close"), id="closed-at-once"),
        pytest.param(Reply(answer(), then="reset", pause=0.02), id="reset-while-idle"),
        pytest.param(Reply(answer(200, "v1", b"ok", "Connection: close"), then="close"), id="connection-close"),
        pytest.param(Reply(b"HTTP/1.0 200 OK\r\nX-Version: v1\r\n\r\nuntil the end", then="close"), id="until-the-end"),
        pytest.param(Reply(answer() + answer(408, None), then="close"), id="408-while-idle"),
    ],
)
def test_a_connection_that_closes_while_it_is_idle_costs_no_request(reply: Reply) -> None:
    # Ten requests a second leave 400 ms between two on one connection: the end is there before the next one.
    with ScriptedServer(lambda *_: reply) as server:
        report = measure(server.url, seconds=1.0, rate=10)
    assert report["dropped"] == report["errors"] == 0
    assert report["requests"] == len(server.requests) == server.connections


def test_an_end_that_the_event_loop_has_not_seen_yet_is_noticed_before_the_request_is_written() -> None:
    # The watch blocks the loop while the server closes every idle connection; due requests follow in the same breath.
    with ScriptedServer(lambda *_: GOOD) as server:
        tally = Tally(time.monotonic())
        closed: list[int] = []

        def watch(elapsed: float) -> float | None:
            if elapsed > 0.6 and not closed and time.monotonic() - server.last_at > 0.02:
                closed.append(server.connections)
                server.hang_up()
                time.sleep(0.4)
            return 2.0 if elapsed > 1.5 else None

        run(Load(url=server.url, rate=10, connections=2, revision=VERSION), tally, watch)
        report = certificate(tally.counts(time.monotonic()))
    assert closed == [2]
    assert server.connections > 2
    assert dropped(report) == {}
    assert report["requests"] == len(server.requests)


@pytest.mark.parametrize(
    "content",
    [
        CHUNKED.lower().replace(b"http", b"HTTP") + b"5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(),
        b"HTTP/1.1 204 No Content\r\nX-Version: v1\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nX-Version:v1\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["chunked", "interim", "no-content", "redirect"],
)
def test_whole_answers_of_every_form_keep_their_connection(content: bytes) -> None:
    with ScriptedServer(lambda *_: Reply(content)) as server:
        report = measure(server.url)
    assert (report["dropped"], report["errors"], list(report["revisions"])) == (0, 0, ["v1"])
    assert report["requests"] == len(server.requests)
    assert server.connections <= MOSTLY_KEPT


def test_a_connection_that_carried_more_than_the_answer_is_not_used_again() -> None:
    with ScriptedServer(lambda *_: Reply(answer() + answer())) as server:
        report = measure(server.url)
    assert (report["dropped"], report["requests"]) == (0, len(server.requests))
    assert server.connections == len(server.requests)


def test_post_goes_to_the_named_path_only_and_carries_the_body() -> None:
    with ScriptedServer(lambda *_: GOOD) as server:
        measure(server.url + "page", post_path="/orders", post_share=25, post_body="one order", headers={"X-Key": "k"})
    lines = Counter(request.split(b"\r\n")[0] for request in server.requests[:40])
    assert lines == {b"GET /page HTTP/1.1": 30, b"POST /orders HTTP/1.1": 10}
    assert len(server.requests) >= 40
    for request in server.requests:
        assert b"\r\nX-Key: k\r\n" in request
        assert f"\r\nHost: localhost:{server.port}\r\n".encode() in request
        assert request.endswith(b"\r\n\r\none order" if request.startswith(b"POST") else b"\r\n\r\n")


def test_slow_requests_stay_in_flight_are_waited_for_and_say_nothing_about_latency() -> None:
    def script(_number: int, request: bytes) -> Reply:
        if b"/slow" in request:
            time.sleep(0.8)
        return GOOD

    with ScriptedServer(script) as server:
        report = measure(server.url, seconds=0.6, slow_path="/slow", slow_share=20)
    assert sum(request.startswith(b"GET /slow ") for request in server.requests) >= 10
    assert report["requests"] == len(server.requests)
    assert (report["dropped"], report["unfinished"]) == (0, 0)
    assert report["revisions"]["v1"]["p99_ms"] < 600
    assert report["longest_gap_seconds"] < 0.4


def test_what_is_in_flight_when_the_grace_ends_is_unfinished_and_not_dropped() -> None:
    with ScriptedServer(lambda number, _: Reply(then="hang") if number == 5 else GOOD) as server:
        report = measure(server.url, grace=0.2)
    assert (report["unfinished"], report["dropped"]) == (1, 0)
    assert report["requests"] == len(server.requests) - 1


def test_a_429_holds_the_load_as_long_as_the_server_asks() -> None:
    throttle = Reply(answer(429, "v1", b"", "Retry-After: 1"))
    with ScriptedServer(lambda number, _: throttle if number == 10 else GOOD) as server:
        report = measure(server.url, seconds=1.4, backoff=True)
    assert report["throttled"] == 1
    assert (report["dropped"], report["errors"]) == (0, 0)
    assert report["requests"] == len(server.requests) - 1
    assert 20 <= len(server.requests) <= 70  # 140 without the second of silence
    assert report["longest_gap_seconds"] < 0.5  # that silence is ours


def test_a_429_is_an_error_unless_backing_off_was_asked_for() -> None:
    with ScriptedServer(some(Reply(answer(429, "v1")))) as server:
        report = measure(server.url)
    assert (report["errors"], report["throttled"]) == (3, 0)


def test_the_rate_is_kept_whatever_the_answers_do() -> None:
    with ScriptedServer(lambda *_: Reply(then="hang")) as server:
        report = measure(server.url, seconds=1.0, rate=60, timeout=0.2)
    assert 55 <= report["requests"] <= 66
    assert report["requests"] == len(server.requests) == report["dropped_by_kind"]["timeout"]


def test_requests_beyond_the_most_connections_are_not_sent_and_said() -> None:
    with ScriptedServer(lambda *_: Reply(then="hang")) as server:
        report = measure(server.url, timeout=9.0, grace=0.0, max_connections=6)
    assert report["unfinished"] == 6
    assert report["unsent"] >= 30
    assert report["requests"] == 0


def test_the_longest_gap_is_the_time_between_two_successes() -> None:
    began = time.monotonic()

    def script(_number: int, _request: bytes) -> Reply:
        return Reply(answer(500)) if 0.3 < time.monotonic() - began < 0.8 else GOOD

    with ScriptedServer(script) as server:
        report = measure(server.url, seconds=1.2)
    assert 0.45 <= report["longest_gap_seconds"] <= 0.75


def test_an_unpaced_load_goes_as_fast_as_answers_come() -> None:
    with ScriptedServer(lambda *_: GOOD) as server:
        report = measure(server.url, rate=0, connections=3)
    assert server.connections == 3
    assert report["requests"] == len(server.requests) > 200


def test_the_mix_spreads_its_shares_evenly() -> None:
    order = mix(Load("http://a/", post_path="/p", post_share=50, slow_path="/s", slow_share=2))
    words = [kind.content.split(b" ")[:2] for kind in order]
    assert Counter(path for _method, path in words) == {b"/": 48, b"/p": 50, b"/s": 2}
    assert Counter(path for _method, path in words[:50])[b"/s"] == 1


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A server context with a certificate for localhost, and the file with its authority."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem",
         "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, str(folder / "cert.pem")


def test_tls_is_verified_by_default_and_an_untrusted_server_refuses_every_request(
    tls: tuple[ssl.SSLContext, str],
) -> None:
    with ScriptedServer(lambda *_: GOOD, tls[0]) as server:
        report = measure(server.url, rate=20)
        assert server.requests == []
    assert dropped(report) == {"refused": report["requests"]}
    assert "certificate" in report["first_dropped"][0]["detail"]


@pytest.mark.parametrize("trust", ["ca_file", "off", "server_name"])
def test_tls_keeps_its_connections_when_the_server_is_trusted(tls: tuple[ssl.SSLContext, str], trust: str) -> None:
    options = {
        "ca_file": Tls(ca_file=tls[1]),
        "off": Tls(verify=False),
        "server_name": Tls(ca_file=tls[1], server_name="localhost"),
    }[trust]
    with ScriptedServer(lambda *_: GOOD, tls[0]) as server:
        url = server.url.replace("localhost", "127.0.0.1") if trust != "ca_file" else server.url
        report = measure(url, tls=options)
    assert (report["dropped"], report["errors"]) == (0, 0)
    assert report["requests"] == len(server.requests)
    assert server.connections <= MOSTLY_KEPT


def test_tls_counts_resets_cuts_and_idle_closes_like_plain_connections(tls: tuple[ssl.SSLContext, str]) -> None:
    replies = {5: Reply(then="reset"), 9: Reply(then="close"), 12: Reply(answer(), then="close", pause=0.02)}
    with ScriptedServer(lambda number, _: replies.get(number, GOOD), tls[0]) as server:
        report = measure(server.url, tls=Tls(ca_file=tls[1]), rate=40)
    assert sum(dropped(report).values()) == 2
    assert set(dropped(report)) <= {"reset", "cut"}
    assert report["requests"] == len(server.requests)


def test_a_machine_that_runs_out_of_its_own_limits_says_so_instead_of_counting_drops(tmp_path: Path) -> None:
    script = tmp_path / "exhaust.py"
    script.write_text(
        "import resource, sys, time\n"
        "from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load, run\n"
        "from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\n"
        "run(Load(sys.argv[1], rate=200, connections=50), Tally(time.monotonic()), lambda e: 0.0 if e > 5 else None)\n"
    )
    with ScriptedServer(lambda *_: Reply(then="hang")) as server:
        done = subprocess.run(
            [sys.executable, script, server.url.replace("localhost", "127.0.0.1")],
            check=False, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    assert done.stderr.strip().endswith("ReleaseError: this machine cannot send that load: Too many open files")


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Load("ftp://a/"), "is not a URL such as"),
        (Load("http://a:99999/"), "is not a URL"),
        (Load("http://joe:secret@a/"), "carries credentials"),
        (Load("http://a/", post_path="orders"), "is not a path"),
        (Load("http://a/", headers={"X": "a\r\nb"}), "cannot be sent"),
        (Load("http://" + "a" * 70 + "/"), "is not a URL"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence(load: Load, words: str) -> None:
    with pytest.raises(ReleaseError, match=words) as raised:
        mix(load)
    assert "secret" not in str(raised.value)
