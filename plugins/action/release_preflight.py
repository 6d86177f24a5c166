# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(release_preflight): look at everything a release needs, touch nothing, and say what it would do."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancers, Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import plan as core_plan
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import text
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.journal import fence_of, held_by
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import AUTO, Weights, other, split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._verify import FrontDoor
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _forecast
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._front_door import front_door, slot_is_down
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._journal_port import Port, open_journal
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._judge import ShiftJudge, open_judge
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._plan import STAGED, variables
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._probes import Probes
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import (
    driver_class,
    object_key,
    open_balancers,
)

Facts = dict[str, t.Any]

POLL = 0.5
PROGRESS = 5.0


class ActionModule(ReleaseAction):
    """Returns the plan: which slot is stable, where the revision goes, what is recorded."""

    HANDS_ON = True
    SPEC: t.ClassVar[dict[str, t.Any]] = {"settings": {"type": "dict", "required": True}}

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the plan; raises ReleaseError for a state that no journal explains."""
        settings = params["settings"]
        balancers = open_balancers(self, settings["traffic"], task_vars)
        sight = balancers.observe()
        key = object_key(sight)
        journal = open_journal(self, settings["journal"], task_vars)
        journal("check")
        known, waited = self._when_free(journal, key, settings)
        if waited:
            sight = balancers.observe()
        plan = _plan(settings, sight, known, self._written(settings, task_vars))
        _refuse_steps(next(iter(settings["traffic"])), plan["steps"])
        door = None
        if settings["verify"] and not plan["first"]:
            door = front_door(settings["verify"], plan["stable"], settings["revision"])
        plan["probe"] = _probe(settings, plan["canary"], door)
        if not plan["first"] and not plan["serving"]:
            traffic = next(iter(settings["traffic"].values()))
            seen = Probes(door, None).revision(plan["stable"])
            revisions = {
                plan["stable"]: seen or (plan["previous"] or {}).get("revision"),
                plan["canary"]: settings["revision"],
            }
            judge = open_judge(
                self,
                settings["gate"],
                plan["canary"],
                plan["stable"],
                names=traffic.get("slots"),
                revisions=revisions,
                sight=sight,
                task_vars=task_vars,
                traffic=settings["traffic"],
            )
            plan["forecast"] = _reckon(plan, settings, judge, balancers)
        plan["key"] = key
        plan["floor"] = fence_of(sight.fence)
        name = f"{settings['environment']}-{plan['release']}.svg"
        plan["diagnosis"] = os.path.join(settings["report"], f"{name[:-4]}.log") if settings["report"] else None
        plan["picture"] = os.path.join(settings["report"], name) if settings["report"] and settings["gate"] else None
        plan["certificate"] = _certificate(settings, plan)
        plan["probes"] = (
            (plan["certificate"] or {}).get("report") if (plan["certificate"] or {}).get("backoff") else None
        )
        plan["record"] = _record(settings, plan, sight)
        plan["warnings"] = [*sight.warnings(), *_foreseen(settings, plan)]
        for line in [*_lines(plan, settings), *plan["warnings"]]:
            self.say(line)
        changes = _changes(plan, settings) if self._task.check_mode else []
        return {
            "changed": bool(changes),  # in check mode what the release would change; Ansible shows no diff without it
            "msg": _lines(plan, settings)[0],
            "diff": core_plan.diff(changes),
            **plan,
        }

    def _when_free(self, journal: Port, key: str, settings: Facts) -> tuple[Facts, bool]:
        """Return the journal once no other release holds the object, and whether that took waiting.

        C(on_busy) says whether to wait. Raises ReleaseError.
        """
        known, asked, waited = journal("read", key=key), False, False
        started = said = time.monotonic()
        while known["lock"] and not self._task.check_mode:
            held = held_by(known, time.time())
            if settings["on_busy"] == "fail" or time.monotonic() - started > settings["pause_timeout"]:
                raise ReleaseError(f"{held}. Nothing was touched: wait for its end, or run status, or abort")
            if settings["on_busy"] == "abort_first" and not asked:
                asked = True
                journal("command", key=key, command="abort", why=f"{settings['revision']} is to be released")
            if time.monotonic() - said >= PROGRESS:
                said = time.monotonic()
                self.say(f"waiting: {held}")
            time.sleep(POLL)
            known, waited = journal("read", key=key), True
        return known, waited

    def _written(self, settings: Facts, task_vars: dict[str, t.Any]) -> str:
        """Return the mark of what the files of the platform say about both slots, empty where there are none."""
        if settings["platform"] != "compose":
            return ""
        # Imported only here, as the releases of every other platform would pay for it.
        from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _stack

        return _stack.configuration(self, settings, task_vars)


def _foreseen(settings: Facts, plan: Facts) -> list[str]:
    """Return what the platform knows that may go wrong. Raises ReleaseError for what will."""
    if settings["platform"] != "kubernetes" or plan["serving"]:
        return []
    # Imported only here, as the releases of every other platform would pay for it.
    from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _outlook

    return _outlook.look(settings, plan["canary"])


def _refuse_steps(traffic: str, steps: str | list[int]) -> None:
    """Raise ReleaseError when the traffic system has no weights, and the steps are made of them."""
    if driver_class(traffic).whole and steps != [100]:
        raise ReleaseError(f"{traffic} sends all requests to one slot or the other, so release_steps has to be [100]")


def _plan(settings: Facts, sight: Sight, known: Facts, written: str = "") -> Facts:
    """Return what a deploy of C(settings.revision) would do to the traffic that C(sight) shows.

    C(written) marks what decides beside the settings, in files that are not ours, what runs in a slot.
    """
    if sight.weights is None or sight.trouble:
        raise ReleaseError(f"the traffic is in no state to release from: {sight.trouble}")
    stable = sight.weights.only()
    if stable is None:
        raise ReleaseError(
            f"traffic is split ({sight.weights}) and no release of ours explains it: put one slot at 100, or run resume"
            if not str(known["state"]).startswith(("Progressing", "Paused", "Degraded"))
            else f"traffic is split ({sight.weights}) by a release that has not ended: run status, then resume or abort"
        )
    promoted = next((r for r in reversed(known["releases"]) if r["outcome"] == "Promoted" and r["revision"]), None)
    down = slot_is_down(settings, sight, stable)
    first = down and promoted is None
    if down and not first and not settings["force"]:
        raise ReleaseError(f"{stable} has all the traffic and no healthy server: mend it, or force with a reason")
    canary = stable if first else other(stable)
    specification = _specification(settings)
    fingerprint = _fingerprint(settings["revision"], {**specification, **({"written": written} if written else {})})
    serving = promoted is not None and promoted["fingerprint"] == fingerprint and promoted["canary"] == stable
    return {
        "release": f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}",
        "run": f"{settings['environment']}-{secrets.token_hex(6)}",
        "stable": stable,
        "canary": canary,
        "first": first,
        "serving": serving,
        "runs": {slot: _runs(slot, sight, known) for slot in ("blue", "green")},
        "recorded": sight.weights.plain(),
        "weights": sight.weights.plain(),
        "ready": {slot: sight.total(slot, "ready") for slot in ("blue", "green")},
        "steps": [100] if first else settings["steps"],
        "forecast": "",
        "fingerprint": fingerprint,
        "specification": specification,
        "variables": variables(settings, settings["revision"], stable, canary),
        "previous": {name: promoted[name] for name in ("id", "revision", "specification")} if promoted else None,
    }


def _runs(slot: str, sight: Sight, known: Facts) -> str:
    """Return what a slot runs now, as far as the balancers and the journal know."""
    if sight.up(slot) is False:
        return "nothing"
    last = next((r["revision"] for r in reversed(known["releases"]) if r["canary"] == slot and r["revision"]), None)
    return str(last or "unknown")


def _reckon(plan: Facts, settings: Facts, judge: ShiftJudge | None, balancers: Balancers) -> str:
    """Choose the steps where the gate is to, and return how long the gate will take, empty without one.

    Raises ReleaseError when that is longer than any pause may last.
    """
    if judge is None:
        if plan["steps"] == AUTO:
            raise ReleaseError("release_steps is auto, so the gate chooses: set release_gate, or name the steps")
        return ""
    if plan["steps"] == [100]:
        return ""
    # A load of the release's own begins with it, and the gate counts it; mere probes it does not count.
    try:
        load = float((_certificate(settings, plan) or {}).get("rate") or 0.0)
    except ValueError as error:
        raise ReleaseError(f"release_certificate: rate is {settings['certificate']['rate']!r}, not a number") from error
    traffic = _forecast.joined(judge.traffic(balancers.observe), load)
    plan["steps"] = _forecast.choose(plan["steps"], judge.options, traffic)
    if not settings["force"]:
        _forecast.refuse(judge.options, plan["steps"], traffic, settings["pause_timeout"])
    return _forecast.sentence(judge.options, plan["steps"], traffic)


def _specification(settings: Facts) -> Facts:
    """Return what decides, beside the revision, what runs in a slot; a rollback stages it again."""
    return {name: settings[name] for name in ("hosts_start", "hosts_variables", *STAGED) if settings[name]}


def _record(settings: Facts, plan: Facts, sight: Sight) -> Facts:
    """Return the release as the journal opens it."""
    return {
        "id": plan["release"],
        "platform": settings["platform"],
        "revision": settings["revision"],
        "fingerprint": plan["fingerprint"],
        "specification": plan["specification"],
        "stable": plan["stable"],
        "canary": plan["canary"],
        "object": plan["key"],
        "previous": plan["previous"],
        "recorded": plan["recorded"],
        "confirmed": plan["recorded"],
        "intended": plan["recorded"],
        "steps": plan["steps"],
        "pause_timeout": settings["pause_timeout"],
        "undo": [
            {"balancer": name, "object": view["identity"], "weights": view["weights"]}
            for name, view in sight.views.items()
        ],
    }


def _probe(settings: Facts, canary: str, door: FrontDoor | None) -> Facts | None:
    """Return the options of the probe that asks the canary by its preview route; None where there is none to ask."""
    verify, preview = settings["verify"], settings["preview"]
    if not (verify or {}).get("url") or not preview:
        return None
    probe = {
        name: verify[name] for name in ("url", "header", "json_path", "validate_certs", "ca_path") if verify.get(name)
    }
    expect = (door.values if door else verify.get("slots") or {}).get(canary, settings["revision"])
    return {
        **probe,
        "headers": {name: str(value).replace("$slot", canary) for name, value in preview.items()},
        "expect": expect,
        "deadline": f"{settings['progress_deadline']:g}s",
    }


def _certificate(settings: Facts, plan: Facts) -> Facts | None:
    """Return the options of the load that is counted beside the release; None where there is no URL to ask.

    A first release has nothing to keep in service, and so nothing to count.
    """
    verify, wanted = settings["verify"] or {}, settings["certificate"]
    url = wanted.get("url") or verify.get("url")
    if not url or plan["first"]:
        return None
    shared = {name: verify[name] for name in ("header", "json_path", "validate_certs", "ca_path") if name in verify}
    report = os.path.join(tempfile.gettempdir(), f"zerodowntime-{plan['run']}.json")
    # Five requests a second are probes, polite ones; whoever asks for a rate wants a load.
    asked = {name: value for name, value in wanted.items() if name != "headers"}
    return {**shared, "backoff": "rate" not in wanted, **asked, "url": url, "report": report}


def _fingerprint(revision: str | None, specification: Facts) -> str:
    """Return the identity of what is staged: a configuration-only release is a release too."""
    marked = json.dumps([revision, specification], sort_keys=True)
    return hashlib.sha256(marked.encode()).hexdigest()[:16]


def _lines(plan: Facts, settings: Facts) -> list[str]:
    revision, stable, canary = settings["revision"], plan["stable"], plan["canary"]
    if plan["serving"]:
        return [f"{revision} already serves in {stable}: nothing to do"]
    if plan["first"]:
        return [f"first release: {revision} goes into {canary}, which has all the traffic; there is no way back yet"]
    steps = ", ".join(f"{step} %" for step in plan["steps"])
    lines = [f"{stable} serves; {revision} goes into {canary}, then {steps}", plan["forecast"]]
    return [line for line in lines if line]


def _changes(plan: Facts, settings: Facts) -> list[core_plan.Change]:
    """Return everything that the release would change: what the slots run, and the traffic, in the order of doing."""
    if plan["serving"]:
        return []
    app, canary, stable = settings["app"], plan["canary"], plan["stable"]
    changes = [core_plan.Change(f"{canary} of {app}", plan["runs"][canary], str(settings["revision"]))]
    if plan["first"]:
        return changes
    before = Weights(**plan["weights"])
    for step in plan["steps"]:
        after = split(canary, step)
        changes.append(core_plan.Change(f"traffic of {app}", str(before), str(after)))
        before = after
    if settings["platform"] != "hosts" or settings["hosts_stop"]:
        window = settings["rollback_window"]
        gone = f"nothing, {text(window)} after the promotion" if window else "nothing"
        changes.append(core_plan.Change(f"{stable} of {app}", plan["runs"][stable], gone))
    return changes
