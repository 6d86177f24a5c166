# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(nginx_traffic): nginx asks, per request, a folder of flag files (no reload), or an included split (reload)."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.config import Configuration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.flags import Flags
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.include import Include
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.place import Place
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.process import Master, version_of
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Driver, Slot, View

# A key is a folder's name; in reload mode it is a part of a variable's name too.
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VARIABLE = re.compile(r"[A-Za-z0-9_]+")

# FACTS: from here on, and with that directive, a reload closes no connection on which a request is under way.
LOSSLESS_SINCE = (1, 27, 4)
_LOSSLESS = re.compile(r"(?<![\w$])keepalive_min_timeout\s+[1-9]")

# Each request is one line of the counter's log: its status, three digits, and the line's end.
LINE = 4


class NginxTraffic(Driver):
    """The traffic of one app behind one nginx."""

    name = "nginx_traffic"
    machine_bound = True
    spec: t.ClassVar[dict[str, t.Any]] = {
        "slots": {
            "type": "dict",
            "required": True,
            "options": {slot: {"type": "str", "required": True} for slot in SLOTS},
        },
        "mode": {"type": "str", "choices": ["flag", "reload"], "default": "flag"},
        "state": {"type": "path", "default": "/etc/nginx/zerodowntime"},
        "key": {"type": "str", "no_log": False},
        "pid_file": {"type": "path"},
        "config": {"type": "path"},
        "include": {"type": "path"},
        "nginx": {"type": "path", "default": "nginx"},
        "timeout": {"type": "float", "default": 10.0},
        "linger": {"type": "float", "default": 5.0},
        "counters": {
            "type": "dict",
            "options": {slot: {"type": "path", "required": True} for slot in SLOTS},
        },
    }

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        super().__init__(options)
        self.slots: t.Mapping[str, str] = options["slots"]
        self.reloads = options["mode"] == "reload"
        self.key = options.get("key") or os.path.commonprefix([self.slots[slot] for slot in SLOTS]).rstrip("-_.:/")
        self._check()
        self.home: str = os.path.join(options["state"], self.key)
        self.binary = str(options["nginx"])
        self.pid_file = options.get("pid_file") or ("/run/nginx.pid" if self.reloads else None)
        main = options.get("config") or ("/etc/nginx/nginx.conf" if self.reloads else None)
        self.config = Configuration(main) if main else None
        self.place: Place = Flags(self.home)
        if self.reloads and self.config and self.pid_file:
            self.place = Include(
                key=self.key,
                path=str(options["include"]),
                folder=self.home,
                config=self.config,
                pid_file=self.pid_file,
                binary=self.binary,
                timeout=float(options["timeout"]),
                linger=float(options["linger"]),
            )
        self._versions: dict[int, str] = {}
        self._config_trouble: t.Optional[str] = None
        self._keeps_alive = False

    def identity(self) -> str:
        where = self.options["include"] if self.reloads else self.options["state"]
        return f"nginx:{os.path.realpath(where)}:{self.key}"

    def folder(self) -> t.Optional[str]:
        return self.home

    def owned(self) -> list[Owned]:
        found = []
        if os.path.isdir(self.home):
            inside = sorted(name for name in os.listdir(self.home) if not name.startswith(".zd-lease-"))
            found.append(Owned("folder", self.home, ", ".join(inside)))
        if self.reloads and os.path.exists(self.place.path):
            found.append(Owned("file", self.place.path, "the split that nginx includes"))
        return found

    def lock(self) -> t.ContextManager[None]:
        _make_folder(self.home)
        # A reload waits for workers under this lock.
        patience = _files.LOCK_PATIENCE + (self.options["timeout"] + self.options["linger"] if self.reloads else 0)
        return _files.locked(os.path.join(self.home, "lock"), patience)

    def observe(self) -> View:
        self._read_config()
        standing = self.place.standing()
        master = Master.find(self.pid_file) if self.pid_file else None
        troubles = [standing.trouble, self._config_trouble, self._trouble_of(master)]
        return View(
            weights=standing.weights,
            fence=standing.fence,
            slots={slot: self._counted(slot) for slot in SLOTS},
            trouble="; ".join(filter(None, troubles)),
            facts={"key": self.key, "mode": self.options["mode"], **self._facts(master)},
        )

    def changes(self, view: View, weights: Weights, fence: int) -> list[Change]:
        before = self.place.text(view.weights, view.fence) if view.weights else ""
        return [Change(self.place.path, before, self.place.text(weights, fence))]

    def write(self, view: View, weights: Weights, fence: int) -> None:
        self.place.write(weights, fence)

    def _check(self) -> None:
        """Raise ReleaseError with what is wrong with the options."""
        if self.slots["blue"] == self.slots["green"]:
            raise ReleaseError(f"nginx_traffic: both slots are the upstream {self.slots['blue']}")
        if not self.key:
            raise ReleaseError("nginx_traffic: the two upstreams share no beginning: name the 'key'")
        if not _FOLDER.fullmatch(self.key):
            raise ReleaseError(
                f"nginx_traffic: key {self.key!r} may hold letters, digits and _.- only: it is a folder's name"
            )
        if self.reloads and not _VARIABLE.fullmatch(self.key):
            raise ReleaseError(
                f"nginx_traffic: key {self.key!r} may hold letters, digits and _ only in reload mode: it is part of a "
                "variable's name; name another 'key'"
            )
        if self.reloads and not self.options.get("include"):
            raise ReleaseError("nginx_traffic: mode 'reload' needs 'include', the file that holds the split")
        for option in ("state", "include", "config", "pid_file"):
            value = self.options.get(option)
            if value and not os.path.isabs(value):
                raise ReleaseError(f"nginx_traffic: {option} {value!r} must be an absolute path")

    def _read_config(self) -> None:
        """Find out, once, what the configuration lacks for a switch to have an effect.

        It is read as files: what nginx runs with may be older. Unreadable files must not stop a restore.
        """
        if self.config is None or self._config_trouble is not None:
            return
        try:
            text = self.config.text()
            lacks = [
                f"no upstream {self.slots[slot]} (slots.{slot})"
                for slot in SLOTS
                if not re.search(rf"(?<![\w$])upstream\s+[\"']?{re.escape(self.slots[slot])}[\"']?\s*\{{", text)
            ]
            if self.reloads and not self.config.includes(str(self.options["include"])):
                lacks.append(f"no include of {self.options['include']}")
            if not self.reloads and f"{self.home}/current/" not in text:
                lacks.append(f"no test of {self.home}/current/")
            self._config_trouble = f"the configuration {self.config.main} has {' and '.join(lacks)}" if lacks else ""
            self._keeps_alive = bool(_LOSSLESS.search(text))
        except ReleaseError as error:
            self._config_trouble = str(error)

    def _trouble_of(self, master: t.Optional[Master]) -> str:
        if self.pid_file is None:
            return ""
        if master is None:
            return f"nginx does not run: {self.pid_file} names no master process"
        barrier = "" if self.reloads else master.barrier(self.home)
        return f"nginx's workers may not enter {barrier}, so every request goes to blue" if barrier else ""

    def _facts(self, master: t.Optional[Master]) -> dict[str, t.Any]:
        facts: dict[str, t.Any] = {"version": "", "pid": "", "lossless": not self.reloads, "counted": "at the end"}
        if master is None:
            return facts
        if master.pid not in self._versions:
            self._versions = {master.pid: master.version(self.binary)}
        version = self._versions[master.pid]
        facts.update(version=version, pid=str(master.pid))
        if self.reloads:
            facts["old_workers"] = [worker.pid for worker in master.workers() if worker.leaving]
            facts["lossless"] = version_of(version) >= LOSSLESS_SINCE and self._keeps_alive
            if not facts["lossless"]:
                facts["warning"] = (
                    f"a reload of nginx {version} can cut keep-alive requests off; nginx 1.27.4 or newer with "
                    "'keepalive_min_timeout 5s;' does not, and neither does mode 'flag'"
                )
        return facts

    def _counted(self, slot: str) -> Slot:
        # Counters help to prove a switch and to judge it; where they cannot be read, they must not stop a restore.
        path = (self.options.get("counters") or {}).get(slot)
        return Slot(requests=_lines(path), bad=_lines(f"{path}.bad")) if path else Slot()


def _lines(path: str) -> t.Optional[int]:
    try:
        return os.stat(path).st_size // LINE
    except OSError:
        return None


def _make_folder(path: str) -> None:
    """Make the folder and those above it, open to nginx's workers whatever our umask is. Raises ReleaseError."""
    if os.path.isdir(path):
        return
    _make_folder(os.path.dirname(path))
    try:
        os.mkdir(path)
        os.chmod(path, 0o755)
    except FileExistsError:
        if not os.path.isdir(path):
            raise ReleaseError(f"{path} is not a folder") from None
    except OSError as error:
        raise ReleaseError(f"cannot make the folder {path}: {error.strerror}") from error
