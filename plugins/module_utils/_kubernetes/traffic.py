# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the traffic drivers of Kubernetes share: one object, changed by one guarded JSON patch.

The patch names the resourceVersion that was looked at and tests the shape of what it touches, so that the API server
compares and writes in one step: that is the lock. It changes weights and the fence, an annotation of the same object,
and nothing else; a merge patch or an apply would replace the whole list of rules (FACTS).
"""

from __future__ import annotations

import abc
import hashlib
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import (
    AUTH_SPEC,
    FIELD_MANAGER,
    Client,
    Conflict,
    Missing,
    Moved,
    Object,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Driver, Slot, View

# How often a write is planned anew because somebody else changed another part of the object meanwhile.
ATTEMPTS = 8

FENCE = "zerodowntime.bluegreen/fence"

OBJECT_SPEC: Object = {
    **AUTH_SPEC,
    "namespace": {"type": "str", "required": True},
    "cluster": {"type": "str"},
}

Operation = dict[str, t.Any]


@dataclass(frozen=True)
class Reading:
    """What an object says about the traffic of one app.

    C(at) is the path of the rule in the object, C(fence_key) the annotation with its fence, C(rest) what only the
    driver needs.
    """

    object: Object
    weights: t.Optional[Weights]
    trouble: str = ""
    at: str = ""
    fence_key: str = FENCE
    rest: t.Any = None

    @property
    def fence(self) -> int:
        """Return the fence in the object, 0 when there is none."""
        value = str((self.object["metadata"].get("annotations") or {}).get(self.fence_key, ""))
        return int(value) if value.isdigit() else 0


class ObjectTraffic(Driver):
    """The traffic of one app, as one object of the API says it."""

    KIND: t.ClassVar[str]
    FIELD: t.ClassVar[str]  # the field of spec that a GitOps tool would put back

    def __init__(self, options: t.Mapping[str, t.Any], client: t.Optional[Client] = None) -> None:
        super().__init__(options)
        self.namespace = str(options["namespace"])
        self.slots: t.Mapping[str, str] = options["slots"]
        if self.slots["blue"] == self.slots["green"]:
            raise ReleaseError(f"{self.name}: both slots are {self.slots['blue']}")
        self._client = client
        self._last: t.Optional[Object] = None

    @property
    def client(self) -> Client:
        """Return the API, reached when it is needed first."""
        if self._client is None:
            self._client = Client(self.options)
        return self._client

    @abc.abstractmethod
    def where(self) -> str:
        """Return the path of the object."""

    @abc.abstractmethod
    def title(self) -> str:
        """Return the object, and the rule in it, in an operator's words."""

    @abc.abstractmethod
    def read(self, found: Object) -> Reading:
        """Return what the object says. Raises ReleaseError when it has no rule for the slots, or several."""

    @abc.abstractmethod
    def health(self, reading: Reading) -> tuple[t.Mapping[str, Slot], str]:
        """Return each slot's ready endpoints, and what is wrong around the object."""

    @abc.abstractmethod
    def operations(self, reading: Reading, weights: Weights) -> list[Operation]:
        """Return the operations of a JSON patch that test the rule's shape and set the weights."""

    @abc.abstractmethod
    def text(self, reading: Reading, weights: t.Optional[Weights]) -> str:
        """Return the rule with C(weights) as lines to compare."""

    def settle(self, written: Object, weights: Weights) -> None:
        """Wait for what the cluster says of the change. Raises ReleaseError when it does not follow."""

    def identity(self) -> str:
        cluster = self.options.get("cluster") or self.client.address
        return f"{self.KIND}:{cluster}:{self.namespace}/{self.title()}"

    def observe(self) -> View:
        found = self._look()
        reading = self.read(found)
        slots, around = self.health(reading)
        managers = owners(found, self.FIELD)
        facts: dict[str, t.Any] = {
            "resource_version": found["metadata"].get("resourceVersion", ""),
            "field_managers": [manager.plain() for manager in managers],
            "changed_by": next((m.name for m in managers[:1] if m.name != FIELD_MANAGER), ""),
            "fought_by": fighter(managers),
            "warning": self._warning(fighter(managers)),
        }
        trouble = "; ".join(text for text in (reading.trouble, around) if text)
        return View(reading.weights, reading.fence, slots, trouble, facts)

    def _warning(self, fought_by: str) -> str:
        if not fought_by:
            return ""
        where = f"spec.{self.FIELD} of {self.KIND} {self.namespace}/{self.title()}"
        return f"{fought_by} applies {where} and will put its own weights back: have it ignore them"

    def owned(self) -> list[Owned]:
        reading = self.read(self._look())
        value = (reading.object["metadata"].get("annotations") or {}).get(reading.fence_key)
        where = f"{self.KIND} {self.namespace}/{self.title()}"
        return [] if value is None else [Owned("annotation", where, f"{reading.fence_key}: {value}")]

    def changes(self, view: View, weights: Weights, fence: int) -> list[Change]:
        reading = self.read(self._last or self._look())
        before, after = self.text(reading, view.weights), self.text(reading, weights)
        return [
            Change(
                f"{self.KIND} {self.namespace}/{self.title()}",
                f"{before}\n{reading.fence_key}: {view.fence}",
                f"{after}\n{reading.fence_key}: {fence}",
            )
        ]

    def rehearse(self, view: View, weights: Weights, fence: int) -> None:
        self._patch(view, weights, fence, dry_run=True)

    def write(self, view: View, weights: Weights, fence: int) -> None:
        self.settle(self._patch(view, weights, fence), weights)

    def _look(self) -> Object:
        try:
            self._last = self.client.get(self.where())
        except Missing as error:
            raise ReleaseError(f"{self.title()} in namespace {self.namespace}: {error}") from error
        return self._last

    def _patch(self, view: View, weights: Weights, fence: int, dry_run: bool = False) -> Object:
        """Return the object with C(weights) and C(fence), written over what C(view) saw and nothing else.

        After a conflict, or a lost answer, the object decides: ours stands (done), what was seen still stands (again,
        and the resourceVersion lets only one of the two writes through), or anything else (refused).
        """
        error: t.Optional[ReleaseError] = None
        for _attempt in range(ATTEMPTS):
            try:
                found = self._look() if error or self._last is None else self._last
            except ReleaseError as unseen:
                if isinstance(error, Lost):
                    raise Lost(f"{error}; and it cannot be read: {unseen}") from unseen
                raise
            reading = self.read(found)
            standing = (reading.weights, reading.fence)
            if isinstance(error, Lost) and standing == (weights, fence) and not reading.trouble:
                return found
            if standing != (view.weights, view.fence):
                who = next((m.name for m in owners(found, self.FIELD)), "somebody else")
                raise Refused(
                    f"{self.identity()}: {who} changed the weights to {reading.weights or reading.trouble} "
                    f"(fence {reading.fence}) meanwhile; nothing was written"
                )
            try:
                return self.client.patch(self.where(), self._operations(reading, weights, fence), dry_run)
            except (Conflict, Moved, Lost) as again:
                # A lost answer stays lost until the object shows what became of it.
                error = Lost(str(again)) if isinstance(again, Lost) or isinstance(error, Lost) else again
        raise error or AssertionError

    def _operations(self, reading: Reading, weights: Weights, fence: int) -> list[Operation]:
        metadata = reading.object["metadata"]
        # A replace, not a test: the API server answers 409 to it when somebody was faster, and 422 to a test (FACTS).
        guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
        keep = f"/metadata/annotations/{pointer(reading.fence_key)}"
        room = [] if metadata.get("annotations") else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
        mark = {"op": "add", "path": keep, "value": str(fence)}
        return [guard, *self.operations(reading, weights), *room, mark]


