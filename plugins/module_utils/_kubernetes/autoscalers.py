# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HorizontalPodAutoscalers of both slots: whose replicas are not ours to send, and their floor during a release.

Without a floor an autoscaler takes the canary's pods away while it has no requests yet, and the stable side's as
requests leave it, and neither could then carry all of them.
"""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import (
    Client,
    Conflict,
    Object,
    path,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.deployments import owners

API, KIND = "autoscaling/v2", "horizontalpodautoscalers"
# The floor as it was before we raised it; whoever reads it puts it back, another run too.
FLOOR = "zerodowntime.bluegreen/min-replicas"
TRIES = 5


def of(deployment: str, found: t.Sequence[Object]) -> t.Optional[Object]:
    """Return the autoscaler of a Deployment, None when it has none."""
    for autoscaler in found:
        target = autoscaler["spec"]["scaleTargetRef"]
        if target.get("kind") == "Deployment" and target.get("name") == deployment:
            return autoscaler
    return None


def size(autoscaler: Object, replicas: int) -> int:
    """Return how many pods it wants now, C(replicas) before it has said so."""
    return int(autoscaler.get("status", {}).get("desiredReplicas") or 0) or replicas


def floor(autoscaler: Object) -> int:
    """Return the least number of pods it keeps."""
    return int(autoscaler["spec"].get("minReplicas", 1))


def check(autoscaler: Object, capacity: int) -> None:
    """Raise Refused when it would not keep as many pods as C(capacity)."""
    name = autoscaler["metadata"]["name"]
    if int(autoscaler["spec"]["maxReplicas"]) < capacity:
        raise Refused(
            f"the HorizontalPodAutoscaler {name} allows {autoscaler['spec']['maxReplicas']} pods and the slot needs "
            f"{capacity}: raise its maxReplicas"
        )
    for owner in owners(autoscaler):
        if owner.get("kind") == "ScaledObject":
            # KEDA writes the floor back, and wakes a slot that was taken to 0.
            raise Refused(
                f"the HorizontalPodAutoscaler {name} belongs to KEDA's ScaledObject {owner.get('name')}, which would "
                "undo a release's floor: give the Deployments a HorizontalPodAutoscaler of their own"
            )


def raised(autoscaler: Object, number: int) -> t.Optional[Object]:
    """Return the merge patch that keeps C(number) pods at least, None when it does already."""
    if floor(autoscaler) >= number:
        return None
    noted = kept(autoscaler) or str(floor(autoscaler))
    return {"metadata": {"annotations": {FLOOR: noted}}, "spec": {"minReplicas": number}}


def kept(autoscaler: Object) -> str:
    """Return the floor that a release has noted down, empty when it has none."""
    return _annotations(autoscaler).get(FLOOR, "")


def lowered(autoscaler: Object) -> t.Optional[Object]:
    """Return the merge patch that puts the floor back, None when it is not ours."""
    noted = kept(autoscaler)
    if not noted.isdigit():
        return None
    return {"metadata": {"annotations": {FLOOR: None}}, "spec": {"minReplicas": int(noted)}}


def change(client: Client, namespace: str, autoscaler: Object, patch: t.Callable[[Object], t.Optional[Object]]) -> None:
    """Write what C(patch) makes of the autoscaler, read again when somebody else wrote in between."""
    where = path(API, KIND, namespace, autoscaler["metadata"]["name"])
    for left in reversed(range(TRIES)):
        wanted = patch(autoscaler)
        if wanted is None:
            return
        wanted["metadata"]["resourceVersion"] = autoscaler["metadata"]["resourceVersion"]
        try:
            client.patch(where, wanted)
        except (Conflict, Lost):
            # What became of it, the autoscaler says.
            if not left:
                raise
            autoscaler = client.get(where)
        else:
            return


def _annotations(autoscaler: Object) -> t.Mapping[str, str]:
    return autoscaler["metadata"].get("annotations") or {}
