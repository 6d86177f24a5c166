# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every step of the tests, in the order in which they are begun."""

from __future__ import annotations

import re
import typing as t
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import Job, Skipped, search_path
from environments import core_environment, cores, tools_environment
from machine import like, need
from package import build, importer
from sanity import sanity

# What the integration tests start.
SERVERS = ("haproxy", "nginx", "prometheus", "prometheus-alertmanager", "ps", "ssh", "sshd")
# The tests of Kubernetes have a step of their own: what they start is built first.
KUBERNETES = "tests/integration/kubernetes"
# Two engines and each look at them a module over SSH: minutes on a busy machine.
DOCKER_HOSTS = "tests/integration/docker_hosts"
# What brings the collections amazon.aws and community.aws.
MODULES = "ansible==14.5.0"


@dataclass(frozen=True)
class Step:
    """One thing that is judged."""

    name: str
    about: str
    judge: t.Callable[[Job], None]
    # Of the slow matrix: run when it is named, or with --all.
    nightly: bool = False


def steps() -> list[Step]:
    """Return the steps that this machine's Pythons allow."""
    every = cores()
    ends = sorted({every[0], every[-1]}, key=every.index) if every else []
    return [
        Step("yamllint", "style of YAML", yamllint),
        Step("ruff", "faults and style of Python", ruff),
        Step("mypy", "types of module_utils, strict", mypy),
        Step("ansible-lint", "playbooks and roles, production profile", ansible_lint),
        Step("changelog", "changelog fragments", changelog),
        Step("docs", "documentation of plugins and roles", docs),
        *(Step(f"build-{core}", f"built, installed, found: {core}", partial(build, core=core)) for core in ends),
        *(Step(f"drift-{core}", f"options as documented, {core}", partial(drift, core=core)) for core in ends),
        Step("checks", "these checks themselves", checks),
        Step("importer", "imported without a warning", importer),
        *(
            Step(f"integration-{core}", f"real servers, {core}", _pytest("integration", core), core != ends[-1])
            for core in ends
        ),
        *(
            Step(f"kubernetes-{core}", f"real API server, Istio and pods, {core}", _kubernetes(core), True)
            for core in every[-1:]
        ),
        *(
            Step(f"aws-infrastructure-{core}", f"its playbook with amazon.aws in the lab, {core}", _modules(core), True)
            for core in every[-1:]
        ),
        *(
            Step(f"docker-hosts-{core}", f"two Docker hosts over SSH, {core}", _docker_hosts(core), True)
            for core in every[-1:]
        ),
        Step("molecule", "the scenarios of extensions/molecule", molecule),
        *(Step(f"unit-{core}", f"unit tests, {core}", _pytest("unit", core)) for core in every),
        *(Step(f"sanity-{core}", f"ansible-test sanity, {core}", partial(sanity, core=core)) for core in every),
    ]


def yamllint(job: Job) -> None:
    """Judge every YAML file by .yamllint."""
    job.run([tools_environment(job) / "yamllint", "--strict", "--format", "parsable", "."])


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


def ansible_lint(job: Job) -> None:
    """Judge playbooks, roles and metadata by .ansible-lint."""
    need(job, "git")
    tools = tools_environment(job)
    job.run([tools / "ansible-lint", "--offline", "--profile", "production", "-f", "pep8"], PATH=search_path(tools))


def changelog(job: Job) -> None:
    """Judge the fragments of the changelog."""
    job.run([tools_environment(job) / "antsibull-changelog", "lint"])


def docs(job: Job) -> None:
    """Judge the markup and schema of the documentation that plugins and roles carry."""
    tools = tools_environment(job)
    words = ["lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self", "."]
    job.run([tools / "antsibull-docs", *words], PATH=search_path(tools))


def drift(job: Job, core: str) -> None:
    """Compare defaults with argument specs, and what actions take with what is documented."""
    python = core_environment(job, core) / "python"
    here = Path(__file__).parent
    job.run([python, here / "check_argument_specs.py", job.bench.tree])
    job.run([python, here / "check_action_specs.py", job.bench.tree], PYTHONPATH=str(job.bench.collections))


