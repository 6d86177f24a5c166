# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(release_adopt): make an environment of other hands ready for releases."""

from __future__ import annotations

import secrets
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import plan as core_plan
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights, other, split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._journal_port import Port, open_journal
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import object_key, open_balancers


class ActionModule(ReleaseAction):
    """Gives the balancers the state that a driver needs, with one slot at 100, and opens the journal."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "settings": {"type": "dict", "required": True},
        "serving": {"type": "str", "choices": list(SLOTS)},
        "confirm": {"type": "bool", "default": False},
    }

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what was or would be changed, and say it; nothing is changed without C(confirm)."""
        result = self._adopt(params, task_vars)
        self.say(result["msg"])
        return result

    def _adopt(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        settings = params["settings"]
        balancers = open_balancers(self, settings["traffic"], task_vars)
        sight = balancers.observe()
        serving = params["serving"] or _serving(sight)
        wanted = split(serving, 100)
        bare = [name for name, view in sight.views.items() if view["weights"] is None]
        journal = open_journal(self, settings["journal"], task_vars)
        known = journal("read", key=object_key(sight))
        if not bare:
            return self._adopted(sight, wanted, known, settings, journal)
        if params["serving"] and sight.up(serving) is False:
            raise ReleaseError(f"{serving} is to serve and has no healthy server: adopt names the slot that serves now")
        changes = [
            core_plan.Change(f"traffic of {settings['app']} on {name}", "not ours", str(wanted)) for name in bare
        ]
        result = {"changed": True, "diff": core_plan.diff(changes)}
        if self._task.check_mode or not params["confirm"]:
            for change in changes:
                self.say(f"{change.where} would become {change.after}")
            hint = "" if self._task.check_mode else "; run adopt again with -e release_confirm=true"
            return {**result, "changed": self._task.check_mode, "msg": f"{', '.join(bare)}: not adopted yet{hint}"}
        before = balancers.owned()
        balancers.forward(wanted, [], None, None, force=True)
        made = [thing for thing in balancers.owned() if thing not in before]
        self._open(journal, object_key(sight), settings, serving, sight, made)
        return {**result, "msg": f"adopted: {serving} serves, {other(serving)} takes the next revision"}

    def _adopted(
        self, sight: Sight, wanted: Weights, known: dict[str, t.Any], settings: dict[str, t.Any], journal: Port
    ) -> dict[str, t.Any]:
        if sight.weights is None or sight.weights.only() is None:
            raise ReleaseError(f"one slot must have all the traffic: {sight.trouble or sight.weights}")
        if sight.weights != wanted:
            raise ReleaseError(f"it is adopted already, and {sight.weights.only()} serves")
        return {"changed": False, "msg": f"nothing to do: {sight.weights.only()} serves", "diff": []}

    def _open(
        self,
        journal: Port,
        key: str,
        settings: dict[str, t.Any],
        serving: str,
        sight: Sight,
        made: list[dict[str, t.Any]],
    ) -> None:
        """Journal what was found, and what was made (to put it back, remove that), as the first promoted release."""
        run = f"{settings['environment']}-{secrets.token_hex(6)}"
        record = {
            "id": f"adopt-{secrets.token_hex(3)}",
            "platform": settings["platform"],
            "revision": settings["revision"],
            "stable": serving,
            "canary": serving,
            "object": key,
            "recorded": split(serving, 100).plain(),
            "confirmed": split(serving, 100).plain(),
        }
        journal("acquire", key=key, owner={"run": run, "app": settings["app"]}, release=record)
        found = {name: view["trouble"] for name, view in sight.views.items()}
        journal("note", key=key, run=run, entry={"kind": "note", "msg": "adopted", "found": found, "made": made})
        journal(
            "note",
            key=key,
            run=run,
            entry={"kind": "phase", "phase": "Healthy", "outcome": "Promoted"},
            changes={"phase": "Healthy", "outcome": "Promoted"},
        )
        journal("unlock", key=key, run=run)


def _serving(sight: Sight) -> str:
    """Return the slot that serves now as far as the balancers know, blue where nothing does."""
    if sight.weights and sight.weights.only():
        return str(sight.weights.only())
    up = [slot for slot in SLOTS if sight.up(slot)]
    if len(up) > 1:
        raise ReleaseError("both slots have healthy servers: name the one that serves now by release_serving")
    return up[0] if up else SLOTS[0]
