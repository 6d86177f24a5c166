# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate reaches, simulated, beside the rules of other tools judging the very same requests.

    tests/benchmarks/gate [--full] [--only 1,3]

The reduced form takes about two minutes on one core, --full about half an hour: 36 cells of traffic, weight and failure
rate, each with hundreds of deployments. Seeds are fixed, so a figure changes only when the gate does; but for goal 11,
which is real servers: Prometheus, HAProxy, and with --full Envoy, on loopback.

Progress goes to stderr; the last line on stdout is one JSON object: rows (a figure and its goal each), beside (what the
other rules did with the same deployments, and more figures), and missed, the count of goals missed.
"""

from __future__ import annotations

import argparse
import ast
import io
import itertools
import json
import math
import random
import sys
import time
import tokenize
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
import tests.conftest  # noqa: E402  # makes the collection importable

assert tests.conftest.COLLECTION

# isort: split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import (  # noqa: E402
    requests_to_fail,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import (  # noqa: E402
    Gate,
    Options,
    replay,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample  # noqa: E402

from tests.benchmarks import _gate_loopback as loopback  # noqa: E402
from tests.benchmarks._gate_simulation import (  # noqa: E402
    POLL,
    RIVALS,
    Clairvoyant,
    Counts,
    Latencies,
    Oracle,
    Rollout,
    Traffic,
    binomial,
    cumulated,
    flagger_rollout,
    plus,
    resets,
    sample,
    spoiled,
)

CORE = ROOT / "plugins/module_utils/_core"
RPS, WEIGHTS, RATES = (5.0, 50.0, 500.0), (0.05, 0.1, 0.5), (0.0001, 0.001, 0.005, 0.02)
EXCESSES = (0.005, 0.01, 0.05, 0.2, 1.0)
HOUR = int(3600 / POLL)
FOREVER = "400d"
GATE_FILES = {
    *("binomial", "evidence", "sequential", "gate", "past", "increments", "forecast"),
    *("verdict", "gate_options", "thresholds", "picture"),
}
NEEDED = 125.0  # the odds the comparison needs by default: 1 / (0.01 * 0.8)


class Row(t.NamedTuple):
    """One figure beside its goal: C(wanted) is the most it may be, or the least where C(at_least)."""

    goal: int
    name: str
    figure: float
    wanted: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.figure >= self.wanted if self.at_least else self.figure <= self.wanted


Rows = t.Iterator[Row]
Beside = dict[str, t.Any]


def main() -> None:
    """Simulate and print the figures."""
    parser = argparse.ArgumentParser(description="What the gate reaches, simulated, beside other tools' rules.")
    parser.add_argument("--full", action="store_true", help="the whole goals table, about half an hour")
    parser.add_argument("--only", default="", help="goals to measure, such as 1,3")
    options = parser.parse_args()
    chosen = {int(goal) for goal in options.only.split(",") if goal}
    rows: list[Row] = []
    beside: Beside = {}
    began = time.monotonic()
    for goals, measure in MEASURES.items():
        if chosen and not chosen & set(goals):
            continue
        for row in measure(options.full, beside):
            rows.append(row)
            sign = ">=" if row.at_least else "<="
            state = "" if row.met else "  MISSED"
            say(f"goal {row.goal}: {row.name}: {row.figure:.4g} (wanted {sign} {row.wanted:g}){state}")
    result = {
        "rows": [
            {
                "goal": row.goal,
                "name": row.name,
                "figure": round(row.figure, 5),
                "wanted": f"{'>=' if row.at_least else '<='} {row.wanted:g}",
                "met": row.met,
            }
            for row in rows
        ],
        "beside": beside,
        "full": options.full,
        "seconds": round(time.monotonic() - began),
        "missed": len({row.goal for row in rows if not row.met}),
    }
    print(json.dumps(result))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def gate_for(traffic: Traffic, rng: random.Random, history_poll: float = 15.0, **given: t.Any) -> Gate:
    """Return a gate at the step where the canary has its weight, its past learnt from half an hour."""
    defaults = {"initial_delay": 0, "interval": "10s", "max_duration": FOREVER, "dispersion_prior": 1}
    gate = Gate(Options.from_dict({**defaults, **given}), traffic.history(rng, poll=history_poll))
    gate.step(round(traffic.weight * 100), 0.0)
    return gate


def rolled_back(traffic: Traffic, rng: random.Random, polls: int, others: dict[str, int], **given: t.Any) -> bool:
    """Judge one healthy deployment at every poll and return whether it was rolled back; count those of the rivals."""
    rules = {name: make() for name, make in RIVALS.items()}
    gate, seen = gate_for(traffic, rng, **given), []
    stream = itertools.islice(traffic.polls(rng), polls)
    failed = False
    for reading in cumulated(keep(stream, seen)):
        failed = failed or gate.judge(reading).status == "fail"
    for name, rule in rules.items():
        others[name] = others.get(name, 0) + any(rule.add(POLL * at, counts) for at, counts in enumerate(seen, 1))
    return failed


def keep(stream: t.Iterable[Counts], seen: list[Counts]) -> t.Iterator[Counts]:
    for counts in stream:
        seen.append(counts)
        yield counts


def false_rollbacks(full: bool, beside: Beside) -> Rows:
    """Goal 1: a healthy release, judged at every poll for an hour."""
    cells = [Traffic(*cell) for cell in itertools.product(RPS, WEIGHTS, RATES)]
    runs = 400 if full else 150
    if not full:
        cells = [
            Traffic(50.0, 0.1, 0.001),
            Traffic(50.0, 0.1, 0.02),
            Traffic(5.0, 0.5, 0.005),
            Traffic(500.0, 0.05, 0.0001),
        ]
    rates, others = [], {}
    for place, cell in enumerate(cells):
        rng = random.Random(f"healthy {place}")
        rates.append(sum(rolled_back(cell, rng, HOUR, others) for _unused in range(runs)) / runs)
        say(f"  healthy, {cell.rps:g}/s, canary {cell.weight:.0%}, {cell.rate:.2%}: {rates[-1]:.2%} rolled back")
    beside["healthy rolled back in an hour"] = {name: round(n / runs / len(cells), 4) for name, n in others.items()}
    yield Row(1, "healthy rolled back, mean of the cells", sum(rates) / len(rates), 0.01)
    yield Row(1, f"healthy rolled back, worst of {len(cells)} cells", max(rates), 0.01)


def clustered(full: bool, beside: Beside) -> Rows:
    """Goal 2: failures that are not independent, dispersion learnt from 30 minutes."""
    runs = 400 if full else 50
    cells = [(50.0, 0.1, 0.001), (50.0, 0.1, 0.01), (500.0, 0.1, 0.001), (500.0, 0.1, 0.01)]
    wanted = {"bursts": 0.01, "icc": 0.01, "clusters": 0.03}
    for failing, most in wanted.items():
        others: dict[str, int] = {}
        rates = []
        for place, cell in enumerate(cells if full else cells[:2]):
            rng = random.Random(f"{failing} {place}")
            traffic = Traffic(*cell, failing=failing)
            failed = [
                rolled_back(traffic, rng, HOUR, others, history_poll=POLL, dispersion_prior=2) for _n in range(runs)
            ]
            rates.append(sum(failed) / runs)
            say(f"  healthy, {failing}, {cell[0]:g}/s, {cell[2]:.2%}: {rates[-1]:.2%} rolled back")
        beside[f"healthy rolled back, {failing}"] = {n: round(k / runs / len(rates), 4) for n, k in others.items()}
        yield Row(2, f"healthy rolled back, {failing}, mean of its cells", sum(rates) / len(rates), most)
    for rps, rate in ((50.0, 0.0001), (5.0, 0.001)):
        rng, traffic = random.Random(f"nine failures {rps}"), Traffic(rps, 0.1, rate, failing="clusters")
        failed = [rolled_back(traffic, rng, HOUR, {}, history_poll=POLL, dispersion_prior=2) for _unused in range(runs)]
        name = f"healthy rolled back, clusters, only nine failures in the past, {rps:g}/s over {rate:.2%}"
        yield Row(2, name, sum(failed) / runs, 0.05)


def delays(full: bool, beside: Beside) -> Rows:
    """Goals 3 and 4: how long a regression goes on, against those who know more than can be known."""
    cells = [(Traffic(rps, 0.1, rate), excess) for rps in RPS for rate in RATES for excess in EXCESSES]
    # What the tolerance lets through on purpose is not looked for, nor what no method finds within an hour.
    cells = [cell for cell in cells if cell[1] > 0.25 * cell[0].rate and expected_polls(*cell) <= HOUR]
    if not full:
        cells = cells[::4]
    against: dict[str, list[float]] = {"oracle": [], "sprt": [], "default/sprt": [], "default/oracle": []}
    later = []
    for place, (traffic, excess) in enumerate(cells):
        rng = random.Random(f"delay {place}")
        runs = max(20, min(400, int((30_000 if full else 5_000) / expected_polls(traffic, excess))))
        sums = dict.fromkeys(("one", "default", "oracle", "sprt"), 0.0)
        for _unused in range(runs):
            for name, polls in race(traffic, excess, rng).items():
                sums[name] += polls / runs
        against["oracle"].append(sums["one"] / sums["oracle"])
        against["sprt"].append(sums["one"] / sums["sprt"])
        against["default/sprt"].append(sums["default"] / sums["sprt"])
        against["default/oracle"].append(sums["default"] / sums["oracle"])
        later.append(sums["default"] - sums["one"])
        polls = ", ".join(f"{name} {POLL * mean:.0f} s" for name, mean in sums.items())
        say(f"  +{excess:.1%} over {traffic.rate:.2%} at {traffic.rps:g}/s, {runs} runs: {polls}")
    name = f"of {len(cells)} cells"
    yield Row(3, f"delay over the two-sample oracle, geometric mean {name}", geometric(against["oracle"]), 1.3)
    yield Row(3, f"delay over the two-sample oracle, worst {name}", max(against["oracle"]), 1.5)
    yield Row(3, "polls the default decides later than with one interval, mean", sum(later) / len(later), 1.0)
    yield Row(4, f"delay over the clairvoyant test, geometric mean {name}", geometric(against["sprt"]), 1.3)
    yield Row(4, "delay of the default over the clairvoyant test", geometric(against["default/sprt"]), 1.6)
    beside["delay of our default over the oracle"] = round(geometric(against["default/oracle"]), 3)


def expected_polls(traffic: Traffic, excess: float) -> float:
    needed = requests_to_fail(traffic.rate, min(excess, 0.97), NEEDED, traffic.weight)
    return max(1.0, needed / (traffic.rps * traffic.weight * POLL))


def race(traffic: Traffic, excess: float, rng: random.Random) -> dict[str, int]:
    """Return after how many polls each judge rolled the same deployment back."""
    gates = {"one": gate_for(traffic, rng, intervals=1), "default": gate_for(traffic, rng)}
    rules = {"oracle": Oracle(traffic.rate, excess, NEEDED), "sprt": Clairvoyant(traffic.rate, excess, NEEDED)}
    done: dict[str, int] = {}
    seen: list[Counts] = []
    for place, reading in enumerate(cumulated(keep(traffic.polls(rng, excess), seen))):
        for name, gate in gates.items():
            if name not in done and gate.judge(reading).status == "fail":
                done[name] = place
        for name, rule in rules.items():
            if place and name not in done and rule.add(POLL * place, seen[-1]):
                done[name] = place
        if len(done) == len(gates) + len(rules):
            break
    return done


def geometric(values: t.Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def failed_requests(full: bool, beside: Beside) -> Rows:
    """Goal 5: failed requests of the canary until it is rolled back, at 10 percent of the traffic."""
    runs, most_polls = (200 if full else 30), 20 * HOUR
    for excess, name in ((0.05, "+5 points"), (0.2, "+20 points"), (1.0, "everything fails")):
        ratios: dict[str, list[float]] = {}
        for rps, rate in itertools.product(RPS if full else (50.0,), RATES):
            traffic, rng = Traffic(rps, 0.1, rate), random.Random(f"failed {rps} {rate} {excess}")
            totals: dict[str, float] = {}
            for _unused in range(runs):
                gate, seen, done, bad = gate_for(traffic, rng), [], {}, 0
                rules = {name: make() for name, make in RIVALS.items()}
                for place, reading in enumerate(cumulated(keep(traffic.polls(rng, excess), seen))):
                    bad += seen[-1].canary_bad if seen else 0
                    if "ours" not in done and gate.judge(reading).status == "fail":
                        done["ours"] = bad
                    for rival, rule in rules.items():
                        if place and rival not in done and rule.add(POLL * place, seen[-1]):
                            done[rival] = bad
                    if len(done) == len(rules) + 1 or place == most_polls:
                        break
                for judge in ("ours", *rules):
                    totals[judge] = totals.get(judge, 0.0) + done.get(judge, bad)
            for rival in RIVALS:
                ratios.setdefault(rival, []).append(totals[rival] / totals["ours"])
        beside[f"failed requests over ours, {name}"] = {rival: round(geometric(r), 2) for rival, r in ratios.items()}
        yield Row(5, f"failed requests of Flagger's setting over ours, {name}", geometric(ratios["flagger"]), 5.0, True)


STEPS = ((5, 10), (10, 25), (25, 50), (50, 100), (100, None))


def our_rollout(rng: random.Random, rps: float, rate: float, excess: float, **given: t.Any) -> Rollout:
    """Return a whole rollout with every default but what is given: polls of 5 s, steps 5, 10, 25, 50, 100."""
    poll, at, extra, totals = 5.0, 0.0, 0.0, Counts(0, 0, 0, 0)
    gate = Gate(Options.from_dict(given), Traffic(rps, 0.0, rate).history(rng, poll=15.0))
    for weight, following in STEPS:
        gate.step(weight, at, following)
        status = gate.judge(sample(at, totals)).status if at == 0.0 else "running"
        while status == "running":
            at += poll
            canary = int(rps * poll * weight / 100.0 + rng.random())
            baseline = int(rps * poll) - canary
            bad = binomial(rng, canary, rate + excess), binomial(rng, baseline, rate)
            totals = plus(totals, Counts(canary, bad[0], baseline, bad[1]))
            extra += canary * excess
            status = gate.judge(sample(at, totals)).status
        if status != "pass":
            return Rollout("rolled back" if status == "fail" else "undecided", at, extra)
    return Rollout("promoted", at, extra)


def rollouts(full: bool, beside: Beside) -> Rows:
    """Goal 6: whole rollouts, 50 and 500 requests per second."""
    healthy, bad = (200, 400) if full else (20, 40)
    minutes: dict[str, float] = {}
    for rate, rps, delay in itertools.product(RATES, (50.0, 500.0), (0, 60)):
        rng = random.Random(f"rollout {rps} {rate}")
        seen = [our_rollout(rng, rps, rate, 0.0, initial_delay=delay) for _unused in range(healthy)]
        done = [rollout.seconds for rollout in seen if rollout.outcome == "promoted"]
        name = f"{rps:g}/s over {rate:.2%}{', 60 s of warm-up' if delay else ''}"
        minutes[name] = round(sum(done) / len(done) / 60.0, 2) if done else math.inf
        say(f"  healthy rollout at {name}: {len(done)} of {healthy} promoted, mean {minutes[name]:.1f} min")
    beside["minutes of our healthy rollout"] = minutes
    # Over 2 % the last margin alone takes 6,708 canary requests, four and a half minutes of 25 a second: see beside.
    for name, warm_up in (("60 s of warm-up, as by default", True), ("not warmed up", False)):
        asked = [mean for cell, mean in minutes.items() if ("warm-up" in cell) == warm_up and "2.00%" not in cell]
        yield Row(6, f"minutes of a healthy rollout over 0.01 to 0.5 %, {name}, slowest cell", max(asked), 5.0)
    promoted = 0
    for rps, rate, excess in itertools.product((50.0, 500.0), (0.001, 0.005), (0.01, 0.05)):
        rng = random.Random(f"bad rollout {rps} {rate} {excess}")
        seen = [our_rollout(rng, rps, rate, excess) for _unused in range(bad)]
        promoted += sum(rollout.outcome == "promoted" for rollout in seen)
        undecided = sum(rollout.outcome == "undecided" for rollout in seen)
        failed = first_hour(seen, rps, excess)
        ends = f"{promoted} promoted so far, {undecided} undecided, {failed:.0f} failed requests each"
        say(f"  +{excess:.0%} over {rate:.1%} at {rps:g}/s: {ends}")
    yield Row(6, f"bad releases promoted (of {8 * bad})", promoted, 0)
    for rps, rate, excess in ((50.0, 0.001, 0.01), (500.0, 0.001, 0.01)):
        rng = random.Random(f"beside flagger {rps}")
        theirs = [flagger_rollout(rng, rps, rate, excess) for _unused in range(bad)]
        ours = [our_rollout(rng, rps, rate, excess, initial_delay=0) for _unused in range(bad)]
        warmed = [our_rollout(rng, rps, rate, excess) for _unused in range(bad)]
        failed = {
            name: first_hour(seen, rps, excess)
            for name, seen in (("flagger", theirs), ("ours", ours), ("ours with 60 s of warm-up", warmed))
        }
        beside[f"extra failed requests of a rollout in its first hour, +1 point over 0.1 % at {rps:g}/s"] = {
            **{name: round(value, 1) for name, value in failed.items()},
            "promoted by flagger": sum(rollout.outcome == "promoted" for rollout in theirs) / bad,
        }
        name = (
            f"failed requests in the first hour, Flagger's rollout over ours, +1 point at {rps:g}/s, neither warmed up"
        )
        yield Row(6, name, failed["flagger"] / failed["ours"], 20.0, True)


def first_hour(seen: t.Sequence[Rollout], rps: float, excess: float) -> float:
    """Return the mean extra failures of the first hour: who is promoted goes on failing at the full rate."""
    after = [rps * excess * max(3600.0 - rollout.seconds, 0.0) * (rollout.outcome == "promoted") for rollout in seen]
    return sum(rollout.extra_failures + rest for rollout, rest in zip(seen, after, strict=True)) / len(seen)


EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def latency(full: bool, beside: Beside) -> Rows:
    """Goal 7: request times, log-normal, in Prometheus' default buckets; 5 canary requests of 50 a second."""
    runs, rng = (400 if full else 80), random.Random("latency")
    times = Latencies(0.08, 0.8, EDGES)
    false = sum(latency_polls(times, rng) < HOUR for _unused in range(runs)) / runs
    yield Row(7, "healthy rolled back in an hour, median 80 ms, sigma 0.8", false, 0.01)
    changes = {"one percent of requests 1 s later": {"late": 0.01}, "x1.25": {"factor": 1.25}}
    for name, change in changes.items():
        mean = POLL * sum(latency_polls(times, rng, **change) for _unused in range(runs)) / runs
        yield Row(7, f"seconds until found, {name}, median 80 ms, sigma 0.8", mean, 150.0)
    for median, sigma in ((0.1, 0.5), (0.1, 0.8), (0.05, 1.0)):
        other = Latencies(median, sigma, EDGES)
        beside[f"seconds until found, median {1000 * median:g} ms, sigma {sigma:g}"] = {
            name: round(POLL * sum(latency_polls(other, rng, **change) for _unused in range(runs // 4)) / (runs // 4))
            for name, change in changes.items()
        }


def latency_polls(times: Latencies, rng: random.Random, **change: float) -> int:
    """Return after how many polls a deployment was rolled back, or an hour's."""
    gate, totals = latency_gate(times, rng), [[0] * len(EDGES), [0] * len(EDGES)]
    chances = [[times.slower(edge, **change) for edge in EDGES], [times.slower(edge) for edge in EDGES]]
    for place in range(HOUR):
        arms = [Arm(n * place, named(total)) for n, total in zip((50, 450), totals, strict=True)]
        if gate.judge(Sample(POLL * place, arms[1], arms[0])).status == "fail":
            return place
        for arm, requests in enumerate((50, 450)):
            new = times.draw(rng, requests, chances[arm])
            totals[arm] = [a + b for a, b in zip(totals[arm], new, strict=True)]
    return HOUR


def named(counts: t.Sequence[int]) -> dict[str, int]:
    return {f"latency>{edge}": count for edge, count in zip(EDGES, counts, strict=True)}


def latency_gate(times: Latencies, rng: random.Random) -> Gate:
    given = {"initial_delay": 0, "max_duration": FOREVER, "dispersion_prior": 1}
    options = Options.from_dict({**given, "metrics": [{"name": "latency", "edges": list(EDGES)}]})
    chances, halves, history = [times.slower(edge) for edge in EDGES], (200, 250), []
    totals = [[0] * len(EDGES), [0] * len(EDGES)]
    for place in range(181):
        arms = [Arm(n * place, named(total)) for n, total in zip(halves, totals, strict=True)]
        history.append(Sample(POLL * (place - 200), *arms))
        for half, requests in enumerate(halves):
            new = times.draw(rng, requests, chances)
            totals[half] = [a + b for a, b in zip(totals[half], new, strict=True)]
    gate = Gate(options, history)
    gate.step(10, 0.0)
    return gate


def no_data(full: bool, beside: Beside) -> Rows:
    """Goal 8: what is no evidence is never health and never failure."""
    runs, wrong_pass, wrong_fail = (300 if full else 40), 0, 0
    traffic = Traffic(50.0, 0.1, 0.002)
    for place in range(runs):
        rng = random.Random(f"no data {place}")
        silent = (Counts(0, 0, counts.baseline, counts.baseline_bad) for counts in traffic.polls(rng))
        outage = (Counts(c.canary, c.canary // 2, c.baseline, c.baseline // 2) for c in traffic.polls(rng))
        dead = [None] * 120
        for series in (itertools.islice(cumulated(silent), 120), itertools.islice(cumulated(outage), 120), dead):
            gate = gate_for(traffic, rng, min_duration=0, min_step_duration=0)
            for reading in series:
                reading = spoiled(rng, reading) if reading and rng.random() < 0.3 else reading
                status = gate.judge(reading).status
                wrong_pass += status == "pass"
                wrong_fail += status == "fail"
        # Readings of a healthy canary, spoiled: so small an alpha that chance plays no part.
        gate = gate_for(traffic, rng, alpha=1e-5)
        for reading in resets(rng, itertools.islice(traffic.polls(rng), 180), 0.02):
            reading = spoiled(rng, reading) if rng.random() < 0.3 else reading
            wrong_fail += gate.judge(reading).status == "fail"
    yield Row(8, f"passes without data, in an outage or without traffic (of {3 * runs} series)", wrong_pass, 0)
    yield Row(8, f"fails of spoiled readings (of {4 * runs} series)", wrong_fail, 0)


def costs(full: bool, beside: Beside) -> Rows:
    """Goal 9: standard library only, short, cheap."""
    options = Options.from_dict({"metrics": ["errors", "timeouts"], "initial_delay": 0, "max_duration": FOREVER})
    gate, polls = Gate(options), 3000
    gate.step(10, 0.0, 25)
    arms = [
        (Arm(450 * n, {"errors": n, "timeouts": n // 2}), Arm(50 * n, {"errors": n // 10, "timeouts": n // 20}))
        for n in range(polls)
    ]
    began = time.process_time()
    for place, (stable, canary) in enumerate(arms):
        gate.judge(Sample(5.0 * place, stable, canary))
    yield Row(9, "milliseconds a metric and poll", 1000.0 * (time.process_time() - began) / polls / 2, 1.0)
    sizes = {path.name: code_lines(path) for path in sorted(CORE.glob("*.py")) if path.stem in GATE_FILES}
    beside["lines of code by file"] = sizes
    size = sum(sizes[name] for name in ("evidence.py", "sequential.py", "gate.py"))
    foreign = sorted(set().union(*map(imports, CORE.glob("*.py"))) - sys.stdlib_module_names - {"ansible_collections"})
    yield Row(9, f"modules imported from outside the standard library {foreign or ''}".strip(), len(foreign), 0)
    yield Row(9, "lines of code of evidence, its rule and the gate", size, 400)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def code_lines(path: Path) -> int:
    """Return the lines that hold code: no blank ones, comments, docstrings."""
    text, lines = path.read_text(), set()
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in quiet:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def replayed(full: bool, beside: Beside) -> Rows:
    """Goal 10: live and from history the same verdicts, each with its one line and what was needed."""
    differ = wordless = 0
    runs = 200 if full else 40
    for place in range(runs):
        rng = random.Random(f"replay {place}")
        traffic = Traffic(50.0, 0.1, rng.choice(RATES))
        history = traffic.history(rng, poll=15.0)
        options = Options.from_dict({"max_duration": rng.choice(("5m", "30m"))})
        gate, steps, live = Gate(options, history), [(10, 0.0, 25)], []
        gate.step(*steps[0])
        polls = itertools.islice(traffic.polls(rng, rng.choice((0.0, 0.01, 0.2))), 100)
        readings = [spoiled(rng, one) if rng.random() < 0.1 else one for one in cumulated(polls)]
        for reading in readings:
            live.append(gate.judge(reading))
            if live[-1].status == "pass" and len(steps) == 1:
                steps.append((25, t.cast(Sample, reading).at + 0.5, 50))
                gate.step(*steps[1])
        differ += replay(options, readings, steps, history) != live
        decided = [
            verdict.msg for verdict in live if verdict.reason in ("safe", "worse", "limit", "not_enough_evidence")
        ]
        wordless += sum("\n" in line or "needed" not in line for line in decided)
    yield Row(10, f"rollouts judged differently when replayed (of {runs})", differ, 0)
    yield Row(10, "verdicts without their line or what was needed", wordless, 0)


def real(full: bool, beside: Beside) -> Rows:
    """Goal 11: real servers on loopback, the verdict within one poll and 20 % of the simulation."""
    lacking = loopback.missing()
    if lacking:
        beside["left out"] = f"goal 11: no {lacking} on PATH"
        say(f"  {beside['left out']}")
        return
    exporters = ("haproxy", "app", "envoy") if full else ("haproxy", "app")
    scenarios = (*loopback.SCENARIOS, loopback.LONG) if full else loopback.SCENARIOS
    apart: dict[str, float] = {}
    told = beside["seconds to a verdict on loopback"] = {}
    for exporter, scenario, found in loopback.compare(exporters, scenarios, 6 if full else 4, say):
        told[f"{exporter}, {scenario}"] = {name: round(value, 2) for name, value in found._asdict().items()}
        apart[exporter] = max(apart.get(exporter, 0.0), found.apart)
    for exporter, polls in apart.items():
        name = f"polls that real verdicts are more than 20 % apart from simulated ones, {exporter}, worst scenario"
        yield Row(11, name, polls, 1.0)


MEASURES: dict[tuple[int, ...], t.Callable[[bool, Beside], Rows]] = {
    (1,): false_rollbacks,
    (2,): clustered,
    (3, 4): delays,
    (5,): failed_requests,
    (6,): rollouts,
    (7,): latency,
    (8,): no_data,
    (9,): costs,
    (10,): replayed,
    (11,): real,
}

if __name__ == "__main__":
    main()
