# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(deployment_fleet): a slot is a Deployment; a revision is the image of one of its containers."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, other
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet import Fleet, Order
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes import (
    autoscalers,
    deployments,
    pods,
    room,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import (
    AUTH_SPEC,
    Client,
    Conflict,
    Forbidden,
    Object,
    path,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.endpoints import Endpoints

# Seconds between attempts of a patch of which it is unknown what became.
PAUSES = (0.2, 0.5, 1.0)

_NAMES: dict[str, t.Any] = {slot: {"type": "str", "required": True} for slot in SLOTS}


class DeploymentFleet(_fleet.Driver):
    """The two slots of one app in one namespace."""

    name = "deployment_fleet"
    replaces = True
    spec: t.ClassVar[dict[str, t.Any]] = {
        **AUTH_SPEC,
        "namespace": {"type": "str", "required": True},
        "deployments": {"type": "dict", "required": True, "options": _NAMES},
        "services": {"type": "dict", "options": _NAMES},
        "container": {"type": "str"},
        "image": {"type": "str"},
        "template": {"type": "dict"},
    }

    def __init__(
        self,
        options: t.Mapping[str, t.Any],
        client: t.Optional[Client] = None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(options)
        self._sleep = sleep
        self.namespace = str(options["namespace"])
        self.deployments: t.Mapping[str, str] = options["deployments"]
        if self.deployments["blue"] == self.deployments["green"]:
            raise ReleaseError(f"deployment_fleet: both slots are the Deployment {self.deployments['blue']}")
        self.image = str(options.get("image") or "")
        self.client = client or Client(options)
        self._seen: dict[str, Object] = {}
        self._autoscalers: list[Object] = []

    def identity(self) -> str:
        return f"deployment:{self.client.address}:{self.namespace}:{self.deployments['blue']}"

    def observe(self) -> dict[str, Fleet]:
        self._autoscalers = self._list(autoscalers.API, autoscalers.KIND)
        return {slot: self._fleet(slot) for slot in SLOTS}

    def size(self, fleets: t.Mapping[str, Fleet], slot: str) -> int:
        there = self._size(other(slot))
        autoscaler = self._autoscaler(slot)
        return there or self._size(slot) or (autoscalers.floor(autoscaler) if autoscaler else 1)

    def changes(self, fleets: t.Mapping[str, Fleet], order: Order) -> list[Change]:
        found = []
        # The server's own judgement of the whole change, its defaults included, before anything is written.
        made = self._put(order.slot, lambda: self._operations(order), dry_run=True)
        deployment = self._seen[order.slot]
        if made and made["spec"] != deployment["spec"]:
            found.append(Change(f"Deployment {self._name(order.slot)}", self._text(deployment), self._text(made)))
        for slot, patch in self._floors(order).items():
            autoscaler = t.cast(Object, self._autoscaler(slot))
            wanted = patch(autoscaler)
            if wanted:
                where = f"HorizontalPodAutoscaler {self.namespace}/{autoscaler['metadata']['name']}"
                before, after = autoscalers.floor(autoscaler), wanted["spec"]["minReplicas"]
                found.append(Change(where, f"at least {before}", f"at least {after}"))
        return found

    def write(self, fleets: t.Mapping[str, Fleet], order: Order) -> None:
        if order.capacity:
            self._write_floors(order)
            # It serves, whatever it ran before that.
            self._put(other(order.slot), lambda: deployments.forgotten(self._seen[other(order.slot)]))
            self._put(order.slot, lambda: self._noted(order))
        else:
            self._put(order.slot, lambda: self._operations(order))
            self._write_floors(order)

    def _noted(self, order: Order) -> deployments.Operations:
        """Return the patch that stages, and notes what it stages over; nothing when that runs already."""
        operations = self._operations(order)
        deployment, container = self._seen[order.slot], self._container(order.slot)
        note = deployments.remembered(deployment, container, self.options.get("template")) if operations else []
        return [*note, *operations]

    def _put(
        self, slot: str, plan: t.Callable[[], deployments.Operations], dry_run: bool = False
    ) -> t.Optional[Object]:
        """Patch the Deployment as C(plan) says, which is asked again when it is unknown what became of the patch.

        Return what the patch makes of it, None where there is nothing to patch.
        """
        for pause in (*PAUSES, None):
            operations = plan()
            if not operations:
                return None
            try:
                return self.client.patch(self._where(slot), operations, dry_run)
            except (Conflict, Lost):
                if pause is None:
                    raise
                self._sleep(pause)
                self._seen[slot] = self.client.get(self._where(slot))
        raise AssertionError  # the last attempt returned or raised

    def owned(self) -> list[Owned]:
        noted = [
            Owned("annotation", f"Deployment {self._name(slot)}", f"{deployments.BEFORE}: what to put back")
            for slot in SLOTS
            if deployments.noted(self._seen[slot])
        ]
        return [*noted, *self._floors_owned()]

    def _floors_owned(self) -> list[Owned]:
        found = {slot: self._autoscaler(slot) for slot in SLOTS}
        return [
            Owned(
                "annotation",
                f"HorizontalPodAutoscaler {self.namespace}/{one['metadata']['name']}",
                f"{autoscalers.FLOOR}: {autoscalers.kept(one)}",
            )
            for one in found.values()
            if one and autoscalers.kept(one)
        ]

    def words(self, instance: str, lines: int) -> list[str]:
        for slot in SLOTS:
            if not instance.startswith(f"{self.deployments[slot]}-"):
                continue
            with contextlib.suppress(ReleaseError):  # a container that never ran wrote nothing
                container = self._container(slot)
                where = path("v1", "pods", self.namespace, instance, "log")
                said = self.client.text(where, container=container, tailLines=lines).splitlines()
                return [line.rstrip() for line in said if line.strip()]
        return []

    def outlook(self, slot: str, capacity: int = 0) -> list[str]:
        """Return what may go wrong when C(slot) is staged with C(capacity) pods (0: as many as it would get).

        A sentence each. Raises Refused when a quota leaves no room for them.
        """
        fleets = self.observe()
        deployment, beside = self._seen[slot], self._seen[other(slot)]
        warnings = []
        quotas = self._may_list(*room.QUOTAS)
        more = max(0, (capacity or self.size(fleets, slot)) - deployments.replicas(deployment))
        pod = (self.options.get("template") or deployment["spec"]["template"])["spec"]
        short = room.shortage(quotas or [], pod, more)
        if short:
            raise Refused(f"the namespace {self.namespace} has no room for both slots at once: {short}")
        budgets = self._may_list(*room.BUDGETS)
        if budgets is not None and deployments.replicas(beside):
            warnings.append(room.exposure(budgets, _labels(beside), _labels(deployment), other(slot)))
        unseen = [kind[1] for kind, found in ((room.QUOTAS, quotas), (room.BUDGETS, budgets)) if found is None]
        if unseen:
            warnings.append(f"the account may not list {' and '.join(unseen)} in {self.namespace}, so nobody looked")
        return [warning for warning in warnings if warning]

    def _may_list(self, api: str, kind: str) -> t.Optional[list[Object]]:
        try:
            return self._list(api, kind)
        except Forbidden:
            return None

    # -- what is there

    def _fleet(self, slot: str) -> Fleet:
        deployment = self.client.find(self._where(slot))
        if deployment is None:
            raise ReleaseError(
                f"there is no Deployment {self._name(slot)}: make it, with 0 replicas, before the first release"
            )
        self._seen[slot] = deployment
        selector = _selector(deployment)
        replica_sets = self._list("apps/v1", "replicasets", labelSelector=selector)
        current = deployments.current_hash(deployment, replica_sets)
        endpoints = self._endpoints(slot)
        container = self._container(slot)
        return Fleet(
            instances=tuple(
                pods.instance(pod, container, _hash(pod) == current != "", endpoints)
                for pod in self._pods(deployment, selector, replica_sets)
            ),
            revision=deployments.revision_of(self.image, pods.image(deployment["spec"]["template"]["spec"], container)),
            capacity=self._size(slot),
            trouble=deployments.trouble(deployment),
            pending=deployments.pending(deployment),
        )

    def _pods(self, deployment: Object, selector: str, replica_sets: t.Sequence[Object]) -> list[Object]:
        """Return the Deployment's own pods: another one's may wear the same labels."""
        uid = deployment["metadata"].get("uid")
        own = {
            found["metadata"].get("uid")
            for found in replica_sets
            if any(owner.get("uid") == uid for owner in deployments.owners(found))
        }
        listed = self._list("v1", "pods", labelSelector=selector)
        found = [pod for pod in listed if any(owner.get("uid") in own for owner in deployments.owners(pod))]
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def _endpoints(self, slot: str) -> t.Optional[set[str]]:
        services = self.options.get("services")
        if not services:
            return None
        return Endpoints.of(self.client, self.namespace, services[slot]).ready()

    def _size(self, slot: str) -> int:
        """Return how many pods a slot has to have now: what its autoscaler wants, else what its Deployment says."""
        number = deployments.replicas(self._seen[slot]) if slot in self._seen else 0
        autoscaler = self._autoscaler(slot)
        return autoscalers.size(autoscaler, number) if autoscaler and number else number

    # -- what is to be

    def _operations(self, order: Order) -> deployments.Operations:
        deployment = self._seen[order.slot]
        container = self._container(order.slot)
        if not order.capacity:
            undo = deployments.undone(deployment, bool(self._autoscaler(order.slot)))
            if undo is not None:
                return undo
            running = pods.image(deployment["spec"]["template"]["spec"], container)
            return deployments.operations(deployment, container, running, 0, None)
        if deployment["spec"].get("paused"):
            raise Refused(
                f"the Deployment {self._name(order.slot)} is paused, so nothing would roll out: "
                f"kubectl rollout resume deployment/{self.deployments[order.slot]} -n {self.namespace}"
            )
        autoscaler = self._autoscaler(order.slot)
        number: t.Optional[int] = order.capacity
        if autoscaler:
            autoscalers.check(autoscaler, order.capacity)
            # At 0 it sleeps until somebody wakes the Deployment; otherwise the replicas are its own.
            number = None if deployments.replicas(deployment) else order.capacity
        wanted = deployments.image_of(self.image, order.revision)
        return deployments.operations(deployment, container, wanted, number, self.options.get("template"))

    def _floors(self, order: Order) -> dict[str, t.Callable[[Object], t.Optional[Object]]]:
        """Return by slot what becomes of its autoscaler's floor: raised while both may serve, put back at the end."""
        found: dict[str, t.Callable[[Object], t.Optional[Object]]] = {}
        for slot in SLOTS:
            if not self._autoscaler(slot):
                continue
            if not order.capacity:
                found[slot] = autoscalers.lowered
            elif self._size(other(order.slot)):  # alone, a slot is no part of a shift
                number = order.capacity if slot == order.slot else self._size(slot)
                found[slot] = _raise_to(number)
        return found

    def _write_floors(self, order: Order) -> None:
        for slot, patch in self._floors(order).items():
            autoscalers.change(self.client, self.namespace, t.cast(Object, self._autoscaler(slot)), patch)

    # -- names

    def _list(self, api: str, kind: str, **query: str) -> list[Object]:
        return self.client.list(path(api, kind, self.namespace), **query)

    def _autoscaler(self, slot: str) -> t.Optional[Object]:
        return autoscalers.of(self.deployments[slot], self._autoscalers)

    def _container(self, slot: str) -> str:
        return deployments.container_of(self._seen[slot], str(self.options.get("container") or ""))

    def _where(self, slot: str) -> str:
        return path("apps/v1", "deployments", self.namespace, self.deployments[slot])

    def _name(self, slot: str) -> str:
        return f"{self.namespace}/{self.deployments[slot]}"

    def _text(self, deployment: Object) -> str:
        containers = deployment["spec"]["template"]["spec"]["containers"]
        images = ", ".join(str(entry.get("image")) for entry in containers)
        return f"{deployments.replicas(deployment)} x {images}"


def _raise_to(number: int) -> t.Callable[[Object], t.Optional[Object]]:
    return lambda autoscaler: autoscalers.raised(autoscaler, number)


def _selector(deployment: Object) -> str:
    """Return the Deployment's selector as a query."""
    selector = deployment["spec"]["selector"]
    words = [f"{name}={value}" for name, value in sorted((selector.get("matchLabels") or {}).items())]
    for entry in selector.get("matchExpressions") or []:
        name, values = entry["key"], ",".join(entry.get("values") or [])
        known = {"In": f"{name} in ({values})", "NotIn": f"{name} notin ({values})", "Exists": name}
        words.append(known.get(entry["operator"], f"!{name}"))
    return ",".join(words)


def _labels(deployment: Object) -> dict[str, str]:
    return deployment["spec"]["template"]["metadata"].get("labels") or {}


def _hash(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(deployments.HASH) or "")
