# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that the test bed starts: its log, how one waits for it, and how it ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import typing as t
from collections.abc import Sequence
from pathlib import Path

START_SECONDS = 120.0
STOP_SECONDS = 15.0
# A server ends with who started it, also when that is killed; util-linux has the program.
_BOUND = [found, "--pdeathsig", "TERM"] if (found := shutil.which("setpriv")) else []


class Server:
    """One program with its arguments; C(start) and C(stop) as often as one likes."""

    def __init__(self, command: Sequence[str | Path], log: Path, **environment: str) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's number; 0 when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def start(self, ready: t.Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Start, wait until C(ready) answers true (OSError: not yet); raises RuntimeError with the last words."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_BOUND, *self.command],
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if not until(lambda: self._process is not None and (self._process.poll() is not None or ready()), seconds):
            self.stop()
            raise RuntimeError(f"{self._name} was not ready after {seconds:.0f} s: {self.last_words()}")
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._name} exited {self._process.returncode}: {self.last_words()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by C(number), after 15 seconds by SIGKILL; returns when it is gone."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def last_words(self) -> str:
        """Return the end of its log, in one line."""
        return " | ".join(self.log.read_text(errors="replace").strip().splitlines()[-4:])

    @property
    def _name(self) -> str:
        return Path(self.command[0]).name


def until(true: t.Callable[[], t.Any], seconds: float, pause: float = 0.05) -> bool:
    """Ask C(true) until it says so, for C(seconds); return whether it did. An OSError is no answer yet."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            if true():
                return True
        except OSError:
            pass
        if time.monotonic() > give_up:
            return False
        time.sleep(pause)


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port of C(address) that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
