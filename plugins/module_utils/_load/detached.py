# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load that runs beside a release: a process of its own session that ends by itself, also when the run dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.certificate import certificate
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load import report
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load, mix, run
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.process import Process, identify
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.target import Tls

WRITE_EVERY = 1.0
# The run is dead: its load has to be over two seconds later, so a request in flight gets one.
ORPHAN_GRACE = 1.0
END_PATIENCE = 10.0


@dataclass(frozen=True)
class Order:
    """C(load) is sent until it is asked to end, C(max_duration) seconds pass or C(beside) dies."""

    load: Load
    report: str
    max_duration: float
    beside: t.Optional[Process] = None


def order(load: Load, path: str, max_duration: float, beside: int = 0) -> Order:
    """Return the order for a load; C(beside) is the number of the process to run beside, 0 for none.

    Raises ReleaseError when the load cannot be sent or there is no such process.
    """
    mix(load)
    process = identify(beside) if beside else None
    if beside and process is None:
        raise ReleaseError(f"there is no process {beside} to run beside")
    return Order(load, os.path.abspath(path), max_duration, process)


def already_running(path: str, load: Load) -> t.Optional[int]:
    """Return the number of the process that already sends this load, None when nothing runs there.

    Raises ReleaseError when another load writes to that report.
    """
    try:
        content = report.read(path)
    except ReleaseError:
        return None
    if not report.running(content):
        return None
    if content["url"] != _shown(load.url):
        raise ReleaseError(f"a load test of {content['url']} already writes to {path} (process {content['pid']})")
    return t.cast(int, content["pid"])


def start_by_fork(what: Order) -> int:
    """Start the load from this process and return its number. Raises ReleaseError with its first words when it fails.

    For processes without threads. Everything the load needs is imported by now: the archive of a module is removed
    as soon as the module has answered.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _detach(writing)
                _work(what)
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, encoding="utf-8") as pipe:
        return number_in(pipe.read())


def number_in(words: str) -> int:
    """Return the number of the process that said C(words) when it started. Raises ReleaseError with other words."""
    first = words.strip().splitlines()[-1] if words.strip() else "it ended without a word"
    if first.startswith("started "):
        return int(first.split()[1])
    raise ReleaseError(first if first.startswith("cannot") else f"the load test did not start: {first}")


def main() -> None:
    """Start the load whose order comes on standard input and print its number, or why it failed."""
    given = json.load(sys.stdin)
    load = given["load"]
    load.update(revision=RevisionSource(**load["revision"]), tls=Tls(**load["tls"]))
    beside = given["beside"]
    what = Order(Load(**load), given["report"], given["max_duration"], Process(**beside) if beside else None)
    try:
        _say(f"started {start_by_fork(what)}")
    except ReleaseError as error:
        _say(str(error))


def finish(path: str, say: t.Callable[[str], None]) -> dict[str, t.Any]:
    """Ask the load to end, wait for it and return its report; C(complete) says whether it could write its last one.

    C(say) gets a line when that takes longer than two seconds. Raises ReleaseError when there is no report, the load
    does not end, or it failed.
    """
    content = report.read(path)
    if report.running(content):
        report.ask_to_end(path)
        began = time.monotonic()
        told = False
        while content["state"] == "running" and report.running(content):
            waited = time.monotonic() - began
            if waited > content["timeout"] + END_PATIENCE:
                raise ReleaseError(f"the load test of {path} (process {content['pid']}) does not end")
            if waited > 2 and not told:
                told = True
                say(f"load test: waiting for requests in flight, at most {content['timeout']:g} s")
            time.sleep(0.05)
            content = report.read(path)
        content = report.read(path)
    report.forget_request(path)
    if content["state"] == "failed":
        raise ReleaseError(f"the load test of {path} failed: {content['msg']}")
    return {**content, "complete": content["state"] == "finished"}


def _work(what: Order) -> None:
    """Send the load; the last report is written whatever happens, SIGKILL apart."""
    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

    me = t.cast(Process, identify(os.getpid()))
    tally = Tally(time.monotonic())
    facts = {
        "url": _shown(what.load.url),
        "pid": me.pid,
        "pid_started": me.started,
        "timeout": what.load.timeout,
        "started_at": time.time(),
    }

    def write(state: str, **more: str) -> None:
        report.write(what.report, {"state": state, **facts, **certificate(tally.counts(time.monotonic())), **more})

    written = 0.0

    def watch(elapsed: float) -> t.Optional[float]:
        nonlocal written
        if elapsed - written >= WRITE_EVERY:
            written = elapsed
            with contextlib.suppress(ReleaseError):  # a disk that is full for a while does not end the load
                write("running")
        if what.beside and not what.beside.alive():
            return ORPHAN_GRACE
        over = ended or elapsed >= what.max_duration or report.asked_to_end(what.report)
        return what.load.timeout if over else None

    report.forget_request(what.report)
    try:
        write("running")
        _say(f"started {me.pid}")
        _silence()
        run(what.load, tally, watch)
    except ReleaseError as error:
        _say(str(error))
        write("failed", msg=str(error))
    except Exception as error:  # nobody sees a traceback of this process: the report has to say it
        write("failed", msg=f"{type(error).__name__}: {error}")
    else:
        write("finished")


def _say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


def _detach(output: int) -> None:
    """Keep no file of the parent open but C(output), as standard output: ssh waits for whoever holds its pipes."""
    os.chdir("/")
    os.dup2(output, 1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 2)
    os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 65536))


def _silence() -> None:
    """Let go of the pipe: who started the load waits for its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.close(nothing)


def _shown(url: str) -> str:
    """Return C(url) without its query, where people put secrets."""
    return url.partition("?")[0]
