# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus on loopback, with its own folder and configuration, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time
import typing as t
import urllib.parse
import urllib.request
from pathlib import Path

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Prometheus:
    """One Prometheus that scrapes C(targets) (job to addresses): C(start), C(stop).

    C(paths) says of a job where its metrics are, when that is not C(/metrics).
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        targets: t.Mapping[str, t.Sequence[str]],
        scrape_interval: str = "1s",
        paths: t.Mapping[str, str] | None = None,
    ) -> None:
        found = shutil.which("prometheus")
        if not found:
            raise FileNotFoundError("no prometheus on PATH")
        self.binary, self.folder, self.port = found, folder, port
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "global": {"scrape_interval": scrape_interval, "scrape_timeout": scrape_interval},
            "scrape_configs": [
                {
                    "job_name": job,
                    "metrics_path": (paths or {}).get(job, "/metrics"),
                    "static_configs": [{"targets": list(where)}],
                }
                for job, where in targets.items()
            ],
        }
        self.config = folder / "prometheus.yml"
        self.config.write_text(json.dumps(config))  # JSON is YAML
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of its API."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *options: str) -> Prometheus:
        """Start with C(options) and wait until it answers; returns itself. Raises RuntimeError with its own words."""
        log = self.folder / "prometheus.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    self.binary,
                    f"--config.file={self.config}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--log.level=warn",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(log.read_text())
            with contextlib.suppress(OSError), _DIRECT.open(f"{self.url}/-/ready", timeout=1):
                return self
            time.sleep(0.1)
        raise RuntimeError(f"Prometheus did not come up: {log.read_text()}")

    def stop(self) -> None:
        """End it; its data stay in the folder."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Make it stand still: connections are taken, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._signal(signal.SIGCONT)

    def query(self, query: str) -> list[dict[str, t.Any]]:
        """Return the result of an instant query."""
        address = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with _DIRECT.open(address, timeout=5) as answer:
            return t.cast("list[dict[str, t.Any]]", json.load(answer)["data"]["result"])

    def wait_for(self, query: str, seconds: float = 20.0) -> None:
        """Wait until C(query) returns something. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.query(query):
                return
            time.sleep(0.2)
        raise TimeoutError(f"nothing for {query} after {seconds} s")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("it does not run")
        self._process.send_signal(number)
