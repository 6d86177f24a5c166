# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(metric_gate): one judgement, waited for in the controller's process."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import RUNNING, Verdict
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import other
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import spec
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.live import Live
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._judge import Opened, lasting, open_gate, places

TICK = 0.2
LEAST_BETWEEN_LINES = 2.0


class ActionModule(ReleaseAction):
    """Judges the canary until there is a verdict. It never touches traffic."""

    SPEC: t.ClassVar[dict[str, t.Any]] = spec.METRIC_GATE

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return status, reason, msg, metrics, samples, steps and source; failed for the states in C(fail_on)."""
        for name in ("weight", "next_weight"):
            if params[name] is not None and not 0 <= params[name] <= 100:
                raise ReleaseError(f"{name} is {params[name]}; it is the canary's percent, 0 to 100")
        where = places(params["canary"], other(params["canary"]), params["slots"], params["revisions"])
        opened = open_gate(self, spec.gate_of(params), where, _nothing_to_see, None, task_vars)
        for line in (*map(str, opened.looks), *opened.watched):
            self.say(line)
        if self._task.check_mode:
            return {"changed": False, **_report(opened), "msg": "check mode: the source answers, nothing is judged"}
        with lasting(self, opened.live):
            opened.live.step(params["weight"], params["next_weight"])
            verdict = self._wait(opened.live)
        if params["picture"]:
            _draw(opened.live, params["picture"])
        return {"changed": False, "failed": verdict.status in params["fail_on"], **_report(opened)}

    def _wait(self, live: Live) -> Verdict:
        said_at, said = time.monotonic() - LEAST_BETWEEN_LINES, 0
        while True:
            verdict = live.look()
            if verdict.status != RUNNING:
                self.say(verdict.msg)
                return verdict
            if live.polls > said and time.monotonic() - said_at >= LEAST_BETWEEN_LINES:
                self.say(verdict.msg)
                said_at, said = time.monotonic(), live.polls
            if os.getppid() != self._parent:
                raise ReleaseError("the controller is gone: nobody waits for this verdict")
            time.sleep(TICK)


def _draw(live: Live, path: str) -> None:
    try:
        picture = live.picture()
    except ValueError:
        return  # nothing was judged, so there is nothing to see
    _files.replace(path, picture.encode())


def _report(opened: Opened) -> dict[str, t.Any]:
    return {**opened.live.report(), "source": [look.plain() for look in opened.looks]}


def _nothing_to_see() -> Sight:
    raise ReleaseError("the source haproxy needs socket and slots here: only inside of a shift they are known")
