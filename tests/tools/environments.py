# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python environments of the tests, made once in the cache and completed when their requirements change."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench import Job, Skipped
from machine import locked, pythons

# Supported ansible-core -> the Pythons its controller runs on, the preferred one first.
CORES = {
    "2.16": ("3.11", "3.12", "3.10"),
    "2.17": ("3.11", "3.12", "3.10"),
    "2.18": ("3.12", "3.13", "3.11"),
    "2.19": ("3.12", "3.13", "3.11"),
    "2.20": ("3.13", "3.14", "3.12"),
    "2.21": ("3.13", "3.14", "3.12"),
}
TOOLS = ("3.13", "3.12", "3.14", "3.11")


def cores() -> list[str]:
    """Return the versions of ansible-core that the Pythons of this machine allow, oldest first."""
    return [core for core, wanted in CORES.items() if any(version in pythons() for version in wanted)]


def core_environment(job: Job, core: str) -> Path:
    """Return the C(bin) folder of an environment with C(core) and what the tests import."""
    return _environment(job, f"venv-{core}", CORES[core], f"ansible-core~={core}.0\n", "tests/requirements.txt")


def tools_environment(job: Job) -> Path:
    """Return the C(bin) folder of the environment with the linters and packagers."""
    return _environment(job, "tools", TOOLS, "", "tests/requirements-tools.txt")


def _environment(job: Job, name: str, wanted: tuple[str, ...], first: str, requirements: str) -> Path:
    usable = [version for version in wanted if version in pythons()]
    if not usable:
        raise Skipped(f"needs Python {' or '.join(sorted(wanted))}")
    bench = job.bench
    place = bench.cache / name
    lines = first + (bench.tree / requirements).read_text()
    stamp = place / f".complete-{hashlib.sha256(lines.encode()).hexdigest()[:16]}"
    with locked(bench.cache / f"{name}.lock"):
        if not stamp.exists():
            if not _works(place):
                job.run([pythons()[usable[0]], "-m", "venv", "--clear", place])
            listed = bench.folder / f"{name}.txt"
            listed.write_text(lines)
            job.run([place / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", listed])
            for old in place.glob(".complete-*"):
                old.unlink()
            stamp.touch()
    return place / "bin"


def _works(place: Path) -> bool:
    # A Python that was removed leaves a dangling link behind.
    return (place / "bin/python").exists() and (place / "bin/pip").exists()
