# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch by a reload: an included file holds the split, is tested as a candidate, moved into place and loaded."""

from __future__ import annotations

import contextlib
import os
import re
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights, parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.config import Configuration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.place import Place, Standing
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.process import Master

_STAMP = re.compile(r"# zerodowntime key=(\S+) blue=(\d{1,3}) green=(\d{1,3}) fence=(\d+)\n")


class Include(Place):
    """The included file of one app; C(folder) keeps what nginx has loaded of it, and the file before this one."""

    def __init__(
        self,
        key: str,
        path: str,
        folder: str,
        config: Configuration,
        pid_file: str,
        binary: str,
        timeout: float,
        linger: float,
    ) -> None:
        self.key = key
        self.path = path
        self.config = config
        self.pid_file = pid_file
        self.binary = binary
        self.timeout = timeout
        self.linger = linger
        self._candidate = os.path.join(folder, "candidate")
        self._loaded = os.path.join(folder, "loaded.conf")
        self._previous = os.path.join(folder, "previous.conf")

    def text(self, weights: Weights, fence: int) -> str:
        # nginx refuses a share of 0 %, so a slot with nothing is not in the list.
        share = "" if weights.green in (0, 100) else f"    {weights.green}% green;\n"
        rest = "green" if weights.green == 100 else "blue"
        return (
            f"# zerodowntime key={self.key} blue={weights.blue} green={weights.green} fence={fence}\n"
            "# Written by nginx_traffic at each switch; it refuses to go on from a file that was edited.\n"
            f"split_clients $request_id ${self.key}_split {{\n{share}    * {rest};\n}}\n"
        )

    def standing(self) -> Standing:
        text = _text(self.path)
        if text is None:
            return Standing(None, 0, f"{self.path} does not exist; run adopt")
        found = _STAMP.match(text)
        if not found or found.group(1) != self.key:
            return Standing(None, 0, f"{self.path} is not a split of '{self.key}': its first line is not ours")
        fence = int(found.group(4))
        try:
            weights = parse({"blue": found.group(2), "green": found.group(3)})
        except ValueError as error:
            return Standing(None, fence, f"the first line of {self.path} is damaged: {error}")
        if text != self.text(weights, fence):
            return Standing(None, fence, f"{self.path} says {weights} in its first line, but was edited below it")
        if _text(self._loaded) != text:
            return Standing(
                weights, fence, f"{self.path} says {weights}, but nginx may not have loaded it: a write died in between"
            )
        return Standing(weights, fence)

    def write(self, weights: Weights, fence: int) -> None:
        master = Master.find(self.pid_file)
        if master is None:
            raise ReleaseError(f"nginx does not run: {self.pid_file} names no master process; nothing was written")
        content = self.text(weights, fence)
        try:
            self.config.try_with(self.path, content, self._candidate, self.binary)
        except ReleaseError as error:
            raise ReleaseError(f"nginx would not load the new split: {error}; nothing was written") from error
        before, loaded = _text(self.path), _text(self._loaded)
        if before is not None and before != content:
            _files.replace(self._previous, before.encode())
        # From here until the reload is seen through, what nginx runs with is unknown, and a death must leave it so.
        _remove(self._loaded)
        _files.replace(self.path, content.encode())
        deadline = time.monotonic() + self.timeout
        try:
            old = self._signal(master, deadline)
        except ReleaseError as error:
            self._take_back(before)
            if loaded is not None:
                _files.replace(self._loaded, loaded.encode())
            raise ReleaseError(f"{error}; {self.path} is as it was") from error
        if not self._await(master, old, deadline):
            self._take_back(before)
            master.reload()
            raise Lost(
                f"nginx started no new workers within {self.timeout:g} s of the reload; {self.path} is as it was, and "
                "nginx was asked to load it again; its error log says why"
            )
        _files.replace(self._loaded, content.encode())

    def _signal(self, master: Master, deadline: float) -> set[int]:
        """Ask for a reload and return the workers that are older than the file. Raises ReleaseError."""
        # Somebody else's reload may be under way, with the file before this one: its workers must not pass for ours.
        while not master.idle():
            if time.monotonic() > deadline:
                raise ReleaseError(f"nginx was busy with another signal for {self.timeout:g} s")
            time.sleep(0.005)
        old = {worker.pid for worker in master.workers()}
        master.reload()
        return old

    def _await(self, master: Master, old: set[int], deadline: float) -> bool:
        """Wait until only new workers take requests; then, for C(linger) seconds, until the old ones have ended.

        Return False when no new ones came until C(deadline).
        """
        patience: t.Optional[float] = None
        while True:
            workers = master.workers()
            serving = {worker.pid for worker in workers if not worker.leaving}
            if serving and not serving & old:
                patience = time.monotonic() + self.linger if patience is None else patience
                if len(serving) == len(workers) or time.monotonic() > patience:
                    return True
            elif time.monotonic() > deadline:
                return False
            time.sleep(0.005)

    def _take_back(self, before: t.Optional[str]) -> None:
        if before is None:
            _remove(self.path)
        else:
            _files.replace(self.path, before.encode())


def _remove(path: str) -> None:
    """Remove the file for good, if it is there. Raises ReleaseError."""
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            _files.sync_folder(os.path.dirname(path))
    except OSError as error:
        raise ReleaseError(f"cannot remove {path}: {error.strerror}") from error


def _text(path: str) -> t.Optional[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReleaseError(f"cannot read {path}: {error.strerror}") from error
