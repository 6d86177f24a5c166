# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(gate_replay): a gate over the past, in the controller's process."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Options, Step
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.picture import draw
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import other
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import replay, settings, spec
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.prometheus import Prometheus
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import CANARY, STABLE, Place
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._judge import places


class ActionModule(ReleaseAction):
    """Judges a rollout of the past, or two halves of one fleet."""

    SPEC: t.ClassVar[dict[str, t.Any]] = spec.GATE_REPLAY

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return status, msg, verdicts and the numbers of the mode; failed for the states in C(fail_on)."""
        wanted = settings.parse(params["gate"])
        if wanted.source != Prometheus.name:
            raise ReleaseError(f"the source {wanted.source} keeps no past: only {Prometheus.name} can be replayed")
        where = places(params["canary"], other(params["canary"]), params["slots"], params["revisions"])
        if params["mode"] == "aa":
            where = {STABLE: where[STABLE], CANARY: _nobody(where[CANARY])}
        source = Prometheus(wanted.source_options, where)
        start, end = self._times(params)
        past = source.halves(start, wanted.options().lookback, wanted.options().interval)
        options = wanted.options(source.metrics(past))
        source.choose(options.counters)
        try:
            if params["mode"] == "aa":
                result = self._alike(source, options, start, end)
            else:
                result = self._incident(params, source, options, (start, end), past)
        except ValueError as error:
            raise ReleaseError(f"{replay.clock(start)} to {replay.clock(end)}: {error}") from error
        self.say(result["msg"])
        return {"changed": False, "failed": result["status"] in params["fail_on"], **result}

    def _times(self, params: dict[str, t.Any]) -> tuple[float, float]:
        now = time.time()
        try:
            start, end = (replay.moment(params[name], now) for name in ("start", "end"))
        except ValueError as error:
            raise ReleaseError(str(error)) from error
        if start >= min(end, now):
            raise ReleaseError(f"start, {replay.clock(start)}, must be before end, {replay.clock(end)}, and now")
        return start, min(end, now)

    def _incident(
        self,
        params: dict[str, t.Any],
        source: Prometheus,
        options: Options,
        times: tuple[float, float],
        history: t.Sequence[Sample],
    ) -> dict[str, t.Any]:
        start, end = times
        found = replay.incident(options, source.past(start, end, options.interval), _steps(params, start), history)
        if params["picture"]:
            name = max(found.metrics, key=lambda name: found.metrics[name].get("harm", 0.0), default="")
            _files.replace(params["picture"], draw(found.looks, name, found.msg).encode())
        return {
            "status": found.status,
            "reason": found.reason,
            "msg": found.msg,
            "stopped_at": None if found.at is None else replay.clock(found.at),
            "seconds": None if found.at is None else round(found.at - start, 3),
            "spared": found.spared,
            "verdicts": found.verdicts,
            "metrics": {name: dict(numbers) for name, numbers in found.metrics.items()},
        }

    def _alike(self, source: Prometheus, options: Options, start: float, end: float) -> dict[str, t.Any]:
        samples = source.halves(end, end - start + options.lookback, options.interval)
        found = replay.alike(options, samples, start)
        alarms = found.counts["fail"]
        return {
            "status": "fail" if alarms else "pass" if found.counts["pass"] else "inconclusive",
            "reason": "false_alarms" if alarms else "alike",
            "msg": found.msg,
            "counts": found.counts,
            "phi": found.phi,
            "verdicts": found.verdicts,
        }


def _nobody(place: Place) -> Place:
    """Return a canary that queries may name although there is none."""
    return replace(place, revision=place.revision or "none", name=place.name or "none")


def _steps(params: dict[str, t.Any], start: float) -> list[Step]:
    try:
        steps = sorted((start + seconds(step["at"]), step["weight"]) for step in params["steps"])
    except ValueError as error:
        raise ReleaseError(f"steps: {error}") from error
    for _at, weight in steps:
        if not 0 <= weight <= 100:
            raise ReleaseError(f"steps: {weight} is no percent")
    if not steps:
        return [(None, start, None)]
    following = [*(weight for _at, weight in steps[1:]), None]
    return [(weight, at, after) for (at, weight), after in zip(steps, following, strict=True)]
