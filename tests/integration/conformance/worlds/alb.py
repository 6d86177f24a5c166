# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ALB of the lab: weights in a listener's default action or in a rule, beside the rules of others."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import shutil
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.alb import ALBTraffic

from tests.integration.conformance.world import World

if t.TYPE_CHECKING:
    from tests.lab.aws.cloud import Cloud

STICKY = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 3600}}
NUMBERS = itertools.count(1)


class ALBWorld(World):
    """One load balancer of a cloud that all cases share, as moto's state is the process's.

    A case takes a load balancer that none uses, in the state that all of them begin with: to make one with its rules
    costs more than most cases take.
    """

    driver = ALBTraffic
    FENCES = COUNTS = LEASES = RELOADS = REMOTE = False

    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {
        "one group is missing": (
            lambda world: world.set({"blue": 1}),
            r"the forward does not name \S+-green, the target group of green; run adopt",
        ),
        "the short form": (
            lambda world: world.set_short(),
            r"the forward does not name \S+-green, the target group of green; run adopt",
        ),
        "a third group": (
            lambda world: world.set({"blue": 50, "green": 50, "billing": 1}),
            r"the forward names the target group \S+-billing, of no slot",
        ),
        "both are zero": (
            lambda world: world.set({"blue": 0, "green": 0}),
            r"the forward's weights are blue 0 and green 0, which are no whole percents",
        ),
        "no whole percents": (
            lambda world: world.set({"blue": 2, "green": 1}),
            r"the forward's weights are blue 2 and green 1, which are no whole percents",
        ),
    }

    _cloud: t.ClassVar[t.Any] = None
    _free: t.ClassVar[list[dict[str, t.Any]]]

    def __init_subclass__(cls) -> None:
        cls._free = []

    @classmethod
    def missing(cls) -> str | None:
        try:
            import moto  # noqa: F401  # the lab stands on it
        except ImportError:
            return "needs the Python packages moto and boto3"
        found = shutil.which("haproxy") or next(iter(Path("/usr/sbin").glob("haproxy")), None)
        return None if found else "needs haproxy"

    @classmethod
    def cloud(cls) -> Cloud:
        """Return the cloud, which is started for the first case and ends with the process."""
        from tests.lab.aws.cloud import Cloud

        if ALBWorld._cloud is None:
            ALBWorld._cloud = Cloud().__enter__()
            atexit.register(ALBWorld._cloud.__exit__, None, None, None)
        return t.cast(Cloud, ALBWorld._cloud)

    def start(self) -> None:
        self.show = self.cloud().edge.show
        if self._free:
            vars(self).update(self._free.pop())
        else:
            self._make()
        self.set({"blue": 100, "green": 0})
        for slot in self.addresses:
            if list(self.shop.states(slot).values()) != ["healthy"]:
                self.shop.elbv2.register_targets(TargetGroupArn=self.groups[slot], Targets=[self._target(slot)])
                self.shop.wait_healthy(slot, 1)

    def stop(self) -> None:
        cloud = self.cloud()
        cloud.edge.show = self.show  # type: ignore[method-assign]
        cloud.faults.clear()
        self._free.append({key: vars(self)[key] for key in ("shop", "groups", "object", "arn") if key in vars(self)})

    def _make(self) -> None:
        from tests.lab.aws.shop import Shop

        self.shop = Shop(self.cloud(), f"shop{next(NUMBERS)}", kind="ip")
        self.groups = {**self.shop.groups, "billing": self.shop.group(f"{self.shop.name}-billing", kind="ip")}
        self._others()
        self.object = self._object()

    def _target(self, slot: str) -> dict[str, t.Any]:
        host, _colon, port = self.addresses[slot].rpartition(":")
        return {"Id": host, "Port": int(port)}

    @property
    def options(self) -> dict[str, t.Any]:
        return {**self.shop.traffic, **self.object}

    @property
    def url(self) -> str:
        return self.shop.url

    def raw(self) -> dict[str, t.Any]:
        elb, listener = self.shop.elbv2, self.shop.listener
        return {
            "listener": elb.describe_listeners(ListenerArns=[listener])["Listeners"],
            "rules": elb.describe_rules(ListenerArn=listener)["Rules"],
            "groups": [
                elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"] for arn in self.groups.values()
            ],
        }

    def foreign(self) -> dict[str, t.Any]:
        raw = self.raw()
        ours = self._actions(raw)[-1]
        sticky = ours["ForwardConfig"]["TargetGroupStickinessConfig"]
        ours.clear()
        for rule in raw["rules"]:
            if rule["IsDefault"]:
                rule["Actions"] = []
        return {**raw, "sticky": sticky}

    def take_down(self, slot: str) -> None:
        self.shop.elbv2.deregister_targets(TargetGroupArn=self.groups[slot], Targets=[self._target(slot)])

    def lie(self) -> None:
        """The control plane takes every weight; the data plane hears nothing of it."""
        self.cloud().edge.show = lambda *_what: None  # type: ignore[method-assign]

    @contextlib.contextmanager
    def refusing(self) -> Iterator[tuple[dict[str, t.Any], str]]:
        self.cloud().faults.plan("Modify*", "denied", times=99)
        yield {}, "AccessDenied"

    @contextlib.contextmanager
    def answer_lost(self) -> Iterator[dict[str, t.Any]]:
        self.cloud().faults.plan("Modify*", "reset", when="after", times=99)
        yield {}

    def set(self, weights: Mapping[str, int]) -> None:
        """Write these target groups and weights by an operator's own hand."""
        groups = [{"TargetGroupArn": self.groups[name], "Weight": weight} for name, weight in weights.items()]
        self._set({"Type": "forward", "ForwardConfig": {"TargetGroups": groups, **STICKY}})

    def set_short(self) -> None:
        """Forward to blue alone, in the form that has no weights."""
        self._set({"Type": "forward", "TargetGroupArn": self.groups["blue"], "ForwardConfig": dict(STICKY)})

    def _set(self, action: dict[str, t.Any]) -> None:
        self.shop.elbv2.modify_listener(ListenerArn=self.shop.listener, DefaultActions=[action])

    def _object(self) -> dict[str, t.Any]:
        return {}

    def _actions(self, raw: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        return t.cast("list[dict[str, t.Any]]", raw["listener"][0]["DefaultActions"])

    def _others(self) -> None:
        """Make the rules of others, and the preview routes: a header or a cookie names the slot."""
        self._rule(1, {"Field": "host-header", "HostHeaderConfig": {"Values": ["billing.example.com"]}}, "billing")
        number = 10
        for slot in self.addresses:
            header = {"HttpHeaderName": "X-Release-Slot", "Values": [slot]}
            cookie = {"HttpHeaderName": "Cookie", "Values": [f"*release_slot={slot}*"]}
            for config in (header, cookie):
                self._rule(number, {"Field": "http-header", "HttpHeaderConfig": config}, slot)
                number += 1

    def _rule(self, priority: int, condition: dict[str, t.Any], group: str) -> str:
        rule = self.shop.elbv2.create_rule(
            ListenerArn=self.shop.listener,
            Priority=priority,
            Conditions=[condition],
            Actions=[{"Type": "forward", "TargetGroupArn": self.groups[group]}],
        )
        return t.cast(str, rule["Rules"][0]["RuleArn"])


class ALBListener(ALBWorld):
    """The default action of a listener."""

    name = "alb"


class ALBRule(ALBWorld):
    """A rule, found by its priority."""

    name = "alb_rule"

    def _object(self) -> dict[str, t.Any]:
        self.arn = self._rule(50, {"Field": "path-pattern", "PathPatternConfig": {"Values": ["*"]}}, "blue")
        return {"priority": 50}

    def _set(self, action: dict[str, t.Any]) -> None:
        self.shop.elbv2.modify_rule(RuleArn=self.arn, Actions=[action])

    def _actions(self, raw: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        return next(
            t.cast("list[dict[str, t.Any]]", rule["Actions"]) for rule in raw["rules"] if rule["RuleArn"] == self.arn
        )
