# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict client: an open loop of requests over keep-alive connections; nothing is ever sent twice."""

from __future__ import annotations

import asyncio
import errno
import math
import select
import ssl
import typing as t
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.answer import Answer, Malformed, needle
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import (
    RevisionSource,
    revision_in,
    steps,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.target import Tls, request, target

# Called every TICK with the seconds since the start: None to go on, or how long what is in flight may still take. It is
# asked until the end, so that it can shorten that time.
Watch = t.Callable[[float], t.Optional[float]]

TICK = 0.05
CATCH_UP = 1.0  # seconds of due requests sent at once after a stall of this process; the rest is never sent
BACKOFF = (1.0, 60.0)
_OUR_LIMITS = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True)
class Load:
    """What to send. Shares are percent of the requests; C(rate) is requests per second, 0: as fast as answers come."""

    url: str
    rate: float = 5.0
    connections: int = 10
    max_connections: int = 1000
    timeout: float = 10.0
    revision: RevisionSource = field(default_factory=RevisionSource)
    headers: t.Mapping[str, str] = field(default_factory=dict)
    post_path: str = ""
    post_share: int = 50
    post_body: str = "zerodowntime"
    slow_path: str = ""
    slow_share: int = 1
    tls: Tls = field(default_factory=Tls)
    backoff: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of request of the mix; C(slow) ones say nothing about latency."""

    content: bytes
    slow: bool = False


def mix(load: Load) -> list[Kind]:
    """Return the kinds of request in the order they are sent, over and over. Raises ReleaseError for a bad request.

    Every hundred requests are alike, each kind spread evenly (smooth weighted round robin): no chance is involved.
    """
    where = target(load.url)
    shares: dict[Kind, int] = {}
    if load.post_path:
        body = load.post_body.encode()
        shares[Kind(request("POST", where, load.post_path, load.headers, body))] = load.post_share
    if load.slow_path:
        shares[Kind(request("GET", where, load.slow_path, load.headers), slow=True)] = load.slow_share
    rest = 100 - sum(shares.values())
    if rest < 0 or any(share < 0 for share in shares.values()):
        raise ReleaseError(f"the shares {', '.join(map(str, shares.values()))} are not percents that fit into 100")
    shares[Kind(request("GET", where, where.path, load.headers))] = rest
    owed = dict.fromkeys(shares, 0)
    order = []
    for _turn in range(100):
        for kind, share in shares.items():
            owed[kind] += share
        due = max(owed, key=lambda kind: owed[kind])
        owed[due] -= 100
        order.append(due)
    return order


def run(load: Load, tally: Tally, watch: Watch) -> None:
    """Send C(load) and count it in C(tally) until C(watch) ends it. Times in C(tally) are of C(time.monotonic).

    Raises ReleaseError when this machine cannot send it.
    """
    loop = asyncio.new_event_loop()
    resolver = ThreadPoolExecutor(max_workers=4)
    loop.set_default_executor(resolver)
    try:
        loop.run_until_complete(Client(load, tally, watch, loop).run())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        resolver.shutdown(wait=False)  # a name server that does not answer must not hold the result back
        loop.close()


class Client:
    """Paces the requests and owns the connections."""

    def __init__(self, load: Load, tally: Tally, watch: Watch, loop: asyncio.AbstractEventLoop) -> None:
        self.load, self.tally, self.loop = load, tally, loop
        self.header = needle(load.revision.header) if load.revision.header else b""
        self.path = steps(load.revision.json_path) if load.revision.json_path else []
        self._watch = watch
        self._where = target(load.url)
        self._tls = load.tls.context() if self._where.secure else None
        self._mix = mix(load)
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._busy: dict[Connection, float] = {}  # in the order of their start: the oldest first
        self._sent = 0
        self._origin = self._started = loop.time()
        self._held_until = 0.0
        self._wait = BACKOFF[0]
        self._sending = True
        self._give_up = math.inf
        self._over: asyncio.Future[None] = loop.create_future()

    async def run(self) -> None:
        self.loop.set_exception_handler(self._broken)
        self._tick()
        if self.load.rate:
            self._pace()
        else:
            for _number in range(self.load.connections):
                self._send()
        try:
            await self._over
        finally:
            self._sending = False
            self.tally.unfinished = len(self._busy)
            self._busy.clear()
            for connection in list(self._open):
                connection.abandon()

    def finished(self, connection: Connection, reusable: bool) -> None:
        """The request on C(connection) is counted; keep it for the next one, or close it."""
        self._busy.pop(connection, None)
        if reusable and self._sending and len(self._idle) < self.load.connections:
            self._idle.append(connection)
        else:
            connection.abandon()
        if not self.load.rate and self._sending:
            self.loop.call_soon(self._send)

    def forget(self, connection: Connection) -> None:
        """C(connection) is gone: idle ones that the server closed are no loss (RFC 9112 9.3.1)."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def throttled(self, retry_after: str) -> None:
        """The server asked for less: hold, as long as it says or twice as long as last time."""
        now = self.loop.time()
        self.tally.throttled += 1
        if now < self._held_until:
            return
        asked = float(retry_after) if retry_after.isdecimal() else self._wait
        self._wait = min(self._wait * 2, BACKOFF[1])
        self._held_until = now + min(asked, BACKOFF[1])
        self.tally.hold(self._held_until)

    def welcome(self) -> None:
        """A good answer: the next 429 starts with the shortest wait again."""
        self._wait = BACKOFF[0]

    def fail(self, error: BaseException) -> None:
        """End the run with C(error): what would be counted from here on says nothing about the service."""
        if not self._over.done():
            self._over.set_exception(error)

    def _pace(self) -> None:
        """Send what is due and come back for the next one. Due times stand on a grid, whatever the answers do."""
        if not self._sending:
            return
        now, rate = self.loop.time(), self.load.rate
        if now < self._held_until:
            self._origin = self._held_until - self._sent / rate
        else:
            due = int((now - self._origin) * rate) + 1 - self._sent
            surplus = due - max(1, int(CATCH_UP * rate))
            if surplus > 0:
                self.tally.unsent += surplus
                self._origin += surplus / rate
                due -= surplus
            for _number in range(due):
                self._send()
        self.loop.call_at(self._origin + self._sent / rate, self._pace)

    def _send(self) -> None:
        if not self._sending:
            return
        if self.loop.time() < self._held_until:
            self.loop.call_at(self._held_until, self._send)
            return
        kind = self._mix[self._sent % len(self._mix)]
        self._sent += 1
        connection = self._ready() if len(self._open) >= self.load.connections else None
        now = self.loop.time()
        if connection:
            self._busy[connection] = now
            connection.ask(kind, now)
        elif len(self._open) < self.load.max_connections:
            connection = Connection(self, kind, now)
            self._open.add(connection)
            self._busy[connection] = now
            connection.opening = self.loop.create_task(self._connect(connection))
        else:
            self.tally.unsent += 1

    def _ready(self) -> t.Optional[Connection]:
        """Return the connection that is idle longest and clean, or None. Readable means closed or about to be read."""
        for _number in range(len(self._idle)):
            connection = self._idle.popleft()
            if not connection.readable():
                return connection
            self._idle.append(connection)
        return None

    async def _connect(self, connection: Connection) -> None:
        where, tls = self._where, self._tls
        try:
            await self.loop.create_connection(
                lambda: connection,
                where.host,
                where.port,
                ssl=tls,
                server_hostname=(self.load.tls.server_name or where.host) if tls else None,
                ssl_handshake_timeout=self.load.timeout if tls else None,
            )
        except OSError as error:
            if error.errno in _OUR_LIMITS:
                self.fail(ReleaseError(f"this machine cannot send that load: {error.strerror}"))
            connection.not_opened(error)

    def _tick(self) -> None:
        now = self.loop.time()
        while self._busy:
            connection, since = next(iter(self._busy.items()))
            if now - since < self.load.timeout:
                break
            connection.drop("timeout", f"no whole answer within {self.load.timeout:g} s")
        grace = self._watch(now - self._started)
        if grace is not None:
            self._give_up = min(self._give_up, now + grace)
            if self._sending:
                self._sending = False
                self.tally.end(now)
        if not self._sending and (not self._busy or now >= self._give_up):
            if not self._over.done():
                self._over.set_result(None)
            return
        self.loop.call_later(TICK, self._tick)

    def _broken(self, _loop: asyncio.AbstractEventLoop, context: dict[str, t.Any]) -> None:
        """A callback of ours raised: end the run with it. Failures of a socket are counted by its connection."""
        error = context.get("exception")
        if error is not None and not (isinstance(error, OSError) and "transport" in context):
            self.fail(error)


