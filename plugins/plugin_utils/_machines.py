# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another machine of the inventory, reached from within an action: C(Machine).

An option nested in C(release_traffic) has no task of its own to delegate, so the connections to balancers are opened
here: from the machine's own variables, the configuration and the command line, as Ansible opens its own. What this
takes of ansible-core's private parts stands in C(_Remote) and C(asked_passwords), for ansible-core 2.16 to 2.21.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
import typing as t
from collections.abc import Iterable, Mapping

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import become_loader, connection_loader
from ansible.template import Templar
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import plain

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # Ansible's own word in the place of a secret
SENTENCE_LENGTH = 400

# A machine that hangs does not break its connection: a restore would wait until TCP gives up, a quarter of an hour.
KEEPALIVE = "-o ServerAliveInterval=5 -o ServerAliveCountMax=3"

# Arguments and tracebacks may hold what no_log hides; the rest is Ansible's own business.
_NOT_FOR_CALLERS = {"invocation", "exception", "warnings", "deprecations"}


class Machine:
    """A machine of the inventory other than the task's own host; different threads may use different machines at once.

    A call that an exception ends from outside (raised by a signal handler, say) costs its connection and nothing else:
    the next call opens a new one. What the module of the interrupted call was doing on the machine may go on there.
    """

    def __init__(self, name: str, connect: t.Callable[[], _Remote], secrets: Iterable[str] = ()) -> None:
        self.name = name
        self._connect = connect
        self._idle: _Remote | None = connect()
        self._secrets = {secret for secret in [*secrets, *self._idle.secrets()] if secret}
        # From ansible-core 2.19 on the running task is a context variable, which lookups need and new threads lack.
        self._context = contextvars.copy_context()

    @classmethod
    def open(
        cls, action: ActionBase, name: str, task_vars: Mapping[str, t.Any], secrets: Iterable[str] = ()
    ) -> Machine:
        """Return the machine; nothing is sent to it before the first module.

        C(secrets) are values that no result may show; the connection's passwords are among them by themselves. Raises
        ReleaseError when the inventory does not know the machine or its variables make no connection.
        """
        hostvars = task_vars["hostvars"]
        if name not in hostvars:
            raise ReleaseError(f"the machine {name} is not in the inventory")
        variables = {**hostvars.raw_get(name), "hostvars": hostvars}
        try:
            return cls(name, lambda: _Remote.to(action, name, variables, task_vars), secrets)
        except AnsibleError as error:
            raise ReleaseError(f"{name}: {one_line(error)}") from error

    def module(self, name: str, args: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Run the module C(name) there, in the check mode of the action, and return its result in plain types.

        No answer (the machine refused, hung, was lost on the way, or the module died) is C(failed) and C(lost) with one
        sentence: what the module did is then unknown. A module that cannot be sent is C(failed) with one sentence.
        """
        # Not to be found here while in use: the next call must not get what an interrupted one left half read.
        remote, self._idle = self._idle, None
        running = self._context.copy().run
        try:
            remote = remote or running(self._connect)
            result = plain(running(remote.execute, name, args))
        except AnsibleConnectionFailure as error:
            return self._failure(error, lost=True)
        except (AnsibleError, OSError) as error:
            return self._failure(error)
        if result.get("unreachable"):
            return self._failure(result.get("msg"), lost=True)
        self._idle = remote
        if "module_stdout" in result:  # what was printed was not a result
            words = (result.get("module_stderr") or result["module_stdout"] or "").strip().splitlines()
            last = words[-1] if words else "it ended without a word"
            return self._failure(f"no answer from {name}: {last}", lost=True)
        answer = {key: self._hidden(value) for key, value in result.items() if not _private(key)}
        return {"changed": False, "failed": False, **answer}

    def close(self) -> None:
        """Remove what the calls left on the machine; a machine that is lost keeps it."""
        remote, self._idle = self._idle, None
        if remote is not None:
            with contextlib.suppress(AnsibleError, OSError):
                remote.close()

    def _failure(self, why: object, lost: bool = False) -> dict[str, t.Any]:
        failure = {"failed": True, "msg": self._hidden(f"{self.name}: {one_line(why)}")}
        return {**failure, "lost": True} if lost else failure

    def _hidden(self, value: t.Any) -> t.Any:
        if isinstance(value, dict):
            return {key: self._hidden(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._hidden(item) for item in value]
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, HIDDEN)
        return value


class _Remote(ActionBase):
    """An action that is never run, only there to send modules over the connection of another machine."""

    _variables: dict[str, t.Any]
    # Plugin loaders and templates of options are not made for threads. Reentrant: a signal handler may open one too.
    _opening = threading.RLock()

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        raise AnsibleError("not a task")

    @classmethod
    def to(cls, action: ActionBase, name: str, variables: dict[str, t.Any], task_vars: Mapping[str, t.Any]) -> _Remote:
        """Return the connection to the machine, as TaskExecutor would make it for a task of that host."""
        with cls._opening:
            templar = Templar(loader=action._loader, variables=variables)
            task = cls._task_for(action)
            play_context = cls._play_context_for(action, name, task, variables, templar, task_vars)
            connection = connection_loader.get(
                play_context.connection,
                play_context,
                new_stdin=None,
                task_uuid=task._uuid,
                ansible_playbook_pid=str(os.getppid()),
            )
            if connection is None:
                raise AnsibleError(f"there is no connection plugin {play_context.connection}")

            def set_options(kind: str, plugin: t.Any) -> None:
                known = C.config.get_plugin_vars(kind, plugin._load_name)
                options = {key: templar.template(variables[key]) for key in known if key in variables}
                plugin.set_options(task_keys=keywords, var_options=options)

            # The keyword C(timeout) of a task is not the connection's; passwords come by the play context.
            keywords = {**task.dump_attrs(), "timeout": play_context.timeout}
            keywords.pop("retries", None)
            if play_context.password:
                keywords["password"] = play_context.password
            if play_context.become_pass:
                keywords["become_pass"] = play_context.become_pass
            if boolean(play_context.become or False):
                become = become_loader.get(play_context.become_method)
                if become is None:
                    raise AnsibleError(f"there is no become plugin {play_context.become_method}")
                connection.set_become_plugin(become)
                set_options("become", become)
            set_options("connection", connection)
            set_options("shell", connection._shell)
            _keep_alive(connection)
            remote = cls(
                task=task,
                connection=connection,
                play_context=play_context,
                loader=action._loader,
                templar=templar,
                shared_loader_obj=action._shared_loader_obj,
            )
            # Interpreter discovery writes down here what it found, for the calls after it.
            variables["ansible_facts"] = dict(variables.get("ansible_facts") or {})
            remote._variables = variables
            return remote

    @staticmethod
    def _task_for(action: ActionBase) -> Task:
        """Return a task with the command line's keywords for connections: the action's own are for its own host."""
        task = Task()
        task.action = action._task.action
        for keyword in ("check_mode", "diff", "no_log", "environment"):
            setattr(task, keyword, getattr(action._task, keyword))
        return task

    @staticmethod
    def _play_context_for(
        action: ActionBase,
        name: str,
        task: Task,
        variables: dict[str, t.Any],
        templar: Templar,
        task_vars: Mapping[str, t.Any],
    ) -> PlayContext:
        play_context = PlayContext(None, asked_passwords(action, task_vars), action._play_context.connection_lockfd)
        play_context = play_context.set_task_and_variable_override(task=task, variables=variables, templar=templar)
        play_context.post_validate(templar=templar)
        play_context.remote_addr = play_context.remote_addr or name
        return play_context

    def secrets(self) -> list[str]:
        """Return the passwords of the connection."""
        become = self._connection.become
        return [
            str(secret)
            for secret in (
                self._play_context.password,
                self.get_connection_option("password"),
                self.get_connection_option("private_key_passphrase"),
                become and become.get_option("become_pass", playcontext=self._play_context),
            )
            if secret
        ]

    def execute(self, name: str, args: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the module's result as ansible-core gives it; raises AnsibleError or OSError."""
        return self._execute_module(module_name=name, module_args=dict(args), task_vars=self._variables)

    def close(self) -> None:
        self.cleanup(force=True)
        self._connection.close()


def _keep_alive(connection: t.Any) -> None:
    if connection.transport != "ssh":
        return
    given = [connection.get_option(option) or "" for option in ("ssh_args", "ssh_common_args", "ssh_extra_args")]
    if "ServerAlive" not in " ".join(given):
        connection.set_option("ssh_extra_args", f"{given[-1]} {KEEPALIVE}".strip())


def asked_passwords(action: ActionBase, task_vars: Mapping[str, t.Any]) -> dict[str, str | None]:
    """Return what --ask-pass and --ask-become-pass got, but no password of the action's own host's variables."""

    def asked(attribute: str) -> str | None:
        if any(variable in task_vars for variable in C.MAGIC_VARIABLE_MAPPING[attribute]):
            return None
        return getattr(action._play_context, attribute) or None

    return {"conn_pass": asked("password"), "become_pass": asked("become_pass")}


def _private(key: str) -> bool:
    return key in _NOT_FOR_CALLERS or key.startswith("_ansible_")


def one_line(text: object) -> str:
    """Return C(text) as one line that fits a sentence."""
    return " ".join(str(text).split())[:SENTENCE_LENGTH]
