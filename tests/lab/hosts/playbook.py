# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the real ansible-playbook of the interpreter that runs the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "shop"  # the inventory host that stands for the environment of the app
PLUGINS = Path(__file__).resolve().parents[2] / "integration" / "plays"


@dataclass(frozen=True)
class Run:
    """What a run left behind: C(result) is what the task that registered C(result) returned, if it did."""

    code: int
    output: str
    lines: str  # stderr: the live lines
    result: dict[str, t.Any]


class Playbook:
    """A project in a folder: an inventory with one environment and its machines, and one play on the environment."""

    def __init__(self, folder: Path, machines: dict[str, dict[str, t.Any]] | None = None) -> None:
        self.folder = folder
        self.machines = machines or {}
        self.groups: dict[str, list[str]] = {}
        self.variables: dict[str, t.Any] = {"ansible_pipelining": True}
        self.settings: dict[str, str] = {}

    def run(self, tasks: list[dict[str, t.Any]], *options: str) -> Run:
        """Run the tasks to the end."""
        return self.end(self.start(tasks, *options))

    def end(self, process: subprocess.Popen[str]) -> Run:
        """Wait for the end of a play that was started."""
        try:
            output, lines = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        noted = self.folder / "noted.json"
        result = json.loads(noted.read_text()) if noted.exists() else {}
        return Run(process.returncode, output, lines, result)

    def start(self, tasks: list[dict[str, t.Any]], *options: str) -> subprocess.Popen[str]:
        """Start the play and return the controller's process, the leader of a session of its own.

        What a task registers as C(result) is noted by the task after it, whether it failed or not.
        """
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {ENVIRONMENT: local, **self.machines}
        groups = {name: {"hosts": dict.fromkeys(members)} for name, members in self.groups.items()}
        (self.folder / "inventory.json").write_text(
            json.dumps({"all": {"hosts": hosts, "vars": self.variables, "children": groups}})
        )
        note = {"note": {"result": "{{ result | default({}) }}", "path": str(self.folder / "noted.json")}}
        play = {"hosts": ENVIRONMENT, "gather_facts": False, "tasks": [{"block": tasks, "always": [note]}]}
        (self.folder / "play.json").write_text(json.dumps([play]))
        environment = {
            **os.environ,
            "ANSIBLE_ACTION_PLUGINS": str(PLUGINS / "action_plugins"),
            "ANSIBLE_BECOME_PLUGINS": str(PLUGINS / "become_plugins"),
            "ANSIBLE_LIBRARY": str(PLUGINS / "library"),
            "ANSIBLE_NOCOLOR": "1",
            **self.settings,
        }
        program = self.program("ansible-playbook")
        return subprocess.Popen(
            [program, "-i", str(self.folder / "inventory.json"), str(self.folder / "play.json"), *options],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @staticmethod
    def program(name: str) -> str:
        """Return the path of one of Ansible's commands, of the interpreter that runs the tests."""
        return str(Path(sys.executable).with_name(name))
