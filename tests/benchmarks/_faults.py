# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fails every API call of a release in every way, and counts what that did to traffic and settings.

    tests/benchmarks/faults --driver alb [--limit N | --random N] [--only PATTERN] [--seed 1]

One release shows the calls there are. Each of them is then failed in a release of its own, throttled, answered with
500, with a proxy's HTML page, reset, delayed beyond its timeout, and denied; what changes something before it is
carried out and after it. One resume and one sweep follow where the release did not end well. --limit takes so many
cases evenly spread, --random so many by chance, --only those whose name (C(ModifyListener 1 reset after)) matches.

Progress goes to stderr; the last line on stdout is one JSON object. C(half_switched): weights that are none of
recorded, intended and confirmed, or not those of the outcome once all has ended, or on a slot that answers nobody.
C(lost_settings): something beside the weights that is not as it was. C(unexplained): a release that has not ended, or
a lock that is held. C(not_met): cases whose call did not come again. A strict client counts what was dropped.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import random
import sys
import time
import typing as t

import tests.conftest  # makes the collection importable, here and in child processes
from tests.lab.aws.failing import Case, FailingAws, Outcome, spread
from tests.lab.hosts.killing import Clients

# Each makes releases whose calls can be failed: C(cases()) and C(run_case(case)), as a context.
GROUNDS: dict[str, t.Callable[[], FailingAws]] = {"alb": FailingAws}
COUNTS = ("half_switched", "lost_settings", "unexplained")

assert tests.conftest.COLLECTION


def main() -> int:
    """Return the exit status: 0 when every count is zero."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", choices=list(GROUNDS), required=True)
    parser.add_argument("--limit", type=int, metavar="N", help="at most N cases, evenly spread over all of them")
    parser.add_argument("--random", type=int, metavar="N", help="N cases by chance")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="cases whose name matches")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with GROUNDS[options.driver]() as ground, Clients(ground.doors(), ground.folder) as clients:
        every = ground.cases()
        cases = list(chosen(every, options))
        say(f"{len(cases)} of {len(every)} cases")
        outcomes = list(judged(ground, cases))
        dropped, requests = clients.counted()
    met = [outcome for outcome in outcomes if outcome.met]
    counts = {name: sum(name in outcome.faults for outcome in met) for name in COUNTS}
    figures = {
        "driver": options.driver,
        "cases": len(met),
        **counts,
        "dropped": dropped,
        "requests": requests,
        "outcomes": {name: sum(one.outcome == name for one in met) for name in sorted({one.outcome for one in met})},
        "not_met": len(outcomes) - len(met),
        "cases_in_all": len(every),
    }
    print(json.dumps(figures))
    return 1 if any(counts.values()) or dropped or not met else 0


def chosen(cases: t.Sequence[Case], options: argparse.Namespace) -> t.Iterable[Case]:
    """Return those of the cases that were asked for."""
    named = [case for case in cases if fnmatch.fnmatch(str(case), options.only)]
    if options.random is not None:
        return random.Random(options.seed).sample(named, min(options.random, len(named)))
    return named if options.limit is None else spread(named, options.limit)


def judged(ground: FailingAws, cases: t.Sequence[Case]) -> t.Iterator[Outcome]:
    """Run one case after the other and yield what became of each."""
    for number, case in enumerate(cases, start=1):
        began = time.monotonic()
        outcome = ground.run_case(case)
        what = outcome.outcome if outcome.met else "the call did not come"
        notes = "".join(f"\n    {note}" for note in outcome.notes)
        say(f"{number}/{len(cases)} {case}: {what} ({time.monotonic() - began:.1f} s){notes}")
        yield outcome


def say(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
