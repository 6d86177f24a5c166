# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(alb_traffic): the default action of a listener, or a rule, forwards to two permanent target groups by weight.

An ALB has no conditional write and no place for a fence. So the frame reads, compares, writes and reads back; a write
that was broken off is waited for before anything else is done (C(_Call)), and the engine looks again after a restore.
"""

from __future__ import annotations

import threading
import time
import typing as t
from collections import Counter

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import conditions
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.forward import read, written
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.session import AUTH_SPEC, Service
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Driver, Slot, View

Item = dict[str, t.Any]

# AWS counts the calls of an account. A wait looks no oftener than this, in seconds,
PAUSE = 1.5
# and looks that follow each other more closely, as those around a write, share what was seen of the targets' health.
HEALTH = 1.0
# How long after its client gave it up a call may still be carried out; 0.7 to 0.9 s were seen.
LATE = 2.0


class ALBTraffic(Driver):
    """The traffic of one app behind one Application Load Balancer."""

    name = "alb_traffic"
    spec: t.ClassVar[dict[str, t.Any]] = {
        **AUTH_SPEC,
        "listener_arn": {"type": "str"},
        "load_balancer": {"type": "str"},
        "port": {"type": "int"},
        "rule_arn": {"type": "str"},
        "priority": {"type": "int"},
        "conditions": {"type": "dict"},
        "slots": {
            "type": "dict",
            "required": True,
            "options": {slot: {"type": "str", "required": True} for slot in SLOTS},
        },
    }

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        super().__init__(options)
        self.slots: t.Mapping[str, str] = options["slots"]
        named = [name for name in ("listener_arn", "rule_arn", "load_balancer") if options.get(name)]
        if len(named) != 1:
            raise ReleaseError(
                "alb_traffic: name one of listener_arn, rule_arn, or load_balancer with its port; "
                f"there is {' and '.join(named) or 'none'}"
            )
        if bool(options.get("load_balancer")) != bool(options.get("port")):
            raise ReleaseError("alb_traffic: load_balancer and port go together")
        rules = [name for name in ("rule_arn", "priority", "conditions") if options.get(name)]
        if len(rules) > 1:
            raise ReleaseError(f"alb_traffic: {rules[0]} names the rule already, without {rules[1]}")
        self._asked = conditions.asked(options.get("conditions") or {})
        if self.slots["blue"] == self.slots["green"]:
            raise ReleaseError(f"alb_traffic: both slots are the target group {self.slots['blue']}")
        self.elb = Service(options, "elbv2")
        self._arn = str(options.get("rule_arn") or "")
        self._groups: dict[str, str] = {}
        self._settings: dict[str, Item] = {}
        self._seen: dict[str, tuple[float, list[Item]]] = {}
        self._stands: list[Item] = []
        self._in_flight: t.Optional[_Call] = None

    def identity(self) -> str:
        return f"alb:{self._object()}"

    def observe(self) -> View:
        if self._in_flight is not None:
            # It may still be carried out: what is read before its end means nothing.
            self._in_flight.settle()
            self._in_flight = None
        groups, began = self._group_arns(), time.monotonic()
        health = {slot: self._health(groups[slot]) for slot in SLOTS}
        # Last, so that next to nothing lies between what is compared and a write that follows.
        self._stands = self._actions()
        found = read(self._stands, groups)
        facts = {
            "fence": "none",
            "pause": PAUSE,
            "age": max(0.0, began - min(at for at, _targets in self._seen.values())),
            "groups": groups,
            "stickiness": found.stickiness,
            "in_front": found.in_front,
            "health": {slot: _by_state(health[slot]) for slot in SLOTS},
            "attributes": {slot: self._attributes(groups[slot]) for slot in SLOTS},
        }
        return View(
            weights=found.weights,
            fence=0,
            slots={slot: _slot(health[slot]) for slot in SLOTS},
            trouble=found.trouble,
            facts=facts,
        )

    def changes(self, view: View, weights: Weights, fence: int) -> list[Change]:
        if view.weights == weights and not view.trouble:
            return []  # a higher fence alone: there is no place to store it
        before = f"{view.weights}{f' ({view.trouble})' if view.trouble else ''}" if view.weights else view.trouble
        return [Change(self._object(), before, str(weights))]

    def write(self, view: View, weights: Weights, fence: int) -> None:
        arn = self._object()
        actions = written(self._stands, self._group_arns(), weights)
        what = (
            {"RuleArn": arn, "Actions": actions} if _is_rule(arn) else {"ListenerArn": arn, "DefaultActions": actions}
        )
        operation = "modify_rule" if _is_rule(arn) else "modify_listener"
        self._in_flight = _Call(lambda: self.elb.call(operation, **what))
        try:
            answer = self._in_flight.wait()
        except Lost:
            time.sleep(LATE)  # what is read then is what it has come to
            raise
        self._in_flight = None
        if answer.get("ResponseMetadata", {}).get("RetryAttempts"):
            # A try without an answer may be carried out after the one that had it. It says the same as this one, and
            # must not come after the next one.
            time.sleep(LATE)

    def _actions(self) -> list[Item]:
        """Return the actions of the rule, or the default ones of the listener, as they stand now."""
        arn = self._object()
        if not _is_rule(arn):
            listener = self.elb.call("describe_listeners", ListenerArns=[arn])["Listeners"][0]
            return t.cast("list[Item]", listener["DefaultActions"])
        rule = self.elb.call("describe_rules", RuleArns=[arn])["Rules"][0]
        if rule.get("IsDefault"):
            raise ReleaseError(f"{arn} is the default rule of a listener, which takes no change: name the listener")
        return t.cast("list[Item]", rule["Actions"])

    def _object(self) -> str:
        """Return the ARN of the rule or listener, looked up once."""
        if not self._arn:
            listener = str(self.options.get("listener_arn") or "") or self._listener()
            self._arn = self._rule(listener) if self.options.get("priority") or self._asked else listener
        return self._arn

    def _listener(self) -> str:
        name, port = str(self.options["load_balancer"]), int(self.options["port"])
        arn = name
        if not name.startswith("arn:"):
            arn = self.elb.call("describe_load_balancers", Names=[name])["LoadBalancers"][0]["LoadBalancerArn"]
        listeners = self.elb.pages("describe_listeners", "Listeners", LoadBalancerArn=arn)
        for listener in listeners:
            if listener["Port"] == port:
                return str(listener["ListenerArn"])
        ports = ", ".join(str(listener["Port"]) for listener in listeners) or "none"
        raise ReleaseError(f"the load balancer {name} has no listener on port {port}; it has {ports}")

    def _rule(self, listener: str) -> str:
        """Return the rule with the priority, or with just the conditions, that were asked for."""
        rules = [
            rule
            for rule in self.elb.pages("describe_rules", "Rules", ListenerArn=listener)
            if not rule.get("IsDefault")
        ]
        if not self._asked:
            wanted = f"priority {self.options['priority']}"
            found = [rule for rule in rules if rule["Priority"] == str(self.options["priority"])]
            there = ", ".join(rule["Priority"] for rule in rules)
        else:
            wanted = f"the conditions {conditions.text(self._asked)}"
            found = [rule for rule in rules if conditions.described(rule["Conditions"]) == self._asked]
            there = "; ".join(conditions.text(conditions.described(rule["Conditions"])) for rule in rules)
        if len(found) > 1:
            priorities = " and ".join(rule["Priority"] for rule in found)
            raise ReleaseError(f"{listener} has rules with {wanted} at the priorities {priorities}: name one of them")
        if not found:
            raise ReleaseError(f"{listener} has no rule with {wanted}; it has {there or 'none'}")
        return str(found[0]["RuleArn"])

    def _group_arns(self) -> dict[str, str]:
        """Return the ARN of each slot's target group; names are looked up once."""
        if not self._groups:
            names = [self.slots[slot] for slot in SLOTS if not self.slots[slot].startswith("arn:")]
            found = self.elb.call("describe_target_groups", Names=names)["TargetGroups"] if names else []
            arns = {group["TargetGroupName"]: group["TargetGroupArn"] for group in found}
            groups = {slot: str(arns.get(self.slots[slot], self.slots[slot])) for slot in SLOTS}
            if groups["blue"] == groups["green"]:
                raise ReleaseError(f"alb_traffic: both slots are the target group {groups['blue']}")
            self._groups = groups
        return self._groups

    def _health(self, group: str) -> list[Item]:
        """Return the targets of a group with their health, as it was at most HEALTH seconds ago."""
        now = time.monotonic()
        seen = self._seen.get(group)
        if seen is None or now - seen[0] > HEALTH:
            answer = self.elb.call("describe_target_health", TargetGroupArn=group)
            seen = self._seen[group] = (now, t.cast("list[Item]", answer["TargetHealthDescriptions"]))
        return seen[1]

    def _attributes(self, group: str) -> Item:
        """Return how long a group's targets drain, in seconds, and its own stickiness; looked up once, nice to know."""
        if group not in self._settings:
            try:
                answer = self.elb.call("describe_target_group_attributes", TargetGroupArn=group)["Attributes"]
            except ReleaseError as error:
                return {"unknown": str(error)}  # a missing right to see them must not stop a restore
            values = {attribute["Key"]: attribute["Value"] for attribute in answer}
            self._settings[group] = {
                "deregistration_delay": int(values.get("deregistration_delay.timeout_seconds", 300)),
                "sticky": values.get("stickiness.enabled") == "true",
            }
        return self._settings[group]


