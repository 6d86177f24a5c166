# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal's verbs on a store: plain values in, plain values out, the same in process and on another machine."""

from __future__ import annotations

import inspect
import random
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import journal as core
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.phases import Refusal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal import machine
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import (
    JournalError,
    Unreachable,
    from_refusal,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.store import Store

Answer = dict[str, t.Any]
Owner = t.Mapping[str, t.Any]
_Optional = t.Optional[core.Document]

READING = ("read", "status", "check", "pending", "owned")
WRITING = ("acquire", "heartbeat", "note", "command", "acknowledge", "take_over", "unlock", "rename", "due")
VERBS = (*WRITING, *READING)

# A swap fails only against another one that was made: this many in a row is a store that does not work.
MOST_TRIES = 200


class Journal:
    """All verbs; each changes one document by compare-and-swap and returns an answer of plain values.

    What an answer holds is said in C(_core/journal.py); each has C(changed) too. They raise Busy, Fenced, Unreachable
    and, for anything else that is refused, JournalError. C(observer) names the clock that C(monotonic) reads.
    """

    def __init__(
        self,
        store: Store,
        wall: t.Callable[[], float] = time.time,
        monotonic: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
        observer: t.Optional[str] = None,
    ) -> None:
        self._store = store
        self._wall = wall
        self._monotonic = monotonic
        self._sleep = sleep
        self._observer = observer or machine.clock()

    def perform(self, verb: str, **arguments: t.Any) -> Answer:
        """Return the answer of C(verb), one of C(VERBS), called with C(arguments)."""
        if verb not in VERBS:
            raise JournalError(f"{verb!r} is not a verb of the journal: there are {', '.join(VERBS)}")
        method: t.Callable[..., Answer] = getattr(self, verb)
        try:
            inspect.signature(method).bind(**arguments)
        except TypeError as error:
            raise JournalError(f"release_journal {verb}: {error}") from None
        return method(**arguments)

    # -- the lock

    def acquire(
        self,
        key: str,
        owner: Owner,
        ttl: float,
        release: t.Mapping[str, t.Any],
        names: t.Optional[t.Mapping[str, t.Any]] = None,
        command: str = "deploy",
        floor: int = 0,
    ) -> Answer:
        """Take the lock and open the release; C(names) (environment, app) complete the owner."""
        who = {**owner, **(names or {})}
        least = int(floor)
        return self._change(key, lambda now, known: core.acquire(known, key, who, ttl, release, now, command, least))

    def heartbeat(
        self,
        key: str,
        run: str,
        step: t.Optional[int] = None,
        expected_until: t.Optional[float] = None,
        processes: t.Optional[t.Sequence[t.Mapping[str, t.Any]]] = None,
    ) -> Answer:
        """Show that the run lives."""
        return self._change(
            key, lambda now, known: core.heartbeat(known, key, run, now, step, expected_until, processes)
        )

    def unlock(self, key: str, run: str) -> Answer:
        """Give the lock back."""
        return self._change(key, lambda now, known: core.unlock(known, key, run))

    def take_over(
        self,
        key: str,
        owner: Owner,
        ttl: float = 60.0,
        command: str = "resume",
        dead: t.Optional[str] = None,
        floor: int = 0,
    ) -> Answer:
        """Take the release over if its holder is dead, else look at it once; C(takeover.wait) looks until it is."""
        return self._change(
            key,
            lambda now, known: core.take_over(
                known, key, owner, ttl, now, self._observer, self._monotonic(), command, dead, int(floor)
            ),
        )

    def rename(self, key: str, environment: str, app: str) -> Answer:
        """Hand the object to an environment's new name."""
        return self._change(key, lambda now, known: core.rename(known, key, environment, app))

    # -- the release

    def note(
        self,
        key: str,
        run: str,
        entry: t.Mapping[str, t.Any],
        changes: t.Optional[t.Mapping[str, t.Any]] = None,
        processes: t.Optional[t.Sequence[t.Mapping[str, t.Any]]] = None,
    ) -> Answer:
        """Append an entry and change the release's record in the same swap."""
        return self._change(key, lambda now, known: core.note(known, key, run, entry, changes or {}, now, processes))

    def command(
        self,
        key: str,
        command: str,
        who: str,
        why: str = "",
        step: t.Optional[int] = None,
        release: t.Optional[str] = None,
    ) -> Answer:
        """Leave a command for the run that holds the release."""
        return self._change(key, lambda now, known: core.command(known, key, command, now, who, why, step, release))

    def pending(self, key: str, run: str) -> Answer:
        """Return the commands that wait for the run."""
        return self._change(key, lambda now, known: core.pending(known, key, run))

    def acknowledge(
        self, key: str, run: str, n: int, answer: str, changes: t.Optional[t.Mapping[str, t.Any]] = None
    ) -> Answer:
        """Answer a command and change the release's record in the same swap."""
        return self._change(key, lambda now, known: core.acknowledge(known, key, run, n, answer, now, changes))

    # -- looking

    def read(self, key: str, run: t.Optional[str] = None) -> Answer:
        """Return C(fence), C(lock) with its age, the newest C(release), all C(releases), C(state); ignores C(run)."""
        document = self._checked(key)
        return {
            **core.summary(document, self._wall()),
            "release": core.last(document),
            "releases": document["releases"],
            "changed": False,
        }

    def status(self) -> Answer:
        """Return a summary of each journal as C(journals); one that cannot be read has a C(problem) instead."""
        journals = []
        keys = self._store.keys()
        for key in keys:
            try:
                journals.append(core.summary(self._checked(key), self._wall()))
            except JournalError as error:
                journals.append({"key": key, "problem": str(error)})
        return {"journals": journals, "changed": False}

    def due(self, now: t.Optional[float] = None, pause_timeout: float = 3600.0, key: t.Optional[str] = None) -> Answer:
        """Return as C(due) what a sweep has to look at, as C(held) the locks not seen silent yet; of C(key) or all."""
        found: list[Answer] = []
        moment = self._wall() if now is None else now
        keys = self._store.keys() if key is None else [key]
        for one in keys:

            def look(_now: float, known: _Optional, one: str = one) -> core.Change:
                document = core.checked(known, one)
                after, items = core.due(document, moment, self._observer, self._monotonic(), pause_timeout)
                return after, {"items": items}

            try:
                found.extend(self._change(one, look)["items"])
            except Unreachable:
                raise
            except JournalError as error:
                found.append({"key": one, "why": "unreadable", "sentence": str(error), "command": "status"})
        held = [item for item in found if item["why"] == "held"]
        return {"due": [item for item in found if item["why"] != "held"], "held": held, "changed": False}

    def check(self) -> Answer:
        """Return what the store says of itself; raises when a release could not rely on it. Changes nothing."""
        return {**self._store.check(), "changed": False}

    def owned(self, key: str) -> Answer:
        """Return as C(owned) what there is of the journal of C(key)."""
        return {"owned": [thing.plain() for thing in self._store.owned(key)], "changed": False}

    # -- parts

    def _checked(self, key: str) -> core.Document:
        try:
            return core.checked(self._store.read(key)[0], key)
        except Refusal as refusal:
            raise from_refusal(refusal) from None

    def _change(self, key: str, decide: t.Callable[[float, _Optional], core.Change]) -> Answer:
        for _unused in range(MOST_TRIES):
            known, version = self._store.read(key)
            try:
                after, answer = decide(self._wall(), known)
            except Refusal as refusal:
                raise from_refusal(refusal) from None
            if after == known or (known is None and not after["releases"]):
                return {**answer, "changed": False}
            if self._store.swap(key, version, after):
                return {**answer, "changed": True}
            self._sleep(0.01 * random.random())
        raise Unreachable(f"the journal of {key} was changed by others {MOST_TRIES} times in a row: it was not written")


def look(perform: t.Callable[..., Answer], key: t.Optional[str]) -> list[Answer]:
    """Return the journal of C(key) with its history, or all in short; C(perform) is the journal's."""
    answers = [perform("read", key=key)] if key is not None else perform("status")["journals"]
    return [{name: value for name, value in answer.items() if name != "changed"} for answer in answers]
