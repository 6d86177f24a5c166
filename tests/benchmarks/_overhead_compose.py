# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release of a Compose project costs, beside the same flow with community.docker and beside a guide's script.

All take turns on one engine with three containers a slot, without load and without a bake. The guide's script has no
sleep and does not watch; its time holds no wait for health either, as it asks before the first check.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
import zipfile
from pathlib import Path

import yaml

import tests.conftest  # makes the collection importable, here and in child processes
from tests.lab.compose import images
from tests.lab.compose.engine import Engine
from tests.lab.compose.guide import Guide
from tests.lab.compose.project import Project
from tests.lab.hosts.nginx import newest_nginx

assert tests.conftest.COLLECTION

DRIVERS = ("compose-haproxy", "compose-nginx")
STEPS = [5, 25, 50, 100]
CONTAINERS = 3
# The package that carries community.docker; of it, only that collection is kept, in the cache.
ANSIBLE = "ansible==14.5.0"
KEPT = ("ansible_collections/community/docker/", "ansible_collections/community/library_inventory_filtering_v1/")
PACE = {"release_steps": STEPS, "release_bake_time": "0"}

Say = t.Callable[[str], None]
Task = dict[str, t.Any]


def figures(driver: str, runs: int, guide: Path | None, say: Say) -> dict[str, t.Any]:
    """Return the median seconds of each, and the ratios of a release to the others."""
    collections = community_docker()
    newest = newest_nginx() if driver == "compose-nginx" else None
    balancer = "haproxy" if driver == "compose-haproxy" else "nginx" if newest else "nginx-1.22"
    # nginx counts no requests in flight; here there are none.
    variables = {**PACE, **({} if balancer == "haproxy" else {"release_drain_timeout": "0"})}
    releases: list[float] = []
    modules: list[float] = []
    with Engine(Path(tempfile.mkdtemp(prefix="zdt-", dir="/tmp"))) as engine:
        with Project(engine, engine.folder / "shop", balancer, newest, variables) as project:
            for revision in ("v1", "v2"):
                images.shop(engine, revision, "--stop-grace 0")
            must(*project.deploy("v1", "-e", f"release_compose_capacity={CONTAINERS}"))
            for number in range(runs + 1):
                releases.append(timed(lambda: must(*project.deploy("v2"))))
                modules.append(timed(lambda: must(*play(project, collections, with_modules(project, "v1")))))
                say(f"release {releases[-1]:.2f} s, the same with modules {modules[-1]:.2f} s{_first(number)}")
        found = {
            "driver": driver,
            "runs": runs,
            "release_seconds": _median(releases[1:]),
            "modules_seconds": _median(modules[1:]),
            "release_over_modules": _ratio(releases[1:], modules[1:]),
        }
        return {**found, **of_the_guide(engine, guide, runs, releases[1:], say)} if guide else found


def of_the_guide(engine: Engine, file: Path, runs: int, releases: list[float], say: Say) -> dict[str, t.Any]:
    """Return the figures of the guide's script, each time on a stack of its own, as it leaves no container."""
    seconds, left, statuses = [], [], []
    for number in range(runs + 1):
        with Guide(engine, engine.folder / f"guide{number}", file.read_text(), waits=False) as guide:
            began = time.monotonic()
            status, _said = guide.deploy(f"v{number}")
            seconds.append(time.monotonic() - began)
            statuses.append(status)
            left.append(guide.containers())
        say(f"the guide's script without its sleeps {seconds[-1]:.2f} s, {left[-1]} containers left{_first(number)}")
    return {
        "guide_seconds": _median(seconds[1:]),
        "release_over_guide": _ratio(releases, seconds[1:]),
        "guide_exit_statuses": statuses[1:],
        "guide_containers_left": left[1:],
    }