class Connection(asyncio.Protocol):
    """One connection with at most one request in flight; counts what became of it."""

    def __init__(self, client: Client, kind: Kind, now: float) -> None:
        self.opening: t.Optional[asyncio.Task[None]] = None
        self._client = client
        self._kind = kind
        self._since = now
        self._answer: t.Optional[Answer] = None
        self._transport: t.Optional[asyncio.Transport] = None
        self._poll = select.poll()
        self._asked = True

    def ask(self, kind: Kind, now: float) -> None:
        """Write one request."""
        self._kind, self._since, self._asked = kind, now, True
        self._write()

    def readable(self) -> bool:
        """Whether the kernel holds something the event loop has not read: an end, a reset, bytes nobody asked for."""
        return bool(self._poll.poll(0))

    def drop(self, kind: str, detail: str) -> None:
        """Count the request in flight as dropped and give the connection up."""
        self._asked = False
        client = self._client
        client.tally.drop(client.loop.time(), kind, detail, self._revision())
        self.abandon()
        client.finished(self, reusable=False)

    def abandon(self) -> None:
        """Close from our side; nothing is counted any more."""
        self._asked = False
        if self.opening and not self.opening.done():
            self.opening.cancel()
        if self._transport:
            self._transport.abort()
        self._client.forget(self)

    def not_opened(self, error: OSError) -> None:
        if isinstance(error, (ConnectionResetError, ConnectionAbortedError)):
            self.drop("reset", f"while connecting: {_words(error)}")
        elif isinstance(error, asyncio.TimeoutError) or error.errno == errno.ETIMEDOUT:
            self.drop("timeout", f"while connecting: {_words(error)}")
        else:
            self.drop("refused", _words(error))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        if self._asked:
            self._write()
        else:
            self.abandon()

    def data_received(self, data: bytes) -> None:
        if not self._asked or self._answer is None:
            # Bytes on an idle connection, such as a 408 of a balancer that is about to close it: nobody's answer.
            self.abandon()
            return
        try:
            self._answer.feed(data)
        except Malformed as error:
            self.drop("cut", str(error))
            return
        if self._answer.complete:
            self._count(self._answer)

    def eof_received(self) -> None:
        if self._asked and self._answer is not None:
            self._answer.end()
            if self._answer.complete:
                self._count(self._answer)

    def connection_lost(self, exc: t.Optional[Exception]) -> None:
        if self._asked:
            if not isinstance(exc, OSError) or isinstance(exc, ssl.SSLError):
                had = "half an answer" if self._answer and self._answer.status else "no answer"
                self.drop("cut", f"closed after the request was sent, {had}")
            elif exc.errno == errno.ETIMEDOUT:
                self.drop("timeout", _words(exc))
            else:
                self.drop("reset", _words(exc))
        self._client.forget(self)

    def _write(self) -> None:
        self._answer = Answer(keep_body=bool(self._client.path))
        if self._transport:
            self._transport.write(self._kind.content)

    def _count(self, answer: Answer) -> None:
        client, tally = self._client, self._client.tally
        now = client.loop.time()
        revision, status = self._revision(), answer.status
        self._asked = False
        if status == 429 and client.load.backoff:
            client.throttled(answer.field(_RETRY_AFTER))
        elif status < 400:
            tally.success(now, revision, None if self._kind.slow else now - self._since)
            client.welcome()
        elif client.load.revision and not revision:
            tally.drop(now, "balancer", f"status {status} without the {client.load.revision}")
        else:
            tally.error(revision, status, None if self._kind.slow else now - self._since)
        client.finished(self, answer.keeps_alive)

    def _revision(self) -> str:
        if not self._answer:
            return ""
        if self._client.header:
            return self._answer.field(self._client.header)
        return revision_in(self._answer.body, self._client.path) if self._client.path else ""


def _words(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()


_RETRY_AFTER: t.Final = needle("Retry-After")
