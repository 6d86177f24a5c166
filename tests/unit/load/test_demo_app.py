# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo application keeps its promises: the other tests measure with it."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
import typing as t
import urllib.error
import urllib.request

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.certificate import certificate
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load, run
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally

from tests.lab.hosts.demo import DemoApp


def ask(url: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(url, data=body, timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_every_answer_says_revision_and_slot() -> None:
    with DemoApp("v7", "--slot", "green") as app:
        for path in ("", "health", "metrics", "fault", "nope"):
            _status, headers, _body = ask(app.url + path)
            assert (headers["X-Version"], headers["X-Slot"]) == ("v7", "green")
        assert json.loads(ask(app.url, b"x" * 100_000)[2]) == {"version": "v7", "slot": "green", "received": 100_000}


def test_faults_come_and_go_on_demand() -> None:
    with DemoApp("v1", "--unhealthy", "--error-rate", "1") as app:
        assert (ask(app.url + "health")[0], ask(app.url)[0]) == (503, 500)
        app.fault('{"healthy": true, "error_rate": 0, "latency": 0.3}')
        began = time.monotonic()
        assert (ask(app.url + "health")[0], ask(app.url)[0]) == (200, 200)
        assert time.monotonic() - began >= 0.3
        assert ask(app.url + "fault", b'{"typo": 1}')[0] == 400


def test_metrics_count_answers_by_status_and_their_time() -> None:
    with DemoApp("v1") as app:
        for _number in range(3):
            ask(app.url)
        ask(app.url + "slow?seconds=0.2")
        app.fault('{"error_rate": 1}')
        ask(app.url)
        lines = ask(app.url + "metrics")[2].decode().splitlines()
    assert 'http_requests_total{version="v1",status="200"} 4' in lines
    assert 'http_requests_total{version="v1",status="500"} 1' in lines
    assert 'http_request_duration_seconds_bucket{version="v1",le="0.1"} 4' in lines
    assert 'http_request_duration_seconds_count{version="v1"} 5' in lines


def load_until_stopped(app: DemoApp, **options: t.Any) -> dict[str, t.Any]:
    """Send until the application has been told to stop and is about to close its idle connections."""
    tally = Tally(time.monotonic())
    load = Load(app.url, revision=RevisionSource(header="X-Version"), **options)
    threading.Timer(0.5, app.process.send_signal, [signal.SIGTERM]).start()
    run(load, tally, lambda elapsed: 5.0 if elapsed > 0.45 else None)
    return certificate(tally.counts(time.monotonic()))


def test_sigterm_lets_requests_in_flight_finish() -> None:
    with DemoApp("v1") as app:
        report = load_until_stopped(app, rate=40, slow_path="/slow?seconds=1", slow_share=50)
        assert app.process.wait(5) == 0
    assert (report["dropped"], report["errors"], report["unfinished"]) == (0, 0, 0)


def test_after_sigterm_an_idle_connection_gets_its_answer_and_is_told_to_close() -> None:
    with DemoApp("v1", "--stop-grace", "2") as app:
        connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=5)
        connection.request("GET", "/")
        assert connection.getresponse().read()
        app.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(app.url, timeout=5)
        assert app.process.wait(5) == 0
        connection.close()


def test_abrupt_dies_with_requests_in_flight() -> None:
    with DemoApp("v1", "--abrupt") as app:
        report = load_until_stopped(app, rate=40, slow_path="/slow?seconds=1", slow_share=50)
        assert app.process.wait(5) != 0
    assert report["dropped"] >= 3
