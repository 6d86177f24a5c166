# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data plane: a real HAProxy that does what the listeners of the lab's load balancers say.

Weights and targets follow through the runtime API, without a reload; a listener, a rule or a target group that comes
or goes is a reload. As at an ALB a draining target keeps the requests it has, and when no target of a group is
healthy all of them get requests. Stickiness is not followed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.hosts.haproxy import free_port

SEATS = 12  # servers a target group can have
DICE = 100_000
FAMILIES = ("2xx", "3xx", "4xx", "5xx")  # of statuses

Servers = Mapping[str, Mapping[tuple[str, int], str]]


@dataclass(frozen=True)
class Route:
    """One rule, or the default action of a listener (no conditions): what decides, and where it leads."""

    name: str
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]
    groups: tuple[str, ...]
    status: str = ""  # of a fixed response, or of a redirect


class Edge:
    """One HAProxy for all load balancers of a lab. C(show) is called under the lab's lock."""

    def __init__(self, folder: Path, latencies: bool = False) -> None:
        found = shutil.which("haproxy") or next(iter(Path("/usr/sbin").glob("haproxy")), None)
        self.binary = str(found) if found else None
        self.socket = folder / "edge.sock"
        self._config, self._map = folder / "edge.cfg", folder / "edge.map"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ports: dict[str, int] = {}
        self._structure: object = None
        self._told: dict[str, str] = {}
        self._listening: list[str] = []
        # A log line for each answer of a target costs the data plane time: only for those who ask for it.
        self._log = _Log(folder / "edge.log.sock") if latencies else None

    def url(self, listener: str) -> str:
        """Return the front door of a listener (its ARN), without a path."""
        return f"http://127.0.0.1:{self._ports[listener]}"

    def urls(self) -> dict[str, str]:
        """Return the front door of every listener."""
        return {listener: self.url(listener) for listener in self._ports}

    def show(self, listeners: Mapping[str, list[Route]], weights: Mapping[str, list[int]], servers: Servers) -> None:
        """Make HAProxy follow: routes by listener, weights by route, and each group's targets with their state."""
        if self.binary is None or not listeners:
            return
        structure = (dict(listeners), sorted(servers))
        if structure != self._structure:
            self._build(listeners, weights, servers)
            self._structure, self._told = structure, {}
        commands = [*self._weights(weights), *self._servers(servers)]
        fresh = [(key, command) for key, command in commands if self._told.get(key) != command]
        for start in range(0, len(fresh), 50):
            self.ask(";".join(command for _key, command in fresh[start : start + 50]))
        self._told.update(fresh)

    def latencies(self) -> dict[str, list[float]]:
        """Return how long each answer of a target took since the last look, in seconds, by backend."""
        return self._log.taken() if self._log else {}

    def counters(self) -> dict[str, dict[str, int]]:
        """Return C(requests), the targets' answers C(2xx) to C(5xx) and the edge's own C(edge_5xx) of each backend."""
        if not self._processes:
            return {}
        lines = self.ask("show stat").splitlines()
        columns = lines[0].lstrip("# ").split(",")
        rows = [dict(zip(columns, line.split(","), strict=False)) for line in lines[1:] if line]
        totals: dict[str, dict[str, int]] = {}
        for row in rows:
            if row["svname"] == "FRONTEND":
                continue
            total = totals.setdefault(row["pxname"], dict.fromkeys(("requests", *FAMILIES, "edge_5xx"), 0))
            if row["svname"] == "BACKEND":  # the servers' answers and its own
                total["requests"] += int(row.get("req_tot") or 0)
                total["edge_5xx"] += int(row.get("hrsp_5xx") or 0)
                continue
            for family in FAMILIES:
                total[family] += int(row.get(f"hrsp_{family}") or 0)
            total["edge_5xx"] -= int(row.get("hrsp_5xx") or 0)
        return totals

    def close(self) -> None:
        """End HAProxy."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()
        if self._log:
            self._log.close()

    def ask(self, command: str) -> str:
        """Return the answer of the runtime API."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket))
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def _weights(self, weights: Mapping[str, list[int]]) -> list[tuple[str, str]]:
        return [(f"w:{name}", f"set map {self._map} {name} {_shares(each)}") for name, each in weights.items()]

    def _servers(self, servers: Servers) -> list[tuple[str, str]]:
        commands = []
        for group, targets in servers.items():
            usable = {address for address, state in targets.items() if state == "healthy"}
            if not usable:  # as an ALB does: better any target than none
                usable = {address for address, state in targets.items() if state in ("unhealthy", "initial")}
            seated = self._seats.setdefault(group, {})
            for address in [address for address in seated if address not in targets]:
                commands.append((f"s:{group}:{seated[address]}", f"set server {group}/s{seated[address]} state maint"))
                del seated[address]
            for address, state in targets.items():
                if address not in seated:
                    if state not in ("healthy", "unhealthy", "initial"):
                        continue
                    free = set(range(1, SEATS + 1)) - set(seated.values())
                    if not free:
                        continue  # until one of those that leave is gone
                    seated[address] = min(free)
                seat = f"{group}/s{seated[address]}"
                key = f"{group}:{seated[address]}"
                commands.append((f"a:{key}", f"set server {seat} addr {address[0]} port {address[1]}"))
                word = "ready" if address in usable else "drain"
                commands.append((f"s:{key}", f"set server {seat} state {word}"))
        return commands

    _seats: dict[str, dict[tuple[str, int], int]] = {}

    def _build(self, listeners: Mapping[str, list[Route]], weights: Mapping[str, list[int]], servers: Servers) -> None:
        self._seats = {}
        for listener in listeners:
            self._ports.setdefault(listener, free_port())
        self._map.write_text("".join(f"{name} {_shares(each)}\n" for name, each in weights.items()))
        self._config.write_text("\n".join(self._lines(listeners, servers)) + "\n")
        handover = []
        if self._processes:
            handover = ["-x", str(self.socket), "-sf", *(str(p.pid) for p in self._processes if p.poll() is None)]
        log = open(self._config.with_suffix(".log"), "ab")  # noqa: SIM115  # the child's for its life
        process = subprocess.Popen(
            [t.cast(str, self.binary), "-db", "-f", str(self._config), *handover],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self._processes.append(process)
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                if f"Pid: {process.pid}" in self.ask("show info"):
                    return
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        raise RuntimeError(self._config.with_suffix(".log").read_text())

    def _lines(self, listeners: Mapping[str, list[Route]], servers: Servers) -> t.Iterator[str]:
        yield f"global\n    stats socket {self.socket} mode 600 level admin expose-fd listeners\n    nbthread 2"
        yield "defaults\n    mode http\n    option idle-close-on-response\n    retries 0"
        yield "    timeout connect 5s\n    timeout client 60s\n    timeout server 60s"
        if self._log:
            yield f'    log {self._log.path} format raw local0\n    log-format "%b %Tr"'
        for listener, routes in listeners.items():
            yield f"frontend {_word(listener)}\n    bind 127.0.0.1:{self._ports[listener]}"
            yield f"    http-request set-var(txn.dice) rand({DICE})"
            for route in routes:
                tests = " ".join(f"{{ {_test(*condition)} }}" for condition in route.conditions)
                yield f"    http-request set-var(txn.route) str({route.name}) if !{{ var(txn.route) -m found }} {tests}"
            yield f"    http-request set-var(txn.shares) var(txn.route),map({self._map},0)"
            for route in routes:
                here = f"{{ var(txn.route) -m str {route.name} }}"
                if route.status:
                    yield f"    http-request return status {route.status} if {here}"
                for number, group in enumerate(route.groups, start=1):
                    mine = f"{{ var(txn.shares),field({number},:),sub(txn.dice) gt 0 }}"
                    yield f"    use_backend {group} if {here} {mine}"
        for group in servers:
            yield f"backend {group}\n    balance roundrobin"
            for seat in range(1, SEATS + 1):
                yield f"    server s{seat} 127.0.0.1:1 disabled"


class _Log:
    """What HAProxy says of each request: its backend, and the milliseconds to the target's answer, -1 without one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._found: dict[str, list[float]] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._listen, daemon=True).start()

    def taken(self) -> dict[str, list[float]]:
        """Return the seconds by backend, and forget them."""
        with self._lock:
            found, self._found = self._found, {}
        return found

    def close(self) -> None:
        """End the listening."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while line := self._socket.recv(1024):
                backend, _space, milliseconds = line.decode().strip().rpartition(" ")
                if milliseconds.isdigit():
                    with self._lock:
                        self._found.setdefault(backend, []).append(int(milliseconds) / 1000)


def _shares(weights: t.Sequence[int]) -> str:
    """Return the upper ends of each group's part of the dice."""
    total, ends, upto = sum(weights), [], 0
    for weight in weights:
        upto += weight
        ends.append(str(round(upto * DICE / total) if total else 0))
    return ":".join(ends) or "0"


def _test(field: str, name: str, values: tuple[str, ...]) -> str:
    patterns = " ".join("^" + re.escape(value).replace(r"\*", ".*").replace(r"\?", ".") + "$" for value in values)
    if field == "path-pattern":
        return f"path -m reg {patterns}"
    if field == "host-header":
        return f"req.hdr(host),host_only -m reg -i {patterns}"
    if field == "http-header":
        return f"req.fhdr({name}) -m reg -i {patterns}"
    if field == "http-request-method":
        return f"method {' '.join(values)}"
    raise ValueError(f"the lab's data plane does not know the condition {field}")


def _word(arn: str) -> str:
    return "l-" + arn.rpartition("/")[2]
