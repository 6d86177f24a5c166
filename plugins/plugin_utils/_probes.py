# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this release itself has sent to each slot: the gate takes it out of its counts."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._verify import FrontDoor


class Probes:
    """Counts what goes through C(door), the front door of the proofs, and reads what the load test beside has sent."""

    def __init__(self, door: FrontDoor | None, report: str | None) -> None:
        self._report = report
        self._asked = dict.fromkeys(SLOTS, 0)
        self.door = dataclasses.replace(door, ask=self._counted(door)) if door else None

    def sent(self) -> dict[str, tuple[float, float]]:
        """Return requests, and failed ones among them, by slot."""
        beside = self._beside()
        return {slot: (self._asked[slot] + beside[slot][0], beside[slot][1]) for slot in SLOTS}

    def revision(self, slot: str) -> str:
        """Return what C(slot) answers at the front door, empty where that is only its name or not known."""
        value = self.door.values.get(slot, "") if self.door else ""
        return "" if value in SLOTS else value

    def _counted(self, door: FrontDoor) -> t.Callable[[str | None], str | None]:
        def ask(cookie: str | None) -> str | None:
            value = door.ask(cookie)
            slot = door.slot_of(value)
            if slot:
                self._asked[slot] += 1
            return value

        return ask

    def _beside(self) -> dict[str, tuple[float, float]]:
        sent = dict.fromkeys(SLOTS, (0.0, 0.0))
        if not self._report or self.door is None:
            return sent
        try:
            with open(self._report, encoding="utf-8") as file:
                revisions = json.load(file).get("revisions") or {}
        except (OSError, ValueError):
            return sent  # it has not written yet
        for value, counts in revisions.items():
            slot = self.door.slot_of(value)
            if slot:
                sent[slot] = (float(counts["requests"]), float(counts["errors"]))
        return sent
