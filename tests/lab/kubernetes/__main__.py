# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the whole test bed up for a person to look at, and down again: C(tests/lab/kubernetes/bed up)."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from tests.lab.kubernetes import control_plane, images, mesh, node, programs
from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.host import unmount_below
from tests.lab.kubernetes.images import REVISIONS, SHOP
from tests.lab.kubernetes.mesh import GATEWAY, PARENT, Mesh
from tests.lab.kubernetes.node import Node


class Bed:
    """The test bed in C(folder), owned by a process that stays: some of its programs end with their parent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._note = folder / "note"
        self._places = folder / "places.json"
        self._pid = folder / "keeper.pid"

    def up(self) -> int:
        """Start the keeper, wait until the bed stands, and say where it is; return the exit status."""
        why = control_plane.missing() or mesh.missing()
        if why:
            print(why.removeprefix("skipped: "), file=sys.stderr)
            return 2
        try:
            self.start()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        print(self._note.read_text(), end="")
        return 0

    def start(self) -> dict[str, str]:
        """Start the keeper where none runs; return, by name, where things are. Raises RuntimeError with its log."""
        keeper = None
        if not self._keeper():
            build()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._note.unlink(missing_ok=True)
            keeper = self._start_keeper()
        # One's own child is not asked for its arguments: a process that was just started has none yet.
        while self._keeper() if keeper is None else keeper.poll() is None:
            if self._note.exists():
                return t.cast("dict[str, str]", json.loads(self._places.read_text()))
            time.sleep(0.1)
        raise RuntimeError(self._log.read_text().strip() or "the test bed has ended")

    def down(self) -> int:
        """Ask the keeper to take the bed down, and wait until it has; return the exit status."""
        keeper = self._keeper()
        if keeper:
            os.kill(keeper, signal.SIGTERM)
            while self._keeper():
                time.sleep(0.1)
        self._note.unlink(missing_ok=True)
        self._pid.unlink(missing_ok=True)
        return 0

    def keep(self) -> int:
        """Own the bed until SIGTERM; return the exit status."""
        signal.signal(signal.SIGTERM, _leave)
        # What a keeper left that was killed.
        unmount_below(self._folder)
        shutil.rmtree(self._folder / "cluster", ignore_errors=True)
        with contextlib.ExitStack() as ends:
            cluster = ControlPlane(self._folder / "cluster").start()
            ends.callback(cluster.stop)
            cluster.apply_definitions(programs.custom_resources())
            istio = Mesh(cluster).start()
            ends.callback(istio.stop)
            without = node.missing()
            if not without:
                machine = Node(cluster).start()
                ends.callback(machine.stop)
                machine.load(images.quick())
            places = {"kubeconfig": str(cluster.kubeconfig), "url": istio.url, "gateway_url": istio.gateway_url}
            self._places.write_text(json.dumps(places))
            loaded = f"images: {SHOP}, tags {' '.join(REVISIONS)}"
            fresh = self._note.with_suffix(".new")
            fresh.write_text(
                f"export KUBECONFIG={cluster.kubeconfig}\n"
                f"ingress: {istio.url}, of VirtualServices for the gateway {GATEWAY}\n"
                f"ingress: {istio.gateway_url}, of routes for the Gateway {PARENT['namespace']}/{PARENT['name']}\n"
                f"Envoy: {istio.admin}\n"
                f"{loaded if not without else 'no node: ' + without.removeprefix('skipped: ')}\n"
                f"logs: {cluster.folder}\n"
            )
            fresh.rename(self._note)
            while True:
                signal.pause()

    @property
    def _log(self) -> Path:
        return self._folder / "keeper.log"

    def _start_keeper(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "tests.lab.kubernetes", "keep", "--folder", str(self._folder)]
        with self._log.open("wb") as log:
            keeper = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._pid.write_text(str(keeper.pid))
        return keeper

    def _keeper(self) -> int:
        """Return the keeper's process number, 0 when none runs."""
        try:
            pid = int(self._pid.read_text())
            words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if b"keep" in words and str(self._folder).encode() in words else 0


def build() -> int:
    """Build what is not in the cache, a line for each program; return 0 also where nothing can be built."""
    why = programs.missing(*programs.EVERYTHING)
    if why:
        print(why)
        return 0
    if not programs.is_built(*programs.EVERYTHING):
        print("building Kubernetes, Istio and containerd, once: about 12 minutes on two cores", flush=True)
    for name in programs.EVERYTHING:
        if not programs.is_built(name):
            begun = time.monotonic()
            programs.program(name)
            print(f"{name} {time.monotonic() - begun:.0f} s", flush=True)
    return 0


def built() -> int:
    """Return 0 when nothing is left to be built."""
    return int(not programs.is_built(*programs.EVERYTHING))


def _leave(_number: int, _frame: object) -> t.NoReturn:
    # Once is enough: a second one must not break what takes the bed down.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="tests/lab/kubernetes/bed", description=__doc__)
    about = "keep: what up starts, in the foreground; build: what the cache lacks; built: ask for it, by status"
    parser.add_argument("verb", choices=["up", "down", "keep", "build", "built"], help=about)
    parser.add_argument("--folder", type=Path, default=programs.CACHE / "bed", help="where it lies (%(default)s)")
    arguments = parser.parse_args()
    bed = Bed(arguments.folder.absolute())
    verbs = {"up": bed.up, "down": bed.down, "keep": bed.keep, "build": build, "built": built}
    return verbs[arguments.verb]()


if __name__ == "__main__":
    sys.exit(main())
