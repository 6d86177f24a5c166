# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine and which process sends the requests of C(http_probe) and C(load_test)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from dataclasses import asdict

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load import detached
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._machines import Machine

START_PATIENCE = 30.0


def from_elsewhere(
    action: ReleaseAction, name: str, params: dict[str, t.Any], task_vars: dict[str, t.Any]
) -> dict[str, t.Any] | None:
    """Return the result of the module C(name) on C(params.machine); None when this process is to send the requests."""
    if not params["machine"]:
        return None
    given = {key: value for key, value in params.items() if value is not None and key != "machine"}
    machine = Machine.open(action, params["machine"], task_vars, [params["authorization"] or ""])
    try:
        result = machine.module(f"zerodowntime.bluegreen.{name}", given)
    finally:
        machine.close()
    if result.get("lost"):
        raise ReleaseError(result["msg"])
    return result


def start_by_subprocess(what: detached.Order) -> int:
    """Start a detached load and return the number of its process. Raises ReleaseError with its first words.

    A fork of an Ansible worker would take the locks of its threads along, so another Python is started.
    """
    code = f"import sys; sys.path.insert(0, sys.argv[1]); from {detached.__name__} import main; main()"
    # -S: the package ansible has an ansible_collections of its own in site-packages, which would hide this one.
    command = [sys.executable, "-I", "-S", "-c", code, _import_root()]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asdict(what)),  # headers may be secret: never on the command line
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_PATIENCE,
            cwd="/",
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReleaseError(f"cannot start the load test: {error}") from error
    return detached.number_in(done.stdout)


def _import_root() -> str:
    """Return the folder that holds C(ansible_collections)."""
    folder = os.path.abspath(detached.__file__)
    for _part in detached.__name__.split("."):
        folder = os.path.dirname(folder)
    return folder
