# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The counts of a load: every request ends in exactly one of them."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.certificate import (
    KINDS,
    UNKNOWN,
    latency_bucket,
)

SHOWN_DROPS = 10
# A header that differs in every answer was named by mistake: keep the table short whatever it says.
MAX_REVISIONS, MAX_NAME, OTHERS = 50, 100, "others"


@dataclass
class RevisionTally:
    """What one revision answered. C(latency) counts answers per C(latency_bucket)."""

    requests: int = 0
    dropped: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    latency: Counter[int] = field(default_factory=Counter)


class Tally:
    """Counts requests by what became of them. Times are seconds of one monotonic clock."""

    def __init__(self, started: float) -> None:
        self.revisions: dict[str, RevisionTally] = {}
        self.dropped: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
        self.unattributed = 0
        self.throttled = 0
        self.unsent = 0
        self.unfinished = 0
        self.first_dropped: list[dict[str, t.Any]] = []
        self._started = self._last_success = started
        self._ended: t.Optional[float] = None
        self._gap = 0.0

    def success(self, now: float, revision: str, seconds: t.Optional[float]) -> None:
        """Count a whole answer with a good status; C(seconds) is None where its latency says nothing."""
        of = self._of(revision)
        of.requests += 1
        if seconds is not None:
            of.latency[latency_bucket(seconds)] += 1
        if self._ended is None:
            self._gap = max(self._gap, now - self._last_success)
            self._last_success = max(self._last_success, now)

    def error(self, revision: str, status: int, seconds: t.Optional[float]) -> None:
        """Count an answer of the application with a failure status."""
        of = self._of(revision)
        of.requests += 1
        of.errors[str(status)] += 1
        if seconds is not None:
            of.latency[latency_bucket(seconds)] += 1

    def drop(self, now: float, kind: str, detail: str, revision: str = "") -> None:
        """Count a request that got no answer of the application; C(revision) is known when a head had arrived."""
        self.dropped[kind] += 1
        if revision:
            self._of(revision).requests += 1
            self._of(revision).dropped += 1
        else:
            self.unattributed += 1
        if len(self.first_dropped) < SHOWN_DROPS:
            self.first_dropped.append({"at": round(now - self._started, 3), "kind": kind, "detail": detail})

    def hold(self, until: float) -> None:
        """Nothing is sent before C(until): that silence is ours and no gap."""
        self._last_success = max(self._last_success, until)

    def end(self, now: float) -> None:
        """Sending ended: the silence before counts as a gap, what comes after does not."""
        self._ended = now
        self._gap = max(self._gap, now - self._last_success)

    def counts(self, now: float) -> dict[str, t.Any]:
        """Return the counts so far in the plain form that C(certificate) takes."""
        gap = self._gap if self._ended is not None else max(self._gap, now - self._last_success)
        return {
            "seconds": (now if self._ended is None else self._ended) - self._started,
            "dropped_by_kind": dict(self.dropped),
            "unattributed": self.unattributed,
            "throttled": self.throttled,
            "unsent": self.unsent,
            "unfinished": self.unfinished,
            "longest_gap_seconds": gap,
            "first_dropped": list(self.first_dropped),
            "revisions": {
                revision: {
                    "requests": of.requests,
                    "dropped": of.dropped,
                    "errors_by_status": dict(of.errors),
                    "latency": dict(of.latency),
                }
                for revision, of in sorted(self.revisions.items())
            },
        }

    def _of(self, revision: str) -> RevisionTally:
        name = revision[:MAX_NAME] or UNKNOWN
        of = self.revisions.get(name)
        if of is None:
            name = name if len(self.revisions) < MAX_REVISIONS else OTHERS
            of = self.revisions.setdefault(name, RevisionTally())
        return of
