# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(release_status): where traffic is, what the journal says, and what to run next. Needs neither lock nor journal."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancers, Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import phases
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import text
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.journal import fence_of, state_of
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._front_door import slot_is_down
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._journal_port import open_journal
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._plan import variables
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import object_key, open_balancers

Facts = dict[str, t.Any]


class ActionModule(ReleaseAction):
    """Looks, and says what it sees; the verbs that end a release start from what it returns."""

    HANDS_ON = True
    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "settings": {"type": "dict", "required": True},
        "quiet": {"type": "bool", "default": False},
        "owned": {"type": "bool", "default": False},
        "fleet": {"type": "list", "elements": "dict", "default": []},
    }

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the status, its table as C(lines), and the fields of a plan for the release at hand."""
        settings = params["settings"]
        balancers = open_balancers(self, settings["traffic"], task_vars)
        sight = balancers.observe()
        key = object_key(sight)
        known, due, problem = self._journal(settings, key, task_vars)
        status = _status(settings, key, sight, known, due, problem)
        lines = _table(status)
        if params["owned"]:
            status["owned"] = self._owned(balancers, key, params, task_vars)
            lines += [f"{'owned':<9} {line}" for line in _inventory(status["owned"])]
        if not params["quiet"]:
            for line in lines:
                self.say(line)
        return {
            "changed": False,
            **_plan(settings, key, sight, known),
            "status": status,
            "due": [item["why"] for item in due],
            "lines": lines,
            "ansible_stats": {
                "data": {"zerodowntime_status": {self.environment: status}},
                "aggregate": True,
                "per_host": False,
            },
        }

    def _owned(self, balancers: Balancers, key: str, params: Facts, task_vars: Facts) -> list[Facts]:
        """Return everything that this collection has made for the environment, and where it is."""
        settings = params["settings"]
        found = [{"of": "traffic", **thing} for thing in balancers.owned()]
        found += [{"of": "fleet", **thing} for thing in params["fleet"]]
        try:
            journal = open_journal(self, settings["journal"], task_vars)("owned", key=key)["owned"]
        except ReleaseError as error:
            journal = [{"kind": "unknown", "name": "the journal", "about": str(error)}]
        at = settings["journal"]["machine"] or "here"
        found += [{"of": "journal", "at": at, **thing} for thing in journal]
        return found + [{"of": "reports", "at": "here", **thing.plain()} for thing in _files_of(settings)]

    def _journal(self, settings: Facts, key: str, task_vars: Facts) -> tuple[Facts | None, list[Facts], str]:
        try:
            journal = open_journal(self, settings["journal"], task_vars)
            known = journal("read", key=key)
            due = [
                item for item in journal("due", pause_timeout=settings["pause_timeout"])["due"] if item["key"] == key
            ]
        except ReleaseError as error:
            return None, [], str(error)
        return known, due, ""


def _plan(settings: Facts, key: str, sight: Sight, known: Facts | None) -> Facts:
    """Return what the tasks of a release need, for the release that the journal has last."""
    release = (known or {}).get("release") or {}
    stable, canary = release.get("stable"), release.get("canary")
    previous = release.get("previous") or {}
    return {
        "key": key,
        "floor": fence_of(sight.fence),
        "run": f"{settings['environment']}-{secrets.token_hex(6)}",
        "release": release.get("id"),
        "stable": stable,
        "canary": canary,
        "outcome": release.get("outcome"),
        "phase": release.get("phase"),
        "first": bool(stable) and stable == canary,
        # The way back: warm means that one switch does it.
        "warm": bool(stable) and not _cold(settings, sight, release),
        "back": bool(release.get("recorded"))
        and sight.weights is not None
        and sight.weights.plain() == release["recorded"],
        "retire_after": release.get("retire_after"),
        "revision": release.get("revision"),
        "no_retry": _no_retry(release),
        # The hook that may have made the way back impossible, begun is enough.
        "contracted": release.get("outcome") == "Promoted"
        and any(entry.get("hook") == "after_rollback_window" for entry in release.get("entries", [])),
        "certificate": None,
        "probe": None,
        "previous": previous,
        "variables": variables(settings, previous.get("revision"), stable, canary, previous.get("specification")),
    }


def _no_retry(release: Facts) -> str:
    """Return the sentence of the table of phases against starting the release anew, empty when it may be."""
    try:
        phases.decide(state_of(release or None), "retry")
    except phases.Refusal as refusal:
        return str(refusal)
    return ""


def _cold(settings: Facts, sight: Sight, release: Facts) -> bool:
    """Return whether the way back answers nobody; it may have been retired only where the canary was promoted."""
    if release.get("outcome") != "Promoted":
        return sight.up(release["stable"]) is False
    return slot_is_down(settings, sight, release["stable"])


def _status(settings: Facts, key: str, sight: Sight, known: Facts | None, due: list[Facts], problem: str) -> Facts:
    release = (known or {}).get("release") or {}
    lock = (known or {}).get("lock")
    revisions = dict.fromkeys(SLOTS)
    for past in (known or {}).get("releases", []):
        revisions[past["canary"]] = past["revision"]
    verdicts = [entry["msg"] for entry in release.get("entries", []) if entry["kind"] == "verdict"]
    return {
        "app": settings["app"],
        "environment": settings["environment"],
        "key": key,
        "phase": release.get("phase"),
        "outcome": release.get("outcome"),
        "revision": release.get("revision"),
        "revisions": revisions,
        "stable": release.get("stable"),
        "canary": release.get("canary"),
        "weights": sight.weights.plain() if sight.weights else None,
        "asked": release.get("confirmed"),
        "up": {slot: sight.up(slot) for slot in SLOTS},
        "trouble": sight.trouble,
        "warnings": sight.warnings(),
        "step": release.get("step"),
        "steps": release.get("steps"),
        "lock": {name: lock[name] for name in ("owner", "step", "age", "ttl", "fence")} if lock else None,
        "verdict": verdicts[-1] if verdicts else None,
        "retire_after": release.get("retire_after"),
        "due": [item["sentence"] for item in due],
        "journal_problem": problem,
        "next": _next(settings["environment"], sight, release, lock, due),
    }


def _next(environment: str, sight: Sight, release: Facts, lock: Facts | None, due: list[Facts]) -> str:
    """Return the command to run next, empty when there is nothing to do."""
    verb = options = ""
    if sight.weights is None and not release:
        verb = "adopt"
    elif any(item["why"] == "stale" for item in due):
        verb = "resume"
    elif lock and release.get("phase") == "Paused":
        verb = "promote (or abort)"
    elif release.get("phase") == "Degraded":
        verb = "rollback"
        options = "" if _ours(sight, release) else " -e release_force=true -e release_reason=..."
    elif sight.trouble:
        return "mend the trouble above: write the weights that stand by the traffic module's own name, then run status"
    elif any(item["why"] == "retire" for item in due):
        verb = "sweep"
    return f"ansible-playbook zerodowntime.bluegreen.{verb} --limit {environment}{options}" if verb else ""


def _ours(sight: Sight, release: Facts) -> bool:
    """Return whether a restore may find standing what stands: anything else it overwrites only when it is forced.

    Balancers that disagree, or one that cannot be read, are left to the restore: it looks at each by itself.
    """
    known = [release.get(name) for name in ("confirmed", "intended", "recorded")]
    return sight.weights is None or sight.weights.plain() in known


def _files_of(settings: Facts) -> list[Owned]:
    """Return the files that releases of the environment have left on the controller's machine."""
    environment = re.escape(settings["environment"])
    places = [
        (settings["report"], rf"{environment}(-\d{{8}}T\d{{6}}Z-\w+\.\w+|\.prom)", "a report"),
        (tempfile.gettempdir(), rf"zerodowntime-{environment}-\w{{12}}\.json", "counts of a run that goes on or died"),
    ]
    return [
        Owned("file", os.path.join(folder, name), about)
        for folder, pattern, about in places
        if folder and os.path.isdir(folder)
        for name in sorted(os.listdir(folder))
        if re.fullmatch(pattern, name)
    ]


