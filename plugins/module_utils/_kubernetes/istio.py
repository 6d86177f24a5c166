# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(istio_traffic): the weights of one route of a VirtualService.

The API server takes any weights, and subsets that do not exist; Envoy then refuses the whole route table and keeps the
last one: nothing moves, now and later (FACTS). So everything is looked at before, and the move has to be proved after.
"""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights, other, parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Client, Object, path
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.endpoints import (
    Endpoints,
    names,
    pods,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.traffic import (
    OBJECT_SPEC,
    ObjectTraffic,
    Operation,
    Reading,
    fence_key,
    said,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Slot

API = "networking.istio.io/v1"
PROTOCOLS = ("http", "tls", "tcp")


class Destinations(t.NamedTuple):
    """Where in a route each slot stands; a slot that is not there yet is missing in C(at)."""

    at: t.Mapping[str, int]
    routes: t.Sequence[Object]


class IstioTraffic(ObjectTraffic):
    """The traffic of one app behind Istio."""

    name = "istio_traffic"
    KIND = "VirtualService"
    spec: t.ClassVar[dict[str, t.Any]] = {
        **OBJECT_SPEC,
        "virtual_service": {"type": "str", "required": True},
        "route": {"type": "str"},
        "protocol": {"type": "str", "choices": list(PROTOCOLS), "default": "http"},
        "destination_rule": {"type": "str"},
        "slots": {
            "type": "dict",
            "default": {slot: slot for slot in SLOTS},
            "options": {slot: {"type": "str", "required": True} for slot in SLOTS},
        },
    }

    def __init__(self, options: t.Mapping[str, t.Any], client: t.Optional[Client] = None) -> None:
        super().__init__(options, client)
        self.virtual_service = str(options["virtual_service"])
        self.protocol = str(options["protocol"])
        self.route = str(options.get("route") or "")
        if self.route and self.protocol != "http":
            raise ReleaseError(f"istio_traffic: a {self.protocol} route has no name; leave 'route' out")

    @property
    def FIELD(self) -> str:  # type: ignore[override]  # which field it is depends on the options here
        return self.protocol

    def where(self) -> str:
        return path(API, "virtualservices", self.namespace, self.virtual_service)

    def title(self) -> str:
        return f"{self.virtual_service}/{self.route or self.protocol}"

    def read(self, found: Object) -> Reading:
        rules = (found.get("spec") or {}).get(self.protocol) or []
        index = self._rule(rules)
        rule = rules[index]
        seen = self._destinations(rule)
        if not seen.at:
            raise ReleaseError(
                f"VirtualService {self.namespace}/{self.virtual_service}: the route {self.route} leads neither to "
                f"{self.slots['blue']} nor to {self.slots['green']}"
            )
        at = f"/spec/{self.protocol}/{index}"
        weights, trouble = self._weights(seen)
        key = fence_key(str(rule.get("name") or ""))
        return Reading(found, weights, trouble, at, key, seen)

    def _rule(self, rules: t.Sequence[Object]) -> int:
        """Return the number of the rule that is ours: the one of that name, or the only one to both slots."""
        if self.route:
            fit = [number for number, rule in enumerate(rules) if rule.get("name") == self.route]
        else:
            reach = [(number, len(self._destinations(rule).at)) for number, rule in enumerate(rules)]
            fit = [number for number, slots in reach if slots == 2]
            # A rule with one of the slots and no condition is the main one of an app that was never split.
            fit = fit or [number for number, slots in reach if slots == 1 and not rules[number].get("match")]
        if len(fit) == 1:
            return fit[0]
        called = f"named {self.route}" if self.route else f"to {self.slots['blue']} and {self.slots['green']}"
        there = ", ".join(str(rule.get("name") or f"no. {number}") for number, rule in enumerate(rules)) or "none"
        raise ReleaseError(
            f"VirtualService {self.namespace}/{self.virtual_service} has {len(fit) or 'no'} {self.protocol} "
            f"route{'s' if len(fit) > 1 else ''} {called}{'; name one of them with route' if fit else ''} "
            f"(there are: {there})"
        )

    def _destinations(self, rule: Object) -> Destinations:
        routes = rule.get("route") or []
        at: dict[str, int] = {}
        for number, entry in enumerate(routes):
            destination = entry.get("destination") or {}
            called = destination.get("subset") or destination.get("host")
            for slot in SLOTS:
                if called == self.slots[slot] and slot not in at:
                    at[slot] = number
        return Destinations(at, routes)

    def _weights(self, seen: Destinations) -> tuple[t.Optional[Weights], str]:
        strangers = [entry for number, entry in enumerate(seen.routes) if number not in seen.at.values()]
        if strangers:
            first = strangers[0].get("destination") or {}
            called = first.get("subset") or first.get("host")
            return None, f"the route also leads to {called}, which is neither slot"
        if len(seen.at) == 1:
            slot = next(iter(seen.at))
            return parse({slot: 100, other(slot): 0}), f"the route does not lead to {other(slot)} yet; run adopt"
        parts = {slot: seen.routes[seen.at[slot]].get("weight", 0) for slot in SLOTS if slot in seen.at}
        try:
            return parse(parts), ""
        except ValueError:
            return None, f"the weights are {said(parts)}, which Envoy refuses or reads as other percents"

    def health(self, reading: Reading) -> tuple[t.Mapping[str, Slot], str]:
        seen: Destinations = reading.rest
        known = next(iter(seen.at.values()))
        slots: dict[str, Slot] = {}
        trouble = ""
        rules: dict[str, t.Optional[Object]] = {}
        services: dict[tuple[str, str], Endpoints] = {}
        for slot in SLOTS:
            destination = dict(seen.routes[seen.at.get(slot, known)]["destination"])
            if slot not in seen.at and "subset" in destination:
                destination["subset"] = self.slots[slot]
            place = service_of(str(destination.get("host", "")), self.namespace)
            subset = destination.get("subset")
            labels: t.Mapping[str, str] = {}
            if subset:
                rule = self.options.get("destination_rule") or str(destination.get("host", "")).partition(".")[0]
                if rule not in rules:
                    rules[rule] = self.client.find(path(API, "destinationrules", self.namespace, rule))
                labels, wrong = subset_of(rules[rule], rule, subset)
                if wrong:
                    trouble = trouble or wrong
                    slots[slot] = Slot(up=False, ready=0)
                    continue
            if place is None:
                slots[slot] = Slot()  # a host that is no Service of this cluster
                continue
            if place not in services:
                services[place] = Endpoints.of(self.client, *place)
            own = names(pods(self.client, place[0], labels)) if labels else None
            slots[slot] = services[place].slot(own)
        return slots, trouble

    def operations(self, reading: Reading, weights: Weights) -> list[Operation]:
        seen: Destinations = reading.rest
        rule = reading.object["spec"][self.protocol][int(reading.at.rsplit("/", 1)[1])]
        made: list[Operation] = []
        if rule.get("name"):
            made.append({"op": "test", "path": f"{reading.at}/name", "value": rule["name"]})
        for slot in SLOTS:
            if slot in seen.at:
                entry = f"{reading.at}/route/{seen.at[slot]}"
                found = seen.routes[seen.at[slot]]["destination"]
                made.append({"op": "test", "path": f"{entry}/destination", "value": found})
                made.append({"op": "add", "path": f"{entry}/weight", "value": weights[slot]})
            else:
                like = dict(seen.routes[seen.at[other(slot)]]["destination"])
                like["subset" if "subset" in like else "host"] = self.slots[slot]
                added = {"destination": like, "weight": weights[slot]}
                made.append({"op": "add", "path": f"{reading.at}/route/-", "value": added})
        return made

    def text(self, reading: Reading, weights: t.Optional[Weights]) -> str:
        if weights is None:
            return reading.trouble
        return "\n".join(f"{self.slots[slot]}: weight {weights[slot]}" for slot in SLOTS)


def service_of(host: str, namespace: str) -> t.Optional[tuple[str, str]]:
    """Return namespace and name of the Service that Istio finds under C(host), None when it is none.

    Only a name without a dot is completed with the rule's namespace.
    """
    words = host.split(".")
    if len(words) == 1:
        return (namespace, host)
    return (words[1], words[0]) if len(words) > 2 and words[2] == "svc" else None


def subset_of(rule: t.Optional[Object], name: str, subset: str) -> tuple[t.Mapping[str, str], str]:
    """Return the labels of a DestinationRule's subset, and what is wrong with it."""
    if rule is None:
        return {}, f"there is no DestinationRule {name} with the subset {subset}; name it with 'destination_rule'"
    there = {str(one.get("name")): one.get("labels") or {} for one in (rule.get("spec") or {}).get("subsets") or []}
    if subset not in there:
        return {}, f"the DestinationRule {name} has no subset {subset}; it has {', '.join(sorted(there)) or 'none'}"
    return there[subset], ""
