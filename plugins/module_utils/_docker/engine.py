# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine's own API over its unix socket.

The standard library does it: a call costs 0.6 ms, the C(docker) package takes half a second to import (FACTS), and
nothing here needs what that package is for, registries and TLS.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import typing as t
import urllib.parse

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError

DEFAULT = "unix:///var/run/docker.sock"


class NotThere(ReleaseError):
    """The engine has no such object."""


class Engine:
    """One engine, at C(address), such as C(unix:///var/run/docker.sock)."""

    def __init__(self, address: str, timeout: float = 30.0) -> None:
        scheme, _colon, self.path = address.partition("://")
        if scheme != "unix" or not os.path.isabs(self.path):
            raise ReleaseError(
                f"docker_host {address!r} is not a unix socket, such as {DEFAULT}: to reach another machine's engine, "
                "name that machine in 'machines'"
            )
        self.address = address
        self.timeout = timeout

    def get(self, path: str, **query: str) -> t.Any:
        """Return what C(GET) answers, JSON or text. Raises NotThere, Lost or ReleaseError."""
        return self.call("GET", path, **query)

    def call(self, method: str, path: str, body: t.Any = None, **query: str) -> t.Any:
        """Return what the engine answers. Raises NotThere, Lost or ReleaseError with the engine's own words."""
        content = None if body is None else json.dumps(body).encode()
        answer = self._send(method, path, content, query)
        return json.loads(answer) if answer[:1] in (b"{", b"[") else answer.decode("utf-8", "replace")

    def logs(self, container: str, lines: int) -> list[str]:
        """Return the last C(lines) that a container wrote, stdout and stderr as they came."""
        query = {"stdout": "1", "stderr": "1", "tail": str(lines)}
        raw = self._send("GET", f"/containers/{container}/logs", None, query)
        return [line.rstrip() for line in frames(raw).decode("utf-8", "replace").splitlines() if line.strip()]

    def _send(self, method: str, path: str, content: t.Optional[bytes], query: t.Mapping[str, str]) -> bytes:
        connection = _Connection(self.path, self.timeout)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise ReleaseError(f"cannot reach the Docker engine at {self.address}: {_reason(error)}") from error
            headers = {"Content-Type": "application/json"} if content is not None else {}
            connection.request(method, f"{path}?{urllib.parse.urlencode(query)}", content, headers)
            answer = connection.getresponse()
            found = answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise Lost(f"the Docker engine at {self.address} gave no answer to {method} {path}: {why}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            kind = NotThere if answer.status == 404 else ReleaseError
            raise kind(_words(found) or f"the engine answered {answer.status}")
        return found


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def frames(raw: bytes) -> bytes:
    """Return what a container wrote, without the 8 bytes before each piece that a container without a terminal has."""
    pieces = []
    at = 0
    while at + 8 <= len(raw):
        if raw[at] > 2 or raw[at + 1 : at + 4] != b"\0\0\0":
            return raw  # it has a terminal: no headers
        size = int.from_bytes(raw[at + 4 : at + 8], "big")
        pieces.append(raw[at + 8 : at + 8 + size])
        at += 8 + size
    return b"".join(pieces)


def _words(content: bytes) -> str:
    try:
        return " ".join(str(json.loads(content)["message"]).split())
    except (ValueError, KeyError, TypeError):
        return ""


def _reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission denied; this user is neither root nor in the group docker"
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return "nobody listens there; does the engine run?"
    return error.strerror or str(error)
