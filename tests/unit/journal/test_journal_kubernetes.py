# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the ConfigMap's own: answers that are lost, and what then became of the exchange."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import Unreachable
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.kubernetes import (
    NOTHING,
    KubernetesStore,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import (
    Answer,
    Client,
    Unanswered,
)

from tests.unit.journal.configmaps import configmaps

KEY = "one"
Fault = int | str


def store(folder: Path, *faults: Fault, rival: t.Any = None) -> KubernetesStore:
    """Return a store whose writes meet C(faults): a status, or C(lost) once they are made; C(rival) writes then."""
    whole, due = configmaps(folder), list(faults)

    def send(method: str, target: str, content: bytes | None, headers: t.Mapping[str, str]) -> Answer:
        if method == "GET" or not due:
            return whole._send(method, target, content, headers)
        fault = due.pop(0)
        if fault == "lost":
            whole._send(method, target, content, headers)
        if rival:
            rival()
        if fault == "lost":
            raise Unanswered("the connection ended")
        return Answer(int(fault), b"{}")

    return KubernetesStore({"namespace": "shop"}, lambda _options: Client({}, send=send, sleep=_no_time), _no_time)


def _no_time(_seconds: float) -> None:
    pass


@pytest.mark.parametrize("faults", [["lost"], [500], [500, "lost"], [500, 503]])
@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_a_lost_answer_is_read_again_and_the_exchange_is_made_once(
    tmp_path: Path, faults: list[Fault], there: bool
) -> None:
    version = NOTHING
    if there:
        store(tmp_path).swap(KEY, NOTHING, {"key": KEY, "n": 1})
        version = store(tmp_path).read(KEY)[1]
    assert store(tmp_path, *faults).swap(KEY, version, {"key": KEY, "n": 2}) is True
    document, after = store(tmp_path).read(KEY)
    assert document == {"key": KEY, "n": 2}
    assert int(after) == (2 if there else 1), "once"


def test_a_lost_answer_behind_which_somebody_else_won_is_an_exchange_that_was_not_made(tmp_path: Path) -> None:
    def other() -> None:
        store(tmp_path).swap(KEY, NOTHING, {"key": KEY, "n": 7})

    assert store(tmp_path, 500, rival=other).swap(KEY, NOTHING, {"key": KEY, "n": 2}) is False
    assert store(tmp_path).read(KEY)[0] == {"key": KEY, "n": 7}


def test_answers_that_stay_lost_leave_the_exchange_unknown(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="the journal: .* answered 500 to POST"):
        store(tmp_path, 500, 500, 500).swap(KEY, NOTHING, {"key": KEY})
