# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that gives recorded answers of a real Prometheus, and answers that no API should give."""

from __future__ import annotations

import contextlib
import http.server
import json
import ssl
import threading
import time
import typing as t
import urllib.parse
from pathlib import Path

ANSWERS = Path(__file__).parent / "answers"


def recorded(name: str) -> bytes:
    """Return one recorded answer."""
    return (ANSWERS / f"{name}.json").read_bytes()


def changed(name: str, change: t.Callable[[list[dict[str, t.Any]]], None]) -> bytes:
    """Return a recorded answer after C(change) worked on its series."""
    answer = json.loads(recorded(name))
    change(answer["data"]["result"])
    return json.dumps(answer).encode()


class Server:
    """Gives C(answers), pairs of status and body, one after the other; the last one again and again.

    A test may set the attribute C(answers) instead, one for each method. C(heard) are method, path and raw body.
    """

    def __init__(self, *answers: tuple[int, bytes], delay: float = 0.0, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []  # path, form, headers
        self.heard: list[tuple[str, str, bytes]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        self._answers, self._delay = list(answers), delay
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self) -> None:
                self._answer(b"")

            do_DELETE = do_GET

            def _answer(self, content: bytes) -> None:
                outer.heard.append((self.command, self.path, content))
                outer.asked.append((self.path, dict(urllib.parse.parse_qsl(content.decode())), dict(self.headers)))
                time.sleep(outer._delay)
                if outer.answers:
                    status, body = outer.answers[self.command]
                else:
                    status, body = outer._answers.pop(0) if len(outer._answers) > 1 else outer._answers[0]
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "http://elsewhere.example.com/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, format: str, *args: t.Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._secure = tls is not None
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http{'s' if self._secure else ''}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
