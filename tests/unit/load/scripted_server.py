# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on a real socket that does to each request exactly what a test says, resets and half answers included."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """What to do with one request: send C(content), wait C(pause) seconds, then keep, close, reset or hang."""

    content: bytes = b""
    then: str = "keep"
    pause: float = 0.0


def answer(status: int = 200, revision: str | None = "v1", body: bytes = b"ok", *headers: str) -> bytes:
    """Return the bytes of a whole answer, with its revision header unless that is None."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    if revision is not None:
        lines.append(f"X-Version: {revision}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class ScriptedServer:
    """Calls C(script) with the number of each request (from 1) and its bytes, and does what it returns."""

    def __init__(self, script: t.Callable[[int, bytes], Reply], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.last_at = 0.0
        self._script, self._tls = script, tls
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_error: object) -> None:
        # shutdown wakes the thread that accepts; close alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            sock.close()

    def hang_up(self) -> None:
        """Close every open connection in order, as a server does with idle ones."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _peer = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._sockets.append(sock)
            while self._one(sock):
                pass

    def _one(self, sock: socket.socket) -> bool:
        request = _read(sock)
        if not request:
            sock.close()
            return False
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
            self.last_at = time.monotonic()
        reply = self._script(number, request)
        if reply.content:
            sock.sendall(reply.content)
        time.sleep(reply.pause)
        if reply.then == "keep":
            return True
        if reply.then == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if reply.then != "hang":
            sock.close()
        return False


def _read(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return b""
        data += part
    head, _blank, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def closed_port() -> int:
    """Return a port that refuses connections: bound, never listened on."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    _KEPT.append(sock)
    return t.cast(int, sock.getsockname()[1])


_KEPT: list[socket.socket] = []
