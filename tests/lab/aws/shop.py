# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The infrastructure of one app in the lab: a load balancer, a listener, two permanent target groups."""

from __future__ import annotations

import random
import typing as t

from tests.lab.aws.cloud import Cloud
from tests.lab.hosts.haproxy import free_port

SLOTS = ("blue", "green")
AZS = ("eu-central-1a", "eu-central-1b")


class Shop:
    """One app behind an ALB. It starts with 100 % on blue; its slots are empty."""

    def __init__(
        self, cloud: Cloud, name: str = "shop", port: int | None = None, delay: int = 1, kind: str = "instance"
    ) -> None:
        self.cloud, self.name = cloud, name
        self.ec2, self.elbv2 = cloud.client("ec2"), cloud.client("elbv2")
        # The port of the targets is this lab's own: several labs share the addresses of one machine.
        self.port = port or free_port()
        self._network()
        balancer = self.elbv2.create_load_balancer(Name=name, Subnets=self.subnets, SecurityGroups=[self.security])
        self.balancer = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        self.groups = {slot: self.group(f"{name}-{slot}", delay=delay, kind=kind) for slot in SLOTS}
        self.listener = self.elbv2.create_listener(
            LoadBalancerArn=self.balancer, Port=80, Protocol="HTTP", DefaultActions=[self.forward(100, 0)]
        )["Listeners"][0]["ListenerArn"]

    def close(self) -> None:
        """Take load balancer and target groups away again, for a cloud that lives on."""
        self.elbv2.delete_load_balancer(LoadBalancerArn=self.balancer)
        for arn in self.groups.values():
            self.elbv2.delete_target_group(TargetGroupArn=arn)

    def group(self, name: str, delay: int = 1, kind: str = "instance") -> str:
        """Make a target group and return its ARN; C(delay) is its deregistration delay in seconds."""
        arn = self.elbv2.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=self.port,
            VpcId=self.vpc,
            TargetType=kind,
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elbv2.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}]
        )
        return t.cast(str, arn)

    def forward(self, blue: int, green: int, **config: t.Any) -> dict[str, t.Any]:
        """Return a forward action over both groups; C(config) is more of its ForwardConfig."""
        weights = {"blue": blue, "green": green}
        return {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": self.groups[slot], "Weight": weights[slot]} for slot in SLOTS],
                **config,
            },
        }

    @property
    def url(self) -> str:
        """The front door, without a path."""
        return self.cloud.url(self.listener)

    @property
    def traffic(self) -> dict[str, t.Any]:
        """The options of C(alb_traffic) for this shop."""
        return {**self.cloud.options, "listener_arn": self.listener, "slots": dict(self.groups)}

    def image(self, revision: str, options: str = "") -> str:
        """Make an image whose app answers as C(revision), with C(options) of the demo app; return its id."""
        answer = self.ec2.register_image(Name=f"{self.name}-{revision}", Description=options)
        return t.cast(str, answer["ImageId"])

    def launch(self, slot: str, revision: str, count: int = 1, options: str = "") -> list[str]:
        """Run instances of a revision in a slot, without an Auto Scaling group; return their ids."""
        instances = self.ec2.run_instances(
            ImageId=self.image(revision, options), MinCount=count, MaxCount=count, SubnetId=self.subnets[0]
        )["Instances"]
        ids = [instance["InstanceId"] for instance in instances]
        self.elbv2.register_targets(TargetGroupArn=self.groups[slot], Targets=[{"Id": id} for id in ids])
        return ids

    def states(self, slot: str) -> dict[str, str]:
        """Return the health state of each target of a slot."""
        answer = self.elbv2.describe_target_health(TargetGroupArn=self.groups[slot])
        return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in answer["TargetHealthDescriptions"]}

    def wait_healthy(self, slot: str, count: int) -> None:
        """Wait until C(count) targets of a slot are healthy. Raises TimeoutError."""
        self.cloud.wait(
            f"{count} healthy in {slot}", lambda: list(self.states(slot).values()).count("healthy") == count
        )

    def weights(self) -> list[int]:
        """Return the weights of the listener's default action, blue first."""
        action = self.elbv2.describe_listeners(ListenerArns=[self.listener])["Listeners"][0]["DefaultActions"][-1]
        found = {group["TargetGroupArn"]: group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]}
        return [found.get(self.groups[slot], 0) for slot in SLOTS]

    def _network(self) -> None:
        self.vpc = self.ec2.create_vpc(CidrBlock="127.16.0.0/16")["Vpc"]["VpcId"]
        third = random.randrange(0, 254, 2)
        self.subnets = [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"127.16.{third + n}.0/24", AvailabilityZone=zone)[
                "Subnet"
            ]["SubnetId"]
            for n, zone in enumerate(AZS)
        ]
        security = self.ec2.create_security_group(GroupName=self.name, Description="lab", VpcId=self.vpc)
        self.security = security["GroupId"]
