# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests per second and core of our client, an aiohttp client, wrk and hey; and what each calls failed.

    tests/benchmarks/load [--seconds 5] [--connections 20] [--resets 20]

All of them ask the demo application, as fast as answers come, over keep-alive connections. A core is a second of the
client's own processor time, the kernel's work for it included. Then the application resets connections on which it has
just read a request, in the middle of a run: each is a request that a user has lost.

Progress goes to stderr; the last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
import typing as t
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
import tests.conftest  # noqa: E402  # makes the collection importable, here and in child processes
from tests.lab.hosts.demo import DemoApp  # noqa: E402

assert tests.conftest.COLLECTION

CACHE = Path(os.environ.get("ZERODOWNTIME_CACHE") or Path.home() / ".cache/zerodowntime-bluegreen")
AIOHTTP = "aiohttp==3.14.5"
HEY = "github.com/rakyll/hey@v0.1.5"
GOAL = 3.0

Figures = dict[str, float]


def main() -> None:
    """Measure every client that can be had and print the figures."""
    parser = argparse.ArgumentParser(description="How fast and how strict the load client is, beside others.")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--resets", type=int, default=20)
    parser.add_argument("--client", choices=["ours", "aiohttp"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        measure = {"ours": ours, "aiohttp": aiohttp_client}[options.client]
        print(json.dumps(measure(options.url, options.seconds, options.connections)))
        return

    clients, left_out = available()
    result: dict[str, t.Any] = {}
    counted: dict[str, int] = {}
    for name, client in clients.items():
        with DemoApp("v1") as app:
            figures = client(app.url, options.seconds, options.connections)
            result[f"{name}_per_core"] = round(figures["requests"] / figures["cpu_seconds"])
            say(f"{name}: {figures['requests']:,.0f} requests, {result[f'{name}_per_core']:,} per second and core")
        with DemoApp("v1") as app:
            threading.Timer(1.0, app.fault, [json.dumps({"reset": options.resets})]).start()
            counted[name] = int(client(app.url, 3, options.connections)["failed"])
            say(f"{name}: {counted[name]} of {options.resets} reset requests counted as failed")
    result["ours_over_aiohttp"] = round(result["ours_per_core"] / result["aiohttp_per_core"], 2)
    result.update(goal=GOAL, resets=options.resets, counted_as_failed=counted, left_out=left_out)
    print(json.dumps(result))


def available() -> tuple[dict[str, t.Callable[[str, int, int], Figures]], dict[str, str]]:
    """Return the clients that can be had here, and why the others cannot."""
    python = aiohttp_python()
    clients: dict[str, t.Callable[[str, int, int], Figures]] = {
        "ours": lambda *args: this_script(sys.executable, "ours", *args),
        "aiohttp": lambda *args: this_script(str(python), "aiohttp", *args),
    }
    left_out = {}
    if shutil.which("wrk"):
        clients["wrk"] = wrk
    else:
        left_out["wrk"] = "not installed: apt-get install wrk"
    program = hey_program()
    if program:
        clients["hey"] = lambda *args: hey(program, *args)
    else:
        left_out["hey"] = f"not on PATH, and go install {HEY} did not give it"
    return clients, left_out


def ours(url: str, seconds: int, connections: int) -> Figures:
    """Measure our client, in this process."""
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.certificate import certificate
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load, run
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally

    load = Load(url, rate=0, connections=connections, revision=RevisionSource(header="X-Version"))
    tally, before = Tally(time.monotonic()), cpu_seconds(resource.RUSAGE_SELF)
    run(load, tally, lambda elapsed: 1.0 if elapsed >= seconds else None)
    spent = cpu_seconds(resource.RUSAGE_SELF) - before
    found = certificate(tally.counts(time.monotonic()))
    return {"requests": found["requests"], "failed": found["dropped"] + found["errors"], "cpu_seconds": spent}


def aiohttp_client(url: str, seconds: int, connections: int) -> Figures:
    """Measure an aiohttp client that does what ours does: status, revision header, body, latency of each answer."""
    import aiohttp

    latencies: dict[str, list[float]] = {}
    requests = failed = 0

    async def send(session: aiohttp.ClientSession, until: float) -> None:
        nonlocal requests, failed
        while time.monotonic() < until:
            began = time.monotonic()
            requests += 1
            try:
                async with session.get(url) as answer:
                    await answer.read()
                    failed += answer.status >= 400
                    version = answer.headers.get("X-Version", "unknown")
                    latencies.setdefault(version, []).append(time.monotonic() - began)
            except aiohttp.ClientError:
                failed += 1

    async def everything() -> None:
        connector = aiohttp.TCPConnector(limit=connections)
        async with aiohttp.ClientSession(connector=connector) as session:
            until = time.monotonic() + seconds
            await asyncio.gather(*(send(session, until) for _number in range(connections)))

    before = cpu_seconds(resource.RUSAGE_SELF)
    asyncio.run(everything())
    return {"requests": requests, "failed": failed, "cpu_seconds": cpu_seconds(resource.RUSAGE_SELF) - before}


def wrk(url: str, seconds: int, connections: int) -> Figures:
    """Measure wrk; failed is what it calls socket errors and bad answers."""
    words, spent = output("wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", url)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", words)
    answers = re.search(r"Non-2xx or 3xx responses: (\d+)", words)
    failed = sum(map(int, errors.groups())) if errors else 0
    return {
        "requests": number(r"(\d+) requests in", words),
        "failed": failed + (int(answers.group(1)) if answers else 0),
        "cpu_seconds": spent,
    }


def hey(program: str, url: str, seconds: int, connections: int) -> Figures:
    """Measure hey; failed is its error distribution and every status but 200."""
    words, spent = output(program, "-z", f"{seconds}s", "-c", str(connections), "-cpus", "1", url)
    answers = {status: int(count) for status, count in re.findall(r"\[(\d{3})\]\s+(\d+) responses", words)}
    errors = words.partition("Error distribution:")[2]
    failed = sum(map(int, re.findall(r"\[(\d+)\]", errors)))
    good = answers.pop("200", 0)
    return {"requests": good + sum(answers.values()) + failed, "failed": failed + sum(answers.values()),
            "cpu_seconds": spent}  # fmt: skip


def this_script(python: str, client: str, url: str, seconds: int, connections: int) -> Figures:
    """Run one of the Python clients in a process of its own."""
    command = [python, __file__, "--client", client, "--url", url]
    sizes = ["--seconds", str(seconds), "--connections", str(connections)]
    done = subprocess.run([*command, *sizes], check=True, stdout=subprocess.PIPE, text=True)
    return t.cast(Figures, json.loads(done.stdout))


def output(*command: str) -> tuple[str, float]:
    """Return what the command printed and the processor time it took, in seconds."""
    before = cpu_seconds(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout, cpu_seconds(resource.RUSAGE_CHILDREN) - before


def cpu_seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def number(pattern: str, words: str) -> float:
    found = re.search(pattern, words)
    if not found:
        raise SystemExit(f"nothing like {pattern!r} in:\n{words}")
    return float(found.group(1))


def aiohttp_python() -> Path:
    """Return the Python of an environment of its own that has aiohttp, made when it is not there yet."""
    folder = CACHE / f"venv-{AIOHTTP.replace('==', '-')}-{sys.version_info[0]}.{sys.version_info[1]}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        say(f"making an environment with {AIOHTTP}")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", AIOHTTP], check=True, stdout=sys.stderr)
        ready.touch()
    return python


def hey_program() -> str | None:
    """Return hey from PATH, or built by go into the cache; None when neither works."""
    kept = CACHE / "bin" / "hey"
    found = shutil.which("hey") or (str(kept) if kept.exists() else None)
    if found or not shutil.which("go"):
        return found
    say(f"building {HEY}")
    environment = {**os.environ, "GOBIN": str(kept.parent)}
    done = subprocess.run(["go", "install", HEY], env=environment, stdout=sys.stderr, check=False)
    return str(kept) if done.returncode == 0 and kept.exists() else None


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
