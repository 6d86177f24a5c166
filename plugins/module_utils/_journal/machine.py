# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine, boot and processes a run lives in, and whether another run's processes are gone."""

from __future__ import annotations

import os
import socket
import typing as t
import uuid

# Without /proc no two processes share what we could name: each observes alone.
_ALONE = f"process-{uuid.uuid4()}"


def place() -> dict[str, str]:
    """Return the C(host), C(boot_id) and C(pid_namespace) of this process; the last two empty without /proc."""
    return {"host": socket.gethostname(), "boot_id": _boot_id(), "pid_namespace": _link("/proc/self/ns/pid")}


def clock() -> str:
    """Return the name of this machine's monotonic clock: equal for all processes that read the same one."""
    boot = _boot_id()
    return f"{boot} {_link('/proc/self/ns/time')}".strip() if boot else _ALONE


def process(pid: int) -> t.Optional[dict[str, t.Any]]:
    """Return C(pid) and the C(started) that tells it from a later process with its number; None when it is gone."""
    stat = _stat(pid)
    return {"pid": pid, "started": stat[1]} if stat and stat[0] not in ("Z", "X") else None


def gone(owner: t.Mapping[str, t.Any]) -> bool:
    """Return True when C(owner) ran in this boot and process namespace and none of its processes lives.

    False whenever that cannot be known; whoever waits then observes the record instead.
    """
    here = place()
    known = all(here[name] and owner.get(name) == here[name] for name in ("boot_id", "pid_namespace"))
    processes = owner.get("processes") or []
    return known and bool(processes) and all(_is_gone(one["pid"], one["started"]) for one in processes)


def _is_gone(pid: int, started: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    stat = _stat(pid)
    # A process that exists and cannot be read (hidepid) may be the one: it counts as alive.
    return stat is not None and (stat[1] != started or stat[0] in ("Z", "X"))


def _stat(pid: int) -> t.Optional[tuple[str, str]]:
    """Return state and start time (clock ticks since boot) of C(pid); fields 3 and 22 of proc(5)."""
    text = _text(f"/proc/{pid}/stat")
    fields = text.rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else None


def _boot_id() -> str:
    return _text("/proc/sys/kernel/random/boot_id").strip()


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
