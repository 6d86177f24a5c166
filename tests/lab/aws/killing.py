# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on AWS that are killed at a known moment: the ground of C(hosts/killing.py) in the lab.

Beside the entries of the journal, each API call that changes something is a moment: the one after it was carried out.
"""

from __future__ import annotations

import os
import tempfile
import typing as t
from pathlib import Path

from tests.lab.aws.cloud import Cloud
from tests.lab.aws.environment import Environment
from tests.lab.aws.grouped import Grouped
from tests.lab.aws.shop import Shop
from tests.lab.hosts.killing import Ground, Live, Run
from tests.lab.hosts.world import end

# What a group has that serves, and one that does not: minimum, maximum, desired capacity.
SERVES, RESTS = (1, 4, 2), (0, 4, 0)
# An ALB does not count the requests in flight, so that the drain would be waited out.
PACE = {"release_drain_timeout": "0", "release_progress_deadline": "60s"}


class AwsGround(Ground):
    """The shop of two Auto Scaling groups behind an ALB, in a cloud of its own; C(size) instances serve at first."""

    def __init__(self, size: int = 2, **variables: t.Any) -> None:
        super().__init__("alb", **{**PACE, **variables})
        self._size = size

    def __enter__(self) -> AwsGround:
        self.cloud = Cloud().__enter__()
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        if hasattr(self, "folder"):
            end(self.folder)
        self.cloud.__exit__(None, None, None)

    def deploy(self, container: bool = False, *options: str) -> Run:
        ami = self.shop.ami(f"r{self.serial + 1}")
        return super().deploy(container, "-e", f"release_aws_ami={ami}", *options)

    def live(self) -> Live:
        weights = self.cloud.weights(self.shop.shop.listener)
        return ({slot: weights[arn] for slot, arn in self.shop.shop.groups.items()},)

    def healthy(self, slot: str) -> bool:
        return self.cloud.healthy(self.shop.shop.groups[slot]) > 0

    def doors(self) -> list[str]:
        return [self.shop.shop.url]

    def places(self) -> dict[Path, str]:
        return {self._calls / "ModifyListener": "alb"}

    def left_over(self) -> list[str]:
        found = []
        for slot, percent in (self.live()[0] or {}).items():
            size, wanted = self.shop.size(slot), SERVES if percent else RESTS
            found += [f"{slot} has {size}, not {wanted}"] if size != wanted else []
            found += [f"{slot} has {name} suspended" for name in self.shop.suspended(slot)]
            found += [f"{slot} has the tag {name}" for name in self.shop.tags(slot) if name != "staged"]
        return found

    def environment(self) -> dict[str, str]:
        collections = {"ANSIBLE_COLLECTIONS_PATH": str(self._collections()), "ANSIBLE_NOCOLOR": "1"}
        return {**super().environment(), **collections, **self.cloud.environment}

    def _open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zdt-kills-", dir="/tmp"))
        for name in ("tmp", "journal", "calls"):
            (self.folder / name).mkdir()
        self._calls = self.folder / "calls"
        variables = {key: value for key, value in self.variables.items() if not key.startswith("release_hosts_")}
        # The seconds in which a lock goes stale are those of the ground.
        journal = {"store": "file", "path": str(self.folder / "journal"), "ttl": "6s"}
        self.shop = Grouped(Shop(self.cloud), blue=self._size)
        Environment(self.shop, self.folder, {"release_journal": journal, **variables})
        self.cloud.heard = self._heard

    def _collections(self) -> Path:
        links = self.folder / "collections"
        return links if links.exists() else super()._collections()

    def _heard(self, operation: str) -> None:
        """Let those who watch the folder see a call, by a file of its name that is replaced."""
        name = operation if operation == "ModifyListener" else f"{operation}.call"
        fresh = self._calls / "fresh"
        fresh.touch()
        os.replace(fresh, self._calls / name)
