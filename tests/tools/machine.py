# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine has: Pythons and programs; Debian's packages are installed where root asks for them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bench import Job, Skipped, search_path

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

# Debian's package for each program that a step starts.
PACKAGES = {
    "dockerd": "docker.io",
    "etcd": "etcd-server",
    "git": "git",
    "haproxy": "haproxy",
    "iptables": "iptables",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "ps": "procps",
    "runc": "runc",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
}

_REAL = "import ensurepip, os, ssl, sys, venv; print('%d.%d' % sys.version_info[:2], os.path.realpath(sys.executable))"
_POLICY = Path("/usr/sbin/policy-rc.d")


@cache
def pythons() -> dict[str, Path]:
    """Return version -> interpreter for every Python that can make an environment, on the PATH or made by pyenv."""
    found: dict[str, Path] = {}
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    for version in PYTHONS:
        on_path = shutil.which(f"python{version}")
        for candidate in [
            *([Path(on_path)] if on_path else []),
            *sorted(versions.glob(f"{version}.*/bin/python{version}")),
        ]:
            answer = subprocess.run([candidate, "-c", _REAL], capture_output=True, text=True, check=False)
            real, _space, place = answer.stdout.strip().partition(" ")
            if real == version:
                found[version] = Path(place)
                break
    return found


def need(job: Job, *programs: str) -> None:
    """Install what is missing of C(programs) when root on Debian; raise Skipped with the names otherwise."""
    missing = [name for name in programs if not shutil.which(name, path=search_path())]
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise Skipped(f"needs {', '.join(missing)}")
    with locked(job.bench.cache / "apt.lock"), _no_services():
        install = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *(PACKAGES[name] for name in missing)]
        lists = Path("/var/lib/apt/lists")
        if not any(lists.glob("*_Packages*")):
            job.run(["apt-get", "-q", "update"], DEBIAN_FRONTEND="noninteractive")
        job.run(install, DEBIAN_FRONTEND="noninteractive")


def like(job: Job, *programs: str) -> None:
    """Install what is missing of C(programs) where that can be; without them some tests skip themselves by name."""
    try:
        need(job, *programs)
    except Skipped as why:
        job.note(str(why))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on C(path): two runs on one machine share the cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep Debian from starting the servers that it installs: the tests start their own, on loopback."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
