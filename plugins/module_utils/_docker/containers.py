# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers as the engine inspects them, read as instances of a slot."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet import Instance

Inspected = t.Mapping[str, t.Any]

# One restart may be a slow database; a third start is a loop, whatever the restart policy hopes.
LOOP = 2
CHECK_LENGTH = 120


def instance(seen: Inspected) -> Instance:
    """Return the container that C(seen) describes."""
    state, why = _state(seen)
    networks = (seen.get("NetworkSettings") or {}).get("Networks") or {}
    return Instance(
        id=seen["Id"],
        name=str(seen["Name"]).lstrip("/"),
        revision=seen["Config"]["Image"],
        state=state,
        why=why,
        address=next((network["IPAddress"] for network in networks.values() if network.get("IPAddress")), ""),
    )


def _state(seen: Inspected) -> tuple[str, str]:
    """Return the state of a container in the frame's words, and the end of a sentence that explains it."""
    state = seen["State"]
    status, health = state["Status"], state.get("Health")
    memory = ", out of memory" if state.get("OOMKilled") else ""
    if status == "removing":
        return "stopping", "is being removed"
    if status in ("restarting", "running") and seen.get("RestartCount", 0) >= LOOP and not _healthy(health):
        return "failed", f"is in a restart loop: started {seen['RestartCount'] + 1} times"
    if status in ("exited", "dead"):
        return "failed", f"exited with status {state.get('ExitCode')}{memory}"
    if status == "paused":
        return "failed", "is paused"
    if status == "created":
        return ("failed", f"could not be started: {state['Error']}") if state.get("Error") else ("starting", "is made")
    if status != "running":
        return "starting", f"is {status}"
    if health is None or _healthy(health):
        return "ready", "is healthy" if health else "runs without a health check"
    if health["Status"] == "unhealthy":
        return "failed", f"is unhealthy: {_last_check(health)}"
    failing = health.get("FailingStreak", 0)
    return "starting", f"is starting ({failing} checks failed: {_last_check(health)})" if failing else "is starting"


def _healthy(health: t.Optional[Inspected]) -> bool:
    return health is not None and health["Status"] == "healthy"


def _last_check(health: Inspected) -> str:
    log = health.get("Log") or []
    if not log:
        return "no check has ended"
    said = [line for line in str(log[-1].get("Output") or "").splitlines() if line.strip()]
    words = f": {said[-1].strip()[:CHECK_LENGTH]}" if said else ""
    return f"its health check ended with status {log[-1]['ExitCode']}{words}"
