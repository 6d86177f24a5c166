# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(asg_fleet): a slot is an Auto Scaling group, a revision a version of its launch template, pinned by number."""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import replace

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import groups, launch_templates
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.groups import (
    KEPT,
    PROCESSES,
    STAGED,
    Group,
    Kept,
    Staged,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.session import AUTH_SPEC, Service
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, other
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet import Fleet, Order

AGAIN = 1.0


class AsgFleet(_fleet.Driver):
    """The two slots of one app, each an Auto Scaling group that stays."""

    name = "asg_fleet"
    replaces = True
    longest_pause = 5.0
    spec: t.ClassVar[dict[str, t.Any]] = {
        "groups": {
            "type": "dict",
            "required": True,
            "options": {slot: {"type": "str", "required": True} for slot in SLOTS},
        },
        "ami": {"type": "str"},
        "template_data": {"type": "dict", "default": {}},
        "template_version": {"type": "str"},
        **AUTH_SPEC,
    }

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        super().__init__(options)
        self.names: t.Mapping[str, str] = options["groups"]
        if self.names["blue"] == self.names["green"]:
            raise ReleaseError(f"asg_fleet: both slots are the group {self.names['blue']}")
        self.autoscaling = Service(options, "autoscaling")
        self.elbv2 = Service(options, "elbv2")
        self.ec2 = Service(options, "ec2")  # its client is dear, and made by the first call only
        self.seen: dict[str, Group] = {}
        self._health: dict[str, dict[str, list[groups.Raw]]] = {}
        self._in_service: dict[str, float] = {}

    def identity(self) -> str:
        return f"asg:{self.autoscaling.region}:{self.names['blue']}:{self.names['green']}"

    def observe(self) -> dict[str, Fleet]:
        self.seen = self._described()
        return {slot: self._fleet(slot) for slot in SLOTS}

    def size(self, fleets: t.Mapping[str, Fleet], slot: str) -> int:
        there, here = self.seen[other(slot)], self.seen[slot]
        return there.bounds.desired or here.whole.desired or here.bounds.min or 1

    def changes(self, fleets: t.Mapping[str, Fleet], order: Order) -> list[Change]:
        group, there = self.seen[order.slot], self.seen[other(order.slot)]
        if set(group.target_groups) & set(there.target_groups):
            raise Refused(f"both groups register their instances with the target group {group.target_groups[0]}")
        if not order.capacity:
            return self._retirement(group, there)
        data = self._data(order)
        if self._stands(fleets[order.slot], group, order):
            return []
        if there.template == group.template:
            launch_templates.refuse_latest(there)
        after = f"{order.capacity} x {order.revision} ({data['ImageId']})"
        return [Change(group.name, f"{group.bounds} x {group.staged.revision or 'version ' + group.version}", after)]

    def write(self, fleets: t.Mapping[str, Fleet], order: Order) -> None:
        group, there = self.seen[order.slot], self.seen[other(order.slot)]
        if order.capacity:
            self._stage(group, there, order)
        else:
            self._retire(group, there)

    def settle(self, slot: str) -> bool:
        self.seen = self._described()
        group = self.seen[slot]
        alone = self.seen[other(slot)].kept is None  # nothing else serves: no release is under way that pins a size
        if group.kept is None or not (alone or group.kept.suspended):
            return False
        self._resume(group)
        if alone:
            self._unpin(group)
            self._forget(group)
        else:
            self._write([_tag(group, KEPT, replace(group.kept, suspended=()).text())])
        return True

    def owned(self) -> list[Owned]:
        found = []
        for group in self.seen.values():
            if group.kept:
                found.append(Owned("tag", f"{group.name}: {KEPT}", group.kept.text()))
            if group.staged.version:
                found.append(Owned("tag", f"{group.name}: {STAGED}", group.staged.text()))
        for template in dict.fromkeys(group.template for group in self.seen.values()):
            found += [
                Owned("launch template version", f"{template} version {number}", about)
                for number, about in launch_templates.ours(self.ec2, template)
            ]
        return found

    def words(self, instance: str, lines: int) -> list[str]:
        with contextlib.suppress(ReleaseError):
            output = str(self.ec2.call("get_console_output", InstanceId=instance).get("Output") or "")
            return [line.strip() for line in output.splitlines() if line.strip()][-lines:]
        return []

    # What stands

    def _described(self) -> dict[str, Group]:
        names = [self.names[slot] for slot in SLOTS]
        answer = self.autoscaling.call("describe_auto_scaling_groups", AutoScalingGroupNames=names)
        found = {one["AutoScalingGroupName"]: one for one in answer["AutoScalingGroups"]}
        for name in names:
            if name not in found:
                raise ReleaseError(f"there is no Auto Scaling group {name} in {self.autoscaling.region}")
        return {slot: groups.parse(found[self.names[slot]]) for slot in SLOTS}

    def _fleet(self, slot: str) -> Fleet:
        group = self.seen[slot]
        health = self._health[slot] = self._targets(group)
        now = time.monotonic()
        for one in group.instances:
            if one["LifecycleState"] == "InService":
                self._in_service.setdefault(one["InstanceId"], now)
        instances = tuple(
            groups.instance(one, health.get(one["InstanceId"], []), now - self._since(one, now) < group.grace)
            for one in group.instances
        )
        old = sum(instance.revision not in ("", group.version) for instance in instances)
        return Fleet(
            instances,
            revision=group.staged.revision,
            capacity=group.bounds.desired,
            trouble=groups.unused(target for targets in health.values() for target in targets)
            or self._launch_failure(group),
            pending=f"{old} still run another version" if old else "",
        )

    def _since(self, one: groups.Raw, now: float) -> float:
        """Return since when the instance is known to be in service: its grace period runs from there."""
        return self._in_service.get(one["InstanceId"], now)

    def _targets(self, group: Group) -> dict[str, list[groups.Raw]]:
        """Return the health of each instance in each target group that it is registered with."""
        health: dict[str, list[groups.Raw]] = {}
        for arn in group.target_groups if group.standing else ():
            answer = self.elbv2.call("describe_target_health", TargetGroupArn=arn)
            for target in answer["TargetHealthDescriptions"]:
                health.setdefault(target["Target"]["Id"], []).append(target["TargetHealth"])
        return health

    def _launch_failure(self, group: Group) -> str:
        if group.kept is None or not group.kept.after or len(group.standing) >= group.bounds.desired:
            return ""
        return groups.launch_failure(self._activities(group, 20), group.kept.after)

    def _activities(self, group: Group, number: int) -> list[groups.Raw]:
        answer = self.autoscaling.call(
            "describe_scaling_activities", AutoScalingGroupName=group.name, MaxRecords=number
        )
        return t.cast("list[groups.Raw]", answer["Activities"])

    def _data(self, order: Order) -> dict[str, t.Any]:
        return launch_templates.override(order.revision, self.options.get("ami"), self.options["template_data"])

    def _source(self, group: Group, there: Group) -> str:
        """Return the version that a new one is made from: as asked, else what serves if it is of the same template."""
        serves = not there.empty and there.template == group.template
        return self.options.get("template_version") or (there if serves else group).version

    def _stands(self, fleet: Fleet, group: Group, order: Order) -> bool:
        """Return whether the slot runs just that already."""
        wanted = launch_templates.mark(group, self._data(order), bool(self.options["template_data"]))
        return (
            group.staged == Staged(group.version, wanted, order.revision)
            and fleet.ready == len(fleet.instances) == order.capacity == group.bounds.desired
            and not fleet.pending
        )

    # Staging

    def _stage(self, group: Group, there: Group, order: Order) -> None:
        data, whole = self._data(order), bool(self.options["template_data"])
        version = launch_templates.version(
            self.ec2, group, self._source(group, there), data, whole, f"{launch_templates.MARK} {order.revision}"
        )
        kept = Kept((group if there.empty else there).whole, self._last_activity(group), self._suspendable(group))
        staged = Staged(version, launch_templates.mark(group, data, whole), order.revision)
        tags = [_tag(group, KEPT, kept.text()), _tag(group, STAGED, staged.text())]
        if not there.empty and there.kept is None:
            tags.append(_tag(there, KEPT, Kept(there.bounds).text()))
        self._write(tags)  # before the groups themselves are changed
        if kept.suspended:
            self._sure("suspend_processes", AutoScalingGroupName=group.name, ScalingProcesses=list(kept.suspended))
        if not there.empty and there.bounds.min < there.bounds.desired:
            # The way back keeps its size while its requests go elsewhere; it may still grow.
            self._sure("update_auto_scaling_group", AutoScalingGroupName=there.name, MinSize=there.bounds.desired)
        self._sure(
            "update_auto_scaling_group",
            AutoScalingGroupName=group.name,
            LaunchTemplate={"LaunchTemplateId": group.template, "Version": version},
            MinSize=min(kept.bounds.min, order.capacity) if there.empty else order.capacity,
            MaxSize=max(kept.bounds.max, order.capacity),
            DesiredCapacity=order.capacity,
        )
        for name in self._left_over(order.slot, version):
            self._sure(
                "terminate_instance_in_auto_scaling_group", InstanceId=name, ShouldDecrementDesiredCapacity=False
            )

    def _last_activity(self, group: Group) -> str:
        activities = self._activities(group, 1)
        return str(activities[0]["ActivityId"]) if activities else "none"

    def _suspendable(self, group: Group) -> tuple[str, ...]:
        """Return the processes to suspend for the wait, those of a run that died in it included."""
        if not self.options.get("wait", True):
            return ()
        ours = group.kept.suspended if group.kept else ()
        return tuple(name for name in PROCESSES if name in ours or name not in group.suspended)

    def _left_over(self, slot: str, version: str) -> list[str]:
        """Return the instances of an earlier try: of another version, or unhealthy."""
        return [
            one["InstanceId"]
            for one in self.seen[slot].standing
            if (one.get("LaunchTemplate") or {}).get("Version") != version
            or any(target["State"] == "unhealthy" for target in self._health[slot].get(one["InstanceId"], []))
        ]

    # Retirement

    def _retirement(self, group: Group, there: Group) -> list[Change]:
        changes = []
        if group.kept or group.bounds.min or not group.empty:
            before = f"{group.bounds} x {group.staged.revision or 'version ' + group.version}"
            changes.append(Change(group.name, before, "none"))
        if there.kept:
            changes.append(Change(there.name, str(there.bounds), str(_unpinned(there))))
        return changes

    def _retire(self, group: Group, there: Group) -> None:
        self._resume(group)
        # Targets drain for their deregistration delay before an instance is terminated.
        self._sure(
            "update_auto_scaling_group",
            AutoScalingGroupName=group.name,
            MinSize=0,
            MaxSize=group.whole.max,
            DesiredCapacity=0,
        )
        self._resume(there)
        self._unpin(there)
        self._forget(group, there)

    def _unpin(self, group: Group) -> None:
        """Give a group that serves alone its own bounds back, those that its tag keeps."""
        bounds = _unpinned(group)
        if bounds != group.bounds:
            self._sure(
                "update_auto_scaling_group", AutoScalingGroupName=group.name, MinSize=bounds.min, MaxSize=bounds.max
            )

    def _resume(self, group: Group) -> None:
        if group.kept and group.kept.suspended:
            names = list(group.kept.suspended)
            self._sure("resume_processes", AutoScalingGroupName=group.name, ScalingProcesses=names)

    # Tags

    def _write(self, tags: list[dict[str, t.Any]]) -> None:
        self._sure("create_or_update_tags", Tags=tags)

    def _forget(self, *forgotten: Group) -> None:
        """Take the notes away, once all is as they say."""
        tags = [_tag(group, KEPT) for group in forgotten if group.kept]
        if tags:
            self._sure("delete_tags", Tags=tags)

    def _sure(self, operation: str, **arguments: t.Any) -> None:
        """Make a call that may be made twice; it is, when its answer was lost."""
        try:
            self.autoscaling.call(operation, **arguments)
        except Lost:
            time.sleep(AGAIN)
            self.autoscaling.call(operation, **arguments)


def _unpinned(group: Group) -> groups.Bounds:
    """Return the bounds of a group that serves alone; a size it has grown to meanwhile is not cut."""
    whole = group.whole
    return replace(group.bounds, min=whole.min, max=max(whole.max, group.bounds.desired))


def _tag(group: Group, key: str, value: t.Optional[str] = None) -> dict[str, t.Any]:
    tag: dict[str, t.Any] = {"ResourceId": group.name, "ResourceType": "auto-scaling-group", "Key": key}
    return tag if value is None else {**tag, "Value": value, "PropagateAtLaunch": False}
