# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a whole release costs when nothing has to be waited for.

Usage: overhead [--driver haproxy] [--runs 5] [--environments 100]
       overhead --driver compose-haproxy|compose-nginx [--runs 5] [--guide GUIDE.md]

All in one run on one machine, so the ratios hold whatever its speed: a release of four steps against an empty play and
against the same flow written with plain modules over SSH to loopback; from a verdict to the traffic being back on every
balancer, in process and over SSH (an upper bound of the time to the first command); many environments in one play.
The drivers compose-* release containers of a Docker engine of their own, which needs root, against the same flow with
community.docker's modules and, with --guide, against that guide's script with its sleeps taken out.
Medians of the runs. Progress on stderr; the last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

import _overhead_compose
import yaml

import tests.conftest  # makes the collection importable, here and in child processes
from tests.lab.compose.engine import missing
from tests.lab.hosts.killing import Ground
from tests.lab.hosts.world import ENVIRONMENT, processes

assert tests.conftest.COLLECTION

STEPS = [5, 25, 50, 100]
PACE = {"release_steps": STEPS, "release_bake_time": "0", "release_gate": None}
GATE = {
    "analysis": "threshold",
    "source": {"haproxy": {}},
    "interval": "1s",
    "initial_delay": 0,
    "min_requests": 1,
}


