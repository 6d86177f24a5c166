# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases under a strict load with slow requests in flight, and how many requests they lost.

Usage: zero_drop --driver haproxy|nginx|nginx-reload [--releases 50] [--rate 100]

Each release starts the other slot's applications, shifts traffic in steps, drains and stops the old ones. Every request
from before its first change until after its last is in its certificate; the figures are the sums of the certificates.
Progress on stderr; the last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import typing as t

from tests.lab.hosts.balanced import DRIVERS, BalancedWorld


def say(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Return the exit status: 0 when nothing was dropped and every release was promoted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", choices=DRIVERS, required=True)
    parser.add_argument("--releases", type=int, default=50)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    arguments = parser.parse_args()
    load = {"rate": arguments.rate, "post_path": "/", "slow_path": "/slow?seconds=2", "slow_share": 5}
    figures: dict[str, t.Any] = {
        "driver": arguments.driver,
        "releases": 0,
        "requests": 0,
        "dropped": 0,
        "longest_gap_seconds": 0.0,
    }
    with BalancedWorld(arguments.driver, machines=2, variables={"release_certificate": load}) as world:
        for number in range(arguments.releases + 1):
            revision = f"v{number}"
            world.build(revision)
            lines: list[str] = []
            status = world.run("deploy", "-e", f"release_revision={revision}", say=lines.append)
            report = world.report(revision)
            if status or report is None or report["outcome"] != "Promoted":
                say("\n".join(lines))
                say(f"{revision} was not promoted")
                return 1
            if number == 0:
                continue  # nothing served before it
            figures["releases"] += 1
            figures["requests"] += report["requests"]
            figures["dropped"] += report["dropped"]
            figures["longest_gap_seconds"] = max(figures["longest_gap_seconds"], report["longest_gap_seconds"])
            say(
                f"{number}/{arguments.releases}: {report['requests']} requests, {report['dropped']} dropped, "
                f"longest gap {report['longest_gap_seconds']:.3f} s, {report['seconds']:.1f} s"
            )
            if report["dropped"]:
                say(f"  {report['first_dropped']}")
    print(json.dumps(figures))
    return 1 if figures["dropped"] else 0


if __name__ == "__main__":
    sys.exit(main())
