# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nginx that runs: its master process, its workers, and what these may read."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _program
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

Version = tuple[int, ...]

RUN_SECONDS = 30.0
TITLE_SECONDS = 1.0


@dataclass(frozen=True)
class Worker:
    """One process that answers requests; C(leaving) after a reload, while it finishes what it has."""

    pid: int
    leaving: bool


class Master:
    """The master process that a pid file names."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @classmethod
    def find(cls, pid_file: str) -> t.Optional[Master]:
        """Return the running master, None when there is none. Raises ReleaseError when the file cannot be read."""
        try:
            with open(pid_file, encoding="ascii", errors="replace") as file:
                text = file.read().strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReleaseError(f"cannot read nginx's pid file {pid_file}: {error.strerror}") from error
        # A pid file that outlived its process may name anybody; an nginx that has just written it has no title yet.
        give_up = time.monotonic() + TITLE_SECONDS
        while text.isdigit():
            title = _title(int(text))
            if title.startswith("nginx: master"):
                return cls(int(text))
            if "nginx" not in title or time.monotonic() > give_up:
                break
            time.sleep(0.01)
        return None

    def workers(self) -> list[Worker]:
        """Return the workers, the leaving ones too."""
        titles = {pid: _title(pid) for pid in _children(self.pid)}
        return [
            Worker(pid, "shutting down" in title)
            for pid, title in sorted(titles.items())
            if title.startswith("nginx: worker process")
        ]

    def version(self, binary: str) -> str:
        """Return the version that runs, else that of C(binary), else nothing."""
        for program in (f"/proc/{self.pid}/exe", binary):
            with contextlib.suppress(ReleaseError):
                found = re.search(r"nginx version: \S+?/(\S+)", run(program, "-v"))
                if found:
                    return found.group(1)
        return ""

    def idle(self) -> bool:
        """Return whether it waits for signals. While it works on one, such as a reload, it blocks the others."""
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("SigBlk:"):
                    return not int(line.split()[1], 16) & 1 << signal.SIGHUP - 1
        return False

    def reload(self) -> None:
        """Ask for a reload. Raises ReleaseError when we may not or the process is gone."""
        try:
            os.kill(self.pid, signal.SIGHUP)
        except OSError as error:
            raise ReleaseError(f"cannot signal nginx (process {self.pid}): {error.strerror}") from error

    def barrier(self, folder: str) -> str:
        """Return the first folder on the way to C(folder) that the workers may not pass, empty when there is none.

        What they may not pass reads to nginx as "no such file", and every request would go to blue.
        """
        workers = self.workers()
        who = _credentials(workers[0].pid) if workers else None
        if who is None or 0 in who[0]:
            return ""
        users, groups = who
        path = os.path.realpath(folder)
        parents = [path]
        while path != "/":
            path = os.path.dirname(path)
            parents.append(path)
        for place in reversed(parents):
            with contextlib.suppress(OSError):
                seen = os.stat(place)
                bit = stat.S_IXUSR if seen.st_uid in users else stat.S_IXGRP if seen.st_gid in groups else stat.S_IXOTH
                if not seen.st_mode & bit:
                    return place
        return ""


def run(program: str, *arguments: str) -> str:
    """Return what nginx says, standard error included, when it succeeds.

    Raises ReleaseError with nginx's own words when it fails or cannot be started.
    """
    # /usr/sbin is not on every user's PATH.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    try:
        done = _program.run([program, *arguments], {**os.environ, "PATH": path, "LC_ALL": "C"}, RUN_SECONDS)
    except FileNotFoundError as error:
        raise ReleaseError(f"nginx is not at '{program}'; name the program by 'nginx'") from error
    except OSError as error:  # a TimeoutError is one
        raise ReleaseError(f"cannot run {program}: {error}") from error
    said = done.stdout + done.stderr
    if done.returncode:
        raise ReleaseError(_complaint(said) or f"{program} ended with status {done.returncode}")
    return said


def version_of(text: str) -> Version:
    """Return C(1.22.1) as C((1, 22, 1)), an empty tuple when it is no version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _complaint(output: str) -> str:
    """Return the line of nginx's output that says what is wrong, without time stamp and level."""
    lines = [line for line in output.splitlines() if line.strip()]
    bad = [line for line in lines if re.search(r"\[(emerg|alert|crit|error)\]", line)]
    return re.sub(r"^(nginx: )?(\S+ \S+ )?\[\w+\] (\d+#\d+: )?", "", (bad or lines or [""])[0]).strip()


def _title(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0").decode("utf-8", "replace")
    except OSError:
        return ""


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
            # The name in parentheses may hold blanks; what follows it is: state, parent, ...
            if int(file.read().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry))
    return found


def _credentials(pid: int) -> t.Optional[tuple[set[int], set[int]]]:
    """Return the effective user and the groups of a process, each as a set."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            rows = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return None
    return {int(rows["Uid"].split()[1])}, {int(rows["Gid"].split()[1]), *map(int, rows["Groups"].split())}
