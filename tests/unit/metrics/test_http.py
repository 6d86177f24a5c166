# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source http: probes of each slot, counted as requests; whatever is no good answer is bad."""

from __future__ import annotations

import time

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.http import Http
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place, SourceError

from tests.unit.metrics.recorded import Server

PLACES = {"stable": Place("blue", "v1"), "canary": Place("green", "v2")}


def http(**options):
    wanted = settings.parse({"source": {"http": options}})
    return Http(wanted.source_options, PLACES)


@pytest.mark.parametrize(("status", "bad"), [(200, 0), (204, 0), (302, 0), (404, 5), (500, 5), (503, 5)])
def test_a_failure_status_is_bad(status, bad):
    with Server((status, b"")) as server:
        sample = http(url=f"{server.url}/$slot", probes=5).read(100.0)
    assert sample.canary.requests == 5 and sample.canary.bad["errors"] == bad
    assert {path for path, _form, _headers in server.asked} == {"/blue", "/green"}


def test_each_slot_is_asked_by_its_own_header_in_turns():
    with Server((200, b"")) as server:
        http(url=server.url, headers={"X-Release-Slot": "$slot"}, probes=2).read(100.0)
    assert [headers["X-Release-Slot"] for _path, _form, headers in server.asked] == ["blue", "green"] * 2


def test_no_answer_is_bad_and_slower_than_every_edge():
    source = http(url="http://127.0.0.1:1/$slot", probes=3, edges=[0.1, 5])
    sample = source.read(100.0)
    assert sample.stable.bad == {"errors": 3, "latency>0.1": 3, "latency>5": 3}
    assert source.metrics([])[1] == {"name": "latency", "edges": ["0.1", "5"]}


def test_counts_are_cumulative_and_bear_the_time_at_the_end():
    with Server((200, b""), delay=0.05) as server:
        source = http(url=f"{server.url}/$slot", probes=2, edges=[0.01])
        first, second = source.read(100.0), source.read(200.0)
    assert (first.stable.requests, second.stable.requests) == (2, 4)
    assert second.canary.bad["latency>0.01"] == 4 and second.at > 200.1


def test_a_hanging_slot_does_not_hold_up_a_reading_for_long():
    with Server((200, b""), delay=10.0) as server:
        source = http(url=f"{server.url}/$slot", probes=50, timeout=1.0)
        began = time.monotonic()
        sample = source.read(100.0)
    assert time.monotonic() - began < 9.0
    assert sample.canary.bad["errors"] == sample.canary.requests == sample.stable.requests


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "http://127.0.0.1:1/"}, "asks both slots the same"),
        ({"url": "http://127.0.0.1:1/$name"}, r"says \$name, but the name of blue is not known"),
        ({"url": "http://127.0.0.1:1/$slot", "probes": 0}, "must be greater than 0"),
    ],
)
def test_wrong_options_are_one_sentence(options, said):
    with pytest.raises(SourceError, match=said):
        http(**options)


def test_a_stable_slot_that_does_not_answer_is_told_before_anything_waits():
    with pytest.raises(SourceError, match="the probe of stable: http://127.0.0.1:1/blue: connection refused"):
        http(url="http://127.0.0.1:1/$slot").describe()


def test_it_says_that_it_measures_probes():
    with Server((200, b"")) as server:
        assert "probes, not users" in http(url=f"{server.url}/$slot").describe()[0].query