def with_modules(project: Project, revision: str) -> list[Task]:
    """Return the tasks that people write for the same flow, without lock, journal, fence, proof or way back."""
    old, new = project.serving(), project.idle()
    env = project.folder / ".env"
    compose = {
        "project_src": str(project.folder),
        "files": [project.file, "lab.yml"],
        "docker_host": f"unix://{project.engine.socket}",
        "dependencies": False,
        "pull": "never",
    }

    def written(slot: str, **values: t.Any) -> list[Task]:
        lines = {f"APP_{slot}_{name}".upper(): value for name, value in values.items()}
        return [
            {
                "name": f"Write {name}",
                "ansible.builtin.lineinfile": {"path": str(env), "regexp": f"^{name}=", "line": f"{name}={value}"},
            }
            for name, value in lines.items()
        ]

    def service(slot: str, number: int) -> Task:
        asked = {**compose, "services": [f"app-{slot}"], "scale": {f"app-{slot}": number}}
        return {"name": f"Run {number} of {slot}", "community.docker.docker_compose_v2": {**asked, "wait": number > 0}}

    def asked(name: str, **headers: str) -> Task:
        return {"name": name, "ansible.builtin.uri": {"url": f"{project.url}/", "headers": headers}}

    tasks = written(new, image=f"zdt-shop:{revision}", revision=revision, scale=CONTAINERS)
    preview = asked("Ask the new revision", **{"X-Release-Slot": new})
    tasks += [service(new, CONTAINERS), {**preview, "register": "answer", "until": "answer is success", "retries": 50,
                                         "delay": 0.2}]  # fmt: skip
    for step in STEPS:
        weights = {new: step, old: 100 - step}
        tasks += [*_moved(project, weights), asked(f"Look at the answers at {step} %")]
    return [*tasks, *written(old, scale=0), service(old, 0)]


def _moved(project: Project, weights: dict[str, int]) -> list[Task]:
    state = project.folder / "balancer"
    if project.balancer != "haproxy":
        target = f"blue-{weights['blue']}_green-{weights['green']}"
        link = {"path": str(state / "shop/current"), "src": target, "state": "link", "force": True}
        return [{"name": f"Point at {target}", "ansible.builtin.file": link}]
    line = f"shop {weights['blue']}:{weights['green']}:0"
    file = {"path": str(state / "zerodowntime.map"), "regexp": "^shop ", "line": line}
    command = (
        "import socket; s = socket.socket(socket.AF_UNIX); "
        f"s.connect('{state}/admin.sock'); s.sendall(b'set map {state}/zerodowntime.map {line}\\n'); "
        "print(s.makefile().read())"
    )
    return [
        {"name": "Write the map", "ansible.builtin.lineinfile": file},
        {"name": "Set the map", "ansible.builtin.command": {"argv": [sys.executable, "-c", command]}},
    ]


def play(project: Project, collections: Path, tasks: list[Task]) -> tuple[int, str]:
    """Run the tasks in the controller's machine; return the status and what was said."""
    file = project.folder / "modules.yml"
    whole = {"name": "The same with modules", "hosts": "release_environments", "gather_facts": False, "tasks": tasks}
    file.write_text(yaml.safe_dump([whole], sort_keys=False, width=1000))
    done = subprocess.run(
        ["ansible-playbook", "-i", "inventory.yml", file.name],
        cwd=project.folder,
        env={**project.environment, "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def community_docker() -> Path:
    """Return the collections path with community.docker, from the Python package index, once. For this run alone."""
    cache = Path(os.environ.get("ZERODOWNTIME_CACHE") or "~/.cache/zerodowntime-bluegreen").expanduser()
    place = cache / f"benchmark-{ANSIBLE.replace('==', '-')}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            words = ["download", "-q", "--disable-pip-version-check", "--no-deps", "--dest", folder, ANSIBLE]
            subprocess.run([sys.executable, "-m", "pip", *words], check=True, stdout=sys.stderr)
            whole = next(Path(folder).glob("*.whl"))
            with zipfile.ZipFile(whole) as wheel:
                names = [name for name in wheel.namelist() if name.startswith(KEPT)]
                wheel.extractall(Path(folder) / "kept", names)
            shutil.move(Path(folder) / "kept", place)
    return place


def must(status: int, said: str) -> None:
    """Raise RuntimeError with everything that was said when the status is not 0."""
    if status:
        raise RuntimeError(said)


def timed(work: t.Callable[[], t.Any]) -> float:
    """Return the seconds that C(work) takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _median(seconds: list[float]) -> float:
    return round(statistics.median(seconds), 2)


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return round(statistics.median(ours) / statistics.median(theirs), 2)


def _first(number: int) -> str:
    return "" if number else " (to warm up, not counted)"
