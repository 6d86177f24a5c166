# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as the files say it: its includes followed, read, and tested with one file exchanged."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import shutil
import tempfile
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

    def try_with(self, path: str, content: str, binary: str) -> None:
        """Let nginx test a copy of the configuration in which C(path) holds C(content).

        Raises ReleaseError with nginx's own words when it would not load it.
        """
        with contextlib.ExitStack() as stack:
            copies = tempfile.mkdtemp(prefix="zd-nginx-")
            stack.callback(shutil.rmtree, copies, ignore_errors=True)
            names: dict[str, str] = {}

            def copy(source: str) -> str:
                if source not in names:
                    names[source] = os.path.join(copies, f"{len(names)}-{os.path.basename(source)}")
                    _put(names[source], exchanged(content if source == path else self._read(source)))
                return names[source]

            def exchanged(text: str) -> str:
                return _INCLUDE.sub(lambda found: " ".join(f"include {copy(file)};" for file in files(found)), text)

            def files(found: re.Match[str]) -> list[str]:
                pattern = self._absolute(found.group(1))
                there = set(glob.glob(pattern)) | ({path} if _matches(path, pattern) else set())
                # A file that is missing stays named, so that nginx says so.
                return sorted(there) or ([] if glob.has_magic(pattern) else [pattern])

            # Beside the original: relative names of certificates and the like start at the main file's folder.
            try:
                handle, candidate = tempfile.mkstemp(prefix=".zd-test-", dir=os.path.dirname(self.main))
            except OSError as error:
                raise ReleaseError(f"cannot write a test copy beside {self.main}: {error.strerror}") from error
            os.close(handle)
            stack.callback(os.unlink, candidate)
            names[self.main] = candidate
            _put(candidate, exchanged(self._read(self.main)))
            try:
                process.run(binary, "-t", "-q", "-c", candidate)
            except ReleaseError as error:
                words = str(error)
                for source, copied in names.items():
                    words = words.replace(copied, source)
                raise ReleaseError(words) from error

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


def _put(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
