# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A door to a real API server that loses, delays or replaces answers, as networks and busy servers do."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.lab.kubernetes.api import Api

LOST = "lost"  # the server does it, and the connection ends without an answer
DEAD = "dead"  # the same, and nobody answers any more
Fault = str | int


class Door:
    """Usable as a context manager. C(writes) and C(reads) hold what happens to the next ones; a number is a status.

    C(rule) is asked for each request for which nothing is due: method and path in, a fault or None out.
    """

    def __init__(self, api: Api) -> None:
        self.writes: list[Fault] = []
        self.reads: list[Fault] = []
        self.seen: list[str] = []
        self.dead = False
        self.rule: t.Callable[[str, str], Fault | None] = lambda method, path: None
        self._lock = threading.Lock()
        self._api = api
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Door:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def options(self, token: str = "") -> dict[str, t.Any]:
        """Return a driver's options to go through this door."""
        return {"kubeconfig": None, "host": self.url, "api_key": token or self._api.token}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                door.handle(self)

            do_PATCH = do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *_words: object) -> None:
                pass

        return Handler

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request, with the fault that is due."""
        content = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._lock:
            self.seen.append(f"{request.command} {request.path}")
            due = self.reads if request.command == "GET" else self.writes
            fault = DEAD if self.dead else due.pop(0) if due else self.rule(request.command, request.path)
        if isinstance(fault, int):
            body = json.dumps({"kind": "Status", "code": fault, "message": f"a fault: {fault}"}).encode()
            return _answer(request, fault, body)
        if self.dead:
            request.close_connection = True
            return None
        status, body = self._forward(request, content)
        self.dead = fault == DEAD
        if fault:
            request.close_connection = True
            return None
        return _answer(request, status, body)

    def _forward(self, request: BaseHTTPRequestHandler, content: bytes) -> tuple[int, bytes]:
        trust = ssl.create_default_context(cafile=str(self._api.ca))
        connection = http.client.HTTPSConnection(self._api.url.partition("//")[2], timeout=30, context=trust)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "connection")}
        try:
            connection.request(request.command, request.path, content or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _answer(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
