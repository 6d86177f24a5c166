# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(haproxy_traffic): a frontend reads the weights of an app from one entry of a map, per request.

The entry is C(KEY BLUE:GREEN:FENCE). It lives twice: in the map file, so that it survives a reload, and in the running
process. The file is written first; a difference between the two is a write that died in between, and is named.
"""

from __future__ import annotations

import os
import re
import socket
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights, parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._haproxy.runtime import Runtime
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Driver, Slot, View

# HAProxy's command line has no quoting, so what goes into it is a plain word.
_WORD = re.compile(r"[A-Za-z0-9_.:/-]+")
_ENTRY = re.compile(r"(\d{1,3}):(\d{1,3}):(\d+)")

Entry = tuple[t.Optional[Weights], int]


class HAProxyTraffic(Driver):
    """The traffic of one app behind one HAProxy."""

    name = "haproxy_traffic"
    machine_bound = True
    spec: t.ClassVar[dict[str, t.Any]] = {
        "socket": {"type": "str", "required": True},
        "slots": {
            "type": "dict",
            "required": True,
            "options": {slot: {"type": "str", "required": True} for slot in SLOTS},
        },
        "map": {"type": "path", "default": "/etc/haproxy/zerodowntime.map"},
        "key": {"type": "str", "no_log": False},
        "persist": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 5.0},
    }

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        super().__init__(options)
        self.slots: t.Mapping[str, str] = options["slots"]
        self.map = str(options["map"])
        self.key = options.get("key") or os.path.commonprefix([self.slots[slot] for slot in SLOTS]).rstrip("-_.:/")
        if not self.key:
            raise ReleaseError("haproxy_traffic: the two backends share no beginning: name the map's 'key'")
        for what, word in (("map", self.map), ("key", self.key), *((f"slots.{s}", self.slots[s]) for s in SLOTS)):
            if not _WORD.fullmatch(word):
                raise ReleaseError(f"haproxy_traffic: {what} {word!r} may hold letters, digits and _.:/- only")
        if self.slots["blue"] == self.slots["green"]:
            raise ReleaseError(f"haproxy_traffic: both slots are the backend {self.slots['blue']}")
        self.runtime = Runtime(options["socket"], float(options["timeout"]))

    def identity(self) -> str:
        address = self.runtime.address
        where = f"{socket.gethostname()}{os.path.realpath(address)}" if address.startswith("/") else address
        return f"haproxy:{where}:{self.map}:{self.key}"

    def folder(self) -> t.Optional[str]:
        return os.path.dirname(self.map) if self.options["persist"] else None

    def owned(self) -> list[Owned]:
        live, lock = self.runtime.map_value(self.map, self.key), f"{self.map}.lock"
        found = [] if live is None else [Owned("map entry", f"{self.map} in HAProxy's process", f"{self.key} {live}")]
        filed = self._file_value() if self.options["persist"] else None
        if filed is not None:
            found.append(Owned("line", self.map, f"{self.key} {filed}"))
        if os.path.exists(lock):
            found.append(Owned("file", lock, "the lock of our writes, empty; all apps of the map share it"))
        return found

    def lock(self) -> t.ContextManager[None]:
        # Without the file there is no place for a lock: the window of a late writer is then one command long.
        return _files.locked(self.map + ".lock") if self.options["persist"] else super().lock()

    def observe(self) -> View:
        info = self.runtime.info()
        rows = self.runtime.backends()
        for slot in SLOTS:
            if self.slots[slot] not in rows:
                raise ReleaseError(
                    f"HAProxy at {self.runtime.address} has no backend {self.slots[slot]} (slots.{slot}); "
                    f"it has {', '.join(sorted(rows)) or 'none'}"
                )
        value = self.runtime.map_value(self.map, self.key)
        live = _parse(value)
        filed = _parse(self._file_value()) if self.options["persist"] else live
        trouble = self._powerless()
        if live[0] is None:
            trouble = (
                f"the map {self.map} has no entry '{self.key}'; run adopt"
                if value is None
                else f"the entry '{self.key}' of {self.map} reads '{value}', not BLUE:GREEN:FENCE"
            )
        elif filed != live:
            trouble = (
                f"HAProxy runs with {live[0]}, but {self.map} says {filed[0] or 'nothing'}: a write died in "
                "between, or the file was edited; a reload would switch"
            )
        return View(
            weights=live[0],
            fence=max(live[1], filed[1]),
            slots={slot: _slot(rows[self.slots[slot]]) for slot in SLOTS},
            trouble=trouble,
            facts={
                "version": info.get("Version", ""),
                "pid": info.get("Pid", ""),
                "map": self.map,
                "key": self.key,
                "checks": {slot: rows[self.slots[slot]]["checks"] for slot in SLOTS},
            },
        )

    def changes(self, view: View, weights: Weights, fence: int) -> list[Change]:
        return [Change(f"{self.map} ({self.key})", _entry(view.weights, view.fence), _entry(weights, fence))]

    def write(self, view: View, weights: Weights, fence: int) -> None:
        powerless = self._powerless()
        if powerless:
            raise ReleaseError(f"{self.identity()}: {powerless}; nothing was written")
        value = _entry(weights, fence)
        before = self._write_file(value) if self.options["persist"] else b""
        try:
            self.runtime.set_map(self.map, self.key, value)
        except Lost:
            raise
        except ReleaseError as error:
            if not self.options["persist"]:
                raise
            _files.replace(self.map, before)
            raise ReleaseError(f"{error}; {self.map} is as it was") from error

    def _powerless(self) -> str:
        """Return why this socket may not move traffic, empty when it may.

        HAProxy 2.6 and 2.8 let any level set a map, against their own manual: nothing to rely on.
        """
        level = self.runtime.level()
        if level == "admin":
            return ""
        return f"the socket {self.runtime.address} has level {level}: it needs 'level admin' in HAProxy's configuration"

    def _lines(self) -> list[bytes]:
        try:
            with open(self.map, "rb") as file:
                return file.read().splitlines(keepends=True)
        except OSError as error:
            raise ReleaseError(f"cannot read the map {self.map}: {error.strerror}") from error

    def _file_value(self) -> t.Optional[str]:
        for line in self._lines():
            parts = line.split(None, 1)
            if len(parts) == 2 and parts[0] == self.key.encode():
                return parts[1].decode("utf-8", "replace").strip()
        return None

    def _write_file(self, value: str) -> bytes:
        """Replace our line, keep every other one byte for byte: several apps may share the map. Return what was."""
        ours = f"{self.key} {value}\n".encode()
        lines = self._lines()
        before = b"".join(lines)
        at = [number for number, line in enumerate(lines) if line.split(None, 1)[:1] == [self.key.encode()]]
        if at:
            lines[at[0]] = ours
        else:
            if lines and not lines[-1].endswith(b"\n"):
                lines[-1] += b"\n"
            lines.append(ours)
        _files.replace(self.map, b"".join(lines))
        return before


def _entry(weights: t.Optional[Weights], fence: int) -> str:
    return f"{weights.blue}:{weights.green}:{fence}" if weights else ""


def _parse(value: t.Optional[str]) -> Entry:
    found = _ENTRY.fullmatch(value or "")
    if not found:
        return None, 0
    try:
        return parse({"blue": found.group(1), "green": found.group(2)}), int(found.group(3))
    except ValueError:
        return None, int(found.group(3))


def _slot(row: t.Mapping[str, str]) -> Slot:
    def number(column: str) -> t.Optional[int]:
        text = row.get(column) or ""
        return int(text) if text.isdigit() else None

    ready = (number("act") or 0) + (number("bck") or 0)
    return Slot(
        up=str(row.get("status", "")).startswith("UP") and ready > 0,
        ready=ready,
        requests=number("req_tot") if row.get("req_tot") else number("stot"),
        bad=number("hrsp_5xx"),
        in_flight=number("scur"),
    )
