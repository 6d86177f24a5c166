# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source C(load_test): what a running C(load_test) counts per revision. It measures probes, not users."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load import report
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    ARMS,
    STABLE,
    Look,
    Places,
    Source,
    SourceError,
)

# What the client calls a bad request: an answer with a failure status, or none once the revision was known.
BAD = ("errors", "dropped")


class LoadTest(Source):
    """The report of a load that runs on this machine."""

    name = "load_test"
    spec: t.ClassVar[dict[str, t.Any]] = {"report": {"type": "path", "required": True}}
    late = True

    def __init__(self, options: t.Mapping[str, t.Any], places: Places) -> None:
        self._path, self._places = options["report"], places
        for arm in ARMS:
            places[arm].fill("$revision", "the source load_test")
        if places[ARMS[0]].revision == places[ARMS[1]].revision:
            raise SourceError(f"both slots run {places[STABLE].revision}: a load test cannot tell them apart")

    def counters(self) -> list[str]:
        return list(BAD)

    def metrics(self, history: t.Sequence[Sample]) -> list[dict[str, t.Any]]:
        return [{"name": name} for name in BAD]

    def read(self, at: float) -> t.Optional[Sample]:
        revisions = self._revisions()
        stable, canary = (self._arm(revisions.get(self._places[arm].revision)) for arm in ARMS)
        return Sample(at, stable, canary)

    def describe(self) -> list[Look]:
        try:
            revisions = self._revisions()
        except SourceError:
            revisions = {}  # the load may begin later than the gate
        looks = []
        for arm, place in self._places.items():
            counts = revisions.get(place.revision)
            for name in ("requests", *BAD):
                value = None if counts is None else float(counts[name])
                where = f"{place.revision} in {self._path} (probes, not users)"
                looks.append(Look(arm, place.slot, name, where, 1, value))
        return looks

    @staticmethod
    def _arm(counts: t.Optional[t.Mapping[str, t.Any]]) -> t.Optional[Arm]:
        return None if counts is None else Arm(counts["requests"], {name: counts[name] for name in BAD})

    def _revisions(self) -> dict[str, dict[str, t.Any]]:
        try:
            content = report.read(self._path)
        except ReleaseError as error:
            raise SourceError(str(error)) from error
        if not report.running(content):
            raise SourceError(f"the load test of {self._path} does not run any more")
        revisions = content.get("revisions")
        if not isinstance(revisions, dict):
            raise SourceError(f"the load test of {self._path} has counted nothing yet")
        return revisions
