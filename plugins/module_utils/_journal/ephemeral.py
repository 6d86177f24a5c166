# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Would a folder be lost with the container of an AWX job or an execution environment?"""

from __future__ import annotations

import os
import re
import typing as t

# What AWX sets for a job (ansible-runner alone sets only AWX_ISOLATED_DATA_DIR, on plain hosts too).
_JOB_VARIABLES = ("AWX_PRIVATE_DATA_DIR", "AWX_HOST", "AWX_TASK_ENV")
_CONTAINER_GROUP = re.compile(r"docker|kubepods|libpod|containerd|crio")
_LOST_FILESYSTEMS = ("overlay", "tmpfs", "ramfs", "aufs", "fuse-overlayfs")


def ephemeral(path: str, environ: t.Optional[t.Mapping[str, str]] = None, root: str = "/") -> str:
    """Return what shows that C(path) lies in a job's container and on none of its lasting volumes, else an empty text.

    Slow to say so: a container alone is no reason (people live in them), nor is ansible-runner (it runs on plain
    hosts); both together are, unless a volume is mounted at or above C(path). C(/runner) itself goes with the job.
    """
    variables = os.environ if environ is None else environ
    container = _container(variables, root)
    job = _job(variables, root)
    if not container or not job:
        return ""
    mount, filesystem = _mount(path, root)
    lost = mount in ("/", "") or filesystem in _LOST_FILESYSTEMS or mount == "/runner" or mount.startswith("/runner/")
    return f"seen: {container}, {job}, {path} on {filesystem or 'the root'} mounted at {mount or '/'}" if lost else ""


def _container(environ: t.Mapping[str, str], root: str) -> str:
    for name in (".dockerenv", "run/.containerenv"):
        if os.path.exists(os.path.join(root, name)):
            return f"/{name}"
    for name in ("KUBERNETES_SERVICE_HOST", "container"):
        if environ.get(name):
            return name
    return "a container's cgroup" if _CONTAINER_GROUP.search(_text(os.path.join(root, "proc/1/cgroup"))) else ""


def _job(environ: t.Mapping[str, str], root: str) -> str:
    name = next((name for name in _JOB_VARIABLES if environ.get(name)), "")
    return name or ("/runner" if os.path.isdir(os.path.join(root, "runner")) else "")


def _mount(path: str, root: str) -> tuple[str, str]:
    """Return the mount point that C(path) is below, and its kind of filesystem."""
    target, best = os.path.realpath(path), ("", "")
    for line in _text(os.path.join(root, "proc/self/mountinfo")).splitlines():
        left, _dash, right = line.partition(" - ")
        point = left.split(" ")[4].replace("\\040", " ") if left.count(" ") >= 4 else ""
        inside = point and (target == point or target.startswith(point.rstrip("/") + "/"))
        if inside and len(point) >= len(best[0]):
            best = (point, right.split(" ")[0])
    return best


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
