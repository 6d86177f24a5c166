# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP/1.1 answer as it arrives: strict about its end, because a half answer is a dropped request."""

from __future__ import annotations

import typing as t

MAX_HEAD = 65536
MAX_KEPT = 1 << 20

_UNTIL_EOF = -1


class Malformed(Exception):
    """What arrived is not an HTTP/1.1 answer."""


class Answer:
    """One answer: feed it what arrives; C(complete) says when it is whole.

    C(status) is 0 until the head is there. C(body) is kept only when asked for, up to C(MAX_KEPT) bytes.
    """

    __slots__ = ("_buffer", "_chunked", "_head", "_keep", "_left", "_lower", "_trailer", "body", "complete", "status")

    def __init__(self, keep_body: bool = False) -> None:
        self.status = 0
        self.body = b""
        self.complete = False
        self._head = self._lower = self._buffer = b""
        self._left = 0
        self._chunked = self._trailer = False
        self._keep = keep_body

    def feed(self, data: bytes) -> None:
        """Take what arrived. Raises Malformed when it is no HTTP/1.1 answer."""
        self._buffer += data
        while not self.status:
            if not self._take_head():
                return
        if self._chunked:
            self._take_chunks()
        else:
            self._take_length()

    def end(self) -> None:
        """The connection ended: an answer without a length is complete now."""
        if self.status and self._left == _UNTIL_EOF and not self._chunked:
            self.complete = True

    def field(self, needle: bytes) -> str:
        """Return the value of the header whose C(needle) this is (see C(needle)), or nothing."""
        start = self._lower.find(needle)
        if start < 0:
            return ""
        start += len(needle)
        return self._head[start:self._head.index(b"\r\n", start)].strip().decode("latin-1")

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may carry another request after this answer."""
        if self._left == _UNTIL_EOF or self._buffer:
            return False
        wish = self.field(_CONNECTION).lower()
        if self._head.startswith(b"HTTP/1.0"):
            return wish == "keep-alive"
        return "close" not in wish

    def _take_head(self) -> bool:
        """Take one head off the buffer; return False while it is not whole. Interim answers are skipped."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD or not b"HTTP/1."[:len(self._buffer)] == self._buffer[:7]:
                raise Malformed("not an HTTP/1.1 answer")
            return False
        head = self._buffer[:end + 2]
        code = head[9:12]
        if not head.startswith(b"HTTP/1.") or not code.isdigit() or head[12:13] not in b" \r":
            raise Malformed("not an HTTP/1.1 answer")
        self._buffer = self._buffer[end + 4:]
        status = int(code)
        if 100 <= status < 200:
            if status == 101:
                raise Malformed("an upgrade nobody asked for")
            return True
        self.status, self._head, self._lower = status, head, head.lower()
        length = self.field(_CONTENT_LENGTH)
        if self.field(_TRANSFER_ENCODING):
            self._chunked = self.field(_TRANSFER_ENCODING).lower().endswith("chunked")
            self._left = 0 if self._chunked else _UNTIL_EOF
        elif status in (204, 304):
            self._left = 0
        elif length:
            if not length.isdecimal() or len(length) > 18:
                raise Malformed("a content length that is no number")
            self._left = int(length)
        else:
            self._left = _UNTIL_EOF
        return True

    def _take_length(self) -> None:
        if self._left == _UNTIL_EOF:
            self._store(self._buffer)
            self._buffer = b""
            return
        if len(self._buffer) < self._left:
            self._left -= len(self._buffer)
            self._store(self._buffer)
            self._buffer = b""
            return
        self._store(self._buffer[:self._left])
        self._buffer = self._buffer[self._left:]
        self._left = 0
        self.complete = True

    def _take_chunks(self) -> None:
        while True:
            if self._left:
                taken = min(self._left, len(self._buffer))
                # The last two bytes are the line end of the chunk, not of the body.
                self._store(self._buffer[:max(0, min(taken, self._left - 2))])
                self._buffer = self._buffer[taken:]
                self._left -= taken
                if self._left:
                    return
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise Malformed("a chunk without an end")
                return
            line = self._buffer[:end]
            self._buffer = self._buffer[end + 2:]
            if self._trailer:
                if not line:
                    self.complete = True
                    return
                continue
            try:
                size = int(line.partition(b";")[0].strip(), 16)
            except ValueError as error:
                raise Malformed("a chunk without a size") from error
            if size < 0:
                raise Malformed("a chunk without a size")
            if size:
                self._left = size + 2
            else:
                self._trailer = True

    def _store(self, data: bytes) -> None:
        if self._keep and len(self.body) < MAX_KEPT:
            self.body += data


def needle(name: str) -> bytes:
    """Return what C(Answer.field) looks for to find the header C(name)."""
    return b"\r\n" + name.lower().encode("latin-1", "replace") + b":"


_CONNECTION: t.Final = needle("Connection")
_CONTENT_LENGTH: t.Final = needle("Content-Length")
_TRANSFER_ENCODING: t.Final = needle("Transfer-Encoding")
