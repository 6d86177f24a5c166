# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pulse of a run that waits outside C(traffic_shift): signs of life for its lock, and an ear for abort."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._journal_port import open_journal

LISTEN = 1.5
BEAT = 10.0
# Between two tasks a busy controller may take its time; the lock announces so many times its TTL of silence.
SILENCE = 10

# The options of an action that waits under the lock of a run.
SPEC: dict[str, t.Any] = {
    "journal": {"type": "dict"},
    "key": {"type": "str", "no_log": False},
    "run": {"type": "str"},
}
RULES: dict[str, t.Any] = {"required_together": [("journal", "key", "run")]}


class Aborted(ReleaseError):
    """An operator ended the release while it waited."""

    aborted = True


class Pulse:
    """Call it in a wait: it returns why the wait must end, or nothing. Without a run it does nothing at all."""

    def __init__(self, action: ReleaseAction, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> None:
        self._say, self._orphaned = action.say, action.orphaned
        self._key, self._run = params["key"], params["run"]
        idle = not self._run or action._task.check_mode
        self._journal = None if idle else open_journal(action, params["journal"], task_vars)
        self._heard_at = self._beat_at = float("-inf")
        self._why = ""

    def __call__(self) -> str:
        """Return the sentence of an abort, empty while there is none. Raises Fenced when the lock was lost."""
        if self._orphaned():
            os._exit(1)  # nobody is left to act on what this wait is for, and its signs of life would hide that
        now = time.monotonic()
        if self._journal is None or self._why or now - self._heard_at < LISTEN:
            return self._why
        self._heard_at = now
        if now - self._beat_at >= min(BEAT, self._journal.ttl / 6):
            self._beat_at = now
            self._ask("heartbeat")
        for command in self._ask("pending").get("commands", []):
            self._obey(command)
        return self._why

    def note(self, kind: str, **facts: t.Any) -> None:
        """Journal an entry of C(kind). Raises what the journal raises: no journal, no step."""
        if self._journal is not None:
            self._journal("note", key=self._key, run=self._run, entry={"kind": kind, **facts})

    def rest(self) -> None:
        """Announce the silence until the next task."""
        if self._journal is not None:
            self._ask("heartbeat", expected_until=time.time() + SILENCE * self._journal.ttl)

    def check(self) -> None:
        """Raise Aborted when an operator ended the release."""
        if self():
            raise Aborted(self._why)

    def _obey(self, command: dict[str, t.Any]) -> None:
        verb, who, why = command["verb"], command.get("who"), command.get("why")
        ends = verb in ("abort", "rollback")
        self._ask("acknowledge", n=command["n"], answer="restoring" if ends else "no step has begun")
        if ends:
            self._why = f"{verb}{f' by {who}' if who else ''}{f': {why}' if why else ''}"
        self._say(self._why or f"{verb}: no step has begun")

    def _ask(self, verb: str, **arguments: t.Any) -> dict[str, t.Any]:
        if self._journal is None:
            return {}
        try:
            return self._journal(verb, key=self._key, run=self._run, **arguments)
        except Lost as error:
            self._say(f"the journal: {error}")
            return {}
