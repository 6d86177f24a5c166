# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Alertmanager on loopback, and alerts and silences in it."""

from __future__ import annotations

import json
import shutil
import typing as t
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.kubernetes.server import Server

PROGRAM = "prometheus-alertmanager"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Alertmanager:
    """One Alertmanager that tells nobody: C(start), C(stop)."""

    def __init__(self, folder: Path, port: int) -> None:
        binary = shutil.which(PROGRAM) or shutil.which("alertmanager")
        if not binary:
            raise FileNotFoundError(f"no {PROGRAM} on PATH")
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "alertmanager.yml"
        config.write_text(json.dumps({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
        self.url = f"http://127.0.0.1:{port}"
        words = [
            f"--config.file={config}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]
        self._server = Server([binary, *words], folder / "alertmanager.log")

    def start(self) -> Alertmanager:
        """Start and wait until it is ready; returns itself. Raises RuntimeError with its own words."""
        self._server.start(self._ready, 20)
        return self

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def fire(self, **labels: str) -> None:
        """Let an alert with C(labels) fire."""
        self._ask("/api/v2/alerts", [{"labels": labels}])

    def silences(self) -> list[dict[str, t.Any]]:
        """Return every silence there is or was."""
        return t.cast("list[dict[str, t.Any]]", self._ask("/api/v2/silences"))

    def _ask(self, path: str, body: t.Any = None) -> t.Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with _DIRECT.open(asked, timeout=5) as answer:
            return json.loads(answer.read() or b"null")

    def _ready(self) -> bool:
        with _DIRECT.open(f"{self.url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)


def seconds_left(silence: t.Mapping[str, t.Any]) -> float:
    """Return how many seconds C(silence) still lasts."""
    ends = datetime.fromisoformat(silence["endsAt"].replace("Z", "+00:00"))
    return (ends - datetime.now(UTC)).total_seconds()
