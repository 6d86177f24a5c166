# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that others read while we change them: a lock that is never deleted, and a replacement that is never torn."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

LOCK_PATIENCE = 10.0


@contextlib.contextmanager
def locked(path: str, patience: float = LOCK_PATIENCE) -> t.Iterator[None]:
    """Hold C(flock) on the file C(path), which stays for ever (unlink + create gave two owners in FACTS).

    Raises ReleaseError when the file cannot be opened or is not free within C(patience) seconds.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ReleaseError(f"cannot lock {path}: {error.strerror}") from error
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise ReleaseError(f"{path} is locked by another process for {patience:.0f} s") from error
                time.sleep(0.002)
        yield
    finally:
        os.close(lock)


def replace(path: str, content: bytes, mode: t.Optional[int] = None) -> None:
    """Replace the file C(path) by C(content): temporary file, fsync, rename, fsync of the folder.

    Mode and owner of an existing file stay; a new file gets C(mode), 0644 when None. Raises ReleaseError.
    """
    folder = os.path.dirname(path) or "."
    try:
        old = os.stat(path)
    except FileNotFoundError:
        old = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=".zd-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode) if old else 0o644 if mode is None else mode)
                if old and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(folder)
    except OSError as error:
        raise ReleaseError(f"cannot write {path}: {error.strerror}; it is as it was") from error


def sync_folder(folder: str) -> None:
    """Make a rename in C(folder) survive a power cut. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
