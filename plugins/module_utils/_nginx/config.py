# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as the files say it: its includes followed, read, and tested with one file exchanged."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import hashlib
import os
import re
import shutil
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx import process

_INCLUDE = re.compile(r"""(?<![^\s;{}])include\s+("[^"\n]*"|'[^'\n]*'|[^;\s]+)\s*;""")
_COMMENT = re.compile(r"(?m)^\s*#.*$")


class Configuration:
    """The files that nginx reads, starting with its main one."""

    def __init__(self, main: str) -> None:
        self.main = main

    def text(self) -> str:
        """Return all of it, whole-line comments left out. Raises ReleaseError when a file cannot be read."""
        return _COMMENT.sub("", "\n".join(self._read(path) for path in self._walk(self.main, set())))

    def includes(self, path: str) -> bool:
        """Return whether nginx reads the file C(path), or would if it existed."""
        return any(
            _matches(path, pattern)
            for source in self._walk(self.main, {path})
            for pattern in self._patterns(self._read(source))
        )

    def try_with(self, path: str, content: str, folder: str, binary: str) -> None:
        """Let nginx test a copy of the configuration in which C(path) holds C(content).

        The copy lies in C(folder), which is made anew, and its main file beside the original: names of certificates
        and the like are relative to that place. Raises ReleaseError with nginx's own words when it would not load it.
        """
        candidate = os.path.join(os.path.dirname(self.main), f".zerodowntime-{_digest(folder)}.conf")
        names = {self.main: candidate}

        def copy(source: str) -> str:
            if source not in names:
                names[source] = os.path.join(folder, f"{len(names)}-{os.path.basename(source)}")
                _put(names[source], exchanged(content if source == path else self._read(source)))
            return names[source]

        def exchanged(text: str) -> str:
            return _INCLUDE.sub(lambda found: " ".join(f"include {copy(file)};" for file in files(found)), text)

        def files(found: re.Match[str]) -> list[str]:
            pattern = self._absolute(found.group(1))
            there = set(glob.glob(pattern)) | ({path} if _matches(path, pattern) else set())
            # A file that is missing stays named, so that nginx says so.
            return sorted(there) or ([] if glob.has_magic(pattern) else [pattern])

        shutil.rmtree(folder, ignore_errors=True)
        try:
            os.mkdir(folder, 0o700)
            _put(candidate, exchanged(self._read(self.main)))
            process.run(binary, "-t", "-q", "-c", candidate)
        except OSError as error:
            raise ReleaseError(f"cannot write a copy to test, {error.filename}: {error.strerror}") from error
        except ReleaseError as error:
            words = str(error)
            for source, copied in names.items():
                words = words.replace(copied, source)
            raise ReleaseError(words) from error
        finally:
            with contextlib.suppress(OSError):
                os.unlink(candidate)
            shutil.rmtree(folder, ignore_errors=True)

    def _walk(self, path: str, seen: set[str]) -> t.Iterator[str]:
        if path in seen:
            return
        seen.add(path)
        yield path
        for pattern in self._patterns(self._read(path)):
            for file in sorted(glob.glob(pattern)):
                yield from self._walk(file, seen)

    def _patterns(self, text: str) -> list[str]:
        return [self._absolute(found.group(1)) for found in _INCLUDE.finditer(_COMMENT.sub("", text))]

    def _absolute(self, written: str) -> str:
        return os.path.join(os.path.dirname(self.main), written.strip("\"'"))

    def _read(self, path: str) -> str:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except OSError as error:
            raise ReleaseError(f"cannot read nginx's configuration {path}: {error.strerror}") from error


def _matches(path: str, pattern: str) -> bool:
    # To fnmatch a star passes slashes, to nginx it does not.
    return fnmatch.fnmatchcase(path, pattern) and path.count("/") == pattern.count("/")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _put(path: str, text: str) -> None:
    # A configuration may hold secrets: whatever the modes of its files are, nobody else reads the copies.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
