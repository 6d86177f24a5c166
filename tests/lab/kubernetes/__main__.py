# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the test bed up for a person to look at: C(python3 -m tests.lab.kubernetes up), and C(down)."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from tests.lab.kubernetes import control_plane, mesh, programs
from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.mesh import GATEWAY, Mesh

BED = programs.CACHE / "bed"
NOTE, LOG, PID = BED / "note", BED / "keeper.log", BED / "keeper.pid"


def up() -> int:
    """Start a keeper that owns the bed, wait until it stands, and say where it is; return the exit status."""
    if _keeper():
        print(NOTE.read_text() if NOTE.exists() else "it is starting")
        return 0
    why = control_plane.missing() or mesh.missing()
    if why:
        print(why.removeprefix("skipped: "), file=sys.stderr)
        return 2
    if not programs.is_built(*programs.CONTROL_PLANE, *programs.MESH):
        print("building Kubernetes and Istio, once: about 12 minutes on two cores", flush=True)
    BED.mkdir(parents=True, exist_ok=True)
    NOTE.unlink(missing_ok=True)
    with LOG.open("wb") as log:
        words = [sys.executable, "-m", __spec__.parent if __spec__ else "tests.lab.kubernetes", "keep"]
        keeper = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    PID.write_text(str(keeper.pid))
    while keeper.poll() is None:
        if NOTE.exists():
            print(NOTE.read_text())
            return 0
        time.sleep(0.1)
    print(LOG.read_text(), file=sys.stderr)
    return 1


def keep() -> int:
    """Own the bed until SIGTERM: programs that end with their parent must have one that stays."""
    signal.signal(signal.SIGTERM, _leave)
    cluster = ControlPlane(BED / "cluster").start()
    try:
        cluster.apply_definitions(programs.custom_resources())
        with_istio = Mesh(cluster).start()
        try:
            fresh = NOTE.with_suffix(".new")
            fresh.write_text(
                f"export KUBECONFIG={cluster.kubeconfig}\n"
                f"Istio's ingress: {with_istio.url}, for VirtualServices of the gateway {GATEWAY}\n"
                f"Envoy's admin interface: {with_istio.admin}\n"
                f"logs: {cluster.folder}/*.log {with_istio.folder}/*.log"
            )
            fresh.rename(NOTE)
            while True:
                signal.pause()
        finally:
            with_istio.stop()
    finally:
        cluster.stop()
    return 0


def down() -> int:
    """Ask the keeper to take the bed down, and wait until it has; return the exit status."""
    keeper = _keeper()
    if keeper:
        os.kill(keeper, signal.SIGTERM)
        while _keeper():
            time.sleep(0.1)
    NOTE.unlink(missing_ok=True)
    PID.unlink(missing_ok=True)
    return 0


def build() -> int:
    """Build what is not in the cache, a line for each program; return 0 also where nothing can be built."""
    why = programs.missing(*programs.EVERYTHING)
    if why:
        print(why)
        return 0
    for name in programs.EVERYTHING:
        begun = time.monotonic()
        place = programs.program(name)
        print(f"{place} {time.monotonic() - begun:.0f} s", flush=True)
    return 0


def built() -> int:
    """Return 0 when nothing is left to be built."""
    return int(not programs.is_built(*programs.EVERYTHING))


def _leave(_number: int, _frame: object) -> t.NoReturn:
    # Once is enough: a second one must not break what takes the bed down.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def _keeper() -> int:
    """Return the keeper's process number, 0 when none runs."""
    try:
        pid = int(PID.read_text())
        words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if b"keep" in words else 0


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab.kubernetes", description=__doc__)
    verbs = {"up": up, "down": down, "keep": keep, "build": build, "built": built}
    parser.add_argument("verb", choices=[*verbs], help="keep: what up starts, in the foreground; built: ask by status")
    return verbs[parser.parse_args().verb]()


if __name__ == "__main__":
    sys.exit(main())
