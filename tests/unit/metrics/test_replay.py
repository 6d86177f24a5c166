# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The past, judged: where a release would have been stopped, and how often nothing at all would have been."""

from __future__ import annotations

import random

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import replay

NOON = 1767268800.0  # 2026-01-01T12:00:00Z
OPTIONS = Options.from_dict({"initial_delay": 0, "min_duration": 10, "lookback": 300})


def samples(rate, seconds, start=NOON, stable_rate=0.0, seed=1):
    random.seed(seed)
    bad, stable_bad, found = 0, 0, []
    for poll in range(int(seconds / 5)):
        bad += sum(random.random() < rate for _request in range(100 if poll else 0))
        stable_bad += sum(random.random() < stable_rate for _request in range(100 if poll else 0))
        found.append(
            Sample(start + 5 * poll, Arm(100 * poll, {"errors": stable_bad}), Arm(100 * poll, {"errors": bad}))
        )
    return found


def test_an_incident_is_stopped_and_what_came_after_it_is_spared():
    found = replay.incident(OPTIONS, samples(0.1, 300), [(50, NOON, None)], [])
    assert found.status == "fail" and 5 <= found.at - NOON <= 60
    assert found.spared > 200
    assert found.msg.startswith("it would have stopped the release at 2026-01-01T12:00:")
    assert [change["status"] for change in found.verdicts] == ["running", "fail"]


def test_a_good_release_would_have_gone_through():
    found = replay.incident(OPTIONS, samples(0.0, 300), [(50, NOON, None)], [])
    assert (found.status, found.at, found.spared) == ("pass", None, 0.0)
    assert found.msg.startswith("it would not have stopped the release: PASS after")


@pytest.mark.parametrize("past", [[], [Sample(NOON, None, None)] * 3])
def test_without_data_there_is_no_answer(past):
    with pytest.raises(ValueError, match="there are no data in that time"):
        replay.incident(OPTIONS, past, [(50, NOON, None)], [])


def test_two_halves_are_judged_one_time_after_the_other():
    found = replay.alike(OPTIONS, samples(0.005, 7200, stable_rate=0.005), NOON + 300)
    assert found.counts["fail"] == 0 and found.counts["pass"] > 3
    assert sum(found.counts.values()) == len(found.verdicts)
    assert found.phi["errors"] >= 1
    assert found.msg.startswith(f"two halves of the same fleet, judged {len(found.verdicts)} times in 1h54m: ")


def test_halves_that_differ_are_told_as_alarms():
    found = replay.alike(OPTIONS, samples(0.05, 1800), NOON + 300)
    assert found.counts["fail"] > 1 and f"{found.counts['fail']} false alarms" in found.msg


def test_one_instance_has_no_halves():
    single = [Sample(NOON + 5 * poll, Arm(100 * poll), None) for poll in range(100)]
    with pytest.raises(ValueError, match="one instance only"):
        replay.alike(OPTIONS, single, NOON)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", NOON),
        ("2h", NOON - 7200),
        ("1767268800", NOON),
        ("2026-01-01T12:00:00Z", NOON),
        ("2026-01-01T13:00:00+01:00", NOON),
        ("2026-01-01 12:00:00", NOON),
    ],
)
def test_a_moment_is_written_in_several_ways(text, seconds):
    assert replay.moment(text, NOON) == seconds


def test_a_moment_that_is_none_is_one_sentence():
    with pytest.raises(ValueError, match="'yesterday' is no time; write now, 2h"):
        replay.moment("yesterday", NOON)
