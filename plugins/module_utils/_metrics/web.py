# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source C(web): cumulative counters in any JSON answer, found by JMESPath."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import endpoint, jmes
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.counters import Total
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.endpoint import Endpoint
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    Look,
    Places,
    Source,
    SourceError,
)

REQUESTS = "requests"


class Web(Source):
    """Counters of each slot from its own URL, or from one URL whose answer knows both."""

    name = "web"
    spec: t.ClassVar[dict[str, t.Any]] = {
        **endpoint.SPEC,
        "requests": {"type": "str", "required": True},
        "bad": {"type": "dict", "required": True},
    }

    def __init__(self, options: t.Mapping[str, t.Any], places: Places) -> None:
        self._places = places
        templates = {REQUESTS: options["requests"], **options["bad"]}
        self._counters = [str(name) for name in options["bad"]]
        self._paths = {
            arm: {
                str(name): place.fill(str(path), f"{name} of the source web", jmes.quoted)
                for name, path in templates.items()
            }
            for arm, place in places.items()
        }
        urls = {arm: place.fill(options["url"], "the url of the source web") for arm, place in places.items()}
        self._endpoints = {arm: Endpoint("the source web", {**options, "url": url}) for arm, url in urls.items()}
        for arm in ARMS:
            for name, path in self._paths[arm].items():
                jmes.check(path, f"{name} of the source web")
        if len(set(urls.values())) == 1:
            if self._paths[ARMS[0]] == self._paths[ARMS[1]]:
                raise SourceError("the source web asks both slots the same: put $slot into the url or the expressions")
            self._endpoints = dict.fromkeys(ARMS, self._endpoints[ARMS[0]])
        self._totals = {(arm, name): Total() for arm in ARMS for name in templates}

    def counters(self) -> list[str]:
        return self._counters

    def metrics(self, history: t.Sequence[Sample]) -> list[dict[str, t.Any]]:
        return [{"name": name} for name in self._counters]

    def read(self, at: float) -> t.Optional[Sample]:
        found = self._numbers()
        stable, canary = (self._arm(arm, found[arm]) for arm in ARMS)
        return Sample(at, stable, canary)

    def describe(self) -> list[Look]:
        found = self._numbers()
        looks = []
        for arm in ARMS:
            for name, path in self._paths[arm].items():
                values = found[arm][name]
                counted = bool(values) or (name != REQUESTS and bool(found[arm][REQUESTS]))
                value = sum(values.values()) if counted else None
                looks.append(Look(arm, self._places[arm].slot, name, path, len(values), value))
        return looks

    def _arm(self, arm: str, found: t.Mapping[str, t.Mapping[t.Hashable, float]]) -> t.Optional[Arm]:
        usable = all(math.isfinite(value) and value >= 0 for values in found.values() for value in values.values())
        if not found[REQUESTS] or not usable:
            return None
        sums = {
            name: self._totals[arm, name].add({key: (value, None) for key, value in values.items()})
            for name, values in found.items()
        }
        return Arm(sums.pop(REQUESTS), sums)

    def _numbers(self) -> dict[str, dict[str, dict[t.Hashable, float]]]:
        """Return for each arm and counter what is counted now."""
        documents = {one: one.ask() for one in set(self._endpoints.values())}
        return {
            arm: {
                name: jmes.numbers(path, documents[self._endpoints[arm]], f"{name} of the source web ({path})")
                for name, path in paths.items()
            }
            for arm, paths in self._paths.items()
        }
