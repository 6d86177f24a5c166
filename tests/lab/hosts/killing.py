# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are killed at a known moment, and what became of traffic and journal afterwards.

Nothing in the collection knows of it: a moment is what can be seen from outside, a change of the journal's file, of a
balancer's file, or of what a balancer does. Entry n of the journal is the moment before the write that it announces.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
import typing as t
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.lab.hosts.demo import SCRIPT
from tests.lab.hosts.haproxy import HAProxy, free_port
from tests.lab.hosts.nginx import Nginx
from tests.lab.hosts.sshd import SshMachines
from tests.lab.hosts.world import ENVIRONMENT, SLOTS, World

VICTIMS = ("controller", "worker", "both", "container")
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")

Weights = dict[str, int]
Live = tuple[Weights | None, ...]

# What a release of this lab takes at most, and a run that was killed until nothing of it lives.
RUN_SECONDS = 90.0
DEATH_SECONDS = 45.0
# How much later than its TTL a lease may have put the traffic back on a machine that is busy.
LEASE_SLACK_SECONDS = 5.0
# A restore by a process of ours counts as done when it has stood for so long.
STANDS_SECONDS = 0.1

# The first process of a job container: it hands signals on, as dumb-init does, and everything dies with it.
_INIT = """
import signal, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: child.send_signal(number))
sys.exit(child.wait())
"""
CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--", sys.executable, "-c", _INIT]

# The applications run all the time: a kill is to be about traffic, and quick.
_START = [{"name": "Start the revision", "ansible.builtin.debug": {"msg": "{{ release_revision }} runs already"}}]


