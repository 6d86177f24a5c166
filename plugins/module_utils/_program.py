# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program from a driver, which works in modules and in actions: only a module has C(run_command)."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def run(command: t.Sequence[str], env: t.Mapping[str, str], patience: float, cwd: t.Optional[str] = None) -> Done:
    """Return how C(command) ended. Raises OSError when it cannot be started, TimeoutError after C(patience) seconds."""
    try:
        return asyncio.run(_run(command, env, patience, cwd))
    except asyncio.TimeoutError as error:
        raise TimeoutError(f"{command[0]} has not ended after {patience:.0f} s") from error


async def _run(command: t.Sequence[str], env: t.Mapping[str, str], patience: float, cwd: t.Optional[str]) -> Done:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), patience)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    return Done(process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))
