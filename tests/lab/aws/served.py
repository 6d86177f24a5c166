# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab in a process of its own, which can outlive the one that started it, as C(Shop) and C(Grouped) use a cloud."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t
import urllib.request

import boto3

READY_SECONDS = 60


class Served:
    """A lab that runs until somebody ends its process, which carries C(environment)."""

    def __init__(self, environment: t.Mapping[str, str], haproxy: str | None = None) -> None:
        command = [sys.executable, "-B", "-P", "-m", "tests.lab.aws._serve"]
        process = subprocess.Popen(
            [*command, *(["--haproxy", haproxy] if haproxy else [])],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a Ctrl-C at the terminal is for the release
        )
        assert process.stdout
        said: list[str] = []
        for line in process.stdout:
            said.append(line.strip())
            if said[-1] == "ready":
                break
        else:
            raise RuntimeError("the lab of AWS does not start: " + " | ".join(said[-3:]))
        self.environment = dict(line.split("=", 1) for line in said[:-1])
        self.endpoint = self.environment["AWS_ENDPOINT_URL"]
        self._clients: dict[str, t.Any] = {}

    def client(self, service: str) -> t.Any:
        """Return a boto3 client of the lab."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=self.environment["AWS_REGION"],
                endpoint_url=self.endpoint,
                aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            )
        return self._clients[service]

    def url(self, listener: str) -> str:
        """Return the front door of a listener, without a path. Raises KeyError before the data plane knows it."""
        with urllib.request.urlopen(f"{self.endpoint}/lab", timeout=10) as answer:
            return t.cast(str, json.load(answer)["listeners"][listener])

    def wait(self, what: str, true: t.Callable[[], bool], seconds: float = READY_SECONDS) -> None:
        """Wait until something is C(true). Raises TimeoutError."""
        give_up = time.monotonic() + seconds
        while not true():
            if time.monotonic() > give_up:
                raise TimeoutError(f"after {seconds} s still not: {what}")
            time.sleep(0.1)