def say(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", choices=["haproxy", *_overhead_compose.DRIVERS], default="haproxy")
    parser.add_argument("--guide", type=Path, help="a guide with a Compose file and a script, run beside it")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--environments", type=int, default=100)
    options = parser.parse_args()
    if options.driver in _overhead_compose.DRIVERS:
        if why := missing():
            raise SystemExit(why)
        print(json.dumps(_overhead_compose.figures(options.driver, options.runs, options.guide, say)))
        return
    with Ground("haproxy", **PACE) as ground:
        figures = costs(ground, options.runs)
        figures["breach_to_write_ms"] = breaches(ground, options.runs)
        figures.update(many(ground, options.environments))
    with Ground("haproxy", remote=True, **PACE) as ground:
        figures.update(over_ssh(ground, options.runs, figures))
        figures["breach_to_write_remote_ms"] = breaches(ground, options.runs)
    print(json.dumps({name: value for name, value in figures.items() if not name.startswith("_")}))


def costs(ground: Ground, runs: int) -> dict[str, t.Any]:
    """Return the seconds of an empty play and of a release in process, taken in turn, and their ratio."""
    empty = ground.folder / "empty.yml"
    empty.write_text(yaml.safe_dump([{"name": "Nothing", "hosts": "release_environments", "gather_facts": False}]))
    nothing, release = [], []
    for number in range(runs + 1):
        nothing.append(timed(lambda: play(ground, empty)))
        release.append(timed(lambda: ground.must("deploy", "-e", f"release_revision=cost{time.time_ns()}")))
        if number:
            say(f"empty play {nothing[-1]:.2f} s, release {release[-1]:.2f} s")
    ratios = [b / a for a, b in zip(nothing[1:], release[1:], strict=True)]
    return {
        "release_over_empty_play": round(statistics.median(ratios), 2),
        "empty_play_seconds": round(statistics.median(nothing[1:]), 2),
        "release_seconds": round(statistics.median(release[1:]), 2),
    }


def over_ssh(ground: Ground, runs: int, known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a release in process, and one over SSH, against plain modules over SSH."""
    flow = ground.folder / "modules.yml"
    modules, remote = [], []
    for number in range(runs + 1):
        flow.write_text(yaml.safe_dump([plain_modules(ground)], sort_keys=False, width=200))
        modules.append(timed(lambda: play(ground, flow)))
        remote.append(timed(lambda: ground.must("deploy", "-e", f"release_revision=ssh{time.time_ns()}")))
        if number:
            say(f"plain modules over SSH {modules[-1]:.2f} s, release over SSH {remote[-1]:.2f} s")
    seconds = statistics.median(modules[1:])
    return {
        "release_over_modules": round(known["release_seconds"] / seconds, 2),
        "release_over_modules_remote": round(statistics.median(remote[1:]) / seconds, 2),
        "modules_seconds": round(seconds, 2),
        "release_remote_seconds": round(statistics.median(remote[1:]), 2),
    }


def plain_modules(ground: Ground) -> dict[str, t.Any]:
    """Return the play that people write for the same flow, without lock, journal, fence, lease or certificate."""
    balancer = ground.balancers[0]
    python = (
        "python3 -c \"import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect('{socket}'); "
        "s.sendall(b'{command}\\n'); print(s.makefile().read())\""
    )

    def runtime(command: str) -> dict[str, t.Any]:
        return {"ansible.builtin.shell": python.format(socket=balancer.socket, command=command)}

    tasks: list[dict[str, t.Any]] = [
        {"name": "Read the weights", **runtime(f"show map {balancer.map}"), "register": "weights"},
        {"name": "Read the backends", **runtime("show stat"), "register": "backends"},
        {"name": "Note the start", "ansible.builtin.copy": {"content": "started", "dest": f"{ground.folder}/note"}},
        {"name": "Start the canary", "ansible.builtin.command": "true"},
        {
            "name": "Ask the canary",
            "ansible.builtin.uri": {"url": f"{balancer.url}/", "headers": {"X-Release-Slot": "green"}},
        },
    ]
    for step in STEPS:
        line = f"shop {100 - step}:{step}:0"
        tasks += [
            {
                "name": f"Write {step} % into the map",
                "ansible.builtin.lineinfile": {"path": str(balancer.map), "regexp": "^shop ", "line": line},
            },
            {"name": f"Set {step} %", **runtime(f"set map {balancer.map} shop {100 - step}:{step}:0")},
            {"name": f"Read {step} % back", **runtime(f"show map {balancer.map}"), "register": "read_back"},
            {"name": f"Look at the answers at {step} %", "ansible.builtin.uri": {"url": f"{balancer.url}/"}},
        ]
    tasks += [
        {"name": "Stop the old slot", "ansible.builtin.command": "true"},
        {"name": "Note the end", "ansible.builtin.copy": {"content": "ended", "dest": f"{ground.folder}/note"}},
        {
            "name": "Put the map back for the next run",
            "ansible.builtin.shell": python.format(
                socket=balancer.socket, command=f"set map {balancer.map} shop {_now(ground)}"
            ),
        },
        {
            "name": "And its file",
            "ansible.builtin.copy": {"content": f"shop {_now(ground)}\n", "dest": str(balancer.map)},
        },
    ]
    return {"name": "The same with modules", "hosts": "lb1", "gather_facts": False, "tasks": tasks}


def _now(ground: Ground) -> str:
    return str(ground.balancers[0].map.read_text().split()[1])


def breaches(ground: Ground, runs: int) -> float:
    """Return the median milliseconds from a failing verdict until the traffic was back on every balancer."""
    took = []
    for number in range(runs):
        revision = f"bad{time.time_ns()}"
        fault(ground, 0.6)
        lines: list[str] = []
        load = {"rate": 50}
        ground.run(
            "deploy",
            *("-e", f"release_revision={revision}"),
            *("-e", json.dumps({"release_gate": GATE, "release_steps": [50, 100], "release_certificate": load})),
            say=lines.append,
        )
        fault(ground, 0.0)
        back = next((line for line in lines if "FAIL" in line and "traffic is back" in line), "")
        if not back:
            raise RuntimeError("\n".join(lines))
        took.append(float(back.split(" after ")[-1].split()[0]))
        say(f"{number + 1}/{runs}: back after {took[-1]:.0f} ms")
    return statistics.median(took)


def many(ground: Ground, environments: int) -> dict[str, t.Any]:
    """Return seconds an environment in a play of C(environments), and MiB of a worker that waits."""
    inventory = yaml.safe_load((ground.folder / "inventory.yml").read_text())
    hosts = inventory["all"]["children"]["release_environments"]["hosts"]
    pattern = hosts.pop(ENVIRONMENT)
    balancer = ground.balancers[0]
    with balancer.map.open("a") as file:
        file.writelines(f"app{number} {_now(ground)}\n" for number in range(environments))
    balancer.reload()
    for number in range(environments):
        traffic = {"haproxy_traffic": {**balancer.options, "key": f"app{number}"}}
        hosts[f"env{number}"] = {**pattern, "release_app": f"app{number}", "release_traffic": traffic}
    (ground.folder / "many.yml").write_text(yaml.safe_dump(inventory))
    say(f"{environments} environments in one play")
    options = ("-i", "many.yml", "--limit", "env*", "--forks", str(environments), "-e", "release_verify=")
    took = timed(lambda: ground.must("deploy", *options, "-e", f"release_revision=many{time.time_ns()}"))
    waits = ("-e", f"release_revision=wait{time.time_ns()}", "-e", "release_bake_time=30s")
    run = ground.start("deploy", *options, *waits)
    waiting = memory(ground, run.pid, environments)
    say(f"{took / environments:.2f} s an environment, {waiting:.1f} MiB a waiting one")
    if run.stdout:
        run.stdout.read()
    run.wait()
    return {
        "environments": environments,
        "seconds_per_environment": round(took / environments, 3),
        "mib_per_waiting_environment": round(waiting, 1),
    }


def memory(ground: Ground, controller: int, environments: int) -> float:
    """Return the proportional set size of the workers when most of them wait, in MiB each."""
    give_up = time.monotonic() + 120
    best = 0.0
    while time.monotonic() < give_up:
        workers = [pid for pid in processes(ground.folder) if _parent(pid) == controller]
        if len(workers) >= environments * 0.9:
            sizes = [_pss(pid) for pid in workers]
            return sum(sizes) / len(sizes) / 1024
        best = max(best, float(len(workers)))
        time.sleep(0.1)
    raise RuntimeError(f"never more than {best:.0f} workers at once")


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next(float(line.split()[1]) for line in lines if line.startswith("Pss:"))


def play(ground: Ground, file: Path) -> None:
    """Run a playbook of its own in the ground's project. Raises CalledProcessError."""
    command = ["ansible-playbook", "-i", "inventory.yml", str(file)]
    done = subprocess.run(
        command, cwd=ground.folder, env=ground.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def fault(ground: Ground, rate: float) -> None:
    """Let the slot that is out of traffic answer C(rate) of its requests with an error."""
    canary = next(slot for slot, percent in (ground.live()[0] or {}).items() if percent == 0)
    for name in ground.machines[canary]:
        url = f"http://{ground.addresses[name]}:{ground.port}/fault"
        body = json.dumps({"error_rate": rate}).encode()
        urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=5).read()


def timed(work: t.Callable[[], t.Any]) -> float:
    """Return the seconds that C(work) takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


if __name__ == "__main__":
    main()
