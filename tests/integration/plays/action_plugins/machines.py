# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses Machine as the engine does: repeatedly, from threads, after an interrupted call and from a signal handler."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from pathlib import Path

from ansible import constants as C
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine


class Interrupted(Exception):
    """A call in flight is left by this."""


class ActionModule(ReleaseAction):
    """machines."""

    SPEC = {
        "do": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str", "required": True},
        "args": {"type": "dict", "default": {}},
        "module": {"type": "str", "default": "probe"},
        "secrets": {"type": "list", "elements": "str", "no_log": True, "default": []},
        "folder": {"type": "path"},
    }

    def here(self, params, task_vars):
        self.params = params
        machines = [Machine.open(self, name, task_vars, params["secrets"]) for name in params["names"]]
        try:
            return {"answers": getattr(self, params["do"])(machines)}
        finally:
            for machine in machines:
                machine.close()

    def once(self, machines):
        return [machine.module(self.params["module"], self.params["args"]) for machine in machines]

    def thrice(self, machines):
        return [[machine.module("probe", {}) for _time in range(3)] for machine in machines]

    def together(self, machines):
        answers = {}

        def ask(machine):
            # Twice: the second call opens nothing anew.
            answers[machine.name] = [machine.module("probe", {"seconds": 4}), machine.module("probe", {})]

        threads = [threading.Thread(target=ask, args=(machine,)) for machine in machines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def interrupted(self, machines):
        return [self._left(machine) for machine in machines]

    def _left(self, machine):
        machine.module("probe", {})

        def leave(*_signal):
            raise Interrupted

        signal.signal(signal.SIGALRM, leave)
        signal.setitimer(signal.ITIMER_REAL, 1)
        try:
            machine.module("probe", {"seconds": 20})
        except Interrupted:
            # An interrupted controller removes its temporary folder.
            shutil.rmtree(C.DEFAULT_LOCAL_TMP)
            begun = time.monotonic()
            return [machine.module("probe", {}), machine.module("probe", {}), time.monotonic() - begun]
        return None

    def from_handler(self, machines):
        (machine,) = machines
        answers = []
        signal.signal(signal.SIGALRM, lambda *_signal: answers.append(machine.module("probe", {})))
        signal.setitimer(signal.ITIMER_REAL, 1)
        answers.append(machine.module("probe", {"seconds": 3}))
        return answers

    def hung(self, machines):
        (machine,) = machines
        answers = [machine.module("probe", {})]
        Path(self.params["folder"], "begun").touch()
        while Path(self.params["folder"], "begun").exists():
            time.sleep(0.05)
        return [*answers, machine.module("probe", {})]

    def lost(self, machines):
        (machine,) = machines
        begun, back = Path(self.params["folder"], "begun"), Path(self.params["folder"], "back")
        answers = [
            machine.module("probe", {}),
            machine.module("probe", {"seconds": 30, "begun": str(begun)}),
            machine.module("probe", {}),
        ]
        begun.unlink()
        while not back.exists():
            time.sleep(0.05)
        return [*answers, machine.module("probe", {})]
