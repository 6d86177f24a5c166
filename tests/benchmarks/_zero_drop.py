# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases under a strict load with slow requests in flight, and how many requests they lost.

Usage: zero_drop --driver haproxy|nginx|nginx-reload|compose-haproxy|compose-nginx|istio|gateway|service|alb
                 [--releases 50] [--cutovers 0] [--rate 100] [--guide GUIDE.md [--guide-releases 1]]

Each release starts the other slot's applications, shifts traffic in steps, drains and stops the old ones. Every request
from before its first change until after its last is in its certificate; the figures are the sums of the certificates.
The drivers compose-* release containers of a Docker engine of their own, istio, gateway and service pods of the test
bed of Kubernetes; both need root. alb releases instances of the lab of AWS. --cutovers are releases beside the others,
in one step of 100 %. With --guide the Compose file and the script of that guide run unchanged on the same engine, under
the same load; each takes minutes.
Progress on stderr; the last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tests.conftest  # makes the collection importable, here and in child processes
from tests.lab.compose import images
from tests.lab.compose.engine import Engine, missing
from tests.lab.compose.guide import Guide, strict_load
from tests.lab.compose.project import Project
from tests.lab.hosts.balanced import DRIVERS, BalancedWorld
from tests.lab.hosts.nginx import newest_nginx
from tests.lab.kubernetes import testbed
from tests.lab.kubernetes.images import shop as images_of_pods

COMPOSE = ("compose-haproxy", "compose-nginx")

assert tests.conftest.COLLECTION


@dataclass(frozen=True)
class Shop:
    """A service to release: C(deploy) returns the exit status and the lines of a release, C(report) its report."""

    build: t.Callable[[str], object]
    deploy: t.Callable[..., tuple[int, str]]
    report: t.Callable[[str], dict[str, t.Any] | None]


