# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that is killed fails its task, so that rescue runs: C(watch), in the controller's process.

Under the strategies free and host_pinned ansible-core never looks whether a worker still lives: a release whose worker
the kernel has killed for want of memory would wait for its result for ever. Nor does it look after its own thread that
takes the results: that ends at a line which nobody reads any more, as when what read the run's output has died. What
this takes of ansible-core's private parts, from 2.16 to 2.21, is how a strategy remembers a task that runs, how a
worker sends the result, and the thread that takes it.
"""

from __future__ import annotations

import multiprocessing.process
import os
import signal
import sys
import threading
import time
import typing as t

from ansible.utils.display import Display

NAME = "zerodowntime-dead-workers"
POLL = 0.1
# Who is killed between its result and its end has sent one, which may still be on its way.
GRACE = 1.0
UNKNOWN = 256
# A worker holds the queue to the controller for microseconds; who holds it so long is dead.
HOLD = 10.0


def watch() -> None:
    """Start to look after the workers of this process, once; does nothing where no strategy runs."""
    if "ansible.plugins.strategy" in sys.modules and NAME not in {thread.name for thread in threading.enumerate()}:
        threading.Thread(target=_watch, name=NAME, daemon=True).start()


def _watch() -> None:
    from ansible.executor.process.worker import WorkerProcess

    died: dict[t.Any, float | None] = {}
    while True:
        time.sleep(POLL)
        if not all(strategy._results_thread.is_alive() for strategy in _strategies()):
            # As if the run had been killed: traffic goes back, and the journal says what to do next.
            os.kill(os.getpid(), signal.SIGTERM)
            return
        children = list(multiprocessing.process._children)  # type: ignore[attr-defined]
        died.update({child: None for child in children if isinstance(child, WorkerProcess) and child not in died})
        for worker, since in list(died.items()):
            try:
                status = worker.exitcode
            except ValueError:  # closed since: its place was given to the next task, of another host
                status = UNKNOWN
            if status == 0:
                del died[worker]
            elif status is not None and since is None:
                died[worker] = time.monotonic()
            elif since is not None and time.monotonic() - since >= GRACE:
                del died[worker]
                try:
                    _fail(worker, t.cast(int, status))
                except Exception as error:  # must not end the watch over the others
                    Display().warning(f"a task of {worker._host} was lost and cannot be failed: {error}")


def _fail(worker: t.Any, status: int) -> None:
    """Send a failed result in the place of the one that C(worker) can no longer send; nothing if it has sent one."""
    host, task = worker._host, worker._task
    if any((host.name, task._uuid) in strategy._queued_task_cache for strategy in _strategies()):
        _free(worker._final_q)
        _send(worker._final_q, host, task, {"failed": True, "msg": _sentence(status)})


def _strategies() -> t.Iterator[t.Any]:
    """Yield the strategy that runs a play now: the controller's main thread is within its C(run)."""
    frame = sys._current_frames().get(t.cast(int, threading.main_thread().ident))
    while frame is not None:
        if frame.f_code.co_name == "run" and hasattr(type(frame.f_locals.get("self")), "_queue_task"):
            yield frame.f_locals["self"]
        frame = frame.f_back


def _free(queue: t.Any) -> None:
    """Give the queue back to the living when its last writer was killed in the middle of it."""
    queue._wlock.acquire(timeout=HOLD)
    queue._wlock.release()


def _send(queue: t.Any, host: t.Any, task: t.Any, result: dict[str, t.Any]) -> None:
    try:
        from ansible._internal._task import UnifiedTaskResult  # from 2.21 on
    except ImportError:
        pass
    else:
        # What the task was to register stays undefined: that needs the context of a task that runs.
        queue.send_task_result(host, task, UnifiedTaskResult.from_action_result_dict(result))
        return
    try:
        from ansible.executor.task_result import _RawTaskResult  # 2.19 and 2.20
    except ImportError:
        queue.send_task_result(host.name, task._uuid, result, task_fields=task.dump_attrs())
    else:
        queue.send_task_result(_RawTaskResult(host, task, result, task.dump_attrs()))


def _sentence(status: int) -> str:
    if status == UNKNOWN:
        how = "ended"
    else:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return f"the process that ran this task {how} and sent no result"
