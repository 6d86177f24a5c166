# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command to a release whose run does not answer: what takes it back goes on by itself, all else does not."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.action import release_command
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

ASKED: dict[str, t.Any] = {
    "settings": {"journal": {}, "app": "shop", "environment": "shop-eu"},
    "key": "k",
    "run": "by-hand",
    "step": "",
    "floor": 0,
    "why": "",
}


class Journal:
    """A journal whose run never reads it; it notes the verbs that it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, verb: str, **arguments: t.Any) -> dict[str, t.Any]:
        self.asked.append(verb)
        if verb == "command":
            return {"n": 1, "release": "r1"}
        if verb == "read":
            return {"releases": [{"id": "r1", "commands": [{"n": 1, "answer": None}]}]}
        return {"fence": 7, "next": {"outcome": "Aborted"}, "release": {"id": "r1"}}


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    made = Journal()
    monkeypatch.setattr(release_command, "ANSWER", 0.05)
    monkeypatch.setattr(release_command, "open_journal", lambda *_unused: made)
    return made


def give(verb: str) -> tuple[dict[str, t.Any], list[str]]:
    action = object.__new__(release_command.ActionModule)
    action._task = types.SimpleNamespace(check_mode=False)
    said: list[str] = []
    action.say = said.append  # type: ignore[method-assign]
    return action.here({**ASKED, "verb": verb}, {}), said


@pytest.mark.parametrize("verb", ["abort", "rollback"])
def test_what_takes_back_waits_for_an_answer_and_then_takes_over(journal: Journal, verb: str) -> None:
    result, said = give(verb)
    assert (result["taken"], result["fence"], result["outcome"]) == (True, 7, "Aborted")
    assert (journal.asked[0], journal.asked[-1]) == ("command", "take_over")
    assert any(line.startswith(f"{verb}: no answer within") for line in said)


@pytest.mark.parametrize("verb", ["promote", "pause"])
def test_what_goes_forward_or_holds_takes_nothing_over(journal: Journal, verb: str) -> None:
    with pytest.raises(ReleaseError, match=f"{verb}: the run did not answer within .*: run status"):
        give(verb)
    assert "take_over" not in journal.asked
