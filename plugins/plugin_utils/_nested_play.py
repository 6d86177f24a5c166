# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play within an action: users' own task files on the machines of a slot, in parallel.

C(include_tasks) with delegation is serial, sees the wrong variables and skips rescue when a machine is unreachable; a
second play is skipped under C(--limit); a subprocess loses vault and extra variables. So the action's worker runs a
play of its own.

What this takes of ansible-core's private parts stands in C(_Queue), C(_whole_inventory) and C(_whole_file), for
ansible-core 2.16 to 2.21. It changes the worker's own copies only: Ansible forks a worker for each task.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import signal
import sys
import threading
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping

from ansible import context
from ansible.errors import AnsibleError
from ansible.executor.task_queue_manager import AnsibleEndPlay, TaskQueueManager
from ansible.inventory.manager import InventoryManager
from ansible.playbook.play import Play
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase
from ansible.utils.context_objects import CLIArgs
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _controller
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import plain
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import asked_passwords, one_line
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._transcript import Transcript, words_of

MOST_FORKS = 50  # processes at once, as many machines as there may be
QUIET_SECONDS = 2.0  # a task that takes longer is named
REPEAT_SECONDS = 10.0
NAMES_IN_A_LINE = 5


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of each machine: C(ok), C(failed), C(unreachable), or C(stopped) before its end because of others."""

    machines: dict[str, str]
    failures: dict[str, str]  # machine: one sentence
    changed: bool
    diff: list[dict[str, t.Any]]
    ended: str  # why all of it was ended early, or nothing
    transcript: str = ""  # what the tasks said, capped


class NestedPlay:
    """One task file on some machines of the inventory, under the check mode, diff mode and passwords of the action."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, t.Any]) -> None:
        self._action = action
        self._passwords = asked_passwords(action, task_vars)
        self._variable_manager = action._task.get_variable_manager()
        self._inventory = _whole_inventory(self._variable_manager)

    def machines(self, names: list[str]) -> list[str]:
        """Return the machines that the names of machines or groups stand for, each once, in order.

        Raises ReleaseError for a name that the inventory does not know, and for a group without machines.
        """
        found: list[str] = []
        for name in names:
            group = self._inventory.groups.get(name)
            if group is not None:
                members = [host.get_name() for host in group.get_hosts()]
                if not members:
                    raise ReleaseError(f"the group {name} has no machines")
                found += members
            elif self._inventory.get_host(name) is not None:
                found.append(name)
            else:
                raise ReleaseError(f"{name} is neither a machine nor a group of the inventory")
        return list(dict.fromkeys(found))

    def run(
        self,
        file: str,
        machines: list[str],
        variables: Mapping[str, t.Any],
        say: Callable[[str], None],
        seconds: float | None = None,
        connection: str | None = None,
        listen: Callable[[], str] = str,
    ) -> Outcome:
        """Run the tasks of C(file) and return what became of the machines, at the latest after C(seconds).

        C(listen) is asked several times a second and ends the play with the sentence it returns, if it returns one.
        The first failure ends the play for all machines once the task at hand is done. Raises ReleaseError when the
        file cannot be read as tasks: nothing has run then. Does not return at all when the controller has died.
        """
        if {host.get_name() for host in self._inventory.get_hosts(machines)} != set(machines):
            raise ReleaseError(f"the inventory does not find {', '.join(machines)} by these names")
        keywords = {"connection": connection} if connection else {}
        with _whole_file():
            try:
                play = Play.load(
                    {
                        "name": file,
                        "hosts": machines,
                        "gather_facts": False,
                        "strategy": "ansible.builtin.linear",
                        "max_fail_percentage": 0,
                        "check_mode": bool(self._action._task.check_mode),
                        "diff": bool(self._action._task.diff),
                        # Values, not templates: what they hold came from elsewhere.
                        "vars": wrap_var(dict(variables)),
                        # Static: a mistake in the file shows before anything has run.
                        "tasks": [{"ansible.builtin.import_tasks": file}],
                        **keywords,
                    },
                    variable_manager=self._variable_manager,
                    loader=self._action._loader,
                )
            except AnsibleError as error:
                raise ReleaseError(_where(error)) from error
            events = _Events(machines, say)
            queue = _Queue(
                events,
                inventory=self._inventory,
                variable_manager=self._variable_manager,
                loader=self._action._loader,
                passwords=self._passwords,
                forks=min(len(machines), MOST_FORKS),
            )
            events.queue = queue
            guard = _Guard(queue.terminate, seconds, listen)
            trouble = ""
            try:
                with guard, events.told_while(guard):
                    trouble = queue.trouble(queue.run(play))
            except AnsibleEndPlay:
                pass  # the file's own `meta: end_play`
            except AnsibleError as error:
                trouble = _where(error)
            finally:
                queue.cleanup()
        return events.outcome(guard.why, trouble)