def _inventory(owned: list[Facts]) -> list[str]:
    lines = [
        f"{thing['of']}: {thing['kind']} {thing['name']}"
        + (f" ({thing['about']})" if thing["about"] else "")
        + (f" on {thing['at']}" if thing["at"] != "here" else "")
        for thing in owned
    ]
    return lines or ["nothing"]


def _table(status: Facts) -> list[str]:
    weights, asked = status["weights"], status["asked"]
    shown = f"blue {weights['blue']} / green {weights['green']}" if weights else "unclear"
    if asked and asked != weights:
        shown += f", asked blue {asked['blue']} / green {asked['green']}"
    slots = ", ".join(
        f"{slot} {status['revisions'][slot] or 'unknown'} {_health(status['up'][slot])}" for slot in SLOTS
    )
    rows = [
        ("phase", _phase(status)),
        ("traffic", shown),
        ("slots", slots),
        ("step", _step(status)),
        ("lock", _lock(status)),
        ("verdict", status["verdict"] or ""),
        ("trouble", status["trouble"]),
        *(("warning", sentence) for sentence in status["warnings"]),
        ("journal", status["journal_problem"]),
        *(("due", sentence) for sentence in status["due"]),
        ("next", status["next"] or "nothing to do"),
    ]
    return [f"{name:<9} {value}" for name, value in rows if value]


def _step(status: Facts) -> str:
    number, steps = status["step"], status["steps"] or []
    return f"{number} of {len(steps)} ({steps[number - 1]} %)" if number and number <= len(steps) else ""


def _phase(status: Facts) -> str:
    phase = status["phase"] or "never released"
    return f"{phase} ({status['outcome']})" if status["outcome"] else phase


def _health(up: bool | None) -> str:
    return "healthy" if up else "down" if up is False else "(health unknown)"


def _lock(status: Facts) -> str:
    lock = status["lock"]
    return f"held by {lock['owner']['run']}, last sign of life {text(round(lock['age']))} ago" if lock else "free"
