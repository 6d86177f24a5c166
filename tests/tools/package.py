# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as its users get it: built, installed into an empty folder, imported as by a collection server."""

from __future__ import annotations

import json
import shutil
import tarfile
import typing as t
from pathlib import Path

from bench import COLLECTION, Failed, Job, search_path
from environments import core_environment, tools_environment
from machine import like, need

NAME = "zerodowntime.bluegreen"

# Content that a user reads the documentation of.
KINDS = ("module", "role", "filter", "test", "lookup", "callback")

# What must not be shipped, wherever it stands in the path of a file.
UNWANTED = {".git", ".ci", ".ansible", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", "output"}


def build(job: Job, core: str) -> None:
    """Build and install the collection with C(core): its plugins are documented, its playbooks found, and it releases.

    All of it from an empty folder, with nothing of the checkout on Ansible's paths.
    """
    tools = core_environment(job, core)
    tarball = _tarball(job, tools)
    with tarfile.open(tarball) as archive:
        unwanted = [name for name in archive.getnames() if UNWANTED.intersection(Path(name).parts)]
    if unwanted:
        raise Failed(f"shipped, but should not be: {', '.join(unwanted)}")

    empty = job.bench.folder / f"{job.name}-empty"
    empty.mkdir()
    installed = job.bench.folder / f"{job.name}-installed"
    where = {"ANSIBLE_COLLECTIONS_PATH": str(installed)}
    # With the checkout on its paths, ansible-galaxy would find the collection there and install nothing.
    install = ["collection", "install", "--offline", "-p", installed, tarball]
    job.run([tools / "ansible-galaxy", *install], cwd=empty, **where)
    named = _documented(installed / COLLECTION)
    if not named.get("module"):
        raise Failed(f"nothing was installed in {installed}")
    for kind, names in named.items():
        listed = json.loads(job.output([tools / "ansible-doc", "--json", "-l", "-t", kind, NAME], cwd=empty, **where))
        missing = [name for name in names if f"{NAME}.{name}" not in listed]
        if missing:
            raise Failed(f"ansible-doc does not list {kind} {', '.join(missing)}")
    playbooks = [f"{NAME}.{path.stem}" for path in sorted((installed / COLLECTION / "playbooks").glob("*.yml"))]
    job.run([tools / "ansible-playbook", "--syntax-check", "-i", "localhost,", *playbooks], cwd=empty, **where)
    like(job, "haproxy")
    if not shutil.which("haproxy", path=search_path()):
        job.remark = "no release by what was installed: needs haproxy"
        return
    job.run([tools / "python", "-m", "tests.lab.hosts.installed", installed])


def importer(job: Job) -> None:
    """Import the built collection like a server of collections: no warning, and documentation for every plugin."""
    need(job, "git")
    tools = tools_environment(job)
    tarball = _tarball(job, tools)
    command: list[str | Path] = [tools / "python", "-m", "galaxy_importer.main", tarball]
    said = job.output(command, cwd=tarball.parent, PATH=search_path(tools))
    troubles = [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR"))]
    if troubles:
        raise Failed(f"{len(troubles)} complaints of the importer, the first: {troubles[0]}")
    result = json.loads((tarball.parent / "importer_result.json").read_text())
    documented = {
        content["content_name"]: content
        for content in result["docs_blob"]["contents"]
        if content["content_type"] in KINDS
    }
    undocumented = sorted(name for name, content in documented.items() if not _has_documentation(content))
    if undocumented:
        raise Failed(f"without documentation: {', '.join(undocumented)}")
    modules = _documented(job.bench.tree).get("module", [])
    lost = sorted(set(modules) - set(documented))
    if lost:
        raise Failed(f"the importer lost {', '.join(lost)}")


def _tarball(job: Job, tools: Path) -> Path:
    folder = job.bench.folder / f"{job.name}-built"
    job.run([tools / "ansible-galaxy", "collection", "build", "--output-path", folder])
    [tarball] = folder.glob("*.tar.gz")
    return tarball


def _documented(collection: Path) -> dict[str, list[str]]:
    """Return kind of plugin -> the public names that C(collection) has of it."""
    names = {"module": [path.stem for path in sorted((collection / "plugins/modules").glob("[!_]*.py"))]}
    names["role"] = [path.parts[-3] for path in sorted(collection.glob("roles/*/meta/argument_specs.yml"))]
    for kind in KINDS[2:]:
        names[kind] = [path.stem for path in sorted((collection / "plugins" / kind).glob("[!_]*.py"))]
    return {kind: found for kind, found in names.items() if found}


def _has_documentation(content: dict[str, t.Any]) -> bool:
    if content["content_type"] == "role":
        return bool(content.get("readme_html"))
    return bool((content.get("doc_strings") or {}).get("doc"))
