# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(compose_fleet): a slot is a service of a Compose project; image, revision and scale stand in an env file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker import containers, service
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.compose import Compose
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.engine import DEFAULT, Engine, NotThere
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.variables import EnvFile, name_of
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet import Fleet, Order

# A revision that nobody has.
PROBE = "zerodowntime-probe"
HASH = "com.docker.compose.config-hash"


class ComposeFleet(_fleet.Driver):
    """The two slots of one app in one Compose project."""

    name = "compose_fleet"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "project_src": {"type": "path", "required": True},
        "services": {
            "type": "dict",
            "required": True,
            "options": {slot: {"type": "str", "required": True} for slot in SLOTS},
        },
        "project_name": {"type": "str"},
        "files": {"type": "list", "elements": "path", "default": []},
        "env_file": {"type": "path", "default": ".env"},
        "image": {"type": "str"},
        "variables": {"type": "dict", "default": {}},
        "docker_host": {"type": "str", "default": DEFAULT},
    }

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        super().__init__(options)
        self.services: t.Mapping[str, str] = options["services"]
        if self.services["blue"] == self.services["green"]:
            raise ReleaseError(f"compose_fleet: both slots are the service {self.services['blue']}")
        self.folder = str(options["project_src"])
        if not os.path.isabs(self.folder):
            raise ReleaseError(f"compose_fleet: project_src {self.folder!r} must be an absolute path")
        self.engine = Engine(options["docker_host"])
        self.env_file = EnvFile(os.path.join(self.folder, options["env_file"]))
        self.compose = Compose(
            self.folder, options["files"], options["project_name"], self.env_file.path, options["docker_host"]
        )
        self._project: str = options["project_name"] or ""

    def identity(self) -> str:
        return f"compose:{os.path.realpath(self.engine.path)}:{os.path.realpath(self.folder)}:{self.services['blue']}"

    def observe(self) -> dict[str, Fleet]:
        written = self.env_file.read()
        fleets = {}
        for slot in SLOTS:
            name = self.services[slot]
            scale = written.get(name_of(name, "scale"), "0")
            fleets[slot] = Fleet(
                instances=tuple(containers.instance(seen) for seen in self._inspected(slot)),
                revision=written.get(name_of(name, "revision"), ""),
                capacity=int(scale) if scale.isdigit() else 0,
            )
        return fleets

    def changes(self, fleets: t.Mapping[str, Fleet], order: Order) -> list[Change]:
        fleet, name = fleets[order.slot], self.services[order.slot]
        if not order.capacity:
            stands = not fleet.instances and not fleet.capacity
            return [] if stands else [Change(self._where(name), _text(fleet.revision, len(fleet.instances)), "none")]
        values = self._values(order)
        config = self._fit(order, values)
        if self._stands(fleet, order, values, config):
            return []
        before = _text(fleet.revision, len(fleet.instances))
        return [Change(self._where(name), before, _text(order.revision, order.capacity))]

    def write(self, fleets: t.Mapping[str, Fleet], order: Order) -> None:
        name = self.services[order.slot]
        values = self._values(order)
        if not order.capacity:
            self.env_file.write(values)
            self.compose.take_down(name)
            return
        image = self._image(order)
        found = self._on_engine(image)
        if found is None:
            found = self._pulled(image)
        if not service.checks_health(self.compose.config(values)["services"][name], found):
            raise Refused(
                f"the service {name} has no health check, so nobody could say when it is ready: give it a 'healthcheck'"
            )
        self.env_file.write(values)
        self.compose.up(name, order.capacity)

    def words(self, instance: str, lines: int) -> list[str]:
        with contextlib.suppress(ReleaseError):
            return self.engine.logs(instance, lines)
        return []

    def owned(self) -> list[Owned]:
        starts = tuple(name_of(name, "") for name in self.services.values())
        path, lock = self.env_file.path, f"{self.env_file.path}.lock"
        found = [
            Owned("line", path, f"{name}={value}")
            for name, value in self.env_file.read().items()
            if name.startswith(starts)
        ]
        return [*found, *([Owned("file", lock, "the lock of our writes, empty")] if os.path.exists(lock) else [])]

    def configuration(self) -> str:
        """Return a mark of what the Compose file says about the slots, whatever they run now.

        Raises Refused when one of them is not written so that a release can say what it runs.
        """
        # The same for both slots and at every moment: what releases write stands neither for nor against an edit.
        starts = [name_of(name, "") for name in self.services.values()]
        written = [name[len(start) :] for name in self.env_file.read() for start in starts if name.startswith(start)]
        own = [name_of("", name)[1:] for name in self.options["variables"]]
        probe = {**dict.fromkeys([*written, *own], ""), "IMAGE": PROBE, "SCALE": "2"}
        values = {start + what: value for start in starts for what, value in probe.items()}
        services = self.compose.config(values)["services"]
        for name in self.services.values():
            if name not in services:
                raise Refused(f"the project in {self.folder} has no service {name}; it has {', '.join(services)}")
            found = service.faults(name, services[name], PROBE, name_of(name, "image"), 2, name_of(name, "scale"))
            if found:
                raise Refused(found[0])
        text = json.dumps([services[self.services[slot]] for slot in SLOTS], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def bring_up(self, check_mode: bool = False) -> list[Change]:
        """Start every service of the project that is no slot, and return what was or would be started.

        The slots stay as they are: a release fills them.
        """
        wanted = [name for name in sorted(self.compose.config({})["services"]) if name not in self.services.values()]
        before = self._ids(wanted)
        if check_mode:
            return [Change(self._where(name), "down", "up") for name in wanted if not before[name]]
        self.compose.start(wanted)
        after = self._ids(wanted)
        return [
            Change(self._where(name), "of an older configuration" if before[name] else "down", "up")
            for name in wanted
            if after[name] != before[name]
        ]

    @property
    def project(self) -> str:
        """The project's name: the given one, else what Compose makes of file and folder."""
        if not self._project:
            self._project = self.compose.config({})["name"]
        return self._project

    def _listed(self, service: str, **query: str) -> list[dict[str, t.Any]]:
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        labels.append("com.docker.compose.oneoff=False")
        found = self.engine.get("/containers/json", filters=json.dumps({"label": labels}), **query)
        return t.cast("list[dict[str, t.Any]]", found)

    def _ids(self, services: t.Iterable[str]) -> dict[str, list[str]]:
        """Return the containers of each service that run."""
        return {name: sorted(container["Id"] for container in self._listed(name)) for name in services}

    def _inspected(self, slot: str) -> list[dict[str, t.Any]]:
        """Return the containers of a slot, as inspected, in the order of their names."""
        found = []
        for container in self._listed(self.services[slot], all="1"):
            with contextlib.suppress(NotThere):  # it went between the two looks
                found.append(self.engine.get(f"/containers/{container['Id']}/json"))
        return sorted(found, key=lambda seen: (len(seen["Name"]), seen["Name"]))

    def _image(self, order: Order) -> str:
        """Return the image of a revision: C(shop:1.4.2), C(shop@sha256:...), or the revision where it says it all."""
        image, revision = self.options["image"], order.revision
        if not image:
            return revision
        return f"{image}@{revision}" if revision.startswith("sha256:") else f"{image}:{revision}"

    def _values(self, order: Order) -> dict[str, str]:
        """Return the variables that say what the slot runs."""
        name = self.services[order.slot]
        if not order.capacity:
            return {name_of(name, "scale"): "0"}
        return {
            name_of(name, "image"): self._image(order),
            name_of(name, "revision"): order.revision,
            name_of(name, "scale"): str(order.capacity),
            **{name_of(name, key): str(value) for key, value in self.options["variables"].items()},
        }

    def _fit(self, order: Order, values: t.Mapping[str, str]) -> dict[str, t.Any]:
        """Return the service as it would be. Raises Refused with the first thing that makes it unfit for a release."""
        name = self.services[order.slot]
        services = self.compose.config(values)["services"]
        if name not in services:
            raise Refused(f"the project in {self.folder} has no service {name}; it has {', '.join(sorted(services))}")
        found = service.faults(
            name, services[name], self._image(order), name_of(name, "image"), order.capacity, name_of(name, "scale")
        )
        if found:
            raise Refused(found[0])
        return t.cast("dict[str, t.Any]", services[name])

    def _stands(self, fleet: Fleet, order: Order, values: t.Mapping[str, str], config: t.Mapping[str, t.Any]) -> bool:
        """Return whether the slot runs just that already: as many, all healthy, of this configuration and image."""
        if len(fleet.instances) != order.capacity or fleet.ready != order.capacity:
            return False
        written = self.env_file.read()
        if any(written.get(name) != value for name, value in values.items()):
            return False
        image = self._on_engine(str(config["image"]))
        wanted = (self.compose.hash(self.services[order.slot], values), (image or {}).get("Id"))
        running = self._inspected(order.slot)
        return all((seen["Config"]["Labels"].get(HASH), seen["Image"]) == wanted for seen in running)

    def _on_engine(self, image: str) -> t.Optional[dict[str, t.Any]]:
        try:
            return t.cast("dict[str, t.Any]", self.engine.get(f"/images/{image}/json"))
        except NotThere:
            return None

    def _pulled(self, image: str) -> dict[str, t.Any]:
        try:
            self.compose.pull(image)
        except ReleaseError as error:
            raise ReleaseError(f"the image {image} is not on this engine and cannot be pulled: {error}") from error
        found = self._on_engine(image)
        if found is None:
            raise ReleaseError(f"the image {image} is not on this engine, not even after it was pulled")
        return found

    def _where(self, name: str) -> str:
        return f"{self.env_file.path} ({name})"


def _text(revision: str, number: int) -> str:
    return f"{number} x {revision or 'unknown'}" if number else "none"
