# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where watched things are read: gauges from Prometheus or a JSON answer, alerts from Alertmanager."""

from __future__ import annotations

import math
import typing as t
from urllib.parse import urlencode

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import endpoint, jmes, promql
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.endpoint import Endpoint
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.silence import LASTS, Silence
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    CANARY,
    Places,
    SourceError,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.watch import (
    FAIL,
    HOLD,
    OK,
    Gauges,
    Note,
    Watcher,
)

OLDEST = 180.0  # three of the longest periods in use; older gauges say nothing of now
GAUGES: dict[str, t.Any] = {**endpoint.SPEC, "gauges": {"type": "dict", "required": True}}


class PrometheusGauges(Gauges):
    """Gauges by instant queries, each one number for one slot; C(rate) is welcome here."""

    name = "prometheus"
    spec: t.ClassVar[dict[str, t.Any]] = GAUGES

    def __init__(self, options: t.Mapping[str, t.Any], places: Places) -> None:
        super().__init__(options, places)
        self._endpoint = Endpoint("Prometheus", options)
        self._asked: dict[str, str] = {}
        for gauge in self.gauges:
            for arm in self.arms(gauge):
                query = self.filled(gauge, places[arm], promql.quoted)
                self._asked[f"{arm} {gauge.name}"] = query
                if promql.stamps(query):
                    self._asked[f"{arm} {gauge.name}@"] = f"max({promql.stamps(query)})"

    def values(self) -> t.Mapping[tuple[str, str], float]:
        answer = self._endpoint.ask("/api/v1/query", {"query": promql.together(self._asked)})
        found: dict[str, list[tuple[float, float]]] = {}
        try:
            for series in answer["data"]["result"]:
                now, value = series["value"]
                found.setdefault(series["metric"][promql.TAG], []).append((float(now), float(value)))
        except (KeyError, TypeError, ValueError):
            raise SourceError(f"Prometheus at {self._endpoint.url}: no numbers in its answer") from None
        values = {}
        for gauge in self.gauges:
            for arm in self.arms(gauge):
                series = found.get(f"{arm} {gauge.name}", [])
                if len(series) > 1:
                    raise SourceError(
                        f"the query of the gauge {gauge.name} gives {len(series)} series: say which number counts, "
                        "by max(), avg() or sum()"
                    )
                stamp = found.get(f"{arm} {gauge.name}@")
                fresh = not stamp or stamp[0][0] - stamp[0][1] <= OLDEST
                if series and fresh and math.isfinite(series[0][1]):
                    values[gauge.name, arm] = series[0][1]
        return values


class WebGauges(Gauges):
    """Gauges in a JSON answer, by JMESPath."""

    name = "web"
    spec: t.ClassVar[dict[str, t.Any]] = GAUGES

    def __init__(self, options: t.Mapping[str, t.Any], places: Places) -> None:
        super().__init__(options, places)
        urls = {arm: place.fill(options["url"], "the url of web in watch") for arm, place in places.items()}
        endpoints = {url: Endpoint("the gauges", {**options, "url": url}) for url in urls.values()}
        self._endpoints = {arm: endpoints[url] for arm, url in urls.items()}
        self._paths = {
            (gauge.name, arm): self.filled(gauge, places[arm], jmes.quoted)
            for gauge in self.gauges
            for arm in self.arms(gauge)
        }
        for (name, _arm), path in self._paths.items():
            jmes.check(path, f"the query of the gauge {name}")

    def values(self) -> t.Mapping[tuple[str, str], float]:
        needed = {self._endpoints[arm] for _name, arm in self._paths}
        documents = {one: one.ask() for one in needed}
        values = {}
        for (name, arm), path in self._paths.items():
            found = jmes.numbers(path, documents[self._endpoints[arm]], f"the gauge {name} ({path})")
            if "" in found:
                values[name, arm] = found[""]
        return values


class Alertmanager(Watcher):
    """Alerts that fire, neither silenced nor inhibited, and carry certain labels; a silence for others on request."""

    name = "alertmanager"
    spec: t.ClassVar[dict[str, t.Any]] = {
        **endpoint.SPEC,
        "labels": {"type": "dict", "required": True},
        "on_firing": {"type": "str", "choices": [FAIL, HOLD], "default": FAIL},
        "silence": {"type": "dict"},
    }

    def __init__(self, options: t.Mapping[str, t.Any], places: Places) -> None:
        self._endpoint, self._on_firing = Endpoint("Alertmanager", options), options["on_firing"]
        labels = _labels(options["labels"], places, "labels")
        if not labels:
            raise SourceError("alertmanager of watch has no labels: it would stop for every alert there is")
        self._silenced = _labels(options.get("silence") or {}, places, "silence")
        if self._silenced and self._silenced.items() <= labels.items():
            raise SourceError("silence of alertmanager in watch covers its own labels: no alert would stop anything")
        comment = f"a release to {places[CANARY].slot}"
        self._silence = Silence(self._endpoint, self._silenced, comment) if self._silenced else None
        filters = [f'{name}="{promql.quoted(value)}"' for name, value in labels.items()]
        wanted = [("active", "true"), ("silenced", "false"), ("inhibited", "false")]
        self._path = f"/api/v2/alerts?{urlencode([*wanted, *(('filter', one) for one in filters)])}"

    def begin(self) -> list[str]:
        if self._silence is None:
            return []
        self._silence.begin()
        return [f"silenced alerts with {_words(self._silenced)} for as long as the gate judges"]

    def end(self) -> list[str]:
        if self._silence is None:
            return []
        try:
            self._silence.end()
        except SourceError as error:
            return [f"the silence of alerts with {_words(self._silenced)} ends in {LASTS / 60:.0f} minutes: {error}"]
        return [f"alerts with {_words(self._silenced)} are silenced no longer"]

    def look(self, warm_up: bool) -> list[Note]:
        if self._silence is not None:
            self._silence.renew()
        firing = self._firing()
        if not firing:
            return [Note(self.name, OK, "no alert fires")]
        names = ", ".join(firing)
        return [Note(self.name, self._on_firing, f"{'alerts fire' if len(firing) > 1 else 'an alert fires'}: {names}")]

    def describe(self) -> list[str]:
        firing = self._firing()
        seen = [f"alerts fire: {', '.join(firing)}" if firing else "no alert fires"]
        return seen + ([f"alerts with {_words(self._silenced)} will be silenced"] if self._silenced else [])

    def _firing(self) -> list[str]:
        answer = self._endpoint.ask(self._path)
        try:
            return sorted({str(alert["labels"].get("alertname", "one without a name")) for alert in answer})
        except (KeyError, TypeError, AttributeError):
            raise SourceError(f"Alertmanager at {self._endpoint.url}: no alerts in its answer") from None


def _labels(given: t.Mapping[t.Any, t.Any], places: Places, what: str) -> dict[str, str]:
    canary = places[CANARY]
    return {str(name): canary.fill(str(value), f"{what} of alertmanager in watch") for name, value in given.items()}


def _words(labels: t.Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())


WATCHERS: dict[str, type[Watcher]] = {one.name: one for one in (Alertmanager, PrometheusGauges, WebGauges)}
