# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a load that runs beside something else: one JSON file, replaced every second while it runs.

It carries the names of the certificate from the first second on, so that another process reads the counts so far;
C(state) is C(running), C(finished) or C(failed). A file C(<report>.end) beside it asks the load to end.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.process import Process


def write(path: str, content: t.Mapping[str, t.Any]) -> None:
    """Replace the report. Raises ReleaseError."""
    temporary = f"{path}.{os.getpid()}.new"
    try:
        # No fsync: it could hold up the requests, and the load does not outlive its machine.
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise ReleaseError(f"cannot write the report {path}: {(error.strerror or str(error)).lower()}") from error


def read(path: str) -> dict[str, t.Any]:
    """Return the report as it stands now. Raises ReleaseError when there is none or it is not one of ours."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError) as error:
        words = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "not JSON"
        raise ReleaseError(f"no report of a load test at {path}: {words}") from error
    if not isinstance(content, dict) or "state" not in content:
        raise ReleaseError(f"no report of a load test at {path}: it holds something else")
    return content


def running(content: t.Mapping[str, t.Any]) -> bool:
    """Return whether the load that wrote this report still runs."""
    return content["state"] == "running" and Process(content["pid"], content["pid_started"]).alive()


def ask_to_end(path: str) -> None:
    """Ask the load that writes the report at C(path) to end. Raises ReleaseError."""
    try:
        with open(_end(path), "w", encoding="utf-8"):
            pass
    except OSError as error:
        raise ReleaseError(f"cannot ask the load test of {path} to end: {(error.strerror or '').lower()}") from error


def asked_to_end(path: str) -> bool:
    """Return whether somebody asked."""
    return os.path.exists(_end(path))


def forget_request(path: str) -> None:
    """Remove the request to end: it was for a load that is over."""
    with contextlib.suppress(OSError):
        os.unlink(_end(path))


def _end(path: str) -> str:
    return f"{path}.end"
