# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal as an action sees it: one call, whether the store is reached from here or from another machine."""

from __future__ import annotations

import getpass
import os
import typing as t
from collections.abc import Callable, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal import machine, takeover
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.dry import DryStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import (
    JournalError,
    Unreachable,
    rebuilt,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import Journal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.options import STORE, open_store, ttl_of
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _controller
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction, plain
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine

MODULE = "zerodowntime.bluegreen.release_journal"
# What AWX tells every job; a name that is not set stays out of the record.
_JOB = ("awx_job_id", "awx_user_name", "awx_workflow_job_id", "awx_job_template_name")

Answer = dict[str, t.Any]


def open_journal(action: ReleaseAction, options: Mapping[str, t.Any], task_vars: Mapping[str, t.Any]) -> Port:
    """Return C(journal(verb, **arguments)) for the store that C(options) name; nothing is opened before the first call.

    Raises ReleaseError with one sentence for a wrong option or a machine that the inventory does not know.
    """
    checked = ArgumentSpecValidator(STORE).validate(plain(options))
    if checked.error_messages:
        raise JournalError(f"journal: {checked.error_messages[0]}")
    return Port(action, checked.validated_parameters, task_vars)


class Port:
    """Call it with a verb and its arguments; C(_journal/journal.py) says which there are and what they answer.

    It completes what only this process knows: C(owner) gets machine, processes, environment, user and AWX job;
    C(heartbeat) and C(note) the processes as they are now; C(command) its C(who). C(take_over) waits until the holder
    is seen dead and tells so line by line; C(patient) are the seconds for which it bears signs of life.
    One call at a time. C(ttl) is the time to live of a lock, in seconds.

    Raises Busy, Fenced (nothing more may be written), Unreachable (is a Lost: try again) and JournalError, all of them
    ReleaseError.
    """

    def __init__(self, action: ReleaseAction, options: Mapping[str, t.Any], task_vars: Mapping[str, t.Any]) -> None:
        self._action = action
        self._options = dict(options)
        self._task_vars = task_vars
        self._machine: Machine | None = None
        self.ttl = ttl_of(options)
        self._check_mode = bool(action._task.check_mode)
        # The controller, remembered while it lives: once it is dead this process has another parent.
        self._controller = machine.process(_controller.pid())
        self._perform: Callable[..., Answer] = self._here() if options["machine"] is None else self._there

    def __call__(self, verb: str, **arguments: t.Any) -> Answer:
        """Return the answer of C(verb)."""
        if verb in ("acquire", "take_over"):
            arguments = {"ttl": self.ttl, **arguments, "owner": self._owner(arguments.get("owner") or {})}
        elif verb in ("heartbeat", "note"):
            arguments = {"processes": self._processes(), **arguments}
        elif verb == "command":
            arguments = {"who": _person(self._task_vars), **arguments}
        if verb == "take_over" and not self._check_mode:
            return self._take_over(**arguments)
        answer = self._perform(verb, **arguments)
        return _with_the_dead(answer) if verb == "due" else answer

    def close(self) -> None:
        """Close the connection to the journal's machine, if one was opened."""
        if self._machine is not None:
            self._machine.close()
            self._machine = None

    # -- where it is performed

    def _here(self) -> Callable[..., Answer]:
        if self._action.becomes:
            raise JournalError("the journal is written by the controller's process, where become does nothing")
        store = open_store(self._options)
        return Journal(DryStore(store) if self._check_mode else store).perform

    def _there(self, verb: str, **arguments: t.Any) -> Answer:
        if self._machine is None:
            self._machine = Machine.open(self._action, self._options["machine"], self._task_vars)
        where = {name: self._options[name] for name in STORE if name != "machine"}
        result = self._machine.module(MODULE, {**where, "verb": verb, "arguments": arguments})
        if result.get("lost"):
            self.close()
            raise Unreachable(f"the journal's machine was lost: {result['msg']}")
        if result.get("failed"):
            raise rebuilt(result.get("kind"), str(result.get("msg")), result.get("facts"))
        return t.cast(Answer, result["answer"])

    # -- what only this process knows

    def _owner(self, given: Mapping[str, t.Any]) -> Answer:
        job = {name: plain(self._task_vars[name]) for name in _JOB if self._task_vars.get(name) is not None}
        own = {**machine.place(), "processes": self._processes(), "user": _login(), **job}
        return {"environment": self._action.environment, "app": None, **own, **given}

    def _processes(self) -> list[Answer]:
        """Return the controller, as long as it lives, and this worker."""
        controller = self._controller and machine.process(self._controller["pid"])
        alive = controller if controller == self._controller else None
        return [process for process in (alive, machine.process(os.getpid())) if process]

    def _take_over(self, patient: float = 0.0, **arguments: t.Any) -> Answer:
        def look(dead: str | None = None) -> Answer:
            return self._perform("take_over", **arguments, dead=dead)

        return takeover.wait(look, self._action.say, patient)


def _with_the_dead(answer: Answer) -> Answer:
    """A lock that a sweep meets for the first time is not silent yet, but its processes may be gone from here."""
    dead = [item for item in answer["held"] if machine.gone(item["holder"]["owner"])]
    stale = [
        {**item, "why": "stale", "command": "resume", "sentence": f"{item['sentence']}; its processes are gone"}
        for item in dead
    ]
    return {**answer, "due": [*answer["due"], *stale], "held": [item for item in answer["held"] if item not in dead]}


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in many containers
        return str(os.geteuid())


def _person(task_vars: Mapping[str, t.Any]) -> str:
    return str(plain(task_vars.get("awx_user_name")) or _login())
