# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source C(http): our own probes of each slot by its preview route. It measures probes, not users."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.probe import Probe, probe
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.target import Tls
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    STABLE,
    Look,
    Place,
    Places,
    Source,
    SourceError,
)

ERRORS, LATENCY = "errors", "latency"
PATIENCE = 5.0


class Http(Source):
    """Each reading sends C(probes) GETs to each slot, in turns; an answer with a failure status, or none, is bad."""

    name = "http"
    spec: t.ClassVar[dict[str, t.Any]] = {
        "url": {"type": "str", "required": True},
        "headers": {"type": "dict", "default": {}, "no_log": True},
        "probes": {"type": "int", "default": 10},
        "edges": {"type": "list", "elements": "float", "default": []},
        "timeout": {"type": "float", "default": 2.0},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
    }

    def __init__(
        self, options: t.Mapping[str, t.Any], places: Places, clock: t.Callable[[], float] = time.monotonic
    ) -> None:
        self._probes, self._timeout, self._clock = int(options["probes"]), float(options["timeout"]), clock
        if self._probes < 1 or self._timeout <= 0:
            raise SourceError("probes and timeout of the source http must be greater than 0")
        self._edges = sorted(options["edges"])
        self._tls = Tls(verify=options["validate_certs"], ca_file=options.get("ca_path") or "")
        self._places = places
        self._asked = {arm: _Asked.of(options, places[arm]) for arm in ARMS}
        if self._asked[ARMS[0]] == self._asked[ARMS[1]]:
            raise SourceError("the source http asks both slots the same: put $slot or $revision into url or headers")
        self._requests = dict.fromkeys(ARMS, 0)
        self._bad: dict[str, dict[str, float]] = {arm: dict.fromkeys(self.counters(), 0.0) for arm in ARMS}

    def counters(self) -> list[str]:
        return [ERRORS, *(f"{LATENCY}>{edge:g}" for edge in self._edges)]

    def metrics(self, history: t.Sequence[Sample]) -> list[dict[str, t.Any]]:
        latency = [{"name": LATENCY, "edges": [f"{edge:g}" for edge in self._edges]}] if self._edges else []
        return [{"name": ERRORS}, *latency]

    def read(self, at: float) -> t.Optional[Sample]:
        began = self._clock()
        for _round in range(self._probes):
            for arm in ARMS:
                self._count(arm, self._probe(arm))
            if self._clock() - began > PATIENCE:
                break  # a slot that hangs is told about sooner by few probes than by many
        at += self._clock() - began
        stable, canary = (Arm(self._requests[arm], dict(self._bad[arm])) for arm in ARMS)
        return Sample(at, stable, canary)

    def describe(self) -> list[Look]:
        looks = []
        for arm in ARMS:
            seen = self._probe(arm)
            # Before it is staged, the canary answers nobody.
            if seen.kind and arm == STABLE:
                raise SourceError(f"the probe of {arm}: {self._asked[arm].url}: {seen.detail}")
            words = f"one probe of {self._asked[arm].url} (probes, not users): {seen.status or seen.detail}"
            for counter, value in (("requests", 1.0), (ERRORS, float(_failed(seen)))):
                looks.append(Look(arm, self._places[arm].slot, counter, words, 1, None if seen.kind else value, 0.0))
        return looks

    def _probe(self, arm: str) -> Probe:
        asked = self._asked[arm]
        try:
            return probe(asked.url, headers=asked.headers, timeout=self._timeout, tls=self._tls)
        except ReleaseError as error:
            raise SourceError(f"the probe of {arm}: {error}") from error

    def _count(self, arm: str, seen: Probe) -> None:
        self._requests[arm] += 1
        self._bad[arm][ERRORS] += _failed(seen)
        for edge in self._edges:
            # No answer is slower than any edge.
            self._bad[arm][f"{LATENCY}>{edge:g}"] += bool(seen.kind) or seen.seconds > edge


class _Asked(t.NamedTuple):
    url: str
    headers: dict[str, str]

    @classmethod
    def of(cls, options: t.Mapping[str, t.Any], place: Place) -> _Asked:
        headers = {
            str(name): place.fill(str(value), f"the header {name} of the source http")
            for name, value in options["headers"].items()
        }
        return cls(place.fill(options["url"], "the url of the source http"), headers)


def _failed(seen: Probe) -> bool:
    return bool(seen.kind) or seen.status >= 400
