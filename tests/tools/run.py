# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the steps, two at a time, and says one line for each."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import Bench, Failed, Job, Skipped
from steps import Step, steps

LINES_SHOWN = 80
STILL_RUNNING_EVERY = 60.0


@dataclass(frozen=True)
class Verdict:
    """How a step ended: C(passed), C(failed) or C(skipped), why, and after how many seconds."""

    step: Step
    outcome: str
    why: str
    remark: str
    seconds: float
    log: Path


class Runner:
    """Runs steps on several lanes: each takes the next one that waits."""

    def __init__(self, bench: Bench, lanes: int) -> None:
        self.bench = bench
        self.lanes = lanes
        self.verdicts: list[Verdict] = []
        self._changed = threading.Condition()
        self._running: dict[str, float] = {}

    def run(self, chosen: Sequence[Step]) -> None:
        """Run C(chosen), begun in their order; fills C(verdicts)."""
        waiting = list(chosen)
        threads = [threading.Thread(target=self._lane, args=(waiting,), daemon=True) for _lane in range(self.lanes)]
        for thread in threads:
            thread.start()
        self._watch(threads)

    def _lane(self, waiting: list[Step]) -> None:
        while True:
            with self._changed:
                if not waiting:
                    return
                step = waiting.pop(0)
            self._judge(step)

    def _judge(self, step: Step) -> None:
        job = Job(self.bench, step.name)
        begun = time.monotonic()
        with self._changed:
            self._running[step.name] = begun
        outcome, why = "passed", ""
        try:
            step.judge(job)
        except Skipped as reason:
            outcome, why = "skipped", str(reason)
        except Failed as reason:
            outcome, why = "failed", str(reason)
        except Exception as error:  # a fault of a step must not take the other steps with it
            job.note(traceback.format_exc())
            outcome, why = "failed", f"{type(error).__name__}: {error}"
        verdict = Verdict(step, outcome, why, job.remark, time.monotonic() - begun, job.log)
        with self._changed:
            del self._running[step.name]
            self.verdicts.append(verdict)
            _say_verdict(verdict)
            self._changed.notify_all()

    def _watch(self, threads: Sequence[threading.Thread]) -> None:
        told = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            with self._changed:
                self._changed.wait(1.0)
                now = time.monotonic()
                if now - told >= STILL_RUNNING_EVERY and self._running:
                    told = now
                    names = ", ".join(f"{name} ({now - begun:.0f} s)" for name, begun in self._running.items())
                    print(f"... still running: {names}", flush=True)


def main() -> int:
    """Return the exit status: 0 when nothing failed."""
    known = steps()
    arguments = _arguments([step.name for step in known])
    if arguments.list:
        for step in known:
            print(f"{step.name:<20} {step.about}")
        return 0
    chosen = [
        step
        for step in known
        if _is_chosen(step.name, arguments.step, arguments.fast)
        and (arguments.step or arguments.all or not step.nightly)
    ]
    bench = Bench.open(Path(__file__).resolve().parents[2])
    untracked = bench.untracked()
    if untracked:
        print(f"not judged, git does not track them: {' '.join(untracked)}", flush=True)
    runner = Runner(bench, arguments.jobs)
    begun = time.monotonic()
    runner.run(chosen)
    return _summary(runner.verdicts, time.monotonic() - begun, bench.folder / "logs")


def _arguments(names: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run-tests", description="Judge the collection, from nothing.")
    parser.add_argument("step", nargs="*", help="a step, or the first part of its name; without one, all are run")
    parser.add_argument("--list", action="store_true", help="name the steps and end")
    nightly = "nightly steps too: integration on the oldest core, Kubernetes, built by Go"
    parser.add_argument("--all", action="store_true", help=nightly)
    parser.add_argument("--fast", action="store_true", help="leave out ansible-test sanity")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="steps at a time (%(default)s)")
    arguments = parser.parse_args()
    for wanted in arguments.step:
        if not any(_matches(name, wanted) for name in names):
            parser.error(f"no step is called {wanted}; there are {', '.join(names)}")
    return arguments


def _is_chosen(name: str, wanted: Sequence[str], fast: bool) -> bool:
    if fast and _matches(name, "sanity"):
        return False
    return not wanted or any(_matches(name, one) for one in wanted)


def _matches(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}-")


def _say_verdict(verdict: Verdict) -> None:
    word = {"passed": "ok", "failed": "FAILED", "skipped": f"skipped: {verdict.why}"}[verdict.outcome]
    remark = f"  {verdict.remark}" if verdict.remark else ""
    print(f"{verdict.step.name + ' ':.<24} {word:<8} {verdict.seconds:6.1f} s{remark}", flush=True)
    if verdict.outcome == "failed":
        lines = verdict.log.read_text(errors="replace").splitlines()
        if len(lines) > LINES_SHOWN:
            print(f"    | ... {len(lines) - LINES_SHOWN} lines before these are in {verdict.log}")
        for line in lines[-LINES_SHOWN:]:
            print(f"    | {line}")
        print(f"    {verdict.why}", flush=True)


def _summary(verdicts: Sequence[Verdict], seconds: float, logs: Path) -> int:
    outcomes = [verdict.outcome for verdict in verdicts]
    failed = [verdict.step.name for verdict in verdicts if verdict.outcome == "failed"]
    print(f"\n{seconds:.0f} s; logs: {logs}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    print(f"{outcomes.count('passed')} passed, {len(failed)} failed, {outcomes.count('skipped')} skipped")
    return 1 if failed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