class _Call:
    """One write, in a thread of its own: whoever is interrupted while waiting can still learn when it has ended."""

    def __init__(self, work: t.Callable[[], dict[str, t.Any]]) -> None:
        self._work = work
        self._answer: dict[str, t.Any] = {}
        self._error: t.Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> dict[str, t.Any]:
        """Wait for the end and return the answer; raises what the call raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answer

    def settle(self) -> None:
        """Wait for the end, whatever it is; the tries and the time of each bound it."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._answer = self._work()
        except BaseException as error:  # it belongs to the one who waits
            self._error = error


def _is_rule(arn: str) -> bool:
    return ":listener-rule/" in arn


def _slot(health: t.Sequence[Item]) -> Slot:
    """Return a slot as the ALB sees it; without health checks it does not know."""
    states = Counter(str(one["TargetHealth"]["State"]) for one in health)
    unknown = bool(states) and set(states) == {"unavailable"}
    return Slot(up=None if unknown else states["healthy"] > 0, ready=None if unknown else states["healthy"])


def _by_state(health: t.Sequence[Item]) -> dict[str, dict[str, int]]:
    """Return how many targets are in each state, by AWS's reason for it."""
    seen: dict[str, dict[str, int]] = {}
    for one in health:
        state = one["TargetHealth"]
        reason = ": ".join(state[key] for key in ("Reason", "Description") if state.get(key)) or "no reason given"
        reasons = seen.setdefault(str(state["State"]), {})
        reasons[reason] = reasons.get(reason, 0) + 1
    return seen
