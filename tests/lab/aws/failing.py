# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on AWS of which one API call fails, each call in each way, and what became of traffic and settings.

Every call is tried once (C(retries: 1)), so that each fault reaches our own code and not only that of the SDK.
"""

from __future__ import annotations

import copy
import json
import typing as t
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from tests.lab.aws.cloud import READS
from tests.lab.aws.killing import AwsGround
from tests.lab.hosts.world import ENVIRONMENT

# A call that gets no answer for longer than its own timeout may still be carried out, after that.
TIMEOUT, DELAY = 2.0, 3.0
WAYS = ("throttle", "error", "html", "reset", "delay", "denied")


@dataclass(frozen=True)
class Case:
    """The C(nth) call of C(operation) in a release meets C(kind), before it is carried out or after it."""

    operation: str
    nth: int
    kind: str
    when: str

    def __str__(self) -> str:
        return f"{self.operation} {self.nth} {self.kind} {self.when}"


@dataclass
class Outcome:
    """What became of one case: C(faults) are names of the counts, C(notes) say why."""

    case: Case
    met: bool = True
    outcome: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, why: str) -> None:
        self.faults.append(kind)
        self.notes.append(f"{kind}: {why}")


class FailingAws(AwsGround):
    """The shop behind an ALB of the lab, with calls that fail on order."""

    def __init__(self) -> None:
        super().__init__(release_bake_time="0")

    def cases(self) -> list[Case]:
        """Let one release run undisturbed and return every case of its calls.

        What reads is not carried out, so it fails in one place only; a denied call never is.
        """
        self.cloud.faults.clear()
        self._deploy()
        counted = Counter(self.cloud.faults.calls)
        self.settings = self._others()
        return [
            Case(operation, nth, kind, when)
            for operation, number in counted.items()
            for nth in range(1, number + 1)
            for kind in WAYS
            for when in ("before", "after")
            if when == "before" or (not operation.startswith(READS) and kind != "denied")
        ]

    def run_case(self, case: Case) -> Outcome:
        """Release with the fault of C(case), then resume and sweep without it, and judge."""
        found = Outcome(case)
        fault = self.cloud.faults.plan(case.operation, case.kind, when=case.when, nth=case.nth, seconds=DELAY)
        recorded = t.cast("dict[str, int]", self.live()[0])
        status, said = self._deploy(must=False)
        found.met = fault.seen >= case.nth
        self.cloud.faults.clear()
        release = self._release()
        allowed = [release.get(name) for name in ("confirmed", "intended", "recorded")] + [recorded]
        if self.live()[0] not in allowed:
            found.add("half_switched", f"after the release: {self.live()[0]}, the journal knows {allowed}")
        if status:
            # An operator's own hands: one resume, and what a schedule does.
            said += self.must("resume") + self.must("sweep")
            release = self._release()
        found.outcome = str(release.get("outcome") or "not begun")
        document = self.document()
        if release and (release["phase"] != "Healthy" or (document and document["lock"])):
            found.add("unexplained", f"{release['phase']} ({found.outcome}), exit status {status}\n{said}")
        wanted = {slot: 100 * (slot == release.get("canary")) for slot in recorded}
        wanted = wanted if found.outcome == "Promoted" else recorded
        if self.live()[0] != wanted:
            found.add("half_switched", f"{found.outcome}, but traffic is {self.live()[0]}")
        if any(percent and not self.healthy(slot) for slot, percent in (self.live()[0] or {}).items()):
            found.add("half_switched", f"traffic is {self.live()[0]}, to a slot without a healthy target")
        for why in self.left_over():
            found.add("lost_settings", why)
        if self._others() != self.settings:
            found.add("lost_settings", f"{self._others()}, and before {self.settings}")
        return found

    def _deploy(self, must: bool = True) -> tuple[int, str]:
        self.serial += 1
        self.revision = f"r{self.serial}"
        self.shop.ami(self.revision)
        self.cloud.faults.calls.clear()
        said: list[str] = []
        options = ("-e", f"release_revision={self.revision}", "-e", f"release_aws_ami={self.shop.ami(self.revision)}")
        status = self.run("deploy", *options, say=said.append)
        if status and must:
            raise RuntimeError("\n".join(said))
        return status, "\n".join(said) + "\n"

    def _release(self) -> dict[str, t.Any]:
        """Return the release of this case from the journal, empty when it was refused before it began."""
        release = self.release()
        return release if release.get("revision") == self.revision else {}

    def _others(self) -> dict[str, t.Any]:
        """Return what of listener, rules and target groups is no weight."""
        elb, listener = self.shop.shop.elbv2, self.shop.shop.listener
        found = {
            "listener": elb.describe_listeners(ListenerArns=[listener])["Listeners"],
            "rules": elb.describe_rules(ListenerArn=listener)["Rules"],
            "attributes": [
                elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
                for arn in self.shop.shop.groups.values()
            ],
        }
        return t.cast("dict[str, t.Any]", json.loads(json.dumps(_unweighted(copy.deepcopy(found)))))

    def _open(self) -> None:
        super()._open()
        # Stickiness and a rule of somebody else are what a release could lose.
        self.shop.shop.elbv2.modify_listener(ListenerArn=self.shop.shop.listener, DefaultActions=[self._forward()])
        file = self.folder / "inventory.yml"
        inventory = yaml.safe_load(file.read_text())
        host = inventory["all"]["children"]["release_environments"]["hosts"][ENVIRONMENT]
        host["release_traffic"]["alb_traffic"].update(retries=1, timeout=TIMEOUT)
        file.write_text(yaml.safe_dump(inventory, sort_keys=False))

    def _forward(self) -> dict[str, t.Any]:
        sticky = {"Enabled": False, "DurationSeconds": 777}
        return self.shop.shop.forward(100, 0, TargetGroupStickinessConfig=sticky)


def _unweighted(found: t.Any) -> t.Any:
    """Take every weight out of what AWS has described."""
    if isinstance(found, list):
        return [_unweighted(one) for one in found]
    if isinstance(found, dict):
        return {key: _unweighted(value) for key, value in found.items() if key != "Weight"}
    return found


def spread(cases: t.Sequence[Case], most: int) -> Iterator[Case]:
    """Yield at most C(most) of the cases, evenly spread."""
    most = min(most, len(cases))
    for number in range(most):
        yield cases[len(cases) * number // most]
