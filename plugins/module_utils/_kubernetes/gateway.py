# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(gateway_traffic): the weights of the backends of one rule of an HTTPRoute or GRPCRoute.

Unlike Istio's own objects a route has a status: a move counts as accepted when every Gateway has seen this generation
and says so. An absent weight means 1, and weights are proportions (FACTS).
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights, other, parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Client, Object, path
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.endpoints import Endpoints
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.traffic import (
    OBJECT_SPEC,
    ObjectTraffic,
    Operation,
    Reading,
    fence_key,
    proportions,
    said,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Slot

API = "gateway.networking.k8s.io/v1"
KINDS = {"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes"}
# What a Gateway says of a route; Programmed is said of Gateways, and by some of routes too.
CONDITIONS = ("Accepted", "ResolvedRefs", "Programmed")
POLL = 0.1


class Backends(t.NamedTuple):
    """Where in a rule each slot stands; a slot that is not there yet is missing in C(at)."""

    at: t.Mapping[str, int]
    refs: t.Sequence[Object]


class GatewayTraffic(ObjectTraffic):
    """The traffic of one app behind a Gateway."""

    name = "gateway_traffic"
    FIELD = "rules"
    spec: t.ClassVar[dict[str, t.Any]] = {
        **OBJECT_SPEC,
        "route": {"type": "str", "required": True},
        "kind": {"type": "str", "choices": list(KINDS), "default": "HTTPRoute"},
        "rule": {"type": "str"},
        "slots": {
            "type": "dict",
            "required": True,
            "options": {slot: {"type": "str", "required": True} for slot in SLOTS},
        },
        "settle": {"type": "float", "default": 10.0},
    }

    def __init__(
        self,
        options: t.Mapping[str, t.Any],
        client: t.Optional[Client] = None,
        monotonic: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(options, client)
        self.KIND = str(options["kind"])  # type: ignore[misc]  # which of the two it is depends on the options
        self.route = str(options["route"])
        self.rule = str(options.get("rule") or "")
        self._monotonic, self._sleep = monotonic, sleep

    def where(self) -> str:
        return path(API, KINDS[self.KIND], self.namespace, self.route)

    def title(self) -> str:
        return f"{self.route}/{self.rule or 'rules'}"

    def read(self, found: Object) -> Reading:
        rules = (found.get("spec") or {}).get("rules") or []
        index = self._rule(rules)
        seen = self._backends(rules[index])
        weights, trouble = self._weights(seen)
        key = fence_key(str(rules[index].get("name") or ""))
        return Reading(found, weights, trouble, f"/spec/rules/{index}", key, seen)

    def _rule(self, rules: t.Sequence[Object]) -> int:
        reach = [len(self._backends(rule).at) for rule in rules]
        fit = [
            number
            for number, rule in enumerate(rules)
            if (rule.get("name") == self.rule and reach[number] if self.rule else reach[number] == 2)
        ]
        if not fit and not self.rule:
            # The only rule, with one of the slots: the app was never split.
            fit = [number for number, slots in enumerate(reach) if slots and len(rules) == 1]
        if len(fit) == 1:
            return fit[0]
        called = f"named {self.rule}" if self.rule else "by that"
        there = ", ".join(str(rule.get("name") or f"no. {number}") for number, rule in enumerate(rules)) or "none"
        raise ReleaseError(
            f"{self.KIND} {self.namespace}/{self.route} has {len(fit) or 'no'} rule{'s' if len(fit) > 1 else ''} "
            f"{called} that lead{'' if len(fit) > 1 else 's'} to {self.slots['blue']} and {self.slots['green']}"
            f"{'; name one of them with rule' if fit else ''} (there are: {there})"
        )

    def _backends(self, rule: Object) -> Backends:
        refs = rule.get("backendRefs") or []
        at: dict[str, int] = {}
        for number, ref in enumerate(refs):
            for slot in SLOTS:
                if ref.get("name") == self.slots[slot] and ref.get("kind", "Service") == "Service" and slot not in at:
                    at[slot] = number
        return Backends(at, refs)

    def _weights(self, seen: Backends) -> tuple[t.Optional[Weights], str]:
        strangers = [ref for number, ref in enumerate(seen.refs) if number not in seen.at.values()]
        if strangers:
            return None, f"the rule also leads to {strangers[0].get('name')}, which is neither slot"
        if len(seen.at) == 1:
            slot = next(iter(seen.at))
            return parse({slot: 100, other(slot): 0}), f"the rule does not lead to {other(slot)} yet; run adopt"
        parts = {slot: int(seen.refs[seen.at[slot]].get("weight", 1)) for slot in SLOTS}
        weights = proportions(parts)
        return weights, "" if weights else f"the weights are {said(parts)}, which are no whole percents"

    def health(self, reading: Reading) -> tuple[t.Mapping[str, Slot], str]:
        seen: Backends = reading.rest
        slots = {}
        for slot in SLOTS:
            ref = seen.refs[seen.at[slot]] if slot in seen.at else {}
            slots[slot] = Endpoints.of(self.client, ref.get("namespace") or self.namespace, self.slots[slot]).slot()
        return slots, verdict(reading.object)

    def operations(self, reading: Reading, weights: Weights) -> list[Operation]:
        seen: Backends = reading.rest
        rule = reading.object["spec"]["rules"][int(reading.at.rsplit("/", 1)[1])]
        made: list[Operation] = []
        if rule.get("name"):
            made.append({"op": "test", "path": f"{reading.at}/name", "value": rule["name"]})
        for slot in SLOTS:
            if slot in seen.at:
                entry = f"{reading.at}/backendRefs/{seen.at[slot]}"
                made.append({"op": "test", "path": f"{entry}/name", "value": self.slots[slot]})
                made.append({"op": "add", "path": f"{entry}/weight", "value": weights[slot]})
            else:
                like = {**seen.refs[seen.at[other(slot)]], "name": self.slots[slot], "weight": weights[slot]}
                made.append({"op": "add", "path": f"{reading.at}/backendRefs/-", "value": like})
        return made

    def text(self, reading: Reading, weights: t.Optional[Weights]) -> str:
        if weights is None:
            return reading.trouble
        return "\n".join(f"{self.slots[slot]}: weight {weights[slot]}" for slot in SLOTS)

    def settle(self, written: Object, weights: Weights) -> None:
        deadline = self._monotonic() + float(self.options["settle"])
        while verdict(written):
            if self._monotonic() >= deadline:
                raise ReleaseError(
                    f"{self.identity()}: wrote {weights}, and after {float(self.options['settle']):g} s "
                    f"{verdict(written)}"
                )
            self._sleep(POLL)
            written = self._look()


def verdict(found: Object) -> str:
    """Return what the Gateways of a route say against it, empty when all of them have taken this generation of it."""
    generation = int(found["metadata"].get("generation", 0))
    parents = (found.get("status") or {}).get("parents") or []
    if not parents:
        return "no Gateway has answered for the route"
    for parent in parents:
        gateway = (parent.get("parentRef") or {}).get("name", "?")
        told = {one.get("type"): one for one in parent.get("conditions") or []}
        if "Accepted" not in told:
            return f"Gateway {gateway} has not accepted the route"
        for name in CONDITIONS:
            one = told.get(name)
            if one is None:
                continue
            if int(one.get("observedGeneration", generation)) < generation:
                return f"Gateway {gateway} has not seen the route's generation {generation} yet"
            if one.get("status") != "True":
                why = " ".join(str(one.get(part) or "") for part in ("reason", "message")).strip()
                return f"Gateway {gateway} says {name}={one.get('status')}: {why}"
    return ""
