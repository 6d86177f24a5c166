# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Auto Scaling group as a slot: its size, what is kept in its tags, and what its instances are. All of it pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet import Instance

# What another process needs to put a group back, while a release has it under its hands.
KEPT = "zerodowntime:kept"
# What was staged last: version of the launch template, fingerprint, revision.
STAGED = "zerodowntime:staged"
# They would take instances away that are waited for. Never Launch, never AlarmNotification: scale-out goes on.
PROCESSES = ("AZRebalance", "ReplaceUnhealthy")
# A group that finds no capacity in one zone tries the next one; only when that goes on is it a failure.
NO_CAPACITY = ("InsufficientInstanceCapacity", "do not have sufficient")
PATIENCE = 3

Raw = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Bounds:
    """The size of a group."""

    min: int
    max: int
    desired: int

    def __str__(self) -> str:
        return f"{self.desired} (min {self.min}, max {self.max})"


@dataclass(frozen=True)
class Kept:
    """What is written into a tag before a group is changed: the bounds it has when it serves alone.

    C(after) is the last scaling activity before, C(suspended) the processes that the release has suspended.
    """

    bounds: Bounds
    after: str = ""
    suspended: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the value of the tag. AWS takes no comma in one."""
        words = [f"min={self.bounds.min} max={self.bounds.max} desired={self.bounds.desired}"]
        words += [f"after={self.after}"] if self.after else []
        words += [f"suspended={'+'.join(self.suspended)}"] if self.suspended else []
        return " ".join(words)


def kept(text: str) -> t.Optional[Kept]:
    """Return what a tag says, None for one that is not of ours."""
    found = dict(word.partition("=")[::2] for word in text.split())
    try:
        bounds = Bounds(int(found["min"]), int(found["max"]), int(found["desired"]))
    except (KeyError, ValueError):
        return None
    suspended = tuple(name for name in found.get("suspended", "").split("+") if name)
    return Kept(bounds, found.get("after", ""), suspended)


@dataclass(frozen=True)
class Staged:
    """What a slot was given: C(version) of the launch template, C(fingerprint) of what was asked for, the revision."""

    version: str = ""
    fingerprint: str = ""
    revision: str = ""

    def text(self) -> str:
        """Return the value of the tag."""
        return f"{self.version} {self.fingerprint} {self.revision}"


@dataclass(frozen=True)
class Group:
    """One Auto Scaling group, as described."""

    name: str
    bounds: Bounds
    template: str  # the id of the launch template
    version: str
    target_groups: tuple[str, ...]
    instances: tuple[Raw, ...]
    suspended: tuple[str, ...]
    grace: float  # seconds
    kept: t.Optional[Kept]
    staged: Staged

    @property
    def standing(self) -> list[Raw]:
        """The instances that are not on their way out."""
        return [one for one in self.instances if not _leaves(one)]

    @property
    def empty(self) -> bool:
        """Whether nothing runs there and nothing is to."""
        return not self.bounds.desired and not self.standing

    @property
    def whole(self) -> Bounds:
        """The bounds that it has when no release changes them."""
        return self.kept.bounds if self.kept else self.bounds


def parse(raw: Raw) -> Group:
    """Return the group of an answer. Raises Refused for one that cannot be a slot."""
    name, template = str(raw["AutoScalingGroupName"]), raw.get("LaunchTemplate")
    if not template:
        raise Refused(f"the group {name} has no launch template of its own: a slot is staged by a version of one")
    sources = [one["Identifier"] for one in raw.get("TrafficSources") or [] if one.get("Type") == "elbv2"]
    target_groups = tuple(raw.get("TargetGroupARNs") or sources)
    if not target_groups:
        raise Refused(f"the group {name} is attached to no target group, so nobody could say when it is healthy")
    tags = {tag["Key"]: str(tag.get("Value") or "") for tag in raw.get("Tags") or []}
    words = tags.get(STAGED, "").split(" ", 2)
    return Group(
        name=name,
        bounds=Bounds(int(raw["MinSize"]), int(raw["MaxSize"]), int(raw["DesiredCapacity"])),
        template=str(template.get("LaunchTemplateId") or ""),
        version=str(template.get("Version") or "$Default"),
        target_groups=target_groups,
        # A warm pool's instances are no targets.
        instances=tuple(one for one in raw.get("Instances") or [] if not one["LifecycleState"].startswith("Warmed:")),
        suspended=tuple(one["ProcessName"] for one in raw.get("SuspendedProcesses") or []),
        grace=float(raw.get("HealthCheckGracePeriod") or 0),
        kept=kept(tags.get(KEPT, "")),
        staged=Staged(*words) if len(words) == 3 else Staged(),
    )


def instance(raw: Raw, targets: t.Sequence[Raw], patient: bool) -> Instance:
    """Return one instance of a group by what its target groups say of it.

    C(patient): its grace period still runs, and failed health checks may be those of an application that starts.
    """
    state, why = _judged(raw, targets, patient)
    identifier = str(raw["InstanceId"])
    version = str((raw.get("LaunchTemplate") or {}).get("Version") or "")
    return Instance(identifier, identifier, version, state, why, str(raw.get("AvailabilityZone") or ""))


def _judged(raw: Raw, targets: t.Sequence[Raw], patient: bool) -> tuple[str, str]:
    lifecycle = str(raw["LifecycleState"])
    if _leaves(raw):
        return "stopping", f"is on its way out ({lifecycle})"
    if lifecycle != "InService":
        return "starting", f"is not in service yet ({lifecycle})"
    if not targets:
        return "starting", "is not registered with its target group yet"
    worst = max(targets, key=lambda one: _ORDER.index(one["State"]) if one["State"] in _ORDER else len(_ORDER))
    reason = _reason(worst)
    if worst["State"] == "healthy":
        if raw.get("HealthStatus") == "Unhealthy":
            return "failed", "is unhealthy to its Auto Scaling group, though its target is healthy"
        return "ready", "is healthy"
    if worst["State"] == "draining":
        return "stopping", f"is draining: {reason}"
    if worst["State"] in ("initial", "unavailable") or patient:
        return "starting", f"is {worst['State']}: {reason}"
    return "failed", f"is {worst['State']}: {reason}"


_ORDER = ("healthy", "initial", "unavailable", "draining", "unhealthy", "unused")


def _reason(target: Raw) -> str:
    words = [str(target.get("Description") or ""), str(target.get("Reason") or "")]
    return " ".join([words[0] or "no reason given", f"({words[1]})" if words[1] else ""]).strip()


def _leaves(raw: Raw) -> bool:
    return str(raw["LifecycleState"]).startswith(("Terminat", "Detach"))


def unused(targets: t.Iterable[Raw]) -> str:
    """Return why targets will never be checked, as AWS says it; empty when they are."""
    for target in targets:
        if target["State"] == "unused" and target.get("Reason") == "Target.NotInUse":
            return f"its targets are not health-checked: {_reason(target)}"
    return ""


def launch_failure(activities: t.Sequence[Raw], after: str) -> str:
    """Return AWS's own reason why instances are not launched, from C(activities), newest first, since C(after)."""
    news: list[Raw] = []
    for activity in activities:
        if activity["ActivityId"] == after:
            break
        news.append(activity)
    failed = [str(one.get("StatusMessage") or one.get("Description") or "") for one in news if _failed(one)]
    if failed and (len(failed) >= PATIENCE or not any(words in failed[0] for words in NO_CAPACITY)):
        return f"AWS cannot launch an instance: {' '.join(failed[0].split())}"
    return ""


def _failed(activity: Raw) -> bool:
    return activity.get("StatusCode") == "Failed"
