# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every step of the tests, in the order in which they are begun."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from bench import Job, Skipped
from environments import core_environment, cores, tools_environment
from machine import need


@dataclass(frozen=True)
class Step:
    """One thing that is judged; C(alone) when it measures time or needs the whole machine."""

    name: str
    about: str
    judge: t.Callable[[Job], None]
    alone: bool = False


def steps() -> list[Step]:
    """Return the steps that this machine's Pythons allow."""
    return [
        Step("yamllint", "style of YAML", yamllint),
        Step("ruff", "faults and style of Python", ruff),
        Step("mypy", "types of module_utils, strict", mypy),
        *(Step(f"unit-{core}", f"unit tests, ansible-core {core}", _pytest("unit", core)) for core in cores()),
        *(
            Step(f"integration-{core}", f"real servers, ansible-core {core}", _pytest("integration", core), alone=True)
            for core in _ends(cores())
        ),
    ]


def yamllint(job: Job) -> None:
    """Judge every YAML file by .yamllint."""
    job.run([tools_environment(job) / "yamllint", "--strict", "."])


def ruff(job: Job) -> None:
    """Judge every Python file by pyproject.toml."""
    job.run([tools_environment(job) / "ruff", "check", "--no-cache", "--output-format", "concise", "."])


def mypy(job: Job) -> None:
    """Judge the types of module_utils by pyproject.toml."""
    tools = tools_environment(job)
    package = "ansible_collections.zerodowntime.bluegreen.plugins.module_utils"
    config = job.bench.tree / "pyproject.toml"
    cache = job.bench.cache / "mypy"
    job.run([tools / "mypy", "--config-file", config, "--cache-dir", cache, "-p", package], cwd=job.bench.collections)


def _pytest(kind: str, core: str) -> t.Callable[[Job], None]:
    def judge(job: Job) -> None:
        if not any((job.bench.tree / "tests" / kind).rglob("test_*.py")):
            raise Skipped(f"tests/{kind} holds no test yet")
        if kind == "integration":
            need(job, "haproxy", "nginx", "ssh", "sshd")
        job.run([core_environment(job, core) / "python", "-m", "pytest", "-p", "no:cacheprovider", f"tests/{kind}"])

    return judge


def _ends(versions: list[str]) -> list[str]:
    return sorted({versions[0], versions[-1]}, key=versions.index) if versions else []