class _Events(CallbackBase):
    """Takes down what happens on the machines, and tells it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "release_tasks"

    queue: _Queue

    def __init__(self, machines: list[str], say: Callable[[str], None]) -> None:
        super().__init__()
        self._machines = machines
        self._say = say
        self._failures: dict[str, str] = {}
        self._changed = False
        self._diff: list[dict[str, t.Any]] = []
        self._transcript = Transcript()
        self._task = ""
        self._waiting: dict[str, float] = {}  # machine: start of its task

    def outcome(self, ended: str, trouble: str) -> Outcome:
        """Return what became of the machines; C(trouble) is what stopped all of them, if anything did."""
        machines = {}
        for name in self._machines:
            if self.queue.lost(name):
                machines[name] = "unreachable"
            elif self.queue.gave_up(name) and name in self._failures:
                machines[name] = "failed"
            elif self.queue.gave_up(name) or ended or trouble:
                machines[name] = "stopped"
            else:
                machines[name] = "ok"
        failures = {
            name: self._failures.get(name, state)
            for name, state in machines.items()
            if state in ("unreachable", "failed")
        }
        return Outcome(machines, failures, self._changed, self._diff, ended or trouble, self._transcript.text())

    @contextlib.contextmanager
    def told_while(self, guard: _Guard) -> Iterator[None]:
        """Name the tasks that take long, and look after the guard's deadline meanwhile."""
        over = threading.Event()

        def watch() -> None:
            said = ("", 0.0)
            while not over.wait(0.2):
                guard.look()
                guard.hear()
                task, waiting = self._task, dict(self._waiting)
                if not waiting:
                    continue
                now = time.monotonic()
                taken = now - min(waiting.values())
                if taken >= QUIET_SECONDS and (said[0] != task or now - said[1] >= REPEAT_SECONDS):
                    said = (task, now)
                    self._say(progress(task, list(waiting), len(self._machines), taken, guard.left()))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join(timeout=1)  # not for ever: a line to a controller that just died may block

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self._task = task.get_name()
        self._waiting[host.get_name()] = time.monotonic()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        _name, _task, answer = self._answered(result)
        self._changed = self._changed or bool(answer.get("changed"))

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._answered(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        name, task, answer = self._answered(result)
        self._changed = self._changed or bool(answer.get("changed"))
        if not ignore_errors:
            self._fails(name, f"{task!r} failed: {reason(answer)}")

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        name, task, answer = self._answered(result)
        if self.queue.lost(name):  # not ignored
            self.queue.give_up(name)
            self._fails(name, f"unreachable at {task!r}: {reason(answer)}")

    def v2_on_file_diff(self, result: t.Any) -> None:
        name = result._host.get_name()
        answer = plain(result._result)
        for item in answer.get("results") or [answer]:
            differences = item.get("diff") or []
            for difference in differences if isinstance(differences, list) else [differences]:
                headers = {key: f"{name}: {difference.get(key, '')}" for key in ("before_header", "after_header")}
                self._diff.append({**difference, **headers})

    def _answered(self, result: t.Any) -> tuple[str, str, dict[str, t.Any]]:
        # The names with an underscore are the ones that ansible-core 2.16 to 2.21 all have.
        name, task, answer = result._host.get_name(), result._task.get_name(), plain(result._result)
        self._waiting.pop(name, None)
        if not answer.get("skipped"):
            self._transcript.add(name, task, words_of(answer))
        return name, task, answer

    def _fails(self, name: str, sentence: str) -> None:
        self._failures[name] = sentence
        self._say(f"{name}: {sentence}")


class _Guard:
    """Ends the play at its deadline, on SIGTERM and SIGINT, and when the controller dies.

    After the death of its controller a worker runs on, and its strategy would start the next task, with nobody there to
    put anything right. So the kernel tells the worker, and no process for a task is born after that.
    """

    def __init__(self, terminate: Callable[[], None], seconds: float | None, listen: Callable[[], str] = str) -> None:
        self.why = ""
        self.listen = listen
        self._terminate = terminate
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds
        self._controller = _controller.pid()
        self._worker = os.getpid()
        self._active = False
        self._handlers: dict[int, t.Any] = {}

    def __enter__(self) -> None:
        self._active = True
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._signalled)
        _die_with_parent(signal.SIGTERM)
        os.register_at_fork(before=self.look, after_in_child=self._born)
        self.look()

    def __exit__(self, *_error: object) -> None:
        self._active = False
        if os.getppid() != self._controller:
            os._exit(1)
        _die_with_parent(0)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def left(self) -> float | None:
        """Return the seconds until the deadline, if there is one."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def look(self) -> None:
        """End the play if it is time."""
        if not self._active or self.why:
            return
        if os.getppid() != self._controller:
            self._stop("the controller died")
        elif self._end is not None and time.monotonic() >= self._end:
            self._stop(f"not done after {duration.text(self._seconds or 0)}")

    def hear(self) -> None:
        """End the play if somebody asks for it. Not from C(look), which runs at each fork too."""
        try:
            asked = self.listen()
        except ReleaseError as error:
            asked = str(error)
        if asked and self._active and not self.why:
            self._stop(asked)

    def _stop(self, why: str) -> None:
        self.why = why
        self._terminate()

    def _signalled(self, number: int, _frame: object) -> None:
        if not self.why:
            self._stop("the controller died" if os.getppid() != self._controller else signal.Signals(number).name)

    def _born(self) -> None:
        """Make a new process for a task end with this worker, or not begin at all."""
        if not self._active:
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _die_with_parent(signal.SIGTERM)
        if self.why or os.getppid() != self._worker:
            os._exit(1)


def progress(task: str, waiting: list[str], machines: int, taken: float, left: float | None) -> str:
    """Return the line for a task that C(waiting) have not done after C(taken) seconds, C(left) before the deadline."""
    names = ", ".join(waiting[:NAMES_IN_A_LINE])
    if len(waiting) > NAMES_IN_A_LINE:
        names += f" and {len(waiting) - NAMES_IN_A_LINE} more"
    times = f"{taken:.0f} s" if left is None else f"{taken:.0f} s, {left:.0f} s left"
    return f"{task!r} runs on {names}: {machines - len(waiting)} of {machines} done, {times}"


def reason(answer: Mapping[str, t.Any]) -> str:
    """Return why a task's result is a failure, in one line; what C(no_log) hides stays hidden."""
    if "censored" in answer:
        return "the reason is hidden by no_log"
    for item in answer.get("results") or []:
        if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable")):
            return reason(item)
    # A dynamic include that failed has a C(reason) on ansible-core 2.16 to 2.18.
    text = one_line(answer.get("msg") or answer.get("reason") or "no message")
    code, errors = answer.get("rc"), str(answer.get("stderr") or answer.get("module_stderr") or "").strip()
    if code is not None and errors:
        text = f"{text.rstrip('.')} ({code}): {one_line(errors.splitlines()[-1])}"
    return text


