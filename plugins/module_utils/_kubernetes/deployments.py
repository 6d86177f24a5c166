# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Deployment: what its rollout still lacks, why it will never come, and the patch that brings a revision.

C(rollout status) calls 0 replicas and a paused Deployment successfully rolled out, and Available stays True when a new
image cannot be pulled (FACTS), so neither is asked.
"""

from __future__ import annotations

import copy
import json
import re
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Object
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.pods import image

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
# What a slot ran before a stage; whoever takes it down after a stage that came to nothing puts it back.
BEFORE = "zerodowntime.bluegreen/before"
_BEFORE_PATH = "/metadata/annotations/zerodowntime.bluegreen~1before"
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}")

Operations = list[dict[str, t.Any]]


def observed(deployment: Object) -> bool:
    """Return whether the controller has seen what the Deployment asks for now; its status is of before until then."""
    seen = int(deployment.get("status", {}).get("observedGeneration") or 0)
    return seen >= int(deployment["metadata"].get("generation") or 0)


def pending(deployment: Object) -> str:
    """Return what the rollout still lacks, empty when every replica is of this revision and available."""
    if not observed(deployment):
        return "the Deployment controller has not seen the change yet"
    status, wanted = deployment.get("status", {}), replicas(deployment)
    there, updated, available = (
        int(status.get(name) or 0) for name in ("replicas", "updatedReplicas", "availableReplicas")
    )
    if updated < wanted:
        return f"{updated} of {wanted} pods of this revision are made"
    if there > updated:
        return f"{there - updated} pods of the revision before still run"
    if available < updated:
        return f"{available} of {updated} pods are available"
    return ""


def trouble(deployment: Object) -> str:
    """Return why the rollout will never come, in the platform's own words; empty while it may."""
    if not observed(deployment) or not pending(deployment):
        return ""
    conditions = {entry["type"]: entry for entry in deployment.get("status", {}).get("conditions") or []}
    refused, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    if refused.get("status") == "True":
        return f"no pod can be made ({refused.get('reason')}): {refused.get('message')}"
    if progress.get("status") == "False" and progress.get("reason") == "ProgressDeadlineExceeded":
        return f"the Deployment made no progress (ProgressDeadlineExceeded): {progress.get('message')}"
    return ""


def current_hash(deployment: Object, replica_sets: t.Sequence[Object]) -> str:
    """Return the pod template hash of the ReplicaSet that runs what is asked for now; empty while there is none."""
    if not observed(deployment):
        return ""
    revision = (deployment["metadata"].get("annotations") or {}).get(REVISION)
    for found in replica_sets:
        owned = any(owner.get("uid") == deployment["metadata"].get("uid") for owner in owners(found))
        if owned and (found["metadata"].get("annotations") or {}).get(REVISION) == revision:
            return str(found["metadata"].get("labels", {}).get(HASH) or "")
    return ""


def owners(found: Object) -> list[Object]:
    """Return the owners of an object."""
    return found["metadata"].get("ownerReferences") or []


def replicas(deployment: Object) -> int:
    """Return how many pods the Deployment asks for."""
    return int(deployment["spec"].get("replicas", 1))


def container_of(deployment: Object, name: str) -> str:
    """Return the container whose image is the revision. Raises Refused when that is not clear."""
    names = [entry["name"] for entry in deployment["spec"]["template"]["spec"]["containers"]]
    if name in names or (not name and len(names) == 1):
        return name or str(names[0])
    which = f"has no container {name!r}" if name else "has several containers"
    raise Refused(
        f"the Deployment {deployment['metadata']['name']} {which}: name one of {', '.join(names)} in 'container'"
    )


def image_of(repository: str, revision: str) -> str:
    """Return the image of a revision: C(shop:1.4.2), C(shop@sha256:...), or the revision where it says it all.

    Raises ReleaseError for what would be no image at all.
    """
    if not repository:
        return revision
    if "@" in repository or ":" in repository.rsplit("/", 1)[-1]:
        raise ReleaseError(f"image {repository!r} has a tag or digest of its own: leave it out, it is the revision")
    if _DIGEST.fullmatch(revision):
        return f"{repository}@{revision}"
    if _TAG.fullmatch(revision):
        return f"{repository}:{revision}"
    raise ReleaseError(f"the revision {revision!r} is neither a tag nor a digest (sha256:...) of {repository}")


def revision_of(repository: str, whole: str) -> str:
    """Return the revision that an image stands for, the other way round."""
    begins = repository and whole.startswith(repository) and whole[len(repository) : len(repository) + 1] in (":", "@")
    return whole[len(repository) + 1 :] if begins else whole


