# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of C(./quickstart --platform aws): an ALB and two Auto Scaling groups in the lab, no account, no root."""

from __future__ import annotations

import sys
import typing as t
import urllib.parse
from dataclasses import dataclass

from tests.lab.aws.environment import Environment
from tests.lab.aws.grouped import Grouped
from tests.lab.aws.served import Served
from tests.lab.aws.shop import Shop
from tests.lab.hosts.world import CHECKOUT, ENVIRONMENT, SLOTS, World

INSTANCES = 2
# An ALB does not count the requests in flight: the old slot stays for the longest of them.
PACE: dict[str, t.Any] = {"release_bake_time": "3s", "release_drain_timeout": "3s", "release_scale_down_delay": "0"}
# The AMI of a revision, as the file beside the inventory has it.
AMI = "{{ (shop_amis | default({}))[release_revision | default('')] | default('') }}"
# What a user types for a revision of one's own; it makes an AMI as the lab reads it.
SCRIPT = """#!{python}
import sys

import boto3

revision, options = sys.argv[1], " ".join(sys.argv[2:])
image = boto3.client("ec2").register_image(Name=f"shop-{{revision}}", Description=options)["ImageId"]
with open("host_vars/{environment}.yml", "a") as file:
    file.write(f"  {{revision}}: {{image}}\\n")
"""


@dataclass(frozen=True)
class Door:
    """The load balancer, as its users see it."""

    url: str
    port: int

    def stop(self) -> None:
        """It ends with its lab."""


class AwsWorld(World):
    """What C(Story) asks of a world, in a lab of AWS that is a process of its own."""

    def __init__(self, variables: t.Mapping[str, t.Any], haproxy: str) -> None:
        # A gate reads CloudWatch, which needs minutes at AWS and seconds here.
        source = {"cloudwatch": {"period": 1, "delay": "1s"}}
        gate = variables["release_gate"] and {**variables["release_gate"], "source": source}
        super().__init__(variables={**PACE, **variables, "release_gate": gate}, haproxy=haproxy)

    def picture(self) -> list[str]:
        """Return what there is, line by line."""
        slots = (
            f"  {slot:<6} the group {self.shop.names[slot]}, {INSTANCES} instances when it serves" for slot in SLOTS
        )
        return [
            f"An ALB of the lab, which speaks AWS's API at {self.lab.endpoint}, listens at {self.balancer.url}.",
            "Behind it are the two slots of the app shop, Auto Scaling groups of processes on loopback:",
            *slots,
            f"The inventory is that of docs/examples/aws, with addresses of {self.folder}",
        ]

    def build(self, revision: str, *options: str) -> None:
        ami = self.shop.ami(revision, " ".join(options))
        with (self.folder / "host_vars" / f"{ENVIRONMENT}.yml").open("a") as file:
            file.write(f"  {revision}: {ami}\n")

    def weights(self) -> dict[str, int]:
        return dict(zip(SLOTS, self.shop.shop.weights(), strict=True))

    def revision_of_ones_own(self) -> list[str]:
        """Return the command that makes the revision v4."""
        return ["./ami v4    # a revision of your own"]

    @property
    def _settings(self) -> dict[str, str]:
        return {**super()._settings, **(self.lab.environment if hasattr(self, "lab") else {})}

    def _addresses(self) -> None:
        (self.folder / "tmp").mkdir()
        self.lab = Served({**self.environment(), "PYTHONPATH": str(CHECKOUT)}, self._haproxy)
        self.shop = Grouped(Shop(self.lab), blue=0)  # type: ignore[arg-type]  # a cloud, elsewhere

    def _balancer(self) -> t.Any:
        url = self.shop.shop.url
        return Door(url, t.cast(int, urllib.parse.urlsplit(url).port))

    def _project(self) -> None:
        for name in ("journal", "host_vars"):
            (self.folder / name).mkdir()
        variables = {**self.variables, "release_aws_ami": AMI, "release_aws_capacity": INSTANCES}
        Environment(self.shop, self.folder, variables)
        self._configure()
        (self.folder / "host_vars" / f"{ENVIRONMENT}.yml").write_text("shop_amis:\n")
        script = self.folder / "ami"
        script.write_text(SCRIPT.format(python=sys.executable, environment=ENVIRONMENT))
        script.chmod(0o755)
