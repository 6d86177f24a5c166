# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source C(prometheus): cumulative counters by instant queries, one HTTP call a poll.

Works with whatever speaks Prometheus' HTTP API (Thanos, Mimir, VictoriaMetrics). An instant query answers with its own
time, not with the scrape's, so each counter is asked together with C(timestamp()): old data is seen to be old.
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import replace

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import endpoint, promql
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.endpoint import Endpoint
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.readings import (
    REQUESTS,
    Halves,
    Labels,
    Readings,
    Table,
    tag,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    STABLE,
    Look,
    Place,
    Places,
    Source,
    SourceError,
)

LATENCY = "latency"
# Points of a range query: what a half hour's dispersion needs, and what Prometheus gives at most (11,000).
FOR_HISTORY, FOR_REPLAY = 120, 10000
# Which latency edges a gate takes by itself: exceeded often enough to tell something, seldom enough to be proven soon.
RARE, COMMON = 0.0005, 0.1
LATENCY_MARGIN = 0.02


class Prometheus(Source):
    """Counters of both slots from one Prometheus."""

    name = "prometheus"
    spec: t.ClassVar[dict[str, t.Any]] = {
        **endpoint.SPEC,
        "exporter": {"type": "str", "choices": sorted(promql.EXPORTERS)},
        "match": {"type": "dict", "default": {}},
        "requests": {"type": "str"},
        "bad": {"type": "dict", "default": {}},
        "latency": {"type": "dict", "default": {}},
        "edges": {"type": "list", "elements": "str"},
        "max_age": {"type": "str", "default": "auto"},
    }

    def __init__(self, options: t.Mapping[str, t.Any], places: Places) -> None:
        self._endpoint = Endpoint("Prometheus", options)
        self._places = places
        self._queries = _templates(options)
        self._edges: t.Optional[list[str]] = list(options["edges"]) if options.get("edges") is not None else None
        self._wants_edges = bool(options.get("edges") or options["latency"])
        self._latency = {str(edge): str(query) for edge, query in options["latency"].items()}
        self._max_age = _max_age(options["max_age"])
        self._readings = Readings(self._max_age)
        self._check()

    def counters(self) -> list[str]:
        return [*self._queries.bad, *(f"{LATENCY}>{edge}" for edge in self._all_edges())]

    def metrics(self, history: t.Sequence[Sample]) -> list[dict[str, t.Any]]:
        metrics: list[dict[str, t.Any]] = [{"name": name} for name in self._queries.bad]
        edges = self._all_edges() if self._wants_edges else _telling(self._all_edges(), history)
        if edges:
            metrics.append({"name": LATENCY, "edges": edges, "margin": LATENCY_MARGIN})
        return metrics

    def read(self, at: float) -> t.Optional[Sample]:
        now, table = self._table()
        return self._readings.sample(at, now, table, self.counters())

    def choose(self, counters: t.Collection[str]) -> None:
        super().choose(counters)
        self._queries = replace(
            self._queries, bad={name: query for name, query in self._queries.bad.items() if name in counters}
        )
        self._edges = [edge for edge in self._all_edges() if f"{LATENCY}>{edge}" in counters]

    def describe(self) -> list[Look]:
        try:
            now, table = self._table()
        except SourceError as error:
            raise self._culprit() or error from None
        return [
            self._look(arm, counter, query, table, now)
            for arm in ARMS
            for counter, query in self._of(self._places[arm]).items()
        ]

    def history(self, seconds: float, step: float) -> list[Sample]:
        return self.halves(None, seconds, step, FOR_HISTORY)

    def halves(self, end: t.Optional[float], seconds: float, step: float, points: int = FOR_REPLAY) -> list[Sample]:
        """Return samples of two halves of the stable fleet, over C(seconds) until C(end) (epoch seconds; None: now).

        The second half is None where there is only one instance. C(step) is made longer to give C(points) at most.
        """
        halves, step = Halves(), max(step, seconds / points)
        tables = self._range([STABLE], end, seconds, step)
        return [halves.sample(at, table, self.counters()) for at, table in tables]

    def past(self, start: float, end: float, step: float) -> list[Sample]:
        """Return what C(read) would have returned every C(step) seconds from C(start) to C(end), in epoch seconds."""
        readings, step = Readings(self._max_age), max(step, (end - start) / FOR_REPLAY)
        tables = {round(at, 3): table for at, table in self._range(ARMS, end, end - start, step)}
        polls = [round(start + number * step, 3) for number in range(int((end - start) / step) + 1)]
        found = [readings.sample(at, at, tables.get(at, {}), self.counters()) for at in polls]
        return [sample for sample in found if sample is not None]

    # Reading

    def _table(self) -> tuple[float, Table]:
        """Return Prometheus' own time and every series of every counter."""
        asked: dict[str, str] = {}
        for arm in ARMS:
            asked.update(_tagged(arm, self._of(self._places[arm])))
        result = self._query(promql.together(asked))
        table: Table = {}
        now = -math.inf
        for series in result:
            now, value = float(series["value"][0]), float(series["value"][1])
            name, labels = _labels(series["metric"])
            table.setdefault(name, {})[labels] = value
        return now, table

    # Queries

    def _of(self, place: Place) -> dict[str, str]:
        """Return the queries of one slot by counter, the requests first."""
        templates = {REQUESTS: self._queries.requests, **self._queries.bad}
        filled = {
            name: place.fill(query, f"the query {name} of prometheus", promql.quoted)
            for name, query in templates.items()
        }
        for edge in self._all_edges():
            query = self._latency.get(edge, self._queries.slower)
            name = f"{LATENCY}>{edge}"
            filled[name] = place.fill(query, f"the query {name} of prometheus", promql.quoted, le=edge)
        return filled

    def _all_edges(self) -> list[str]:
        """Return the latency edges there are: the user's own, or those of the exporter's histogram."""
        if self._edges is None:
            self._edges = list(self._latency) or (self._buckets() if self._queries.buckets else [])
        return self._edges

    def _buckets(self) -> list[str]:
        query = self._places[STABLE].fill(self._queries.buckets, "the histogram of prometheus", promql.quoted)
        edges = {series["metric"].get("le", "+Inf") for series in self._query(f"count by (le) ({query})")}
        return sorted((edge for edge in edges if math.isfinite(float(edge))), key=float)

    def _look(self, arm: str, counter: str, query: str, table: Table, now: float) -> Look:
        values = list(table.get(tag(arm, counter), {}).values())
        newest = max(table.get(tag(arm, counter, True), {}).values(), default=None)
        age = None if newest is None else now - newest
        # A series of errors is made at the first error: while requests are counted, none of it means none.
        counted = bool(values) or (counter != REQUESTS and bool(table.get(tag(arm, REQUESTS))))
        return Look(arm, self._places[arm].slot, counter, query, len(values), sum(values) if counted else None, age)

    def _culprit(self) -> t.Optional[SourceError]:
        """Return what the first query says that fails when asked alone; None when none does."""
        for arm in ARMS:
            for counter, query in self._of(self._places[arm]).items():
                try:
                    self._query(query)
                except SourceError as error:
                    return SourceError(f"the query {counter} of {arm}: {error}: {self._endpoint.hide(query)}")
        return None

    def _query(self, query: str) -> list[dict[str, t.Any]]:
        answer = self._endpoint.ask("/api/v1/query", {"query": query})
        return self._result(answer, "vector")

    def _range(
        self, arms: t.Sequence[str], end: t.Optional[float], seconds: float, step: float
    ) -> list[tuple[float, Table]]:
        """Return the tables of a time range in order; a moment without any series is left out."""
        if end is None:
            end = float(self._query("vector(time())")[0]["value"][1])
        asked: dict[str, str] = {}
        for arm in arms:
            asked.update(_tagged(arm, self._of(self._places[arm])))
        form = {
            "query": promql.together(asked),
            "start": f"{end - seconds:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step:.3f}",
        }
        tables: dict[float, Table] = {}
        for series in self._result(self._endpoint.ask("/api/v1/query_range", form), "matrix"):
            name, labels = _labels(series["metric"])
            for at, value in series["values"]:
                tables.setdefault(float(at), {}).setdefault(name, {})[labels] = float(value)
        return sorted(tables.items())

    def _result(self, answer: t.Any, kind: str) -> list[dict[str, t.Any]]:
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict) or answer.get("status") != "success":
            said = (answer.get("error") if isinstance(answer, dict) else None) or "no result in its answer"
            raise SourceError(self._endpoint.hide(f"Prometheus at {self._endpoint.url}: {said}"))
        if data.get("resultType") != kind or not isinstance(data.get("result"), list):
            raise SourceError(
                f"the answer is a {data.get('resultType')}: a query of the gate gives counters, one number per series"
            )
        return t.cast("list[dict[str, t.Any]]", data["result"])

    def _check(self) -> None:
        for arm in ARMS:
            templates = {REQUESTS: self._queries.requests, **self._queries.bad}
            templates.update({f"{LATENCY}>{edge}": query for edge, query in self._latency.items()})
            for name, query in templates.items():
                promql.refuse_rates(query, f"the query {name} of prometheus")
                self._places[arm].fill(query, f"the query {name} of prometheus", le="1")
        told = {self._places[arm].fill(self._queries.requests, "requests") for arm in ARMS}
        if len(told) == 1:
            raise SourceError("requests of prometheus asks both slots the same: put $slot, $name or $revision into it")


