# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door of a service as clients see it: what the C(verify) option names, asked by real requests."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, other
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.probe import probe
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import revision_source
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.target import Tls, target
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._verify import FrontDoor


def front_door(
    verify: t.Mapping[str, t.Any], serving: str | None = None, revision: str | None = None
) -> FrontDoor | None:
    """Return the front door of C(verify), None where it names no URL and the balancers' counters have to do.

    Without C(verify.slots), what answers now is the value of C(serving), the slot that has all the traffic; the other
    slot's value is its own name where that is what the header says, else C(revision). Raises ReleaseError with one
    sentence when the option is wrong or the door does not answer.
    """
    source = revision_source(verify.get("header"), verify.get("json_path"))
    if not verify.get("url"):
        if source:
            raise ReleaseError("verify names no url: nobody can be asked for what tells the slots apart")
        return None
    if not source:
        raise ReleaseError("verify names neither header nor json_path: nothing tells the slots apart")
    url = verify["url"]
    target(url)
    tls = Tls(verify=verify.get("validate_certs", True), ca_file=verify.get("ca_path") or "")
    timeout = float(verify.get("timeout") or 5.0)

    def ask(cookie: str | None) -> str | None:
        seen = probe(
            url, revision=source, slot_header="", headers={"Cookie": cookie} if cookie else {}, timeout=timeout, tls=tls
        )
        return f"!{seen.detail}" if seen.kind else seen.revision or None

    values = {slot: str(value) for slot, value in (verify.get("slots") or {}).items()}
    unknown = sorted(set(values) - set(SLOTS))
    if unknown:
        raise ReleaseError(f"verify.slots names {unknown[0]!r}: the slots are blue and green")
    if len(values) < len(SLOTS) and serving:
        values = {**_learn(ask, serving, revision, f"{url}: {source}"), **values}
    return FrontDoor(ask, values, verify.get("cookies") or {})


class SlotHealth:
    """Asks a slot by its preview route, for balancers that do not check health themselves.

    A slot is down after C(FAILURES) probes in a row without an answer below 500: one failed request of an application
    is the gate's business.
    """

    FAILURES = 3
    EVERY = 1.0

    def __init__(self, verify: t.Mapping[str, t.Any], preview: t.Mapping[str, t.Any]) -> None:
        self._url = verify["url"]
        self._tls = Tls(verify=verify.get("validate_certs", True), ca_file=verify.get("ca_path") or "")
        self._preview = preview
        self._asked_at = dict.fromkeys(SLOTS, float("-inf"))
        self._failed = dict.fromkeys(SLOTS, 0)

    def answers(self, slot: str) -> bool:
        """Return whether C(slot) answers one probe below 500."""
        headers = {name: str(value).replace("$slot", slot) for name, value in self._preview.items()}
        return 0 < probe(self._url, headers=headers, timeout=2.0, tls=self._tls).status < 500

    def __call__(self, slot: str) -> bool | None:
        """Return whether C(slot) answers, None while that is not clear yet."""
        if time.monotonic() - self._asked_at[slot] >= self.EVERY:
            self._failed[slot] = 0 if self.answers(slot) else self._failed[slot] + 1
            self._asked_at[slot] = time.monotonic()
        return True if not self._failed[slot] else False if self._failed[slot] >= self.FAILURES else None


def slot_is_down(settings: t.Mapping[str, t.Any], sight: Sight, slot: str) -> bool:
    """Return whether C(slot) answers nobody, in the balancers' eyes or, where those do not know, by its preview."""
    up = sight.up(slot)
    if up is None and (settings["verify"] or {}).get("url") and settings["preview"]:
        health = SlotHealth(settings["verify"], settings["preview"])
        return not any(health.answers(slot) for _number in range(SlotHealth.FAILURES))
    return up is False


def _learn(ask: t.Callable[[str | None], str | None], serving: str, revision: str | None, what: str) -> dict[str, str]:
    now = ask(None)
    if now is None:
        raise ReleaseError(f"{what} absent: verify cannot tell the slots apart")
    if now.startswith("!"):
        raise ReleaseError(f"{what.split(': ')[0]}: {now[1:]}: verify cannot see the front door")
    if now in SLOTS:
        return {slot: slot for slot in SLOTS}
    return {serving: now, **({other(serving): revision} if revision else {})}
