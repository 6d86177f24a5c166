# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod as one instance of a slot: whether it answers requests, and in its own words why it does not."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet import Instance
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Object

# What a container waits for and will not get without somebody's help. ErrImagePull is left out: the kubelet tries once
# more before it backs off, and a registry may have been busy.
HOPELESS = frozenset(
    ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CrashLoopBackOff", "CreateContainerConfigError")
    + ("CreateContainerError", "RunContainerError")
)


def instance(pod: Object, container: str, current: bool, endpoints: t.Optional[t.Collection[str]]) -> Instance:
    """Return C(pod) as an instance; its revision is the image of C(container).

    C(current) says whether it runs what its Deployment asks for now, C(endpoints) which pods its Service sends requests
    to, None where no Service is looked at.
    """
    name = pod["metadata"]["name"]  # as good as an id: no ReplicaSet gives one twice
    address = str(pod.get("status", {}).get("podIP") or "")
    state, why = _state(pod)
    if state == "ready" and endpoints is not None and name not in endpoints:
        state, why = "starting", "is ready, and its Service does not send it requests yet"
    if not current and state in ("starting", "failed"):
        state, why = "stopping", f"runs the revision before: {why}"
    return Instance(name, name, image(pod["spec"], container), state, why, address)


def image(spec: Object, container: str) -> str:
    """Return the image of C(container) in a pod's spec, empty when it has no such container."""
    return next((str(entry.get("image") or "") for entry in spec["containers"] if entry["name"] == container), "")


def _state(pod: Object) -> tuple[str, str]:
    status = pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return "stopping", "is ending"
    if status.get("phase") in ("Failed", "Succeeded"):
        # Evicted, or its node is lost: its ReplicaSet makes another one.
        return "stopping", f"is over: {status.get('message') or status.get('reason') or status['phase']}"
    for seen in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (seen.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in HOPELESS:
            return "failed", f"is in {waiting['reason']}: {_reason(seen, waiting)}"
    conditions = {entry["type"]: entry for entry in status.get("conditions") or []}
    if conditions.get("Ready", {}).get("status") == "True":
        return "ready", "is ready"
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return "starting", f"has no node: {scheduled.get('message') or scheduled.get('reason') or 'no reason given'}"
    return "starting", f"is not ready: {_waits(status, conditions)}"


def _reason(seen: Object, waiting: Object) -> str:
    """Return why a container does not run: how it ended last, else what the kubelet says."""
    ended = (seen.get("lastState") or {}).get("terminated") or {}
    if ended:
        kind = f" ({ended['reason']})" if ended.get("reason") not in (None, "Error", "Completed") else ""
        return f"the container {seen['name']} exited with status {ended.get('exitCode')}{kind}"
    return " ".join(str(waiting.get("message") or f"the container {seen['name']} cannot start").split())


def _waits(status: Object, conditions: t.Mapping[str, Object]) -> str:
    for seen in status.get("containerStatuses") or []:
        waiting = (seen.get("state") or {}).get("waiting") or {}
        if waiting.get("message"):
            return " ".join(str(waiting["message"]).split())
    return str(conditions.get("Ready", {}).get("message") or "its containers are starting")
