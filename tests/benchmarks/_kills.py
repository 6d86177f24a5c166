# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills releases of a service under load, before and after each of their writes and at random moments.

    tests/benchmarks/kills --driver haproxy|nginx|compose-haproxy|compose-nginx|alb|istio [--remote] [--random N]
                           [--rows controller,worker:SIGTERM] [--moments N]

A row is a victim (the controller, its worker, both, the first process of a PID namespace) and a signal. After each kill
traffic has to come back by itself where a process of ours lives, and one resume from a fresh process has to end the
release. A strict client that outlives every kill counts what was dropped. The drivers compose-* make containers on a
Docker engine of their own, istio makes pods on a test bed of its own, and both need root; alb releases in the lab of
AWS, where each API call is a moment too and what a release changes in its groups has to be as before at its end.

Progress goes to stderr; the last line on stdout is one JSON object: the counts of PROTOCOL.md, the time from a kill
until every balancer had its recorded weights again (milliseconds), and the same for each row.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
import time
import typing as t

import tests.conftest  # makes the collection importable, here and in child processes
from tests.lab.compose.engine import missing
from tests.lab.compose.killing import DRIVERS as COMPOSE
from tests.lab.compose.killing import ComposeGround
from tests.lab.hosts.killing import SIGNALS, VICTIMS, Clients, Ground, Kill, Missed, killed_at, moments, no_container

COUNTS = ("half_switched", "wrong_slot", "unexplained")

Row = tuple[str, str]

assert tests.conftest.COLLECTION


def main() -> None:
    """Kill, count, print."""
    parser = argparse.ArgumentParser(description="Kills releases at every moment and counts what that did.")
    parser.add_argument("--driver", choices=["haproxy", "nginx", *COMPOSE, "alb", "istio"], default="haproxy")
    parser.add_argument("--remote", action="store_true", help="two balancers on machines over SSH, not one in process")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="kills at random moments, beside all others")
    parser.add_argument("--rows", default="", help="victim or victim:SIGNAL, with commas; all of them by default")
    parser.add_argument("--moments", type=int, metavar="N", help="at most N moments in each row, evenly spread")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows, left_out = wanted(options.rows, options)
    if options.remote and options.driver not in ("haproxy", "nginx"):
        raise SystemExit("--remote is for haproxy and nginx")
    with ground_of(options) as ground, Clients(ground.doors(), ground.folder) as clients:
        kills = list(all_kills(ground, rows, options.random, options.moments, random.Random(options.seed)))
        dropped, requests = clients.counted()
    print(json.dumps({**figures(kills), "dropped": dropped, "requests": requests, **topology(options),
                      "rows": [row_of(row, kills) for row in rows], "left_out": left_out}))  # fmt: skip


def ground_of(options: argparse.Namespace) -> Ground:
    """Return where the releases are made. Raises SystemExit with what is missing for it."""
    if options.driver == "alb":
        from tests.lab.aws.killing import AwsGround  # it needs moto, which the others do without

        return AwsGround()
    if options.driver == "istio":
        from tests.lab.kubernetes.killing import KubernetesGround, missing_bed

        if why := missing_bed():
            raise SystemExit(why)
        return KubernetesGround(options.driver)
    if options.driver in COMPOSE:
        if missing():
            raise SystemExit(missing())
        return ComposeGround(options.driver)
    return Ground(options.driver, options.remote)


def wanted(text: str, options: argparse.Namespace) -> tuple[list[Row], dict[str, str]]:
    """Return the rows that C(text) names and this machine can make, and why the others are left out."""
    chosen = [part.partition(":") for part in text.split(",")] if text else [(victim, "", "") for victim in VICTIMS]
    rows = [
        (victim, number)
        for victim, _colon, only in chosen
        for number in SIGNALS
        if victim in VICTIMS and only in ("", number)
    ]
    if not rows:
        raise SystemExit(f"--rows takes {', '.join(VICTIMS)}, with :{', :'.join(SIGNALS)}")
    why = no_container() if any(victim == "container" for victim, _signal in rows) else ""
    if options.driver == "nginx" and not options.remote:
        why = "from within a container nginx's processes are not to be seen: name its machine, as --remote does"
    return [row for row in rows if not (why and row[0] == "container")], {"container": why} if why else {}


def all_kills(ground: Ground, rows: list[Row], chance: int, most: int | None, rng: random.Random) -> t.Iterator[Kill]:
    """Kill one release after the other and yield what became of each."""
    names, seconds = moments(ground)
    say(f"a release takes {seconds:.1f} s and has {len(names)} moments: {'; '.join(names)}")
    spread = names if most is None else [names[len(names) * n // most] for n in range(min(most, len(names)))]
    plan: list[tuple[Row, str | float]] = [(row, name) for row in rows for name in spread]
    plan += [(row, rng.uniform(0, seconds)) for row in itertools.islice(itertools.cycle(rows), chance)]
    for number, ((victim, signal_name), moment) in enumerate(plan, start=1):
        began = time.monotonic()
        where = moment if isinstance(moment, str) else f"{moment:.2f} s"
        line = f"{number}/{len(plan)} {victim} {signal_name} at {where}"
        try:
            kill = killed_at(ground, victim, signal_name, moment)
        except Missed as error:
            say(f"{line}: it never came to that, {error}")
            continue
        took = f"back after {kill.restore_ms:.0f} ms" if kill.restore_ms is not None else "nothing to put back"
        say(f"{line}: {took}, {kill.outcome} ({time.monotonic() - began:.1f} s){''.join(f'; {n}' for n in kill.notes)}")
        yield kill


def figures(kills: t.Sequence[Kill]) -> dict[str, t.Any]:
    """Return the counts and the times to restore of C(kills)."""
    times = [kill.restore_ms for kill in kills if kill.restore_ms is not None]
    return {
        "kills": len(kills),
        **{name: sum(name in kill.faults for kill in kills) for name in COUNTS},
        "restores": len(times),
        "restore_ms_median": round(statistics.median(times), 1) if times else None,
        "restore_ms_max": round(max(times), 1) if times else None,
    }


def row_of(row: Row, kills: t.Sequence[Kill]) -> dict[str, t.Any]:
    """Return the figures of one row."""
    mine = [kill for kill in kills if (kill.victim, kill.signal) == row]
    outcomes = {outcome: sum(kill.outcome == outcome for kill in mine) for outcome in {k.outcome for k in mine}}
    return {"victim": row[0], "signal": row[1], **figures(mine), "outcomes": outcomes}


def topology(options: argparse.Namespace) -> dict[str, str]:
    """Return what the times depend on."""
    if options.driver in COMPOSE:
        return {"driver": options.driver, "topology": "one project on one engine, in process"}
    if options.driver == "alb":
        return {"driver": options.driver, "topology": "one ALB of the lab, in process"}
    if options.driver == "istio":
        return {"driver": options.driver, "topology": "one object of a real API server, in process"}
    where = "two machines over SSH" if options.remote else "one balancer in process"
    return {"driver": options.driver, "topology": where}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
