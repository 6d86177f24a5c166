# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Compose file reads about each slot: variables in an env file of which only our lines change.

C(image: ${APP_BLUE_IMAGE:-...}) and C(scale: ${APP_BLUE_SCALE:-0}) make a plain C(docker compose up -d) harmless: it
brings what stands, instead of the scale that somebody once wrote into the file.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

Values = t.Mapping[str, str]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[A-Za-z0-9_.:/@+,=-]*")


def name_of(service: str, what: str) -> str:
    """Return the variable of a service: C(APP_BLUE_IMAGE) for C(app-blue) and C(image)."""
    return re.sub(r"[^A-Za-z0-9]", "_", f"{service}_{what}").upper()


class EnvFile:
    """One env file. It need not exist yet."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, str]:
        """Return its variables, as far as we write them: one a line. Raises ReleaseError when it cannot be read."""
        found = {}
        for line in self._lines():
            name, equals, value = line.decode("utf-8", "surrogateescape").strip().partition("=")
            if equals and _NAME.fullmatch(name):
                quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
                found[name] = value[1:-1] if quoted else value
        return found

    def write(self, values: Values) -> None:
        """Make C(values) stand, every other line as it was, in one rename, or raise ReleaseError."""
        ours = {name: f"{name}={_quoted(name, value)}\n".encode() for name, value in values.items()}
        with _files.locked(f"{self.path}.lock"):
            lines = self._lines()
            if lines and not lines[-1].endswith(b"\n"):
                lines[-1] += b"\n"
            left = dict(ours)
            after = []
            for line in lines:
                name = line.partition(b"=")[0].strip().decode("utf-8", "replace")
                if name not in ours:
                    after.append(line)
                elif name in left:  # a second line of that name would win
                    after.append(left.pop(name))
            _files.replace(self.path, b"".join([*after, *left.values()]), 0o600)

    def _lines(self) -> list[bytes]:
        try:
            with open(self.path, "rb") as file:
                return file.read().splitlines(keepends=True)
        except FileNotFoundError:
            if os.path.isdir(os.path.dirname(self.path)):
                return []
            raise ReleaseError(f"the folder of {self.path} does not exist") from None
        except OSError as error:
            raise ReleaseError(f"cannot read {self.path}: {error.strerror}") from error


def _quoted(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if "'" in value or not value.isprintable():
        raise ReleaseError(f"the value of {name} holds a quote or a line break, which an env file cannot carry")
    return f"'{value}'"
