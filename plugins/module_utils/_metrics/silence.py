# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A silence in Alertmanager for the window of a release. It is short and renewed, so that no dead run leaves it on."""

from __future__ import annotations

import threading
import time
import typing as t
from datetime import datetime, timezone

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.endpoint import Endpoint
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import SourceError

LASTS = 300.0  # seconds after the last renewal: all that a run which was killed leaves of it
RENEWED = 60.0
EARLIER = 60.0  # a clock of ours that is ahead must not make it begin late; Alertmanager takes its own now instead


class Silence:
    """Alerts that carry C(labels) are silenced from C(begin) to C(end), or until C(LASTS) after the last C(renew).

    Methods raise SourceError, and may be called from different threads.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        labels: t.Mapping[str, str],
        comment: str,
        wall: t.Callable[[], float] = time.time,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint, self._wall, self._clock = endpoint, wall, clock
        self._body = {
            "matchers": [{"name": name, "value": value, "isRegex": False} for name, value in labels.items()],
            "createdBy": "zerodowntime.bluegreen",
            "comment": comment,
        }
        self._starts, self._id = "", ""
        self._due, self._ended = 0.0, False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Make it."""
        with self._lock:
            self._write({"startsAt": _moment(self._wall() - EARLIER)})

    def renew(self) -> None:
        """Let it last longer, when that is due; nothing before it was made and after it was ended."""
        with self._lock:
            if self._id and not self._ended and self._clock() >= self._due:
                self._write({"startsAt": self._starts, "id": self._id})

    def end(self) -> None:
        """End it now; a silence that was never made has nothing to end."""
        with self._lock:
            self._ended = True
            if self._id:
                self._endpoint.send("DELETE", f"/api/v2/silence/{self._id}")

    def _write(self, which: t.Mapping[str, str]) -> None:
        body = {**self._body, **which, "endsAt": _moment(self._wall() + LASTS)}
        answer = self._endpoint.send("POST", "/api/v2/silences", body)
        try:
            self._id = str(answer["silenceID"])
            # With another beginning than its own Alertmanager would not renew it but make another one.
            self._starts = str(self._endpoint.ask(f"/api/v2/silence/{self._id}")["startsAt"])
        except (KeyError, TypeError):
            raise SourceError(f"Alertmanager at {self._endpoint.url}: no silence in its answer") from None
        self._due = self._clock() + RENEWED


def _moment(at: float) -> str:
    """Return C(2026-01-01T00:00:00.250Z)."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
