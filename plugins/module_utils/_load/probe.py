# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One probe: one GET on a connection of its own, never retried."""

from __future__ import annotations

import socket
import ssl
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.answer import Answer, Malformed, needle
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import (
    RevisionSource,
    revision_in,
    steps,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.target import Target, Tls, request, target


@dataclass(frozen=True)
class Probe:
    """What one GET saw. C(status) is 0 without an answer; then C(kind) is C(refused), C(reset), C(cut) or C(timeout).

    C(revision) and C(slot) are empty where the answer does not carry them; C(seconds) is how long it took.
    """

    url: str
    status: int = 0
    revision: str = ""
    slot: str = ""
    kind: str = ""
    detail: str = ""
    seconds: float = 0.0

    def fault(self, source: RevisionSource, expect: t.Optional[str] = None, status: int = 200) -> str:
        """Return what is wrong, as a sentence without its full stop; nothing when it is what was wanted.

        Wanted is an answer with C(status), and with the revision C(expect) unless that is None.
        """
        if self.kind:
            return f"{self.url}: {self.detail}"
        if self.status != status:
            return f"{self.url}: {self.status} instead of {status}"
        if expect is not None and not self.revision:
            return f"{self.url}: {source} absent"
        if expect is not None and self.revision != expect:
            return f"{self.url}: {source} is {self.revision} instead of {expect}"
        return ""


def probe(
    url: str,
    *,
    revision: t.Optional[RevisionSource] = None,
    slot_header: str = "X-Slot",
    headers: t.Optional[t.Mapping[str, str]] = None,
    timeout: float = 5.0,
    tls: t.Optional[Tls] = None,
    clock: t.Callable[[], float] = time.monotonic,
) -> Probe:
    """Return what one GET of C(url) saw within C(timeout) seconds; redirects are not followed, proxies not used.

    A failure of the service is in the result; ReleaseError is raised only for what cannot be sent at all.
    """
    where, source = target(url), revision or RevisionSource()
    content = request("GET", where, where.path, headers or {}, keep=False)
    path = steps(source.json_path) if source.json_path else []
    context = (tls or Tls()).context() if where.secure else None
    started = clock()
    exchange = _Exchange(where, context, tls.server_name if tls else "", started + timeout, clock)
    kind, detail = "", ""
    answer = Answer(keep_body=bool(path))
    try:
        exchange.open()
        exchange.ask(content, answer)
    except socket.timeout:
        kind, detail = "timeout", f"no whole answer within {timeout:g} s"
    except Malformed as error:
        kind, detail = "cut", str(error)
    except ssl.SSLCertVerificationError as error:
        kind, detail = "refused", f"its certificate is not trusted ({error.verify_message})"
    except ConnectionError as error:
        kind = "refused" if isinstance(error, ConnectionRefusedError) else "reset"
        detail = _words(error)
    except OSError as error:
        kind, detail = ("cut" if exchange.asked else "refused"), _words(error)
    finally:
        exchange.close()
    if kind:
        return Probe(url, kind=kind, detail=detail, seconds=clock() - started)
    return Probe(
        url,
        answer.status,
        revision_in(answer.body, path) if path else answer.field(needle(source.header)) if source else "",
        answer.field(needle(slot_header)) if slot_header else "",
        seconds=clock() - started,
    )


class _Exchange:
    """One connection for one answer, all of it before C(deadline) on C(clock)."""

    def __init__(
        self,
        where: Target,
        context: t.Optional[ssl.SSLContext],
        server_name: str,
        deadline: float,
        clock: t.Callable[[], float],
    ) -> None:
        self.asked = False
        self._where, self._context, self._server_name = where, context, server_name
        self._deadline, self._clock = deadline, clock
        self._sock: t.Optional[socket.socket] = None

    def open(self) -> None:
        self._sock = socket.create_connection((self._where.host, self._where.port), self._left())
        if self._context:
            self._sock.settimeout(self._left())
            self._sock = self._context.wrap_socket(self._sock, server_hostname=self._server_name or self._where.host)

    def ask(self, content: bytes, answer: Answer) -> None:
        sock = t.cast(socket.socket, self._sock)
        self.asked = True
        sock.settimeout(self._left())
        sock.sendall(content)
        while not answer.complete:
            sock.settimeout(self._left())
            data = sock.recv(65536)
            if data:
                answer.feed(data)
                continue
            answer.end()
            if not answer.complete:
                raise Malformed("half an answer" if answer.status else "closed without an answer")

    def close(self) -> None:
        if self._sock:
            self._sock.close()

    def _left(self) -> float:
        """Return the seconds left. Raises socket.timeout when there are none."""
        left = self._deadline - self._clock()
        if left <= 0:
            raise socket.timeout
        return left


def _words(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()
