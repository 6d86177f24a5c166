# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What release_tasks tells an operator: one line for what takes long, one sentence for what failed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.action.release_tasks import verdict
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._nested_play import Outcome, progress, reason


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"msg": "Unable to start\n  service  shop"}, "Unable to start service shop"),
        ({"msg": "non-zero return code.", "rc": 2, "stderr": "a\nno file\n"}, "non-zero return code (2): no file"),
        ({"msg": "non-zero return code", "rc": 2, "stderr": ""}, "non-zero return code"),
        ({"reason": "Could not find the file more.yml"}, "Could not find the file more.yml"),
        ({"results": [{"msg": "fine"}, {"failed": True, "msg": "bad"}], "msg": "One or more items failed"}, "bad"),
        ({"censored": "the output has been hidden", "msg": "secret"}, "the reason is hidden by no_log"),
        ({"results": [{"failed": True, "censored": "hidden", "msg": "secret"}]}, "the reason is hidden by no_log"),
        ({}, "no message"),
    ],
)
def test_the_reason_of_a_failure_is_one_line(answer: dict[str, t.Any], sentence: str) -> None:
    assert reason(answer) == sentence


def test_progress_names_the_machines_that_are_waited_for_and_the_time_left() -> None:
    assert progress("Pull", ["a", "b"], 3, 12.4, 287.6) == "'Pull' runs on a, b: 1 of 3 done, 12 s, 288 s left"
    assert progress("Pull", list("abcdefg"), 9, 2, None) == "'Pull' runs on a, b, c, d, e and 2 more: 2 of 9 done, 2 s"


def outcome(ended: str = "", failures: dict[str, str] | None = None, **machines: str) -> Outcome:
    return Outcome(machines, failures or {}, changed=True, diff=[], ended=ended)


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (outcome(a="ok", b="ok"), ""),
        (outcome(a="failed", b="ok", failures={"a": "'X' failed: y"}), "a: 'X' failed: y"),
        (
            outcome(a="unreachable", b="failed", c="stopped", failures={"a": "unreachable at 'X'", "b": "failed"}),
            "a: unreachable at 'X'; not done on b, c",
        ),
        (outcome("not done after 5m00s", a="stopped", b="stopped"), "not done after 5m00s; not done on a, b"),
    ],
)
def test_the_verdict_is_the_first_failure_and_who_else_did_not_finish(result: Outcome, sentence: str) -> None:
    assert verdict(result) == sentence
