# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source web: counters in any JSON answer."""

from __future__ import annotations

import json
import sys

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place, SourceError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.web import Web

from tests.unit.metrics.recorded import Server

# An optional dependency of users; tests/requirements.txt brings it.
pytest.importorskip("jmespath")

PLACES = {"stable": Place("blue", "v1"), "canary": Place("green", "v2")}
SLOTS = {"requests": "slots.$slot.requests", "bad": {"errors": "slots.$slot.failed"}}


def web(url, **options):
    wanted = settings.parse({"source": {"web": {"url": url, **options}}})
    return Web(wanted.source_options, PLACES)


def answer(blue, green):
    return 200, json.dumps({"slots": {"blue": blue, "green": green}}).encode()


def test_one_answer_that_knows_both_slots_is_asked_for_once():
    first = answer({"requests": 100, "failed": 1}, {"requests": 10, "failed": 0})
    second = answer({"requests": 150, "failed": 1}, {"requests": 30, "failed": 4})
    with Server(first, second) as server:
        source = web(server.url, **SLOTS)
        source.read(1.0)
        sample = source.read(2.0)
    assert len(server.asked) == 2
    assert (sample.stable.requests, sample.stable.bad["errors"]) == (50, 0)
    assert (sample.canary.requests, sample.canary.bad["errors"]) == (20, 4)


def test_each_slot_may_have_its_own_address():
    with Server((200, b'{"requests": 5, "failed": 1}')) as server:
        web(f"{server.url}/$slot", requests="requests", bad={"errors": "failed"}).read(1.0)
    assert sorted(path for path, _form, _headers in server.asked) == ["/blue", "/green"]


def test_a_mapping_is_a_counter_for_each_instance():
    first = answer({"requests": {"a": 100, "b": 100}}, {"requests": {"c": 0}})
    second = answer({"requests": {"a": 5, "b": 110}}, {"requests": {"c": 0}})
    with Server(first, second) as server:
        source = web(server.url, **SLOTS)
        source.read(1.0)
        assert source.read(2.0).stable.requests == 15


@pytest.mark.parametrize("green", [{}, {"requests": None}, {"requests": -1}])
def test_a_slot_without_a_number_has_no_data(green):
    with Server(answer({"requests": 1}, green)) as server:
        sample = web(server.url, **SLOTS).read(1.0)
    assert sample.canary is None and sample.stable is not None


def test_something_else_than_a_number_is_named():
    with Server(answer({"requests": "many"}, {"requests": 1})) as server, pytest.raises(SourceError) as caught:
        web(server.url, **SLOTS).read(1.0)
    assert str(caught.value) == "requests of the source web (slots.blue.requests) finds str instead of a number"


def test_what_it_reads_is_described():
    with Server(answer({"requests": 7}, {})) as server:
        looks = {(look.arm, look.counter): look.value for look in web(server.url, **SLOTS).describe()}
    assert looks == {
        ("stable", "requests"): 7,
        ("stable", "errors"): 0,
        ("canary", "requests"): None,
        ("canary", "errors"): None,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"requests": "slots.[", "bad": {"errors": "x"}}, "requests of the source web is no JMESPath expression"),
        ({"requests": "requests", "bad": {"errors": "failed"}}, "asks both slots the same"),
        ({"requests": "requests"}, "missing required arguments: bad"),
    ],
)
def test_wrong_options_are_one_sentence(options, said):
    with pytest.raises(SourceError) as caught:
        web("http://127.0.0.1:1", **options)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_without_jmespath_it_says_what_to_install_and_where(monkeypatch):
    monkeypatch.setitem(sys.modules, "jmespath", None)
    with pytest.raises(SourceError) as caught:
        web("http://127.0.0.1:1", **SLOTS)
    assert str(caught.value).endswith(f"{sys.executable} -m pip install jmespath")
