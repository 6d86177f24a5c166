# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a machine keeps its connection, and when it opens a new one."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine


class Line:
    """A connection that answers, or raises, what it was told to."""

    def __init__(self, answers: list[t.Any]) -> None:
        self.answers = answers

    def secrets(self) -> list[str]:
        return ["pass word"]

    def execute(self, name: str, args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        self.answers.append("closed")


class Lines:
    """Opens lines and counts them."""

    def __init__(self, *answers: t.Any) -> None:
        self.answers = list(answers)
        self.opened = 0

    def __call__(self) -> Line:
        self.opened += 1
        return Line(self.answers)


def test_a_connection_is_kept_over_answers() -> None:
    lines = Lines({}, {"failed": True, "msg": "no"}, {})
    machine = Machine("lb1", lines)
    for _call in range(3):
        machine.module("probe", {})
    assert lines.opened == 1


@pytest.mark.parametrize("leaving", [KeyboardInterrupt(), AnsibleConnectionFailure("x"), AnsibleError("x"), OSError()])
def test_a_call_that_did_not_come_back_costs_its_connection(leaving: BaseException) -> None:
    lines = Lines(leaving, {"machine": "lb1"})
    machine = Machine("lb1", lines)
    with contextlib.suppress(KeyboardInterrupt):
        assert machine.module("probe", {})["failed"]
    assert machine.module("probe", {})["machine"] == "lb1"
    assert lines.opened == 2


def test_a_new_connection_in_a_thread_knows_the_task_it_works_for() -> None:
    task = contextvars.ContextVar[str]("task")
    seen = []

    def connect() -> Line:
        seen.append(task.get("none"))
        return Line([AnsibleConnectionFailure("gone"), {}])

    task.set("shift")
    machine = Machine("lb1", connect)
    machine.module("probe", {})
    # An empty context is what a new thread has, up to Python 3.13.
    other = contextvars.Context()
    thread = threading.Thread(target=other.run, args=(machine.module, "probe", {}))
    thread.start()
    thread.join()
    assert seen == ["shift", "shift"]


@pytest.mark.parametrize(
    ("answer", "lost", "sentence"),
    [
        (AnsibleConnectionFailure("Failed to connect:\n  refused"), True, "lb1: Failed to connect: refused"),
        ({"unreachable": True, "msg": "no route"}, True, "lb1: no route"),
        ({"failed": True, "module_stdout": "", "module_stderr": "x\nOut\n"}, True, "lb1: no answer from probe: Out"),
        (AnsibleError("Incorrect sudo pass word"), None, "lb1: Incorrect sudo VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"),
        ({"failed": True, "msg": "no such backend"}, None, "no such backend"),
    ],
)
def test_no_answer_is_lost_and_a_failure_is_not(answer: t.Any, lost: bool | None, sentence: str) -> None:
    result = Machine("lb1", Lines(answer)).module("probe", {})
    assert (result["failed"], result.get("lost"), result["msg"]) == (True, lost, sentence)


def test_arguments_and_secrets_are_in_no_answer() -> None:
    answer = {"invocation": {"module_args": {}}, "_ansible_x": 1, "text": ["a secret", {"b": "the pass word"}]}
    result = Machine("lb1", Lines(answer), ["secret"]).module("probe", {})
    hidden = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert result == {"changed": False, "failed": False, "text": [f"a {hidden}", {"b": f"the {hidden}"}]}
