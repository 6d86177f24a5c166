# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a task file of the user's on the machines of a slot; any failure there fails this one task, so rescue runs."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._files import replace
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _pulse
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._nested_play import NestedPlay, Outcome


class ActionModule(ReleaseAction):
    """release_tasks."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "file": {"type": "path", "required": True},
        "machines": {"type": "list", "elements": "str", "default": []},
        "slot": {"type": "str", "choices": ["blue", "green"]},
        "variables": {"type": "dict", "default": {}},
        "hook": {"type": "str"},
        "deadline": {"type": "str"},
        "log": {"type": "path"},
        **_pulse.SPEC,
    }
    RULES = _pulse.RULES

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the result of the task file's play; raises ReleaseError before the first task when it cannot begin."""
        file = _found(params["file"], task_vars.get("inventory_dir"))
        title = params["hook"] or os.path.basename(file)
        seconds = _seconds(params["deadline"])
        play = NestedPlay(self, task_vars)
        # A hook such as an announcement has no machines: it runs where the release itself runs.
        local = params["machines"] in ([], [self.environment])
        machines = [self.environment] if local else play.machines(params["machines"])
        variables = params["variables"]
        if params["slot"]:
            variables = {**variables, "release_slot": params["slot"]}
        pulse = _pulse.Pulse(self, params, task_vars)
        # Begun and ended are journaled, so that nobody reruns the file blindly.
        pulse.note("hook_begun", hook=title)
        try:
            outcome = play.run(
                file,
                machines,
                variables,
                say=lambda line: self.say(f"{title}: {line}"),
                seconds=seconds,
                connection="local" if local else None,
                listen=pulse,
            )
        except ReleaseError as error:
            raise ReleaseError(f"{title}: {error}") from error
        if params["log"] and outcome.transcript:
            self._keep(params["log"], outcome.transcript)
        result = _result(title, outcome)
        pulse.note("hook_ended", hook=title, msg=result.get("msg", ""))
        pulse.rest()
        return {**result, "aborted": bool(pulse())}

    def _keep(self, path: str, transcript: str) -> None:
        """Write down what the tasks said; that it cannot be written must not fail what they did."""
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            replace(path, transcript.encode("utf-8", "replace"), 0o600)
        except (OSError, ReleaseError) as error:
            self.say(f"what the tasks said is lost: {error}")


def _result(title: str, outcome: Outcome) -> dict[str, t.Any]:
    result = {
        "changed": outcome.changed,
        "machines": outcome.machines,
        "failures": outcome.failures,
        "diff": outcome.diff,
    }
    trouble = verdict(outcome)
    return {**result, "failed": True, "msg": f"{title}: {trouble}"} if trouble else result


def verdict(outcome: Outcome) -> str:
    """Return the sentence that says what failed, or nothing when all is well."""
    unfinished = [name for name, state in outcome.machines.items() if state != "ok"]
    if not unfinished:
        return ""
    parts = [f"{name}: {sentence}" for name, sentence in list(outcome.failures.items())[:1]]
    if outcome.ended:
        parts.append(outcome.ended)
    others = [name for name in unfinished if name not in list(outcome.failures)[:1]]
    if others:
        parts.append(f"not done on {', '.join(others)}")
    return "; ".join(parts)


def _found(path: str, inventory_dir: str | None) -> str:
    if not os.path.isabs(path):
        if not inventory_dir:
            raise ReleaseError(f"the task file {path} is relative, but the inventory has no folder: write all of it")
        path = os.path.join(inventory_dir, path)
    if not os.path.isfile(path):
        raise ReleaseError(f"there is no task file {path}")
    return os.path.realpath(path)


def _seconds(deadline: str | None) -> float | None:
    if not deadline:
        return None
    try:
        return duration.seconds(deadline)
    except ValueError as error:
        raise ReleaseError(f"deadline: {error}") from error
