# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(ansible-test sanity) in its local mode, on a machine that reaches nothing but a package index."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

from bench import COLLECTION, Job, search_path
from environments import core_environment
from machine import locked, need, pythons


def sanity(job: Job, core: str) -> None:
    """Judge the collection by the sanity tests of C(core), on every Python of the machine that it supports."""
    need(job, "git")
    tools = core_environment(job, core)
    collections = job.bench.folder / job.name
    # ansible-test writes beside what it tests, and runs of several cores would meet there.
    shutil.copytree(job.bench.collections, collections, symlinks=True)
    # Its environments live in a home of their own, one for each core: two cores would make the same one at once.
    home = job.bench.cache / job.name
    with locked(job.bench.cache / f"{job.name}.lock"):
        _stand_in_for_get_pip(tools, home)
        _hand_on_pip_settings(job, tools, home)
        job.run(
            [tools / "ansible-test", "sanity", "--local", "--color", "no"],
            cwd=collections / COLLECTION,
            HOME=str(home),
            PATH=search_path(_links(job.bench.cache)),
        )


def _stand_in_for_get_pip(tools: Path, home: Path) -> None:
    [source] = tools.parent.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py")
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in re.findall(r"""\bpip=['"]([\d.]+)['"]""", source.read_text()):
        shutil.copy(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{version.replace('.', '_')}.py")


def _hand_on_pip_settings(job: Job, tools: Path, home: Path) -> None:
    # ansible-test drops the environment and we move the home: a private index or certificate would be lost.
    settings: dict[str, str] = {}
    for line in job.output([tools / "python", "-m", "pip", "config", "list"]).splitlines():
        key, _equals, value = line.partition("=")
        # The environment, which wins, is listed first.
        settings.setdefault(key.rpartition(".")[2], " ".join(ast.literal_eval(value).split()))
    # Its own pip calls fill the log with the names of wheels.
    settings["quiet"] = "1"
    config = home / ".config/pip/pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("\n".join(["[global]", *(f"{key} = {value}" for key, value in settings.items()), ""]))


def _links(cache: Path) -> Path:
    """Return a folder with a link to every Python of the machine: ansible-test looks for them on the PATH."""
    folder = cache / "pythons"
    with locked(cache / "pythons.lock"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for version, python in pythons().items():
            (folder / f"python{version}").symlink_to(python)
    return folder
