# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the folder of reports gets: words that are capped and hold no secret."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._transcript import (
    MOST,
    MOST_OF_ONE,
    Transcript,
    words_of,
)


def test_of_long_words_the_end_is_kept_and_of_many_the_beginning() -> None:
    transcript = Transcript()
    transcript.add("app1", "Show the log", "begin" + "x" * MOST_OF_ONE)
    assert "[5 characters before]" in transcript.text() and "begin" not in transcript.text()
    for number in range(100):
        transcript.add("app1", f"task {number}", "y" * MOST_OF_ONE)
    assert len(transcript.text()) < MOST + MOST_OF_ONE
    assert transcript.text().endswith("== the rest was left out\n")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"stdout": "out\n", "stderr": "err", "rc": 1}, "out\nerr"),
        ({"results": [{"msg": "one"}, {"msg": "two"}], "msg": "All items completed"}, "All items completed\none\ntwo"),
        ({"censored": "hidden", "stdout": "secret"}, "hidden by no_log"),
        ({"changed": True}, "said nothing"),
        ({"failed": True}, "failed"),
    ],
)
def test_the_words_of_a_task_are_what_a_person_reads(answer: dict[str, t.Any], words: str) -> None:
    assert words_of(answer) == words