def _where(error: AnsibleError) -> str:
    """Return an error in a task file in one line, without the lines of the file: they may hold secrets."""
    text = str(error).partition("The offending line appears to be")[0].replace(", but may be elsewhere in the file", "")
    return one_line(text.replace("depending on the exact syntax problem.", ""))


def _die_with_parent(number: int) -> None:
    if sys.platform == "linux":
        parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(parent_death_signal, int(number))


def _whole_inventory(variable_manager: t.Any) -> InventoryManager:
    """Return the inventory without C(--limit) and without the play's own hosts: machines are not among its hosts."""
    inventory = variable_manager._inventory
    inventory.subset(None)
    inventory.remove_restriction()
    inventory.clear_caches()
    return inventory


@contextlib.contextmanager
def _whole_file() -> Iterator[None]:
    """Keep C(--tags), C(--start-at-task) and C(--step) away from the file: they are for the playbook."""
    given = context.CLIARGS
    context.CLIARGS = CLIArgs({**given, "tags": ("all",), "skip_tags": (), "start_at_task": None, "step": False})
    try:
        yield
    finally:
        context.CLIARGS = given


class _Queue(TaskQueueManager):
    """A queue manager that tells only C(events) what happens."""

    def __init__(self, events: CallbackBase, **options: t.Any) -> None:
        super().__init__(run_additional_callbacks=False, **options)
        if hasattr(events, "_init_callback_methods"):  # ansible-core 2.19 and newer
            events._init_callback_methods()
            self._callback_plugins = [events]
        else:
            self._stdout_callback = events
            self._callbacks_loaded = True

    def trouble(self, code: int) -> str:
        """Return what the code of a run says beyond what became of the machines, mostly nothing."""
        explained = self._failed_hosts or self._unreachable_hosts
        if code == self.RUN_UNKNOWN_ERROR or (code != self.RUN_OK and not explained):
            return "ansible-core ended it without a reason"
        return ""

    def gave_up(self, name: str) -> bool:
        """Return whether the machine failed, and nothing in the file handled it, or was given up because of others."""
        return name in self._failed_hosts

    def lost(self, name: str) -> bool:
        """Return whether the machine was unreachable, and the file did not ignore it."""
        return name in self._unreachable_hosts

    def give_up(self, name: str) -> None:
        """Count a machine as failed: C(max_fail_percentage) does not look at unreachable ones."""
        self._failed_hosts[name] = True
