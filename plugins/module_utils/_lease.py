# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: a small process on the balancer's machine that puts traffic back when a run's heartbeats stop.

It is the only thing that survives the kill of a job container. Its file, beside the traffic object, is the heartbeat
(each renewal changes it), the order (which weights to put back, what may stand there, which fence) and the answer.
Where the run itself is a process of this machine, its death is noticed at once.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import select
import signal
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Driver, move

# What a caller passes as C(lease): weights and expect as in a move, the fence of a restore.
LEASE_SPEC: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "state": {"type": "str", "choices": ["held", "ended"], "default": "held"},
        "id": {"type": "str", "required": True},
        "ttl": {"type": "float", "default": 15.0},
        "weights": {"type": "dict"},
        "expect": {"type": "list", "elements": "dict"},
        "fence": {"type": "int"},
    },
}

# A stable slot that is down now may be back in a minute; after this long a person has to decide.
PATIENCE = 600.0

# A TCP connect loads this codec, which would be too late once the module's archive is gone from the disk.
"localhost".encode("idna")


def keep(driver: Driver, lease: t.Mapping[str, t.Any], owner: t.Optional[int] = None) -> str:
    """Start, renew or end the lease and return C(held), C(ended), C(fired) or C(none).

    C(owner) is the process whose death means that no renewal will come. C(fired): the run was taken for dead and
    traffic was put back; the caller must not write again. C(none): this driver has no place for a lease. Raises
    ReleaseError when the lease's file cannot be written.
    """
    stem = _stem(driver)
    if stem is None:
        return "none"
    path = stem + hashlib.sha256(lease["id"].encode()).hexdigest()[:12]
    with _files.locked(stem + "lock"):
        order = _read(path)
        if order and order.get("fired"):
            return "fired"
        if lease["state"] == "ended":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return "ended"
        for stale in glob.glob(glob.escape(stem) + "*"):
            if stale not in (path, stem + "lock"):
                os.unlink(stale)
        _write(path, {**{key: lease[key] for key in ("ttl", "weights", "expect", "fence")}, "boot": _boot()})
        # The file of a machine that was rebooted meanwhile outlived its watcher.
        if not order or order.get("boot") != _boot():
            _detach(lambda: _watch(driver, path, stem + "lock", owner))
        return "held"


def owned(driver: Driver) -> list[Owned]:
    """Return what this collection has made at the object: the driver's own, and the files of leases."""
    stem = _stem(driver)
    files = sorted(glob.glob(glob.escape(stem) + "*")) if stem else []
    about = {True: "the lock of leases, empty", False: "a lease, which ends by itself"}
    return [*driver.owned(), *(Owned("file", path, about[path == f"{stem}lock"]) for path in files)]


def _stem(driver: Driver) -> t.Optional[str]:
    """Return what the names of all leases of the object begin with, None where there is no place for them."""
    folder = driver.folder()
    name = hashlib.sha256(driver.identity().encode()).hexdigest()[:12]
    return None if folder is None else os.path.join(folder, f".zd-lease-{name}-")


def _boot() -> str:
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
    return ""


def _read(path: str) -> t.Optional[dict[str, t.Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            return t.cast("dict[str, t.Any]", json.load(file))
    except FileNotFoundError:
        return None


def _write(path: str, order: t.Mapping[str, t.Any]) -> None:
    # No fsync: a lease does not outlive its machine, and it is renewed every other second.
    temporary = path + ".new"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(order, file)
        os.rename(temporary, path)
    except OSError as error:
        raise ReleaseError(f"cannot write the lease {path}: {error.strerror}") from error


def _watch(driver: Driver, path: str, lock: str, owner: t.Optional[int]) -> None:
    """Wait until the run is dead or its file has not changed for its TTL of this clock, then put traffic back."""
    life, dead = _life_of(owner)
    seen, since = 0, time.monotonic()
    while True:
        try:
            stamp = os.stat(path).st_mtime_ns
        except FileNotFoundError:
            return
        if stamp != seen:
            seen, since = stamp, time.monotonic()
        order = _read(path)
        if order is None:
            return
        if dead or time.monotonic() - since > order["ttl"]:
            with _files.locked(lock):
                if os.path.exists(path) and os.stat(path).st_mtime_ns == seen:
                    _write(path, {**order, "fired": time.time()})
                    break
        # A process that has ended can be read from its descriptor.
        dead = dead or bool(select.select(life, [], [], min(0.5, order["ttl"] / 10))[0])
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            move(driver, {"weights": order["weights"], "expect": order["expect"], "fence": order["fence"]})
            return
        except Refused as error:
            if "no healthy server" not in str(error):
                return
        except ReleaseError:
            pass
        time.sleep(1)


def _life_of(owner: t.Optional[int]) -> tuple[list[int], bool]:
    """Return the descriptors that tell of the owner's end, none where the kernel has none, and whether it has come."""
    if owner is None or not hasattr(os, "pidfd_open"):
        return [], False
    try:
        return [os.pidfd_open(owner)], False
    except ProcessLookupError:
        return [], True
    except OSError:  # Linux before 5.3: the TTL has to do
        return [], False


def _detach(work: t.Callable[[], None]) -> None:
    """Run C(work) in a process of its own session that nothing of ours waits for, with no file of ours open."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            os.chdir("/")
            nothing = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nothing, descriptor)
            os.closerange(3, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 65536 else 65536)
            work()
    finally:
        os._exit(0)