def no_container() -> str:
    """Return why no PID namespace can be made here, empty when it can."""
    if os.geteuid() != 0:
        return "a PID namespace needs root"
    try:
        subprocess.run([*CONTAINER[:5], "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no PID namespace: {error}"
    return ""


class Ground(World):
    """A world whose slots both run, with one balancer in process or two on machines over SSH, and quick releases."""

    def __init__(self, driver: str = "haproxy", remote: bool = False, **variables: t.Any) -> None:
        self.driver, self.remote = driver, remote
        # Over SSH the default: a call takes a third of a second, and many times that on a machine that is busy.
        self.lease_ttl = 15.0 if remote else 3.0
        pace = {
            "release_steps": [50, 100],
            "release_bake_time": "0.5s",
            "release_scale_down_delay": "0",
            "release_abort_scale_down_delay": "0",
            "release_lease_ttl": f"{self.lease_ttl}s",
            "release_hosts_stop": "",
        }
        super().__init__(variables={**pace, **variables})
        self.balancers: list[t.Any] = []
        self.ssh: SshMachines | None = None
        self.serial = 0

    def __enter__(self) -> Ground:
        if self.remote:
            self.ssh = SshMachines(["lb1", "lb2"]).__enter__()
        try:
            super().__enter__()
        except BaseException:
            if self.ssh:
                self.ssh.__exit__()
            raise
        try:
            self._applications()
            if self.driver == "nginx":
                self.must("adopt", "-e", "release_serving=blue", "-e", "release_confirm=true")
            self.must("deploy", "-e", "release_revision=first")
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        super().close()
        for balancer in self.balancers:
            balancer.stop()
        if self.ssh:
            self.ssh.__exit__()

    def must(self, playbook: str, *options: str) -> str:
        """Run a playbook to its end and return what it said. Raises RuntimeError when it fails."""
        said: list[str] = []
        if self.run(playbook, *options, say=said.append):
            raise RuntimeError(f"{playbook} failed:\n" + "\n".join(said))
        return "\n".join(said)

    def deploy(self, container: bool = False, *options: str) -> Run:
        """Start a release of a revision of its own."""
        self.serial += 1
        return Run(self, f"r{self.serial}", container, options)

    def sights(self) -> Sights:
        """Begin to look for what a release writes."""
        return Sights(self)

    @property
    def lease_seconds(self) -> float:
        """How long after a death traffic may still come back by itself."""
        return self.lease_ttl + LEASE_SLACK_SECONDS

    def live(self) -> Live:
        """Return what each balancer does with requests now; None for one whose state is not ours."""
        return tuple(self._live(balancer) for balancer in self.balancers)

    def healthy(self, slot: str) -> bool:
        """Return whether every balancer that knows has healthy servers for C(slot)."""
        if self.driver == "nginx":
            return True
        rows = [line.split(",") for balancer in self.balancers for line in balancer.ask("show stat").splitlines()]
        return all(row[17].startswith("UP") for row in rows if row[:2] == [f"shop_{slot}", "BACKEND"])

    def document(self) -> dict[str, t.Any] | None:
        """Return the journal as it stands in its file, None before the first release."""
        files = list((self.folder / "journal").glob("*.json"))
        return t.cast("dict[str, t.Any]", json.loads(files[0].read_text())) if files else None

    def release(self) -> dict[str, t.Any]:
        """Return the newest release of the journal, empty before the first one."""
        document = self.document()
        return document["releases"][-1] if document and document["releases"] else {}

    def left_over(self) -> list[str]:
        """Return what a release has changed beside the traffic and not put back, once it has ended."""
        return []

    def doors(self) -> list[str]:
        """Return the address of each balancer."""
        return [balancer.url for balancer in self.balancers]

    def places(self) -> dict[Path, str]:
        """Return each balancer's file whose replacement is a write, with the balancer's name."""
        return {
            (balancer.map if self.driver == "haproxy" else balancer.state / "shop" / "current"): f"lb{number}"
            for number, balancer in enumerate(self.balancers, start=1)
        }

    def _live(self, balancer: t.Any) -> Weights | None:
        if self.driver == "haproxy":
            words = balancer.ask(f"show map {balancer.map}").split()
            return _weights(words[-1].split(":")[:2]) if words else None
        with contextlib.suppress(OSError):
            target = os.readlink(balancer.state / "shop" / "current")
            blue, green, _fence = (part.rpartition("-")[2] for part in target.split("_"))
            return _weights([blue, green])
        return None

    def _balancer(self) -> HAProxy:
        servers = {slot: [f"{self.addresses[name]}:{self.port}" for name in self.machines[slot]] for slot in SLOTS}
        for number in (1, 2) if self.remote else (1,):
            folder = self.folder / f"lb{number}"
            if self.driver == "haproxy":
                self.balancers.append(HAProxy(folder, free_port(), servers).start())
            else:
                folder.mkdir()
                self.balancers.append(Nginx(folder, free_port(), servers).start())
        return t.cast(HAProxy, self.balancers[0])

    def _project(self) -> None:
        super()._project()
        (self.folder / "start.yml").write_text(yaml.safe_dump(_START))

    def _inventory(self) -> dict[str, t.Any]:
        inventory = super()._inventory()
        children = inventory["all"]["children"]
        options = dict(self.balancers[0].options)
        if self.ssh:
            own = [{name: b.options[name] for name in _OWN[self.driver]} for b in self.balancers]
            options["machines"] = [{"machine": n, **o} for n, o in zip(self.ssh.names, own, strict=True)]
            children["balancers"] = {
                "hosts": {n: {**self.ssh.variables(n), "ansible_pipelining": True} for n in self.ssh.names}
            }
        children["release_environments"]["hosts"][ENVIRONMENT].update(
            release_traffic={f"{self.driver}_traffic": options},
            # The slots answer with the same revision for ever; what tells them apart is their name.
            release_verify={"url": f"{self.balancers[0].url}/", "header": "X-Slot"},
            release_journal={"store": "file", "path": str(self.folder / "journal"), "ttl": "6s"},
            **self.variables,
        )
        return inventory

    def _applications(self) -> None:
        for slot in SLOTS:
            for name in self.machines[slot]:
                where = ["--host", self.addresses[name], "--port", str(self.port)]
                subprocess.Popen(
                    [sys.executable, "-B", str(SCRIPT), *where, "--revision", slot, "--slot", slot],
                    env=self.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
        give_up = time.monotonic() + 15
        while not all(map(self.healthy, SLOTS)):
            if time.monotonic() > give_up:
                raise RuntimeError("the applications do not come up")
            time.sleep(0.05)


# Options of a balancer that differ from machine to machine.
_OWN = {"haproxy": ("socket", "map"), "nginx": ("state", "pid_file", "config", "counters")}


def _weights(percents: t.Sequence[str]) -> Weights | None:
    return dict(zip(SLOTS, map(int, percents), strict=True)) if all(p.isdigit() for p in percents) else None


class Run:
    """One C(deploy) that is to be killed; its lines go to a file, which never blocks it."""

    def __init__(self, ground: Ground, revision: str, container: bool, options: t.Sequence[str] = ()) -> None:
        self.ground, self.revision, self.container = ground, revision, container
        self.recorded = t.cast(Weights, ground.live()[0])
        self.log = ground.folder / f"{revision}.log"
        self._known: set[tuple[int, str]] = set()
        command = ground.command("deploy", "-e", f"release_revision={revision}", *options)
        self.sights = ground.sights()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*(CONTAINER if container else []), *command],
                cwd=ground.folder,
                env=ground.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.began = time.monotonic()

    @property
    def controller(self) -> int | None:
        """The process number of ansible-playbook."""
        if not self.container:
            return self.process.pid
        first = self.first
        return next(iter(_children(first)), None) if first else None

    @property
    def first(self) -> int | None:
        """The process number, seen from here, of the first process of the container."""
        return next(iter(_children(self.process.pid)), None)

    @property
    def workers(self) -> list[int]:
        """The children of the controller: the one that runs the task at hand."""
        return _children(self.controller) if self.controller else []

    def kill(self, victim: str, number: signal.Signals, patience: float = 2.0) -> tuple[list[int], float] | None:
        """Send the signal and return whom it reached, and when; None when the run has ended, or has no worker."""
        give_up = time.monotonic() + patience
        while self.process.poll() is None:
            workers = self.workers if victim in ("worker", "both") else []
            if victim == "container":
                targets = [self.first] if self.first else []
            elif victim == "controller":
                targets = [self.process.pid]
            else:
                # The worker first: it would learn of the controller's death within a millisecond.
                targets = [*workers, *([self.process.pid] if victim == "both" else [])] if workers else []
            if targets:
                at = time.monotonic()
                reached = [pid for pid in targets if _send(pid, number)]
                return (reached, at) if reached else None
            if time.monotonic() > give_up:
                return None
        return None

    def ended(self) -> bool:
        """Return whether the controller and every process that it started for a task are gone."""
        self.process.poll()
        return self.process.returncode is not None and not _alive(self._known)

    def end(self, seconds: float = RUN_SECONDS) -> int:
        """Wait for the run and return its exit status. Raises RuntimeError when it hangs."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self.revision} hangs:\n{self.log.read_text()}") from None

    def remember(self) -> None:
        """Note the workers of now, so that C(ended) knows them when their parent is gone."""
        self._known |= {(pid, start) for pid in self.workers if (start := _start(pid))}


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _children(pid: int) -> list[int]:
    """Return the children that live; one that is dead and not yet reaped does not."""
    try:
        pids = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [child for child in pids if _start(child)]


def _start(pid: int) -> str:
    """Return when a living process started, in the kernel's own ticks; empty for none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _alive(processes: set[tuple[int, str]]) -> bool:
    return any(_start(pid) == start for pid, start in processes)


class Sights:
    """Names what a release writes, within a millisecond of each write. Entered before the release begins."""

    _MOVED_TO = 0x80

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._places = ground.places()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self._folders = {self._watch(folder): folder for folder in {p.parent for p in self._places}}
        journal = ground.folder / "journal"
        self._folders[self._watch(journal)] = journal
        before, live = ground.document(), ground.live()[0]
        self._canary = next(slot for slot in SLOTS if live and not live[slot])
        self._entries = {r["id"]: r["entry"] for r in before["releases"]} if before else {}
        self._locked = bool(before and before["lock"])
        self._last, self._seen = "the start", Counter[str]()

    def close(self) -> None:
        os.close(self._fd)

    def until(self, seconds: float, over: t.Callable[[], bool]) -> Iterator[str]:
        """Yield the name of each moment as it comes; ends after C(seconds), or when C(over) and nothing is left."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            # Asked before the look, so that the last write is not missed.
            done = over()
            ready, _w, _x = select.select([self._fd], [], [], 0 if done else 0.05)
            if ready:
                for folder, name in self._read():
                    yield from self._named(folder / name)
            elif done:
                return

    def _named(self, path: Path) -> Iterator[str]:
        if path in self._places:
            number = list(self._places).index(path)
            filed = self._filed(path)
            if filed is None:
                return
            name = f"{self._places[path]} at {filed[self._canary]} %"
            if self.ground.driver != "haproxy":
                yield self._unique(f"{name} live")
                return
            yield self._unique(f"{name} filed")
            give_up = time.monotonic() + 0.5
            while time.monotonic() < give_up:
                if self.ground.live()[number] == filed:
                    yield self._unique(f"{name} live")
                    return
        elif path.suffix == ".json":
            document = self.ground.document()
            if document:
                yield from self._entry(document)
        elif path.suffix == ".call":
            yield self._unique(path.stem)

    def _entry(self, document: dict[str, t.Any]) -> Iterator[str]:
        release = document["releases"][-1]
        known = self._entries.get(release["id"], 0)
        fresh = [entry for entry in release["entries"] if entry["n"] > known]
        self._entries[release["id"]] = release["entry"]
        locked, self._locked = bool(document["lock"]), bool(document["lock"])
        if not fresh and locked:
            yield self._unique(f"heartbeat after {self._last}")
        elif not fresh:
            yield self._unique("lock given back")
        for entry in fresh[-1:]:
            what = next((entry[name] for name in ("step", "hook", "outcome", "phase", "msg") if entry.get(name)), "")
            self._last = f"{entry['kind']} {what}".strip()
            yield self._unique(self._last)

    def _filed(self, path: Path) -> Weights | None:
        with contextlib.suppress(OSError):
            if self.ground.driver == "haproxy":
                return _weights(path.read_text().split()[1].split(":")[:2])
            return self.ground.live()[list(self._places).index(path)]
        return None

    def _unique(self, name: str) -> str:
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name} ({self._seen[name]})"

    def _watch(self, folder: Path) -> int:
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), self._MOVED_TO)
        if number < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
        return int(number)

    def _read(self) -> Iterator[tuple[Path, str]]:
        try:
            content = os.read(self._fd, 65536)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return
            raise
        at = 0
        while at < len(content):
            watch, _mask, _cookie, length = struct.unpack_from("iIII", content, at)
            name = content[at + 16 : at + 16 + length].rstrip(b"\0").decode()
            at += 16 + length
            yield self._folders[watch], name


@dataclass
class Kill:
    """One kill and what became of it; C(restore_ms) is None where traffic had not moved, or nobody put it back."""

    victim: str
    signal: str
    moment: str
    recorded: Weights
    restore_ms: float | None = None
    by_itself: bool = False
    outcome: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, why: str) -> None:
        self.faults.append(kind)
        self.notes.append(f"{kind}: {why}")


def moments(ground: Ground) -> tuple[list[str], float]:
    """Let one release run to its end and return the moments in it, and the seconds it took."""
    run = ground.deploy()
    names = ["the start", *run.sights.until(RUN_SECONDS, run.ended)]
    took = time.monotonic() - run.began
    run.sights.close()
    if run.end():
        raise RuntimeError(f"a release that nobody killed has failed:\n{run.log.read_text()}")
    return names, took


class Clients:
    """A strict client for each front door, in processes of their own that outlive every kill."""

    def __init__(self, doors: t.Sequence[str], folder: Path, rate: float = 40.0) -> None:
        self._reports = {door: str(folder / f"client-{number}.json") for number, door in enumerate(doors)}
        self._rate = rate

    def __enter__(self) -> Clients:
        # Not at the top: tests/conftest.py has to make the collection importable first.
        from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load import detached
        from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load
        from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource

        self._detached = detached
        for door, report in self._reports.items():
            load = Load(f"{door}/", self._rate, revision=RevisionSource(header="X-Version"), post_path="/")
            detached.start_by_fork(detached.order(load, report, 24 * 3600.0))
        return self

    def __exit__(self, *_error: object) -> None:
        self.counted()

    def counted(self) -> tuple[int, int]:
        """End the clients and return how many requests were dropped, and how many were sent."""
        found = [self._detached.finish(report, lambda line: None) for report in self._reports.values()]
        return sum(one["dropped"] for one in found), sum(one["requests"] for one in found)


class Missed(Exception):
    """The run ended before the moment came."""


def killed_at(ground: Ground, victim: str, number: str, moment: str | float) -> Kill:
    """Kill one release at C(moment), its name or seconds after the start. Raises Missed, with what the run said."""
    run = ground.deploy(container=victim == "container")
    try:
        name = _wait_for(run, moment)
        hit = run.kill(victim, signal.Signals[number]) if name else None
        if hit is None:
            status = run.end()
            raise Missed(f"exit status {status}" + (f"\n{run.log.read_text()}" if status else ""))
        kill = Kill(victim, number, t.cast(str, name), run.recorded)
        _watch_traffic(ground, run, kill, hit[1])
        _judge(ground, kill, "before resume")
        _resume(ground, kill)
        return kill
    finally:
        run.sights.close()


def _wait_for(run: Run, moment: str | float) -> str:
    """Return the name of the moment when it has come, empty when the run ended before."""
    if isinstance(moment, float):
        time.sleep(max(0.0, run.began + moment - time.monotonic()))
        run.remember()
        return f"after {moment:.2f} s" if run.process.poll() is None else ""
    if moment == "the start":
        while run.process.poll() is None and not run.workers:
            time.sleep(0.001)
        run.remember()
        return moment
    for name in run.sights.until(RUN_SECONDS, run.ended):
        if name == moment:
            run.remember()
            return name
    return ""


def _watch_traffic(ground: Ground, run: Run, kill: Kill, at: float) -> None:
    """Look until nothing of the run lives and traffic stands: back by itself, promoted, or left for a resume."""
    moved_at: float | None = None
    give_up = at + DEATH_SECONDS
    dead_at: float | None = None
    while True:
        now = time.monotonic()
        back = all(weights == kill.recorded for weights in ground.live())
        if not back:
            moved_at = time.monotonic()
        run.remember()
        if dead_at is None and run.ended():
            dead_at = now
        still = moved_at is None or now - moved_at > STANDS_SECONDS
        if dead_at is not None and back and still:
            break
        if dead_at is not None and not back and _promoted(ground, run):
            return
        if dead_at is not None and now - max(at, dead_at) > ground.lease_seconds:
            return
        if now > give_up:
            kill.add("unexplained", f"the run still lives {DEATH_SECONDS:.0f} s after the kill")
            return
        time.sleep(0.001)
    if moved_at is not None:
        kill.restore_ms, kill.by_itself = (moved_at - at) * 1000, True


def _promoted(ground: Ground, run: Run) -> bool:
    release = ground.release()
    return release.get("revision") == run.revision and release["outcome"] == "Promoted"


def _judge(ground: Ground, kill: Kill, when: str) -> None:
    """Count half_switched and wrong_slot as PROTOCOL.md has them."""
    live, release = ground.live(), ground.release()
    allowed = [release.get(name) for name in ("confirmed", "intended", "recorded")]
    if any(weights != live[0] for weights in live[1:]) or live[0] not in allowed:
        kill.add("half_switched", f"{when}: {live}, the journal knows {allowed}")
    canary = release.get("canary")
    step = max((weights[canary] for weights in allowed if weights and canary), default=100)
    for weights in live:
        if weights and canary and weights[canary] > step:
            kill.add("wrong_slot", f"{when}: {weights}, {canary} may have {step}")
        for slot in SLOTS:
            if weights and weights[slot] and not ground.healthy(slot):
                kill.add("wrong_slot", f"{when}: {weights}, {slot} has no healthy server")


def _resume(ground: Ground, kill: Kill) -> None:
    """Resume from a fresh process and count unexplained."""
    before, began = ground.live(), time.monotonic()
    said: list[str] = []
    status = ground.run("resume", say=said.append)
    _judge(ground, kill, "after resume")
    document = ground.document()
    release = ground.release()
    kill.outcome = str(release.get("outcome"))
    fixed = (release.get("phase"), document and document["lock"]) == ("Healthy", None)
    if status or not fixed or kill.outcome not in ("Promoted", "RolledBack", "Aborted"):
        lock = "held" if document and document["lock"] else "free"
        kill.add("unexplained", f"resume exits {status}: {release.get('phase')} ({kill.outcome}), lock {lock}")
        kill.notes += said[-20:]
    if kill.outcome == "Promoted" and ground.left_over():
        ground.run("sweep")  # to retire the slot that is out of traffic is a schedule's business
    for why in ground.left_over():
        kill.add("unexplained", why)
    where = {release["canary"]: 100} if kill.outcome == "Promoted" else release.get("recorded") or {}
    if any(weights is None or any(weights[s] != p for s, p in where.items()) for weights in ground.live()):
        kill.add("unexplained", f"{kill.outcome}, but traffic is {ground.live()}")
    if not kill.by_itself and before != ground.live():
        kill.notes.append(f"resume moved {before} to {ground.live()} in {time.monotonic() - began:.1f} s")
