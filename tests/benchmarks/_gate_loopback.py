# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on real servers: when they come, beside the simulation of the same requests.

A real Prometheus scrapes a real HAProxy, a real Envoy and the application each second while clients ask through one of
the balancers; the gate reads it each second. What is compared is the mean time from the first look to the verdict.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verdict import RUNNING
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.live import Live
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place

from tests.benchmarks._gate_simulation import Counts, binomial, cumulated
from tests.lab.metrics.world import World

POLL = 1.0
WEIGHT = 20  # percent of the canary
SLOW_DOWN = 0.2  # of the simulated time that a real verdict may come sooner or later, one poll besides
MOST_SECONDS = 60.0
PLACES = {"stable": Place("blue", "v1", "shop_blue"), "canary": Place("green", "v2", "shop_green")}
GATE = {
    "interval": "1s",
    "initial_delay": 0,
    "min_duration": 0,
    "min_step_duration": 0,
    "max_duration": "1h",
    "dispersion": 1,
    "metrics": ["errors"],
}


class Scenario(t.NamedTuple):
    """How often the canary fails, what must come of it, and the next weight, which says how much would be too much."""

    name: str
    rate: float
    verdict: str
    next_weight: int = 25  # two points


SCENARIOS = (
    Scenario("a fifth fails", 0.2, "fail"),
    Scenario("three in a hundred fail", 0.03, "fail"),
    Scenario("healthy", 0.0, "pass"),
)
LONG = Scenario("one in a hundred fails", 0.01, "fail", 100)


class Trial(t.NamedTuple):
    """One real judgement: C(seconds) to the verdict, and the requests a second of canary and stable meanwhile."""

    verdict: str
    seconds: float
    canary: float
    stable: float


class Compared(t.NamedTuple):
    """Mean seconds to the verdict, C(real) and C(simulated), and how many of the real verdicts were C(right)."""

    real: float
    simulated: float
    right: float

    @property
    def apart(self) -> float:
        """Polls that real and simulated verdicts are apart beyond C(SLOW_DOWN)."""
        return max(abs(self.real - self.simulated) - SLOW_DOWN * self.simulated, 0.0) / POLL


def missing() -> str:
    """Return which programs this machine lacks, empty when none."""
    return ", ".join(name for name in ("haproxy", "prometheus") if not shutil.which(name))


def compare(
    exporters: t.Sequence[str], scenarios: t.Sequence[Scenario], trials: int, say: t.Callable[[str], None]
) -> t.Iterator[tuple[str, str, Compared]]:
    """Yield an exporter, a scenario, and what came of them. Envoy is installed when it is asked for."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gate-"))
        weights = f"{100 - WEIGHT}:{WEIGHT}:0"
        world = stack.enter_context(World.open(Path(folder), weights, with_envoy="envoy" in exporters))
        for exporter in exporters:
            world.end_traffic()
            world.traffic(port=world.envoy.port if exporter == "envoy" and world.envoy else None)
            world.prometheus.wait_for(f"{TOTALS[exporter]} > 0")
            for scenario in scenarios:
                world.fault("green", error_rate=scenario.rate)
                time.sleep(2 * POLL)  # until no scrape remembers the scenario before
                seen = [judge(world, exporter, scenario) for _number in range(trials)]
                found = Compared(
                    sum(trial.seconds for trial in seen) / trials,
                    simulate(scenario, sum(t.canary for t in seen) / trials, sum(t.stable for t in seen) / trials),
                    sum(trial.verdict == scenario.verdict for trial in seen) / trials,
                )
                say(
                    f"  {exporter}, {scenario.name}: {trials} verdicts after {found.real:.1f} s, "
                    f"simulated {found.simulated:.1f} s, {found.right:.0%} are {scenario.verdict}"
                )
                yield exporter, scenario.name, found


TOTALS = {
    "app": 'http_requests_total{version="v2"}',
    "haproxy": 'haproxy_backend_http_requests_total{proxy="shop_green"}',
    "envoy": 'envoy_cluster_upstream_rq_completed{envoy_cluster_name="shop_green"}',
}


def judge(world: World, exporter: str, scenario: Scenario) -> Trial:
    """Judge once, as a release does."""
    wanted = settings.parse({"source": {"prometheus": {"url": world.prometheus.url, "exporter": exporter}}, **GATE})
    source = settings.SOURCES[wanted.source](wanted.source_options, PLACES)
    source.choose(["errors"])
    options = wanted.options()
    live = Live(Gate(options), options, source, PLACES)
    began = time.monotonic()
    live.step(WEIGHT, scenario.next_weight)
    while (verdict := live.look()).status == RUNNING and time.monotonic() - began < MOST_SECONDS:
        time.sleep(0.02)
    seconds, report = time.monotonic() - began, live.report()
    columns, rows = report["samples"]["columns"], report["samples"]["rows"]
    first, last = (dict(zip(columns, row, strict=True)) for row in (rows[0], rows[-1]))
    speeds = [
        (last[name] - first[name]) / (last["at"] - first["at"]) for name in ("canary_requests", "stable_requests")
    ]
    return Trial(verdict.status, seconds, *speeds)


def simulate(scenario: Scenario, canary: float, stable: float, runs: int = 300) -> float:
    """Return the mean seconds to a verdict of simulated judgements with these requests a second."""
    options, rng = settings.parse({"source": {"haproxy": {}}, **GATE}).options(), random.Random(scenario.name)
    total = 0.0
    for _number in range(runs):
        gate = Gate(options)
        gate.step(WEIGHT, 0.0, scenario.next_weight)
        for reading in cumulated(_polls(rng, scenario, canary, stable), poll=POLL):
            if gate.judge(reading).status != RUNNING or reading.at > MOST_SECONDS:
                total += reading.at
                break
    return total / runs


def _polls(rng: random.Random, scenario: Scenario, canary: float, stable: float) -> t.Iterator[Counts]:
    for _poll in itertools.count():
        requests = [int(speed * POLL + rng.random()) for speed in (canary, stable)]
        yield Counts(requests[0], binomial(rng, requests[0], scenario.rate), requests[1], 0)