def checks(job: Job) -> None:
    """Judge the drift checks: each finds what it is there for."""
    job.run([tools_environment(job) / "python", "-m", "pytest", "-p", "no:cacheprovider", "tests/tools"])


def molecule(job: Job) -> None:
    """Run every molecule scenario: a shop that is released from its playbooks alone."""
    need(job, "haproxy")
    like(job, "dockerd", "iptables")
    tools = tools_environment(job)
    place = job.bench.folder / job.name
    lab = {"PYTHONPATH": f"{job.bench.tree}:{job.bench.collections}"}
    why = job.output([tools / "python", "-m", "tests.lab.compose", "missing"], **lab)
    job.remark = f"compose {why}" if why else ""
    job.run(
        [tools / "molecule", "test", *(["--scenario-name", "default"] if why else ["--all"])],
        PATH=search_path(tools),
        XDG_CACHE_HOME=str(place),
        ANSIBLE_HOME=str(place),
    )


def _pytest(kind: str, core: str) -> t.Callable[[Job], None]:
    def judge(job: Job) -> None:
        if not any((job.bench.tree / "tests" / kind).rglob("test_*.py")):
            raise Skipped(f"tests/{kind} holds no test yet")
        if kind == "integration":
            need(job, *SERVERS)
            like(job, "dockerd", "iptables")
        try:
            words = ["-m", "pytest", "-p", "no:cacheprovider", f"tests/{kind}"]
            others = [f"--ignore={KUBERNETES}", f"--ignore={DOCKER_HOSTS}"]
            job.run([core_environment(job, core) / "python", *words, *others])
        finally:
            job.remark = _closing(job)

    return judge


def _kubernetes(core: str) -> t.Callable[[Job], None]:
    """Run the tests on a cluster: nightly, as its programs take Go all cores for 12 minutes to build the first time."""

    def judge(job: Job) -> None:
        need(job, "etcd", "openssl", "ps")
        like(job, "iptables", "runc")
        python = core_environment(job, core) / "python"
        try:
            job.run([python, "-m", "tests.lab.kubernetes", "build"])
            job.run([python, "-m", "pytest", "-p", "no:cacheprovider", KUBERNETES])
        finally:
            job.remark = _closing(job)

    return judge


def _modules(core: str) -> t.Callable[[Job], None]:
    """Run what needs amazon.aws and community.aws: nightly, as the package ansible that brings them has 50 MB."""

    def judge(job: Job) -> None:
        need(job, "haproxy")
        python = core_environment(job, core) / "python"
        place = job.bench.cache / MODULES.replace("==", "-")
        if not (place / "ansible_collections/community/aws/MANIFEST.json").exists():
            folder = job.bench.folder / "modules"
            job.run([python, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, MODULES])
            (wheel,) = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as packed:
                wanted = ("ansible_collections/amazon/aws/", "ansible_collections/community/aws/")
                packed.extractall(place, [name for name in packed.namelist() if name.startswith(wanted)])
        try:
            words = ["-m", "pytest", "-p", "no:cacheprovider", "tests/integration/aws/test_aws_infrastructure.py"]
            job.run([python, *words], ZERODOWNTIME_AMAZON_AWS=str(place))
        finally:
            job.remark = _closing(job)

    return judge


def _docker_hosts(core: str) -> t.Callable[[Job], None]:
    """Run the tests on several Docker hosts: nightly."""

    def judge(job: Job) -> None:
        need(job, "dockerd", "haproxy", "iptables", "ssh", "sshd")
        try:
            job.run([core_environment(job, core) / "python", "-m", "pytest", "-p", "no:cacheprovider", DOCKER_HOSTS])
        finally:
            job.remark = _closing(job)

    return judge


def _closing(job: Job) -> str:
    """Return what pytest says last: how many tests passed, failed, were skipped."""
    closing = re.findall(r"^=+ (.*\d (?:passed|failed|error).*) in [\d.]+s.* =+$", job.log.read_text(), re.M)
    return closing[-1] if closing else ""
