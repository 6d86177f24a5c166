# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One demo application in a process of its own, on a port that the system chose."""

from __future__ import annotations

import subprocess
import sys
import typing as t
import urllib.request
from pathlib import Path

SCRIPT = Path(__file__).with_name("demo_app.py")


class DemoApp:
    """Usable as a context manager; C(url) ends with a slash."""

    def __init__(self, revision: str = "v1", *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "--port", "0", "--revision", revision, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = t.cast(t.IO[str], self.process.stdout).readline()
        self.port = int(line.rpartition(":")[2])
        self.url = f"http://127.0.0.1:{self.port}/"

    def fault(self, content: str) -> None:
        """Switch faults on or off; C(content) is what C(/fault) takes."""
        with urllib.request.urlopen(self.url + "fault", data=content.encode(), timeout=5):
            pass

    def __enter__(self) -> DemoApp:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        t.cast(t.IO[str], self.process.stdout).close()
