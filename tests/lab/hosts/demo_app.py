# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small web application with a version, metrics, a graceful stop and faults on demand.

    demo_app.py --port 8001 --revision v1 --slot blue

| route | answer |
|---|---|
| C(/) | GET: version and slot as JSON; POST: the length of the body as well |
| C(/slow?seconds=2) | the same, later |
| C(/health), C(/ready) | 200, or 503 while unhealthy |
| C(/metrics) | Prometheus text: C(http_requests_total), C(http_request_duration_seconds) of C(/) and C(/slow) |
| C(/fault) | POST JSON: C(error_rate), C(healthy), C(latency) in seconds, C(reset) next n requests; GET shows them |

Every answer carries C(X-Version), and C(X-Slot) when there is a slot. SIGTERM stops gracefully: the listener closes,
what is in flight is answered, idle connections may bring one more request during C(--stop-grace), answered with
C(Connection: close). C(--abrupt) dies at once instead.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import json
import os
import random
import signal
import socket
import struct
import time
import typing
import urllib.parse
from collections import Counter

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 411: "Length Required",
           413: "Content Too Large", 500: "Internal Server Error", 503: "Service Unavailable"}
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MAX_HEAD, MAX_BODY = 65536, 1 << 24
RESET = struct.pack("ii", 1, 0)