def operations(
    deployment: Object, container: str, wanted: str, number: t.Optional[int], template: t.Optional[Object]
) -> Operations:
    """Return the JSON patch that makes the Deployment run C(wanted) as image of C(container); nothing when it does.

    C(number) None leaves the replicas to their owner. Tests stand before each write, so that nothing is written into a
    Deployment that changed its shape meanwhile; what is not named stays byte for byte.
    """
    ops: Operations = []
    spec = deployment["spec"]["template"]["spec"]
    if template:
        ops += [
            {"op": "test", "path": "/spec/template", "value": deployment["spec"]["template"]},
            {"op": "replace", "path": "/spec/template", "value": completed(deployment, container, wanted, template)},
        ]
    elif image(spec, container) != wanted:
        at = next(n for n, entry in enumerate(spec["containers"]) if entry["name"] == container)
        where = f"/spec/template/spec/containers/{at}"
        ops += [
            {"op": "test", "path": f"{where}/name", "value": container},
            {"op": "test", "path": f"{where}/image", "value": spec["containers"][at].get("image")},
            {"op": "replace", "path": f"{where}/image", "value": wanted},
        ]
    if number is not None and number != replicas(deployment):
        ops += _sized(deployment, number)
    return ops


def remembered(deployment: Object, container: str, template: t.Optional[Object]) -> Operations:
    """Return the JSON patch that notes at the Deployment what it runs now, nothing where that is noted already.

    The whole pod template is noted where a C(template) takes its place, else the image of C(container).
    """
    annotations = deployment["metadata"].get("annotations") or {}
    if BEFORE in annotations:
        return []  # a stage before this one has ended in nothing
    whole = deployment["spec"]["template"]
    runs = {"template": whole} if template else {"container": container, "image": image(whole["spec"], container)}
    room = [] if annotations else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    note = json.dumps({"replicas": replicas(deployment), **runs}, sort_keys=True, separators=(",", ":"))
    return [*room, {"op": "add", "path": _BEFORE_PATH, "value": note}]


def forgotten(deployment: Object) -> Operations:
    """Return the JSON patch that takes the note away: what runs serves, and there is no way back to before it."""
    note = (deployment["metadata"].get("annotations") or {}).get(BEFORE)
    if note is None:
        return []
    return [{"op": "test", "path": _BEFORE_PATH, "value": note}, {"op": "remove", "path": _BEFORE_PATH}]


def undone(deployment: Object, autoscaled: bool) -> t.Optional[Operations]:
    """Return the JSON patch that puts back what was noted, None where nothing was.

    The replicas of an C(autoscaled) Deployment are not ours, unless it was asleep at 0.
    """
    before = noted(deployment)
    if before is None:
        return None
    runs, number = deployment["spec"]["template"], int(before["replicas"])
    ops = forgotten(deployment)
    if before.get("template") not in (None, runs):
        ops += [
            {"op": "test", "path": "/spec/template", "value": runs},
            {"op": "replace", "path": "/spec/template", "value": before["template"]},
        ]
    container = str(before.get("container") or "")
    # A container that is gone meanwhile has no image to be put back.
    if container and image(runs["spec"], container):
        ops += operations(deployment, container, str(before["image"]), None, None)
    if not (autoscaled and number) and number != replicas(deployment):
        ops += _sized(deployment, number)
    return ops


def noted(deployment: Object) -> t.Optional[Object]:
    """Return what was noted of the time before the stage, None where nothing, or nothing to be read, was."""
    try:
        found = json.loads((deployment["metadata"].get("annotations") or {}).get(BEFORE) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("replicas"), int) else None


def _sized(deployment: Object, number: int) -> Operations:
    return [
        {"op": "test", "path": "/spec/replicas", "value": replicas(deployment)},
        {"op": "replace", "path": "/spec/replicas", "value": number},
    ]


def completed(deployment: Object, container: str, wanted: str, template: Object) -> Object:
    """Return C(template) with the image and with the labels by which the Deployment finds its pods.

    One template serves both slots so. Raises Refused when it has no such container.
    """
    made: Object = copy.deepcopy(template)
    metadata = made.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **deployment["spec"]["selector"].get("matchLabels", {})}
    for entry in (made.get("spec") or {}).get("containers") or []:
        if entry.get("name") == container:
            entry["image"] = wanted
            return made
    raise Refused(f"the template has no container {container!r}")
