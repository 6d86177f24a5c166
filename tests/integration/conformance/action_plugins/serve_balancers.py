# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves calls to balancers on a unix socket, for tests that are written in Python."""

from __future__ import annotations

import json
import os
import socket
import threading
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import failure
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import open_balancers


class ActionModule(ReleaseAction):
    """Each connection brings one call as a line of JSON and takes the answer; calls run at the same time."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {"address": {"type": "str", "required": True}}

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Serve until the controller is gone."""
        parent = os.getppid()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(params["address"])
            listener.listen(16)
            listener.settimeout(0.5)
            with socket.socket(socket.AF_UNIX) as ready:
                ready.connect(params["address"] + ".ready")
            while os.getppid() == parent:
                try:
                    connection, _address = listener.accept()
                except TimeoutError:
                    continue
                connection.settimeout(60)
                asked = json.loads(connection.makefile().readline())
                # Machines are opened by the thread that has the task's context.
                balancer = open_balancers(self, asked["traffic"], task_vars).members[0]
                threading.Thread(target=_answer, args=(connection, balancer, asked), daemon=True).start()
        return {}


def _answer(connection: socket.socket, balancer: t.Any, asked: dict[str, t.Any]) -> None:
    with connection:
        try:
            if asked["call"] == "observe":
                answer = balancer.observe(asked["lease"])
            else:
                answer = balancer.move(asked["params"], asked["lease"])
        except ReleaseError as error:
            answer = failure(error)
        except Exception as error:  # it is the answer too: a case must not wait for one
            answer = {"failed": True, "msg": f"{type(error).__name__}: {error}"}
        connection.sendall(json.dumps(answer).encode())
