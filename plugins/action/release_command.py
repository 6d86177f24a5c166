# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(release_command): tell a running release what to do, and take it over when nobody listens any more."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._journal_port import Port, open_journal

# How long a living run may take to answer, and then to put traffic back.
ANSWER = 10.0
ENDING = 120.0


class ActionModule(ReleaseAction):
    """Promote, abort, pause or roll back a release that another process runs, or take it over."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "verb": {
            "type": "str",
            "choices": ["promote", "abort", "pause", "rollback", "resume", "sweep"],
            "required": True,
        },
        "settings": {"type": "dict", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
        "run": {"type": "str", "required": True},
        "step": {"type": "raw"},
        "floor": {"type": "int", "default": 0},
        "why": {"type": "str", "default": ""},
    }

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return C(taken), whether this run now holds the release and has to end it, and C(msg)."""
        if self._task.check_mode:
            return {"changed": False, "taken": False, "msg": f"check mode: {params['verb']} is not given"}
        journal = open_journal(self, params["settings"]["journal"], task_vars)
        if params["verb"] in ("resume", "sweep"):
            return self._take_over(journal, params)
        step = int(params["step"]) if str(params["step"] or "").strip() else None
        answer = journal("command", key=params["key"], command=params["verb"], why=params["why"], step=step)
        if answer["n"] is None:
            return self._unheard(journal, params, answer)
        said = self._answer(journal, params["key"], answer["release"], answer["n"])
        if said is None:
            if params["verb"] in ("promote", "pause"):
                raise ReleaseError(
                    f"{params['verb']}: the run did not answer within {ANSWER:.0f} s; it may be dead: run status"
                )
            self.say(f"{params['verb']}: no answer within {ANSWER:.0f} s")
            return self._take_over(journal, params)
        if params["verb"] in ("abort", "rollback"):
            self._end(journal, params["key"], answer["release"])
        return {"changed": True, "taken": False, "msg": f"{params['verb']}: {said}"}

    def _unheard(self, journal: Port, params: dict[str, t.Any], answer: dict[str, t.Any]) -> dict[str, t.Any]:
        """Nobody runs the release, or nothing is left to be done."""
        verb = params["verb"]
        if verb in ("promote", "pause"):
            return {
                "changed": False,
                "taken": False,
                "msg": f"{verb}: nothing runs; release {answer['release']} is as it was",
            }
        return self._take_over(journal, params)

    def _take_over(self, journal: Port, params: dict[str, t.Any]) -> dict[str, t.Any]:
        settings = params["settings"]
        owner = {"run": params["run"], "app": settings["app"], "environment": settings["environment"]}
        answer = journal(
            "take_over", key=params["key"], owner=owner, command=params["verb"], floor=params["floor"]
        )
        return {
            "changed": True,
            "taken": True,
            "fence": answer["fence"],
            "outcome": answer["next"]["outcome"],
            "msg": f"{params['verb']}: this run holds release {answer['release']['id']} now",
        }

    def _answer(self, journal: Port, key: str, release: str, number: int) -> str | None:
        """Return what the run said, None when it has not answered in time."""
        deadline = time.monotonic() + ANSWER
        while time.monotonic() < deadline:
            commands = self._release(journal, key, release)["commands"]
            said = next((c["answer"] for c in commands if c["n"] == number and c["answer"] is not None), None)
            if said is not None:
                return t.cast(str, said)
            time.sleep(0.5)
        return None

    def _end(self, journal: Port, key: str, release: str) -> None:
        """Wait until the run has put traffic back. Raises ReleaseError when it stays where it is."""
        started = said = time.monotonic()
        while time.monotonic() - started < ENDING:
            record = self._release(journal, key, release)
            if record["outcome"] or record["phase"] == "Degraded":
                if record["phase"] == "Degraded":
                    raise ReleaseError("the run could not put the traffic back everywhere: run status, then rollback")
                return
            if time.monotonic() - said >= 2:
                said = time.monotonic()
                self.say("waiting for the run to put the traffic back")
            time.sleep(0.3)
        raise ReleaseError(f"the run acknowledged, but has not put the traffic back after {ENDING:.0f} s: run status")

    def _release(self, journal: Port, key: str, release: str) -> dict[str, t.Any]:
        known = journal("read", key=key)["releases"]
        return next(record for record in known if record["id"] == release)