def _templates(options: t.Mapping[str, t.Any]) -> promql.Queries:
    """Return the queries the user wrote, else the exporter's. Raises SourceError when there are none."""
    ready = promql.EXPORTERS[options["exporter"]] if options.get("exporter") else None
    requests = options.get("requests") or (ready.requests if ready else "")
    bad = {str(name): str(query) for name, query in options["bad"].items()} or (dict(ready.bad) if ready else {})
    if not requests or not bad:
        raise SourceError(
            f"the source prometheus needs an exporter ({', '.join(sorted(promql.EXPORTERS))}), "
            "or the queries requests and bad: {errors: ...}"
        )
    match = {str(name): str(value) for name, value in options["match"].items()}
    slower = ready.slower if ready and not options["latency"] else ""
    return promql.Queries(
        promql.narrowed(requests, match),
        {name: promql.narrowed(query, match) for name, query in bad.items()},
        promql.narrowed(slower, match),
        promql.narrowed(ready.buckets, match) if ready and slower else "",
    )


def _max_age(given: str) -> t.Optional[float]:
    if given in ("auto", ""):
        return None
    try:
        return duration.seconds(given)
    except ValueError as error:
        raise SourceError(f"max_age of prometheus: {error}") from None


def _tagged(arm: str, queries: t.Mapping[str, str]) -> dict[str, str]:
    """Return every query under its tag, and under another the one for its timestamps."""
    asked = {}
    for counter, query in queries.items():
        asked[tag(arm, counter)] = query
        if promql.stamps(query):
            asked[tag(arm, counter, True)] = promql.stamps(query)
    return asked


def _labels(metric: t.Mapping[str, str]) -> tuple[str, Labels]:
    # timestamp() and arithmetic drop the name, so it cannot be part of what tells series apart.
    rest = frozenset((name, value) for name, value in metric.items() if name not in (promql.TAG, "__name__"))
    return metric.get(promql.TAG, ""), rest


def _telling(edges: t.Sequence[str], history: t.Sequence[Sample]) -> list[str]:
    """Return the edges that the past exceeded neither never nor commonly."""
    ends = [arm for sample in history[-1:] for arm in (sample.stable, sample.canary) if arm is not None]
    requests = sum(arm.requests for arm in ends)
    rates = {edge: sum(arm.bad.get(f"{LATENCY}>{edge}", 0.0) for arm in ends) / requests for edge in edges if requests}
    return [edge for edge in edges if RARE <= rates.get(edge, 0.0) <= COMMON]