def fence_key(rule: str) -> str:
    """Return the annotation with the fence of the rule of that name; an object may hold the rules of several apps."""
    if not rule:
        return FENCE
    fits = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,55}[A-Za-z0-9])?", rule)
    return f"{FENCE}.{rule if fits else hashlib.sha256(rule.encode()).hexdigest()[:16]}"


def pointer(key: str) -> str:
    """Return C(key) as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True)
class Manager:
    """Who wrote a field last, or applies it."""

    name: str
    operation: str
    time: str

    def plain(self) -> dict[str, str]:
        """Return it as a module returns it."""
        return dict(vars(self))


# Those that put back what they once applied. kubectl and Helm act only when somebody calls them.
GITOPS = re.compile(r"argocd|argo-cd|flux|kustomize-controller|helm-controller|config-?sync|fleet|rancher", re.I)


def owners(found: Object, field: str) -> list[Manager]:
    """Return who owns C(field) of the object's spec, the last one first."""
    entries = [
        Manager(str(entry.get("manager", "")), str(entry.get("operation", "")), str(entry.get("time", "")))
        for entry in found["metadata"].get("managedFields") or []
        if f"f:{field}" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}) and not entry.get("subresource")
    ]
    return sorted(entries, key=lambda manager: (manager.time, manager.name == FIELD_MANAGER), reverse=True)


def fighter(managers: t.Sequence[Manager]) -> str:
    """Return the GitOps tool that will put our weights back, empty when there is none."""
    return next((manager.name for manager in managers if GITOPS.search(manager.name)), "")


def proportions(parts: t.Mapping[str, int]) -> t.Optional[Weights]:
    """Return the percents of whole numbers that stand for proportions, None where they are no whole percents."""
    total = sum(parts.values())
    if total <= 0 or any(part < 0 for part in parts.values()):
        return None
    blue = parts["blue"] * 100
    return Weights(blue // total, 100 - blue // total) if blue % total == 0 else None


def said(parts: t.Mapping[str, t.Any]) -> str:
    """Return the raw weights in words."""
    return " / ".join(f"{slot} {parts[slot]}" for slot in SLOTS)
