# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A silence is short and renewed: whoever made it has to live for it to last."""

from __future__ import annotations

import json

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.endpoint import Endpoint
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.silence import Silence
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place, SourceError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.watchers import Alertmanager

from tests.unit.metrics.recorded import Server

PLACES = {"stable": Place("blue", "v1"), "canary": Place("green", "v2")}
MADE = (200, b'{"silenceID": "s1"}')
KEPT = (200, b'{"id": "s1", "startsAt": "2026-01-01T00:00:00.123Z"}')
EPOCH = 1767225600.0


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def silence(self, server: Server) -> Silence:
        options = {"url": server.url, "timeout": 5, "validate_certs": True, "use_proxy": False}
        endpoint = Endpoint("Alertmanager", options)
        return Silence(endpoint, {"app": "shop"}, "why", lambda: EPOCH + self.at, lambda: self.at)


def test_it_is_made_for_minutes_and_renewed_in_place_as_long_as_somebody_renews_it():
    clock = Clock()
    with Server(MADE, KEPT) as server:
        server.answers = {"POST": MADE, "GET": KEPT}
        silence = clock.silence(server)
        silence.begin()
        for clock.at in (10.0, 50.0, 61.0, 70.0):
            silence.renew()
    made, renewed = [json.loads(body) for method, _path, body in server.heard if method == "POST"]
    assert made["startsAt"] < "2026-01-01T00:00:00" and made["endsAt"] == "2026-01-01T00:05:00.000Z"
    assert "id" not in made and made["matchers"] == [{"name": "app", "value": "shop", "isRegex": False}]
    assert (renewed["id"], renewed["startsAt"]) == ("s1", "2026-01-01T00:00:00.123Z"), "else a second one is made"
    assert renewed["endsAt"] == "2026-01-01T00:06:01.000Z"


def test_one_that_was_ended_is_not_renewed_by_a_look_that_is_still_under_way():
    clock = Clock()
    with Server(MADE) as server:
        server.answers = {"POST": MADE, "GET": KEPT, "DELETE": (200, b"")}
        silence = clock.silence(server)
        silence.begin()
        silence.end()
        clock.at = 1000.0
        silence.renew()
    assert [(method, path) for method, path, _body in server.heard][2:] == [("DELETE", "/api/v2/silence/s1")]


def test_one_that_was_never_made_is_neither_renewed_nor_ended():
    with Server(MADE) as server:
        silence = Clock().silence(server)
        silence.renew()
        silence.end()
    assert server.heard == []


def watcher(url: str, **options) -> Alertmanager:
    given = {"url": url, "labels": {"app": "shop"}, **options}
    wanted = settings.parse({"source": {"haproxy": {}}, "watch": [{"alertmanager": given}]})
    return Alertmanager(wanted.watch[0][1], PLACES)


def test_an_alertmanager_that_does_not_take_it_is_one_sentence():
    with Server(MADE) as server:
        server.answers = {"POST": (400, b'"bad matcher format"')}
        with pytest.raises(SourceError, match=r"it answers 400 \(bad matcher format\)"):
            watcher(server.url, silence={"alertname": "Restarting"}).begin()
        server.answers = {"POST": (200, b"{}")}
        with pytest.raises(SourceError, match="no silence in its answer"):
            watcher(server.url, silence={"alertname": "Restarting"}).begin()


def test_one_that_cannot_be_ended_is_said_to_end_by_itself():
    with Server(MADE) as server:
        server.answers = {"POST": MADE, "GET": KEPT, "DELETE": (503, b"")}
        watched = watcher(server.url, silence={"alertname": "Restarting", "revision": "$revision"})
        what = "alerts with alertname=Restarting, revision=v2"
        assert watched.begin() == [f"silenced {what} for as long as the gate judges"]
        [said] = watched.end()
    assert said.startswith(f"the silence of {what} ends in 5 minutes: Alertmanager")


def test_a_silence_of_all_that_is_watched_is_refused():
    with pytest.raises(SourceError, match="no alert would stop anything"):
        watcher("http://127.0.0.1:1", silence={"app": "shop"})