def say(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Return the exit status: 0 when nothing was dropped and every release was promoted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", choices=[*DRIVERS, *COMPOSE, *testbed.DRIVERS, "alb"], required=True)
    parser.add_argument("--releases", type=int, help="50 by default, 30 of alb")
    parser.add_argument(
        "--cutovers", type=int, help="releases in one step, after the others; none by default, 30 of alb"
    )
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--guide", type=Path, help="a guide with a Compose file and a script, run beside it")
    parser.add_argument("--guide-releases", type=int, default=1)
    arguments = parser.parse_args()
    releases, cutovers = (30, 30) if arguments.driver == "alb" else (50, 0)
    arguments.releases = releases if arguments.releases is None else arguments.releases
    arguments.cutovers = cutovers if arguments.cutovers is None else arguments.cutovers
    load = {"rate": arguments.rate, "post_path": "/", "slow_path": "/slow?seconds=2", "slow_share": 5}
    if arguments.driver in COMPOSE:
        if why := missing():
            say(why)
            return 2
        with Engine(Path(tempfile.mkdtemp(prefix="zdt-", dir="/tmp"))) as engine:
            with compose(engine, arguments.driver, load) as shop:
                figures = counted(shop, arguments.driver, arguments.releases, arguments.cutovers)
            if figures and arguments.guide:
                figures["guide"] = guided(engine, arguments.guide.read_text(), arguments.guide_releases, load)
    elif arguments.driver in testbed.DRIVERS:
        if why := testbed.missing():
            say(why)
            return 2
        with kubernetes(arguments.driver, load, arguments.releases + arguments.cutovers) as shop:
            figures = counted(shop, arguments.driver, arguments.releases, arguments.cutovers)
    elif arguments.driver == "alb":
        with aws(load) as shop:
            figures = counted(shop, arguments.driver, arguments.releases, arguments.cutovers)
    else:
        with hosts(arguments.driver, load) as shop:
            figures = counted(shop, arguments.driver, arguments.releases, arguments.cutovers)
    if not figures:
        return 1
    print(json.dumps(figures))
    return 1 if figures["dropped"] else 0


@contextlib.contextmanager
def hosts(driver: str, load: dict[str, t.Any]) -> Iterator[Shop]:
    """Yield a service on machines of loopback."""
    with BalancedWorld(driver, machines=2, variables={"release_certificate": load}) as world:

        def deploy(revision: str, *options: str) -> tuple[int, str]:
            lines: list[str] = []
            words = ["deploy", "-e", f"release_revision={revision}", *options]
            return world.run(*words, say=lines.append), "\n".join(lines)

        yield Shop(world.build, deploy, world.report)


@contextlib.contextmanager
def compose(engine: Engine, driver: str, load: dict[str, t.Any]) -> Iterator[Shop]:
    """Yield a service of two containers a slot, behind nginx, the newest one at hand, or HAProxy."""
    newest = newest_nginx() if driver == "compose-nginx" else None
    balancer = "haproxy" if driver == "compose-haproxy" else "nginx" if newest else "nginx-1.22"
    # nginx does not count what is in flight: the old slot stays for the longest request.
    variables = {"release_certificate": load, "release_drain_timeout": "3s" if balancer != "haproxy" else "10s"}
    with Project(engine, engine.folder / "zero-drop", balancer, newest, variables) as project:

        def deploy(revision: str, *options: str) -> tuple[int, str]:
            # The others get as many as the slot that serves has.
            first = ["-e", "release_compose_capacity=2"] if revision == "v0" else []
            return project.deploy(revision, *first, *options)

        yield Shop(lambda revision: images.shop(engine, revision), deploy, project.report)


@contextlib.contextmanager
def kubernetes(driver: str, load: dict[str, t.Any], releases: int) -> Iterator[Shop]:
    """Yield a service of two pods a slot, behind C(driver), on a test bed of its own."""
    with testbed.testbed() as bed, tempfile.TemporaryDirectory(prefix="zdt-shop-") as folder:
        bed.node.load(images_of_pods({f"v{number}": "" for number in range(releases + 1)}))
        shop = testbed.Shop(bed.cluster, bed.mesh, driver, Path(folder), {"release_certificate": load})
        yield Shop(lambda revision: None, shop.deploy, shop.report)


@contextlib.contextmanager
def aws(load: dict[str, t.Any]) -> Iterator[Shop]:
    """Yield a service of two instances a slot in Auto Scaling groups, behind an ALB, in a lab of its own."""
    from tests.lab.aws.cloud import Cloud  # they need moto, which the others do without
    from tests.lab.aws.environment import Environment
    from tests.lab.aws.grouped import Grouped
    from tests.lab.aws.shop import Shop as Infrastructure

    # An ALB does not count what is in flight: the old slot stays for the longest request.
    variables = {"release_certificate": load, "release_drain_timeout": "3s", "release_scale_down_delay": "0"}
    with Cloud() as cloud, tempfile.TemporaryDirectory(prefix="zdt-shop-") as folder:
        shop = Environment(Grouped(Infrastructure(cloud)), Path(folder), variables)
        yield Shop(shop.shop.ami, shop.deploy, shop.report)


def counted(shop: Shop, driver: str, releases: int, cutovers: int = 0) -> dict[str, t.Any]:
    """Release so many times and return the figures, none of them when a release was not promoted."""
    figures: dict[str, t.Any] = {
        "driver": driver,
        "releases": 0,
        "requests": 0,
        "dropped": 0,
        "longest_gap_seconds": 0.0,
    }
    if cutovers:
        figures["cutovers"] = 0
    for number in range(releases + cutovers + 1):
        revision, cutover = f"v{number}", number > releases
        shop.build(revision)
        status, said = shop.deploy(revision, *(["-e", "release_steps=100"] if cutover else []))
        report = shop.report(revision)
        if status or report is None or report["outcome"] != "Promoted":
            say(said)
            say(f"{revision} was not promoted")
            return {}
        if number == 0:
            continue  # nothing served before it
        figures["releases"] += 1
        if cutover:
            figures["cutovers"] += 1
        figures["requests"] += report["requests"]
        figures["dropped"] += report["dropped"]
        figures["longest_gap_seconds"] = max(figures["longest_gap_seconds"], report["longest_gap_seconds"])
        how = " in one step" if cutover else ""
        say(
            f"{number}/{releases + cutovers}{how}: {report['requests']} requests, {report['dropped']} dropped, "
            f"longest gap {report['longest_gap_seconds']:.3f} s, {report['seconds']:.1f} s"
        )
        if report["dropped"]:
            say(f"  {report['first_dropped']}")
    return figures


def guided(engine: Engine, text: str, releases: int, load: dict[str, t.Any]) -> dict[str, t.Any]:
    """Run the guide's script so many times, each on its fresh stack, and return the same figures for it."""
    figures: dict[str, t.Any] = {"releases": 0, "requests": 0, "dropped": 0, "longest_gap_seconds": 0.0}
    figures |= {"exit_statuses": [], "containers_left": []}
    for number in range(1, releases + 1):
        with Guide(engine, engine.folder / f"guide{number}", text) as guide:
            end = strict_load(guide.url, guide.folder / "load.json", load)
            status, _said = guide.deploy(f"v{number}")
            report = end()
            figures["releases"] += 1
            figures["requests"] += report["requests"]
            figures["dropped"] += report["dropped"]
            figures["longest_gap_seconds"] = max(figures["longest_gap_seconds"], report["longest_gap_seconds"])
            figures["exit_statuses"].append(status)
            figures["containers_left"].append(guide.containers())
            say(
                f"guide {number}/{releases}: {report['requests']} requests, {report['dropped']} dropped, exit status "
                f"{status}, {figures['containers_left'][-1]} containers of the app left"
            )
    return figures


if __name__ == "__main__":
    sys.exit(main())
