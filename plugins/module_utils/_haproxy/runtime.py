# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's runtime API: one command per connection, over a unix socket or TCP.

Source: HAProxy management guide, section 9.3, "Unix Socket commands" (2.4 to 3.x).
"""

from __future__ import annotations

import csv
import errno
import os
import re
import socket
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError

_TCP = re.compile(r"(?:tcp(?:4|6)?[@:](?://)?)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9_.-]+):(\d+)")


class Runtime:
    """A stats socket of one HAProxy. C(address) is a path, or C(host:port)."""

    def __init__(self, address: str, timeout: float) -> None:
        self.address = address
        self.timeout = timeout

    def ask(self, command: str) -> str:
        """Return the answer to C(command).

        Raises ReleaseError when the socket cannot be reached, Lost when the command went out and no answer came.
        """
        with self._connect() as connection:
            answer = bytearray()
            try:
                connection.sendall(command.encode() + b"\n")
                while chunk := connection.recv(65536):
                    answer += chunk
            except OSError as error:
                raise Lost(f"HAProxy at {self.address} did not answer '{command.split()[0]}': {error}") from error
        text = answer.decode("utf-8", "replace")
        if text.lstrip().startswith("Permission denied"):
            raise ReleaseError(
                f"HAProxy at {self.address} refuses '{command.split()[0]} {command.split()[1]}': "
                "the socket needs 'level admin' in its configuration"
            )
        return text

    def order(self, command: str) -> None:
        """Give a command that answers nothing when it succeeds; any text is HAProxy's error. Raises ReleaseError."""
        answer = self.ask(command).strip()
        if answer:
            raise ReleaseError(f"HAProxy at {self.address} refuses '{command}': {answer.splitlines()[0]}")

    def level(self) -> str:
        """Return what this socket may do: C(user), C(operator) or C(admin)."""
        return self.ask("show cli level").strip()

    def info(self) -> dict[str, str]:
        """Return C(show info) by name (Version, Pid, Uptime_sec ...)."""
        lines = (line.partition(": ") for line in self.ask("show info").splitlines())
        return {name: value for name, colon, value in lines if colon}

    def backends(self) -> dict[str, dict[str, str]]:
        """Return the BACKEND row of C(show stat) by backend name, in C(checks) why its servers are down."""
        rows = list(csv.DictReader(self.ask("show stat").lstrip("# ").splitlines()))
        found = {row["pxname"]: {**row, "checks": ""} for row in rows if row.get("svname") == "BACKEND"}
        for row in rows:
            if row["pxname"] in found and row.get("check_status") and str(row.get("status")).startswith("DOWN"):
                told = f"{row['svname']}: {_check(row)}"
                found[row["pxname"]]["checks"] = "; ".join(filter(None, (found[row["pxname"]]["checks"], told)))
        return found

    def map_value(self, path: str, key: str) -> t.Optional[str]:
        """Return the value of C(key) in the loaded map C(path), None when it has no such key.

        Raises ReleaseError when HAProxy has not loaded that map.
        """
        answer = self.ask(f"show map {path}")
        if answer.lstrip().startswith("Unknown map"):
            raise ReleaseError(
                f"HAProxy at {self.address} has not loaded the map {path}: its frontend must read it "
                "(docs/examples/hosts/haproxy.cfg shows how)"
            )
        for line in answer.splitlines():
            parts = line.split(None, 2)
            if len(parts) == 3 and parts[1] == key:
                return parts[2].strip()
        return None

    def set_map(self, path: str, key: str, value: str) -> None:
        """Make C(key) have C(value) in the loaded map; the change is atomic for requests."""
        verb = "set" if self.map_value(path, key) is not None else "add"
        self.order(f"{verb} map {path} {key} {value}")

    def _connect(self) -> socket.socket:
        tcp = None if self.address.startswith("/") else _TCP.fullmatch(self.address)
        try:
            if tcp:
                return socket.create_connection((tcp.group(1).strip("[]"), int(tcp.group(2))), self.timeout)
            if not os.path.isabs(self.address):
                raise ReleaseError(f"'{self.address}' is neither an absolute path of a socket nor host:port")
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(self.timeout)
                connection.connect(self.address)
            except BaseException:
                connection.close()
                raise
            return connection
        except OSError as error:
            raise ReleaseError(f"cannot reach HAProxy at {self.address}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    reasons = {
        errno.ENOENT: "no such socket; is HAProxy running, with a 'stats socket' line for this path?",
        errno.EACCES: "permission denied; this user may not open the socket (see 'user', 'group', 'mode' of the line)",
        errno.ECONNREFUSED: "nobody listens there; is HAProxy running?",
    }
    return reasons.get(error.errno or 0, str(error))


def _check(row: t.Mapping[str, str]) -> str:
    """Return what the last health check of a server found: C(status 404), or HAProxy's own words."""
    code = row.get("check_code") or ""
    if code.isdigit() and len(code) == 3 and str(row.get("check_status")).lstrip("* ").startswith("L7"):
        return f"its health check gets status {code}"
    words = row.get("last_chk") or row.get("check_desc") or row.get("check_status") or ""
    return f"its health check says {words.lstrip('* ')}"
