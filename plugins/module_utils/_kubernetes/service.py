# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(service_traffic): one label in the selector of a Service says which slot has all the traffic.

A Service has no weights: it is 0 or 100. The selector is only a wish; the EndpointSlices that follow from it are what
kube-proxy goes by, so a move is done when they hold the pods of the new slot and none of the old one.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights, split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Client, Object, path
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.endpoints import (
    Endpoints,
    is_ready,
    names,
    pods,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.traffic import (
    OBJECT_SPEC,
    ObjectTraffic,
    Operation,
    Reading,
    pointer,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Slot, View

POLL = 0.1


class ServiceTraffic(ObjectTraffic):
    """The traffic of one app behind a plain Service."""

    name = "service_traffic"
    unit = "connection"
    whole = True
    KIND = "Service"
    FIELD = "selector"
    spec: t.ClassVar[dict[str, t.Any]] = {
        **OBJECT_SPEC,
        "service": {"type": "str", "required": True},
        "label": {"type": "str", "default": "version"},
        "slots": {
            "type": "dict",
            "default": {slot: slot for slot in SLOTS},
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
        self.service = str(options["service"])
        self.label = str(options["label"])
        self._monotonic, self._sleep = monotonic, sleep

    def where(self) -> str:
        return path("v1", "services", self.namespace, self.service)

    def title(self) -> str:
        return self.service

    def read(self, found: Object) -> Reading:
        value = self._selector(found).get(self.label)
        at = f"/spec/selector/{pointer(self.label)}"
        for slot in SLOTS:
            if value == self.slots[slot]:
                return Reading(found, split(slot, 100), at=at)
        if value is None:
            trouble = f"the selector has no label {self.label}: it takes the pods of both slots"
        else:
            trouble = f"the selector says {self.label}={value}, which is neither slot"
        return Reading(found, None, trouble, at)

    def health(self, reading: Reading) -> tuple[t.Mapping[str, Slot], str]:
        # The Service's own endpoints are those of one slot; whether the other one could serve, its pods say.
        slots = {}
        for slot in SLOTS:
            ready = sum(is_ready(pod) for pod in self._pods(reading.object, slot))
            slots[slot] = Slot(up=ready > 0, ready=ready)
        serving = reading.weights.only() if reading.weights else None
        if not serving or not slots[serving].up:
            return slots, ""
        return slots, self._unfollowed(reading.object, serving)

    def changes(self, view: View, weights: Weights, fence: int) -> list[t.Any]:
        if weights.only() is None:
            raise Refused(
                f"{self.identity()}: a Service sends all traffic to one slot, so {weights} is not possible; use steps "
                "[100], or istio_traffic or gateway_traffic"
            )
        return super().changes(view, weights, fence)

    def operations(self, reading: Reading, weights: Weights) -> list[Operation]:
        slot = weights.only()
        if slot is None:
            raise ReleaseError(f"{self.identity()}: {weights} is not possible")
        selector = self._selector(reading.object)
        if not selector:
            raise Refused(f"{self.identity()}: the Service has no selector; nothing was written")
        return [
            {"op": "test", "path": "/spec/selector", "value": selector},
            {"op": "add", "path": reading.at, "value": self.slots[slot]},
        ]

    def text(self, reading: Reading, weights: t.Optional[Weights]) -> str:
        slot = weights.only() if weights else None
        value = self.slots[slot] if slot else self._selector(reading.object).get(self.label, "")
        return f"selector {self.label}: {value}"

    def settle(self, written: Object, weights: Weights) -> None:
        slot = weights.only() or ""
        if not any(is_ready(pod) for pod in self._pods(written, slot)):
            return  # forced: there is nobody whose endpoints could be waited for
        deadline = self._monotonic() + float(self.options["settle"])
        while True:
            trouble = self._unfollowed(written, slot)
            if not trouble:
                return
            if self._monotonic() >= deadline:
                seconds = float(self.options["settle"])
                raise ReleaseError(f"{self.identity()}: wrote {weights}, and after {seconds:g} s {trouble}")
            self._sleep(POLL)

    def _unfollowed(self, found: Object, slot: str) -> str:
        """Return how the endpoints differ from what the selector says, empty when they follow it."""
        ready = Endpoints.of(self.client, self.namespace, self.service).ready()
        own = names(self._pods(found, slot))
        if not ready & own:
            return f"the EndpointSlices of {self.service} have no ready pod of {slot}"
        if ready - own:
            return f"the EndpointSlices of {self.service} still have {sorted(ready - own)[0]}, which is not of {slot}"
        return ""

    def _selector(self, found: Object) -> dict[str, str]:
        return t.cast("dict[str, str]", (found.get("spec") or {}).get("selector") or {})

    def _pods(self, found: Object, slot: str) -> list[Object]:
        selector = self._selector(found)
        # Without a selector no pod is the Service's; an empty question would return every pod of the namespace.
        return pods(self.client, self.namespace, {**selector, self.label: self.slots[slot]}) if selector else []
