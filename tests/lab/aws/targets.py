# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets as an ALB sees them: real processes, really asked, and the states of AWS with their reasons.

An instance runs the demo app on the port of the target group it is registered with. Its image says how: the name is
C(APP-REVISION), the description holds further options. Health checks run at C(pace) times their interval; a
deregistration delay lasts as long as it says.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import shlex
import subprocess
import sys
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

DEMO_APP = Path(__file__).parents[1] / "hosts/demo_app.py"

REASONS = {
    "initial": ("Elb.InitialHealthChecking", "Initial health checks in progress"),
    "registering": ("Elb.RegistrationInProgress", "Target registration is in progress"),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
    "unused": ("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"),
    "stopped": ("Target.InvalidState", "Target is in the stopped state"),
    "gone": ("Target.NotRegistered", "Target is not registered to the target group"),
}


@dataclass
class Target:
    """One target of one group; C(until) is when its draining ends, on the monotonic clock."""

    id: str
    port: int
    state: str = "initial"
    reason: str = REASONS["registering"][0]
    description: str = REASONS["registering"][1]
    passed: int = 0
    failed: int = 0
    next_check: float = 0.0
    until: float | None = None

    def become(self, state: str, reason: str = "", description: str = "") -> None:
        """Change the state; a healthy target has no reason."""
        self.state, self.reason, self.description = state, reason, description


@dataclass
class Processes:
    """The applications of instances, by address."""

    running: dict[tuple[str, int], subprocess.Popen[bytes]] = field(default_factory=dict)

    def want(self, wanted: t.Mapping[tuple[str, int], list[str]]) -> None:
        """Start what is wanted and does not run, end what runs and is not wanted."""
        for address in set(self.running) - set(wanted):
            process = self.running.pop(address)
            process.terminate()
            threading.Thread(target=_reap, args=(process,), daemon=True).start()
        for (host, port), options in wanted.items():
            if (host, port) not in self.running:
                command = [sys.executable, "-B", str(DEMO_APP), "--host", host, "--port", str(port), *options]
                self.running[(host, port)] = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )

    def close(self) -> None:
        """End all of them."""
        for process in self.running.values():
            process.kill()
            process.wait()
        self.running.clear()


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def program(name: str, description: str) -> list[str]:
    """Return the demo app's options for an image."""
    _app, _dash, revision = name.partition("-")
    return ["--revision", revision or name, *shlex.split(description or "")]


class Health:
    """The health of every target of every group. All methods but C(check) are called under the lab's lock."""

    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.targets: dict[str, dict[str, Target]] = {}  # by group, by target
        self._prober = ThreadPoolExecutor(16, thread_name_prefix="health")

    def close(self) -> None:
        """End the probers."""
        self._prober.shutdown(cancel_futures=True)

    def sync(self, group: t.Any, used: bool) -> None:
        """Follow what moto knows of C(group): targets that came, and whether a listener or a rule uses it."""
        known = self.targets.setdefault(group.arn, {})
        for target in group.targets.values():
            now = known.get(target["Id"])
            if now is None or now.state == "draining":
                known[target["Id"]] = Target(target["Id"], int(target["Port"]))
        for target in list(known.values()):
            if target.until is not None and time.monotonic() >= target.until:
                del known[target.id]
            elif target.until is None and target.id not in group.targets:
                self.drain(group, target.id)
            elif target.state != "draining" and not used:
                target.passed = target.failed = 0
                target.become("unused", *REASONS["unused"])
            elif target.state == "unused":
                target.become("initial", *REASONS["registering"])

    def drain(self, group: t.Any, target: str) -> None:
        """Begin the deregistration of a target; one that nothing uses is gone at once."""
        found = self.targets.get(group.arn, {}).get(target)
        if found is None or found.until is not None:
            return
        if found.state == "unused":
            del self.targets[group.arn][target]
            return
        delay = float(group.attributes["deregistration_delay.timeout_seconds"])
        found.until = time.monotonic() + delay
        found.become("draining", *REASONS["draining"])

    def due(self, group: t.Any) -> list[Target]:
        """Return the targets whose next health check is due, and put the one after it into the calendar."""
        now = time.monotonic()
        due = []
        for target in self.targets.get(group.arn, {}).values():
            if target.state in ("initial", "healthy", "unhealthy") and target.next_check <= now:
                target.next_check = now + float(group.health_check_interval_seconds) * self.pace
                due.append(target)
        return due

    def check(self, checks: t.Sequence[tuple[Target, str, int, str]], timeout: float) -> list[str]:
        """Return what each target (with host, port, path) answered: a status, C(timeout) or C(refused)."""
        return list(self._prober.map(lambda one: _probe(*one[1:], timeout), checks))

    def judge(self, group: t.Any, target: Target, answer: str) -> None:
        """Take an answer into account as AWS does: one pass makes a new target healthy."""
        good = answer.isdigit() and _matches(answer, group.matcher.get("HttpCode") or "200")
        target.passed, target.failed = (target.passed + 1, 0) if good else (0, target.failed + 1)
        if target.state == "initial" and not good:
            target.become("initial", *REASONS["initial"])
        needed = 1 if target.state == "initial" else int(group.healthy_threshold_count)
        if good and target.passed >= needed:
            target.become("healthy")
        elif not good and target.failed >= int(group.unhealthy_threshold_count):
            if answer == "timeout":
                target.become("unhealthy", "Target.Timeout", "Request timed out")
            elif answer == "refused":
                target.become("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
            else:
                description = f"Health checks failed with these codes: [{answer}]"
                target.become("unhealthy", "Target.ResponseCodeMismatch", description)


def _probe(host: str, port: int, path: str, timeout: float) -> str:
    # The lab asks nobody but this machine, whatever a playbook registers.
    if not ipaddress.ip_address(host).is_loopback:
        return "refused"
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=timeout)) as connection:
        try:
            connection.request("GET", path)
            return str(connection.getresponse().status)
        except TimeoutError:
            return "timeout"
        except (OSError, http.client.HTTPException):
            return "refused"


def _matches(status: str, wanted: str) -> bool:
    for part in wanted.split(","):
        first, _dash, last = part.partition("-")
        if int(first) <= int(status) <= int(last or first):
            return True
    return False
