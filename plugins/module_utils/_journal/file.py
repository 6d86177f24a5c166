# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The C(file) store: a directory with one JSON file per journal."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.owned import Owned
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.ephemeral import ephemeral
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError, Unreachable
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Document, name_of

NOTHING = "none"
LOCK_SECONDS = 10.0
ROOM = 1024 * 1024
_NAME = re.compile(r"(?:.*-)?[0-9a-f]{16}\.json")


class FileStore:
    """Journals in C(path); created with mode 0700 by the first write."""

    def __init__(self, path: str, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        self._lock_seconds = lock_seconds

    def read(self, key: str) -> tuple[t.Optional[Document], str]:
        with self._sentences():
            return self._read(self._file(key))

    def swap(self, key: str, version: str, document: Document) -> bool:
        name = self._file(key)
        with self._sentences():
            self._make()
            with self._locked(f"{name}.lock"):
                if self._read(name)[1] != version:
                    return False
                self._write(name, document)
        return True

    def keys(self) -> list[str]:
        with self._sentences():
            try:
                names = os.listdir(self.path)
            except FileNotFoundError:
                return []
            found = (self._read(os.path.join(self.path, name))[0] for name in names if _NAME.fullmatch(name))
            return sorted(str(document["key"]) for document in found if document is not None)

    def check(self) -> dict[str, t.Any]:
        with self._sentences():
            there = self.path
            while not os.path.lexists(there):
                there = os.path.dirname(there)
            if not os.path.isdir(there):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), there)
            if not os.access(there, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), there)
            space = os.statvfs(there)
            free = space.f_frsize * (space.f_bfree if os.geteuid() == 0 else space.f_bavail)
            if free < ROOM or (space.f_files and not space.f_ffree):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), there)
            if there == self.path:
                self._probe()
        lost = ephemeral(self.path)
        if lost:
            raise JournalError(
                f"the journal {self.path} would be gone with this job's container ({lost}): set the journal's machine "
                "to one that stays, such as the balancer's, take the store dynamodb or kubernetes, or mount a volume "
                "there"
            )
        return {"store": "file", "path": self.path, "free_bytes": free, "exists": there == self.path}

    def owned(self, key: str) -> list[Owned]:
        name = self._file(key)
        about = {name: "the journal", f"{name}.lock": "its lock, empty", f"{name}.new": "a write that died"}
        return [Owned("file", path, what) for path, what in about.items() if os.path.exists(path)]

    # -- parts

    def _file(self, key: str) -> str:
        return os.path.join(self.path, f"{name_of(key)}.json")

    def _make(self) -> None:
        if not os.path.isdir(self.path):
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            _sync_directory(os.path.dirname(self.path))

    def _read(self, name: str) -> tuple[t.Optional[Document], str]:
        try:
            with open(name, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return None, NOTHING
        try:
            document = json.loads(content.decode("utf-8"))
        except ValueError:
            document = None
        if not isinstance(document, dict) or "key" not in document:
            raise JournalError(f"{name} is not a journal: move it away and run status to see where traffic is")
        return document, hashlib.sha256(content).hexdigest()

    def _write(self, name: str, document: Document) -> None:
        content = (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogateescape")
        # One name for all writers: they take turns under the lock, and what a killed one left is written over.
        new = f"{name}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
        finally:
            os.close(descriptor)
        os.rename(new, name)
        _sync_directory(self.path)

    @contextlib.contextmanager
    def _locked(self, name: str) -> t.Iterator[None]:
        """Hold the file's lock; the file is never deleted: unlink and create gave two owners in 10 of 400 races."""
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + self._lock_seconds
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    # A writer can be stopped while it holds the lock; a restore must not wait for it for ever.
                    if time.monotonic() >= deadline:
                        raise Unreachable(
                            f"another process has held {name} for {self._lock_seconds:g} s, which takes it a moment: "
                            f"fuser {name} names it"
                        ) from None
                    time.sleep(0.002)
            yield
        finally:
            os.close(descriptor)

    def _probe(self) -> None:
        """Write as much as a journal can need: a quota, or a disk that is full for this user, shows only then."""
        name = os.path.join(self.path, f".probe-{os.getpid()}")
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(b"\0" * (ROOM // 4))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    @contextlib.contextmanager
    def _sentences(self) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unreachable(self._sentence(error)) from error

    def _sentence(self, error: OSError) -> str:
        journal, name = f"the journal {self.path}", error.filename or self.path
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return f"{journal} cannot be written, the disk is full: make room, or set its path to another disk"
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return (
                f"{journal} cannot be used by user {os.geteuid()}, {name}: {error.strerror}: give that user the "
                "folder, or set the journal's path to one that it owns"
            )
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            return f"{journal} is not a folder, {name} is a file: set the journal's path to a folder"
        return f"{journal} cannot be used, {name}: {error.strerror or error}"


def _sync_directory(path: str) -> None:
    """Make a rename or a new name in C(path) survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
