# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Balancers that only a machine reaches, for cases written in Python: one playbook serves them all.

The action C(serve_balancers) runs in a real ansible-playbook, opens the machines as every action of the collection does
and sends the modules; what comes back here is what the engine would have got.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancer, Lease, Result

from tests.lab.hosts.playbook import PLUGINS, Playbook
from tests.lab.hosts.sshd import SshMachines

ACTIONS = os.pathsep.join([str(Path(__file__).with_name("action_plugins")), str(PLUGINS / "action_plugins")])


class Session:
    """One ansible-playbook that drives the machines of a lab until the block ends."""

    def __init__(self, folder: Path, machines: SshMachines) -> None:
        self._address = str(folder / "session.sock")
        self._project = Playbook(folder, machines.inventory())
        self._project.settings["ANSIBLE_ACTION_PLUGINS"] = ACTIONS

    def __enter__(self) -> Session:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._address + ".ready")
            listener.listen()
            listener.settimeout(60)
            self._process = self._project.start([{"serve_balancers": {"address": self._address}}])
            try:
                listener.accept()[0].close()
            except TimeoutError:
                raise RuntimeError("\n".join(self._stop())) from None
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop()

    def ask(self, request: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the answer of one call to one balancer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(90)
            connection.connect(self._address)
            connection.sendall(json.dumps(request).encode() + b"\n")
            return t.cast("dict[str, t.Any]", json.loads(b"".join(iter(lambda: connection.recv(65536), b""))))

    def _stop(self) -> tuple[str, str]:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            return self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.communicate()


class OverSSH(Balancer):
    """A balancer on a machine, reached by a session."""

    def __init__(self, session: Session, machine: str, name: str, options: Mapping[str, t.Any]) -> None:
        self.name = machine
        self._session = session
        self._traffic = {name: {**options, "machines": [machine]}}

    def observe(self, lease: Lease = None) -> Result:
        return self._ask("observe", {}, lease)

    def move(self, params: t.Mapping[str, t.Any], lease: Lease = None) -> Result:
        return self._ask("move", params, lease)

    def _ask(self, call: str, params: t.Mapping[str, t.Any], lease: Lease) -> Result:
        answer = self._session.ask({"traffic": self._traffic, "call": call, "params": dict(params), "lease": lease})
        if answer.get("failed"):
            raise _traffic.raised(answer)
        return answer
