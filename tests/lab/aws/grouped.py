# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The slots of a shop as Auto Scaling groups that share a launch template."""

from __future__ import annotations

import typing as t

from tests.lab.aws.shop import SLOTS, Shop


class Grouped:
    """Both groups of a shop. Blue has C(blue) instances of C(revision); green has none and may have as many as blue."""

    def __init__(self, shop: Shop, blue: int = 2, revision: str = "v1", grace: int = 8) -> None:
        self.shop, self.cloud = shop, shop.cloud
        self.autoscaling = self.cloud.client("autoscaling")
        self.amis: dict[str, str] = {}
        data = {"ImageId": self.ami(revision), "InstanceType": "t3.micro"}
        template = shop.ec2.create_launch_template(LaunchTemplateName=shop.name, LaunchTemplateData=data)
        self.template = template["LaunchTemplate"]["LaunchTemplateId"]
        self.names = {slot: f"{shop.name}-{slot}" for slot in SLOTS}
        for slot, size in (("blue", blue), ("green", 0)):
            self.autoscaling.create_auto_scaling_group(
                AutoScalingGroupName=self.names[slot],
                MinSize=min(size, 1),
                MaxSize=4,
                DesiredCapacity=size,
                LaunchTemplate={"LaunchTemplateId": self.template, "Version": "1"},
                VPCZoneIdentifier=",".join(shop.subnets),
                TargetGroupARNs=[shop.groups[slot]],
                HealthCheckType="ELB",
                HealthCheckGracePeriod=grace,
            )
        shop.wait_healthy("blue", blue)

    @property
    def options(self) -> dict[str, t.Any]:
        """The options of C(asg_fleet) for this shop."""
        return {**self.cloud.options, "groups": self.names}

    def ami(self, revision: str, options: str = "") -> str:
        """Return the AMI of a revision, made when it is asked for the first time."""
        if revision not in self.amis:
            self.amis[revision] = self.shop.image(revision, options)
        return self.amis[revision]

    def group(self, slot: str) -> dict[str, t.Any]:
        """Return the group of a slot as AWS describes it."""
        answer = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.names[slot]])
        return t.cast("dict[str, t.Any]", answer["AutoScalingGroups"][0])

    def size(self, slot: str) -> tuple[int, int, int]:
        """Return minimum, maximum and desired capacity."""
        group = self.group(slot)
        return group["MinSize"], group["MaxSize"], group["DesiredCapacity"]

    def suspended(self, slot: str) -> list[str]:
        """Return the scaling processes that are suspended."""
        return sorted(one["ProcessName"] for one in self.group(slot)["SuspendedProcesses"])

    def tags(self, slot: str) -> dict[str, str]:
        """Return the tags of a group that a release has written."""
        tags = {tag["Key"]: tag["Value"] for tag in self.group(slot)["Tags"]}
        return {key.partition(":")[2]: value for key, value in tags.items() if key.startswith("zerodowntime:")}

    def pinned(self, slot: str) -> str:
        """Return the version of the launch template that a group names."""
        return t.cast(str, self.group(slot)["LaunchTemplate"]["Version"])

    def versions(self) -> dict[int, dict[str, t.Any]]:
        """Return what each version of the launch template says."""
        answer = self.shop.ec2.describe_launch_template_versions(LaunchTemplateId=self.template)
        return {one["VersionNumber"]: one["LaunchTemplateData"] for one in answer["LaunchTemplateVersions"]}

    def calls(self) -> list[str]:
        """Return the API calls since this was asked last."""
        calls = list(self.cloud.faults.calls)
        self.cloud.faults.calls.clear()
        return calls