class App:
    """The application: what it answers, what it counted, which faults are switched on."""

    def __init__(self, revision: str, slot: str, error_rate: float, latency: float) -> None:
        self.revision, self.slot = revision, slot
        self.faults: dict[str, float] = {"error_rate": error_rate, "healthy": True, "latency": latency, "reset": 0}
        self.stopping = False
        self.connections: set[Connection] = set()
        self.statuses: Counter[int] = Counter()
        self.durations = [0] * (len(BUCKETS) + 1)
        self.duration_sum = 0.0
        self.home = json.dumps({"version": revision, "slot": slot}).encode()
        self.marks = f"X-Version: {revision}\r\n" + (f"X-Slot: {slot}\r\n" if slot else "")

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body for everything that is answered at once and not counted."""
        if path in ("/health", "/ready"):
            return (200, b'{"status": "ok"}') if self.faults["healthy"] else (503, b'{"status": "unhealthy"}')
        if path == "/metrics":
            return 200, self.metrics()
        if path == "/fault":
            return self.fault(body) if method == "POST" else (200, json.dumps(self.faults).encode())
        return 404, b'{"error": "no such path"}'

    def serve(self, method: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Return status and body of a counted request that took C(seconds)."""
        failed = self.faults["error_rate"] and random.random() < self.faults["error_rate"]
        status = 500 if failed else 200
        self.statuses[status] += 1
        self.durations[bisect.bisect_left(BUCKETS, seconds)] += 1
        self.duration_sum += seconds
        if failed:
            return 500, b'{"error": "a fault on demand"}'
        if method == "POST":
            return 200, json.dumps({"version": self.revision, "slot": self.slot, "received": len(body)}).encode()
        return 200, self.home

    def fault(self, body: bytes) -> tuple[int, bytes]:
        try:
            wanted = json.loads(body)
            unknown = sorted(set(wanted) - set(self.faults))
            if unknown:
                raise ValueError(f"unknown fault {unknown[0]}")
            self.faults.update({name: type(self.faults[name])(value) for name, value in wanted.items()})
        except (ValueError, TypeError) as error:
            return 400, json.dumps({"error": str(error)}).encode()
        return 200, json.dumps(self.faults).encode()

    def metrics(self) -> bytes:
        version = f'version="{self.revision}"'
        lines = ["# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{{version},status="{status}"}} {count}'
                  for status, count in sorted(self.statuses.items())]
        lines.append("# TYPE http_request_duration_seconds histogram")
        total = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.durations, strict=True):
            total += count
            lines.append(f'http_request_duration_seconds_bucket{{{version},le="{bound}"}} {total}')
        lines.append(f"http_request_duration_seconds_sum{{{version}}} {self.duration_sum:.6f}")
        lines.append(f"http_request_duration_seconds_count{{{version}}} {total}")
        return "\n".join(lines).encode() + b"\n"


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, keep-alive as HTTP/1.1 says."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.buffer = b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = typing.cast(asyncio.Transport, transport)
        self.app.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.app.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.busy:
            self.next_request()

    def next_request(self) -> None:
        """Answer the requests that are whole in the buffer; wait when one of them takes time."""
        while not self.busy and not self.transport.is_closing() and self.one_request():
            pass

    def one_request(self) -> bool:
        """Take one request out of the buffer and handle it; return False when none is whole."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > MAX_HEAD:
                self.reply("GET", 413, b"", keep=False)
            return False
        head = self.buffer[:end].decode("latin-1")
        line, _end, rest = head.partition("\r\n")
        headers = "\r\n" + rest.lower() + "\r\n"
        words = line.split(" ")
        length = header(headers, "content-length") or "0"
        if len(words) != 3 or not length.isdigit():
            self.reply("GET", 400, b"", keep=False)
            return False
        if "\r\ntransfer-encoding:" in headers:
            self.reply(words[0], 411, b"", keep=False)
            return False
        if int(length) > MAX_BODY:
            self.reply(words[0], 413, b"", keep=False)
            return False
        if len(self.buffer) < end + 4 + int(length):
            if header(headers, "expect") == "100-continue" and len(self.buffer) == end + 4:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return False
        body = self.buffer[end + 4:end + 4 + int(length)]
        self.buffer = self.buffer[end + 4 + int(length):]
        wish = header(headers, "connection")
        keep = wish == "keep-alive" if words[2] == "HTTP/1.0" else wish != "close"
        self.handle(words[0], words[1], body, keep)
        return True

    def handle(self, method: str, target: str, body: bytes, keep: bool) -> None:
        path, _mark, query = target.partition("?")
        if path not in ("/", "/slow"):
            return self.reply(method, *self.app.answer(method, path, body), keep)
        if method not in ("GET", "HEAD", "POST"):
            return self.reply(method, 405, b"", keep)
        if self.app.faults["reset"] > 0:
            self.app.faults["reset"] -= 1
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return self.transport.abort()
        wait = self.app.faults["latency"]
        if path == "/slow":
            try:
                wait += float(urllib.parse.parse_qs(query).get("seconds", ["2"])[0])
            except ValueError:
                return self.reply(method, 400, b'{"error": "seconds is a number"}', keep)
        if wait <= 0:
            return self.reply(method, *self.app.serve(method, body, 0.0), keep)
        self.busy = True
        asyncio.get_running_loop().call_later(wait, self.later, method, body, keep, time.monotonic())
        return None

    def later(self, method: str, body: bytes, keep: bool, since: float) -> None:
        self.busy = False
        self.reply(method, *self.app.serve(method, body, time.monotonic() - since), keep)
        self.next_request()

    def reply(self, method: str, status: int, body: bytes, keep: bool) -> None:
        keep = keep and not self.app.stopping
        self.transport.write(
            f"HTTP/1.1 {status} {REASONS[status]}\r\n{self.app.marks}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"{'' if keep else 'Connection: close' + chr(13) + chr(10)}\r\n".encode()
            + (b"" if method == "HEAD" else body)
        )
        if not keep:
            self.transport.close()


def header(headers: str, name: str) -> str:
    """Return the value of C(name) in lower-cased headers that stand between line ends, or nothing."""
    start = headers.find(f"\r\n{name}:")
    return headers[start + len(name) + 3:headers.index("\r\n", start + 2)].strip() if start >= 0 else ""


async def stop(app: App, server: asyncio.Server, grace: float) -> None:
    """Close the listener, answer what is in flight, give idle connections C(grace) seconds for a request under way."""
    app.stopping = True
    server.close()
    until = time.monotonic() + grace
    while app.connections:
        if time.monotonic() >= until:
            for connection in list(app.connections):
                if not connection.busy:
                    connection.transport.close()
        await asyncio.sleep(0.02)


async def main() -> None:
    parser = argparse.ArgumentParser(description="A demo application for blue-green releases.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0: a free one, printed as the first line")
    parser.add_argument("--revision", default="v1")
    parser.add_argument("--slot", default="")
    parser.add_argument("--error-rate", type=float, default=0.0, help="share of failing answers, 0 to 1")
    parser.add_argument("--slow", type=float, default=0.0, metavar="SECONDS", help="latency of every answer")
    parser.add_argument("--unhealthy", action="store_true", help="start with /health at 503")
    parser.add_argument("--stop-grace", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--abrupt", action="store_true", help="die at once on SIGTERM")
    options = parser.parse_args()

    app = App(options.revision, options.slot, options.error_rate, options.slow)
    app.faults["healthy"] = not options.unhealthy
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, (lambda: os._exit(143)) if options.abrupt else stopping.set)
    server = await loop.create_server(lambda: Connection(app), options.host, options.port, backlog=1024)
    print(f"listening on {options.host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await stopping.wait()
    await stop(app, server, options.stop_grace)


if __name__ == "__main__":
    asyncio.run(main())
