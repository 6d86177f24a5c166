# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where requests go: a URL taken apart, TLS, and the bytes of a request."""

from __future__ import annotations

import functools
import re
import ssl
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True)
class Tls:
    """How a server proves itself: verified against C(ca_file), or the system's authorities when empty."""

    verify: bool = True
    ca_file: str = ""
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """Return the client context. Raises ReleaseError when the file of authorities cannot be used."""
        return _context(self)


@functools.lru_cache(maxsize=16)
def _context(tls: Tls) -> ssl.SSLContext:
    # Reading the system's authorities costs tens of milliseconds, and the release engine probes every second.
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
    except OSError as error:
        raise ReleaseError(f"cannot use {tls.ca_file} as authorities: {error.strerror or error}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True)
class Target:
    """A URL taken apart; C(authority) is what the Host header says, C(path) carries the query."""

    secure: bool
    host: str
    port: int
    authority: str
    path: str


def target(url: str) -> Target:
    """Return the parts of C(url). Raises ReleaseError with one sentence when it is not an absolute http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise ReleaseError(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or _UNPRINTABLE.search(url):
        raise ReleaseError(f"{url!r} is not a URL such as https://shop.example.com/")
    if "@" in parts.netloc:
        raise ReleaseError(f"the URL of {parts.hostname} carries credentials: give them as the option authorization")
    secure = parts.scheme == "https"
    path = parts.path or "/"
    return Target(
        secure,
        parts.hostname,
        port if port is not None else 443 if secure else 80,
        parts.netloc,
        f"{path}?{parts.query}" if parts.query else path,
    )


def request(
    method: str, where: Target, path: str, headers: t.Mapping[str, str], body: bytes = b"", keep: bool = True
) -> bytes:
    """Return the bytes of one HTTP/1.1 request; C(headers) win over our own. Raises ReleaseError for a bad one."""
    lines = {"host": f"Host: {where.authority}", "user-agent": "User-Agent: zerodowntime", "accept": "Accept: */*"}
    if not path.startswith("/") or _UNPRINTABLE.search(path):
        raise ReleaseError(f"{path!r} is not a path: it starts with / and has no spaces")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or "\r" in value or "\n" in value or "\0" in value:
            raise ReleaseError(f"the header {name!r} cannot be sent: its name or value holds what HTTP forbids")
        lines[name.lower()] = f"{name}: {value}"
    if method == "POST":
        lines["content-length"] = f"Content-Length: {len(body)}"
    if not keep:
        lines["connection"] = "Connection: close"
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines.values(), "", ""])
    try:
        return head.encode("latin-1") + body
    except UnicodeEncodeError as error:
        raise ReleaseError("path and headers can be sent in Latin-1 only: encode other characters") from error
