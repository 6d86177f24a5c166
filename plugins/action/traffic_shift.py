# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(traffic_shift): the engine in the controller's process, guarded against its death."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _verify
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancers, Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import weights as core
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.journal import (
    fence_of,
    forward_number,
    restore_number,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._files import replace
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._shift import (
    Interrupted,
    Order,
    Report,
    Shift,
    World,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import VERIFY_SPEC
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _forecast
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._front_door import SlotHealth, front_door
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._guard import Guard
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._journal_port import Port, open_journal
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._judge import ShiftJudge, open_judge
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._probes import Probes
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import open_balancers


class ActionModule(ReleaseAction):
    """Shifts traffic to the canary step by step, or puts the recorded traffic back."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "state": {"type": "str", "choices": ["shifted", "restored", "resume"], "default": "shifted"},
        "traffic": {"type": "dict", "required": True},
        "journal": {"type": "dict", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
        "run": {"type": "str", "required": True},
        "steps": {"type": "raw", "default": [100]},
        "gate": {"type": "raw"},
        "picture": {"type": "path"},
        "verify": VERIFY_SPEC,
        "preview": {"type": "dict", "default": {}},
        "bake_time": {"type": "str", "default": "0"},
        "pause_timeout": {"type": "str", "default": "1h"},
        "rollback_window": {"type": "str", "default": "0"},
        "scale_down_delay": {"type": "str", "default": "30s"},
        "lease_ttl": {"type": "str", "default": "15s"},
        "restore_deadline": {"type": "str", "default": "60s"},
        "probes": {"type": "path"},
        "force": {"type": "bool", "default": False},
        "reason": {"type": "str"},
        "promoted_too": {"type": "bool", "default": False},
        "outcome": {"type": "str", "choices": ["RolledBack", "Aborted"], "default": "RolledBack"},
    }

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the report of the shift; failed unless the release was promoted, or restored when that was asked."""
        steps, times = _parsed(params)
        if self._task.check_mode:
            return {"changed": False, "msg": "check mode: no traffic is moved", "steps": []}
        if params["state"] == "resume":
            return self._resume(params, steps, times, task_vars)
        return self._guarded(params, steps, times, task_vars)

    def _resume(
        self,
        params: dict[str, t.Any],
        steps: str | list[int],
        times: dict[str, float],
        task_vars: dict[str, t.Any],
    ) -> dict[str, t.Any]:
        """Take over what a dead run left, put the recorded traffic back unless it was promoted, give the lock back."""
        journal = open_journal(self, params["journal"], task_vars)
        floor = fence_of(open_balancers(self, params["traffic"], task_vars).observe().fence)
        owner = {"run": params["run"], "app": journal("read", key=params["key"])["app"]}
        journal("take_over", key=params["key"], owner=owner, command="resume", floor=floor)
        asked = {"state": "restored", "promoted_too": False, "reason": params["reason"] or "resume"}
        try:
            return self._guarded({**params, **asked}, steps, times, task_vars)
        finally:
            journal("unlock", key=params["key"], run=params["run"])

    def _guarded(
        self,
        params: dict[str, t.Any],
        steps: str | list[int],
        times: dict[str, float],
        task_vars: dict[str, t.Any],
    ) -> dict[str, t.Any]:
        """Shift or restore, and put the recorded traffic back on every signal and on the death of the controller."""
        with Guard() as guard:
            balancers = open_balancers(self, params["traffic"], task_vars)
            journal = open_journal(self, params["journal"], task_vars)
            release = self._release(journal, params)
            order = _order(params, release, steps, times, self._fence(journal, params))
            sight = balancers.observe()
            if params["state"] == "restored" and _is_back(release, sight):
                # The shift itself was the first line; this is the second, with nothing left to do.
                return _result(_already(release), "restored")
            door = self._door(params, release, sight, order)
            probes = Probes(door, params["probes"])
            judge = self._judge(params, release, sight, probes, task_vars)
            if steps == core.AUTO and params["state"] == "shifted":
                order = dataclasses.replace(order, steps=self._ramp(judge, balancers, journal, params, release))
            world = World(
                balancers=balancers,
                journal=_heeding(guard, journal),
                say=self.say,
                sight=sight,
                prove=_prover(probes.door, params["verify"]),
                judge=judge,
                healthy=_health(params),
                shield=guard.shield,
            )
            shift = Shift(order, world)
            try:
                if params["state"] == "restored":
                    # What the shift itself has restored already keeps its name.
                    outcome = params["outcome"] if release["outcome"] in (None, "Promoted") else release["outcome"]
                    report = shift.restore(params["reason"] or "restore asked for", outcome, params["promoted_too"])
                else:
                    with judge.lasting(self) if judge else contextlib.nullcontext():
                        report = shift.run()
            except Interrupted as error:
                # The controller is dead or dying; what it would print or run next must not be waited for.
                self.say(str(error))
                os._exit(1)
        return {**_result(report, params["state"]), "gate": _judged(judge, params["picture"])}

    def _judge(
        self,
        params: dict[str, t.Any],
        release: dict[str, t.Any],
        sight: Sight,
        probes: Probes,
        task_vars: dict[str, t.Any],
    ) -> ShiftJudge | None:
        if params["state"] == "restored" or release["stable"] == release["canary"]:
            return None
        return open_judge(
            self,
            params["gate"],
            release["canary"],
            release["stable"],
            names=next(iter(params["traffic"].values())).get("slots"),
            revisions={
                release["stable"]: probes.revision(release["stable"]) or (release["previous"] or {}).get("revision"),
                release["canary"]: release["revision"],
            },
            sight=sight,
            probes=probes.sent,
            task_vars=task_vars,
            traffic=params["traffic"],
        )

    def _ramp(
        self,
        judge: ShiftJudge | None,
        balancers: Balancers,
        journal: Port,
        params: dict[str, t.Any],
        release: dict[str, t.Any],
    ) -> list[int]:
        """Return the steps that the gate chooses for the traffic of now, and journal them; a first release has one."""
        if release["stable"] == release["canary"]:
            return [100]
        if judge is None:
            raise ReleaseError("steps is auto, so the gate chooses: give a gate, or name the steps")
        traffic = judge.traffic(balancers.observe)
        steps = _forecast.choose(core.AUTO, judge.options, traffic)
        self.say(f"steps: {', '.join(f'{step} %' for step in steps)}")
        self.say(_forecast.sentence(judge.options, steps, traffic))
        entry = {"kind": "note", "msg": f"steps {steps} chosen for the traffic"}
        journal("note", key=params["key"], run=params["run"], entry=entry, changes={"steps": steps})
        return steps

    def _release(self, journal: Port, params: dict[str, t.Any]) -> dict[str, t.Any]:
        release = journal("read", key=params["key"])["release"]
        if release is None or not release["recorded"] or not release["canary"]:
            raise ReleaseError(f"the journal of {params['key']} has no release to shift; nothing was moved")
        return t.cast("dict[str, t.Any]", release)

    def _fence(self, journal: Port, params: dict[str, t.Any]) -> int:
        # Raises Fenced for a run that does not hold the lock: --start-at-task must not move traffic.
        return int(journal("heartbeat", key=params["key"], run=params["run"])["fence"])

    def _door(
        self, params: dict[str, t.Any], release: dict[str, t.Any], sight: Sight, order: Order
    ) -> _verify.FrontDoor | None:
        if params["verify"] is None or params["state"] == "restored":
            return None
        serving = sight.weights.only() if sight.weights else None
        # Of a first release there is one slot only, and it answers with the new revision already.
        return front_door(params["verify"], serving, release["revision"] if serving != release["canary"] else None)


def _heeding(guard: Guard, journal: Port) -> t.Callable[..., t.Mapping[str, t.Any]]:
    """Return C(journal), which every step asks before it writes, with a last look whether the run was interrupted."""

    def ask(verb: str, **arguments: t.Any) -> t.Mapping[str, t.Any]:
        guard.check()
        return journal(verb, **arguments)

    return ask


def _parsed(params: dict[str, t.Any]) -> tuple[str | list[int], dict[str, float]]:
    names = ("bake_time", "pause_timeout", "rollback_window", "scale_down_delay", "lease_ttl", "restore_deadline")
    try:
        steps = core.parse_ramp(params["steps"])
    except ValueError as error:
        raise ReleaseError(f"steps: {error}") from error
    times = {}
    for name in names:
        try:
            times[name] = seconds(params[name])
        except ValueError as error:
            raise ReleaseError(f"{name}: {error}") from error
    return steps, times


def _order(
    params: dict[str, t.Any], release: dict[str, t.Any], steps: str | list[int], times: dict[str, float], fence: int
) -> Order:
    gate = params["gate"] if isinstance(params["gate"], dict) else {}
    return Order(
        run=params["run"],
        key=params["key"],
        canary=release["canary"],
        recorded=core.parse(release["recorded"]),
        steps=[100] if isinstance(steps, str) else steps,
        fences=(forward_number(fence), restore_number(fence)),
        ttl=seconds(params["journal"].get("ttl") or "60s"),
        lease_ttl=times["lease_ttl"],
        bake_time=times["bake_time"],
        pause_timeout=times["pause_timeout"],
        retire_delay=times["rollback_window"] or times["scale_down_delay"],
        restore_patience=times["restore_deadline"],
        on_inconclusive=str(gate.get("on_inconclusive") or "hold"),
        prove_required=params["verify"] is not None,
        revision=str(release["revision"] or ""),
        force=params["force"],
        known=tuple(core.parse(release[name]) for name in ("confirmed", "intended") if release[name]),
    )


def _prover(
    door: _verify.FrontDoor | None, verify: dict[str, t.Any] | None
) -> t.Callable[[core.Weights, core.Weights, Sight, t.Callable[[], Sight]], _verify.Proof]:
    patience = seconds(verify["patience"]) if verify else 0.0

    def prove(asked: core.Weights, before: core.Weights, moved: Sight, observe: t.Callable[[], Sight]) -> _verify.Proof:
        return _verify.prove(moved, observe, asked, before, door, patience, time.monotonic, time.sleep)

    return prove


def _is_back(release: dict[str, t.Any], sight: Sight) -> bool:
    """Return whether the release has been taken back, in the journal and on every balancer."""
    taken = release["outcome"] in ("RolledBack", "Aborted")
    return taken and sight.weights == core.parse(release["recorded"]) and not sight.trouble


def _already(release: dict[str, t.Any]) -> Report:
    return Report(
        outcome=release["outcome"],
        phase=release["phase"],
        reason="restored",
        msg="traffic is back already",
        weights=release["recorded"],
    )


def _judged(judge: ShiftJudge | None, picture: str | None) -> dict[str, t.Any] | None:
    """Return what the gate saw, and draw it; None without a gate."""
    if judge is None:
        return None
    if picture:
        # The traffic has moved by now: what cannot be drawn must not fail what has been done.
        with contextlib.suppress(ValueError, ReleaseError):
            replace(picture, judge.picture().encode())
    return judge.report()


def _health(params: dict[str, t.Any]) -> SlotHealth | None:
    """Return the prober of slots, None where there is no preview route."""
    if not (params["verify"] or {}).get("url") or not params["preview"]:
        return None
    return SlotHealth(params["verify"], params["preview"])


def _result(report: Report, state: str) -> dict[str, t.Any]:
    wanted = report.outcome == "Promoted" if state == "shifted" else report.phase == "Healthy"
    return {
        "changed": bool(report.steps) or report.restore_seconds is not None,
        "failed": not wanted,
        "outcome": report.outcome,
        "phase": report.phase,
        "reason": report.reason,
        "msg": report.msg,
        "where": _where(report),
        "weights": report.weights,
        "steps": report.steps,
        "restore_seconds": report.restore_seconds,
        "retire_after": report.retire_after,
    }


def _where(report: Report) -> str:
    """Return the sentence that tells an operator where traffic is now."""
    if report.weights is None:
        return "Where traffic is now must be looked at: run status, then resume or rollback."
    return f"Traffic is on blue {report.weights['blue']} / green {report.weights['green']}."
