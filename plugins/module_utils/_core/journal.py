# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of one traffic object: a document, and what may happen to it.

Each function takes the document as it stands and returns the next one with its answer, or raises a refusal; a store
then exchanges the one for the other by compare-and-swap. Times are seconds since the epoch as the caller's clock
shows them; they are for people only. What decides about life and death is the record's counters and an observer's
monotonic clock.
"""

from __future__ import annotations

import copy
import datetime
import json
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration, phases
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.phases import Refusal

Document = dict[str, t.Any]
Answer = dict[str, t.Any]
Change = tuple[Document, Answer]

SCHEMA = 1
KEEP = 20
# A ConfigMap holds 1 MiB, a DynamoDB item 400 KB, and each heartbeat writes the whole.
MOST_BYTES = 128 * 1024
MOST_RECORD_BYTES = 32 * 1024
MOST_ENTRY_BYTES = 4096
MOST_ENTRIES = 300
MOST_OLD_ENTRIES = 15
MOST_WAITING_COMMANDS = 20
MOST_OBSERVERS = 8

KINDS = (
    "intent",
    "done",
    "verdict",
    "phase",
    "hook_begun",
    "hook_ended",
    "restored",
    "note",
    "acknowledged",
    "taken_over",
)
# What a history can lose first: it repeats itself, or its effect is in the record.
_LIGHT = ("verdict", "note", "acknowledged")
# What a living run obeys; resume, sweep, retry and deploy are runs of their own.
ORDERS = ("promote", "abort", "rollback", "pause")

_OPENING: dict[str, t.Any] = {
    "id": None,
    "app": None,
    "environment": None,
    "platform": None,
    "revision": None,
    "fingerprint": None,
    "specification": None,
    "stable": None,
    "canary": None,
    "object": None,
    "previous": None,
    "undo": [],
    "recorded": None,
    "intended": None,
    "confirmed": None,
    "steps": [],
    "step": None,
    "pause_timeout": None,
    "verdict": None,
    "report": None,
    "details": {},
    "phase": "Progressing",
    "outcome": None,
    "retire_after": None,
}
_FIXED = ("id", "app", "environment")
_TOLD = ("verdict", "report", "details")


class Busy(Refusal):
    """Somebody else holds the lock; the facts name the holder."""

    kind = "busy"


class Fenced(Refusal):
    """The run lost its lock: it writes nothing more, anywhere."""

    kind = "fenced"


def forward_number(fence: int) -> int:
    """Return the number a run's forward writes carry at the object: above all of every earlier run."""
    return 2 * fence


def restore_number(fence: int) -> int:
    """Return the number of the same run's restore: above its own late forward writes, below the next run's."""
    return 2 * fence + 1


def fence_of(number: int) -> int:
    """Return the fence of the run whose forward write or restore left C(number) at the object."""
    return number // 2


# ---- reading


def checked(document: t.Optional[Document], key: str) -> Document:
    """Return a copy of C(document) that may be changed, an empty journal for None.

    Raises Refusal for a document of a newer schema or of another key.
    """
    if document is None:
        return {
            "schema": SCHEMA,
            "key": key,
            "app": None,
            "environment": None,
            "fence": 0,
            "lock": None,
            "observers": {},
            "releases": [],
        }
    schema = document.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise Refusal(
            f"the journal of {key} has schema {schema} and this collection knows {SCHEMA} at most: "
            "update the collection, nothing was touched"
        )
    if document.get("key") != key:
        raise Refusal(f"the journal found for {key} is the one of {document.get('key')}: nothing was touched")
    return copy.deepcopy(document)


def last(document: Document) -> t.Optional[dict[str, t.Any]]:
    """Return the newest release of C(document), or None."""
    releases = document["releases"]
    return releases[-1] if releases else None


def state_of(release: t.Optional[t.Mapping[str, t.Any]]) -> phases.State:
    """Return the release's row in the table of phases."""
    return phases.state(release["phase"], release["outcome"]) if release else phases.NOTHING


def record(lock: t.Mapping[str, t.Any]) -> str:
    """Return what changes with every sign of life of the lock's owner, and with every owner."""
    return f"{lock['fence']}.{lock['heartbeat']}"


def patience(lock: t.Mapping[str, t.Any]) -> float:
    """Return the seconds the record must stand still before its owner counts as dead: announced silence and a TTL."""
    return float(lock["ttl"]) + float(lock["silence"])


def summary(document: Document, now: float) -> Answer:
    """Return the document as C(status) shows it: lock with its age, the newest release without its entries."""
    release = last(document)
    return {
        "key": document["key"],
        "app": document["app"],
        "environment": document["environment"],
        "fence": document["fence"],
        "lock": holder(document["lock"], now),
        "release": {name: value for name, value in release.items() if name != "entries"} if release else None,
        "state": str(state_of(release)),
    }


def holder(lock: t.Optional[t.Mapping[str, t.Any]], now: float) -> t.Optional[Answer]:
    """Return the lock record with C(age), the seconds since its last sign of life by the clock of C(now)."""
    return {**lock, "age": max(0.0, now - lock["at"])} if lock else None


# ---- the lock


def acquire(
    document: t.Optional[Document],
    key: str,
    owner: t.Mapping[str, t.Any],
    ttl: float,
    release: t.Mapping[str, t.Any],
    now: float,
    command: str = "deploy",
    floor: int = 0,
) -> Change:
    """Take the lock for C(owner) and open C(release); the answer has C(fence) and the C(release) as recorded.

    C(owner) has C(run), C(environment) and C(app) at least, C(release) an C(id). C(floor) is the fence that stands at
    the object: where a journal was lost the new one goes on above it. A run that asks again for what it
    holds gets the same answer: its first one may have been lost. Raises Busy when the lock is held, a dead owner's
    too: C(deploy) never takes a lock over. Raises Refusal when another environment owns the object or when the table
    of phases has a sentence against C(command).
    """
    after = checked(document, key)
    opening = _opening(owner, release, now)
    lock, previous = after["lock"], last(after)
    if lock and lock["owner"]["run"] == owner["run"] and lock["release"] == opening["id"]:
        _alive(lock, now)
        return after, _taken(after)
    if lock:
        raise Busy(_busy(after, owner, now), holder=holder(lock, now))
    _same_environment(after, owner)
    _allowed(after, command)
    if any(known["id"] == opening["id"] for known in after["releases"]):
        raise Refusal(f"there is a release {opening['id']} of {key} already: a new one needs an id of its own")
    for known in after["releases"]:
        # Its slot is staged anew from here on: what was to be retired is no longer there.
        known["retire_after"] = None
    after.update(app=owner.get("app"), environment=owner.get("environment"))
    after["releases"].append(opening)
    after["fence"] = max(after["fence"], floor) + 1
    after["lock"] = _lock(after["fence"], owner, ttl, opening, now)
    _append(opening, {"kind": "phase", "phase": "Progressing", "run": owner["run"]}, now)
    if previous:
        _shorten(previous, MOST_OLD_ENTRIES)
    return _small(after), _taken(after)


def heartbeat(
    document: t.Optional[Document],
    key: str,
    run: str,
    now: float,
    step: t.Optional[int] = None,
    expected_until: t.Optional[float] = None,
    processes: t.Optional[t.Sequence[t.Mapping[str, t.Any]]] = None,
) -> Change:
    """Show that C(run) lives; the answer has C(fence) and the number of C(commands) that wait.

    C(expected_until) announces that no further sign of life comes before that moment (a hook, a staging); None ends
    such a silence. C(processes) replaces the recorded ones. Raises Fenced when C(run) lost the lock.
    """
    after, lock, release = _owned(document, key, run)
    lock["step"] = lock["step"] if step is None else step
    lock["expected_until"] = expected_until
    _lives_in(lock, processes)
    _alive(lock, now)
    return after, {"fence": after["fence"], "commands": len(_waiting(release))}


def unlock(document: t.Optional[Document], key: str, run: str) -> Change:
    """Give the lock back; nothing changes when it is free already. Raises Fenced when another run holds it."""
    after = checked(document, key)
    if after["lock"] is None:
        return after, {"fence": after["fence"]}
    after, _lock_record, _release = _owned(document, key, run)
    after["lock"] = None
    after["observers"] = {}
    return after, {"fence": after["fence"]}


def take_over(
    document: t.Optional[Document],
    key: str,
    owner: t.Mapping[str, t.Any],
    ttl: float,
    now: float,
    observer: str,
    monotonic: float,
    command: str = "resume",
    dead: t.Optional[str] = None,
    floor: int = 0,
) -> Change:
    """Take the newest release over for C(owner), or observe its holder a little longer.

    The answer's C(taken) says which. Taken: C(fence), C(release), C(previous) (the holder who lost it) and C(next),
    the phase and outcome that C(command) leads to. Not taken: C(holder), C(record), how many seconds it was seen
    C(silent) and how many make C(patience).

    C(observer) names the clock that C(monotonic) was read from: the mark it leaves lets any process on the same clock
    go on with the observation. C(dead) is the record whose every process the caller found gone. C(floor) is the fence
    that stands at the object, as in C(acquire): a foreign one must not lock a restore out. Raises Refusal when
    the table of phases has a sentence against C(command) or nothing was ever released here.
    """
    after = checked(document, key)
    release = last(after)
    to = _allowed(after, command)
    if release is None:
        raise Refusal(f"nothing was ever released at {key}: there is nothing to {command}")
    _same_environment(after, owner)
    lock = after["lock"]
    if lock and lock["owner"]["run"] == owner["run"]:
        _alive(lock, now)
        return after, {**_taken(after), "taken": True, "previous": None, "next": _plain_state(to)}
    if lock and dead != record(lock):
        silent = observe(after, observer, monotonic)
        if silent < patience(lock):
            return after, {
                "taken": False,
                "holder": holder(lock, now),
                "record": record(lock),
                "silent": silent,
                "patience": patience(lock),
                "sentence": held_by(after, now),
            }
    after["fence"] = max(after["fence"], floor) + 1
    after["lock"] = _lock(after["fence"], owner, ttl, release, now)
    after["observers"] = {}
    if lock:
        lost = {"from": lock["owner"]["run"], "run": owner["run"], "command": command, "who": _person(owner)}
        _append(release, {"kind": "taken_over", **lost}, now)
    previous = holder(lock, now)
    return _small(after), {**_taken(after), "taken": True, "previous": previous, "next": _plain_state(to)}


def observe(document: Document, observer: str, monotonic: float) -> float:
    """Return the seconds of C(observer)'s clock for which it has seen the lock's record stand still.

    Leaves the observer's mark in C(document) where it has none for this record: two looks with nothing in between
    but time prove silence, whichever process looks second.
    """
    token = record(document["lock"])
    current = {name: mark for name, mark in document["observers"].items() if mark["record"] == token}
    mark = current.get(observer)
    if mark is None or mark["since"] > monotonic:
        mark = {"record": token, "since": monotonic}
        current = {**dict(list(current.items())[-MOST_OBSERVERS + 1 :]), observer: mark}
    document["observers"] = current
    return float(monotonic - mark["since"])


def rename(document: t.Optional[Document], key: str, environment: str, app: str) -> Change:
    """Hand the object to another environment's name, for one that was renamed. Raises Busy while the lock is held."""
    after = checked(document, key)
    if after["lock"]:
        raise Busy(f"{key} cannot be renamed: {held_by(after, after['lock']['at'])}")
    after.update(environment=environment, app=app)
    return after, {"environment": environment, "app": app}


# ---- the release


def note(
    document: t.Optional[Document],
    key: str,
    run: str,
    entry: t.Mapping[str, t.Any],
    changes: t.Mapping[str, t.Any],
    now: float,
    processes: t.Optional[t.Sequence[t.Mapping[str, t.Any]]] = None,
) -> Change:
    """Append C(entry) to the run's release and change the record in the same swap; a sign of life too.

    The answer has the entry's number C(n), C(fence) and the number of C(commands) that wait. Raises Fenced when
    C(run) lost the lock, Refusal for an unknown kind of entry, field, phase or outcome.
    """
    after, lock, release = _owned(document, key, run)
    if entry.get("kind") not in KINDS:
        raise Refusal(f"{entry.get('kind')!r} is not a kind of journal entry: there are {', '.join(KINDS)}")
    _change(release, changes, now)
    lock["step"] = release["step"]
    _lives_in(lock, processes)
    number = _append(release, entry, now)
    _alive(lock, now)
    return _small(after), {"n": number, "fence": after["fence"], "commands": len(_waiting(release))}


# ---- commands


def command(
    document: t.Optional[Document],
    key: str,
    verb: str,
    now: float,
    who: str,
    why: str = "",
    step: t.Optional[int] = None,
    release: t.Optional[str] = None,
) -> Change:
    """Leave C(verb) for the run that holds the release; the answer has its number C(n) and the C(holder).

    C(release) and C(step) are what it is meant for, by default where the release stands now; the step binds C(promote)
    only. The same command again while the first one waits is the first one. C(n) is None where no run is there to hear
    it or nothing is left to be done: C(next) then says what the command would lead to, and whoever gave it does it with
    C(take_over).
    Raises Refusal with the table's sentence, or when release or step are no longer the ones it was meant for.
    """
    after = checked(document, key)
    if verb not in ORDERS:
        raise Refusal(f"{verb} is not a command to a running release: there are {', '.join(ORDERS)}")
    current, lock = last(after), after["lock"]
    if current is None:
        _allowed(after, verb)
        raise Refusal(f"nothing was ever released at {key}")
    if release is not None and release != current["id"]:
        raise Refusal(f"{verb} was meant for release {release}, but the newest one of {key} is {current['id']}")
    if verb == "promote" and step is not None and step != current["step"]:
        stands = _at_step(current["step"], current["steps"])
        raise Refusal(f"{verb} was meant for step {step}, but {_named(current)} is {stands}")
    to = _allowed(after, verb)
    answer = {"n": None, "holder": holder(lock, now), "release": current["id"], "next": _plain_state(to)}
    if lock is None and verb in ("promote", "pause") and to != state_of(current):
        raise Refusal(f"no run is there to {verb} {_named(current)}: run resume to put its traffic back")
    if lock is None or (to == state_of(current) and verb != "pause"):
        return after, answer
    waiting = _waiting(current)
    same = next((known for known in waiting if known["verb"] == verb and known["step"] == current["step"]), None)
    if same:
        return after, {**answer, "n": same["n"]}
    if len(waiting) >= MOST_WAITING_COMMANDS:
        raise Refusal(f"{len(waiting)} commands wait for {_named(current)} already: its run does not answer")
    numbers = [known["n"] for known in current["commands"]]
    order = {"n": max(numbers, default=0) + 1, "verb": verb, "step": current["step"], "at": now, "who": who, "why": why}
    current["commands"] = [*_answered(current)[-MOST_WAITING_COMMANDS:], *waiting, {**_capped(order), "answer": None}]
    current["updated"] = now
    return _small(after), {**answer, "n": order["n"]}


def pending(document: t.Optional[Document], key: str, run: str) -> Change:
    """Return the commands that wait for C(run) as C(commands), oldest first. Raises Fenced when it lost the lock."""
    after, _lock_record, release = _owned(document, key, run)
    return after, {"commands": _waiting(release)}


def acknowledge(
    document: t.Optional[Document],
    key: str,
    run: str,
    n: int,
    answer: str,
    now: float,
    changes: t.Optional[t.Mapping[str, t.Any]] = None,
) -> Change:
    """Answer command C(n) in one sentence and change the record in the same swap, so that it counts once.

    Nothing changes when it was answered before. Raises Fenced when C(run) lost the lock, Refusal for an unknown C(n).
    """
    after, lock, release = _owned(document, key, run)
    order = next((known for known in release["commands"] if known["n"] == n), None)
    if order is None:
        raise Refusal(f"there is no command {n} to {_named(release)}")
    if order["answer"] is None:
        order["answer"] = _capped(answer)
        _change(release, changes or {}, now)
        lock["step"] = release["step"]
        _append(release, {"kind": "acknowledged", "command": n, "verb": order["verb"], "answer": answer}, now)
        _alive(lock, now)
    return _small(after), {"command": order, "fence": after["fence"]}


# ---- what a schedule has to do


def due(
    document: Document, now: float, observer: str, monotonic: float, pause_timeout: float = 3600.0
) -> tuple[Document, list[Answer]]:
    """Return what a sweep has to look at in C(document), each with C(why), C(sentence) and the C(command) to run.

    C(why) is C(stale) (nobody lives who could end the release), C(retire) (C(retire_after) is over), C(degraded) or
    C(paused) (longer than the release's C(pause_timeout), seconds), or C(held): nothing to do as long as its run
    lives. A lock gets the observer's mark, so that the next sweep on the same clock tells silence from life without
    waiting.
    """
    after = checked(document, document["key"])
    release, lock = last(after), after["lock"]
    if release is None:
        return after, []
    found: list[tuple[str, str, str]] = []
    silent = observe(after, observer, monotonic) if lock else 0.0
    stale = bool(lock) and silent >= patience(lock)
    if stale:
        found.append(("stale", f"{held_by(after, now)}; no sign of life for {duration.text(silent)}", "resume"))
    elif lock:
        found.append(("held", held_by(after, now), ""))
    elif release["phase"] in ("Progressing", "Paused"):
        found.append(("stale", f"{_named(release)} is {release['phase']} and no run holds it", "resume"))
    if release["retire_after"] is not None and release["retire_after"] <= now and (stale or lock is None):
        since = when(release["retire_after"])
        found.append(("retire", f"the old slot of {_named(release)} may go since {since}", "sweep"))
    if release["phase"] == "Degraded":
        found.append(("degraded", f"{_named(release)} is Degraded since {when(release['phase_since'])}", "rollback"))
    most = release["pause_timeout"] if release["pause_timeout"] is not None else pause_timeout
    if release["phase"] == "Paused" and now - release["phase_since"] > most:
        since = when(release["phase_since"])
        found.append(("paused", f"{_named(release)} is Paused since {since}", "promote or abort"))
    shown = {name: after[name] for name in ("key", "app", "environment")}
    facts = {**shown, "release": release["id"], "holder": holder(lock, now), "record": record(lock) if lock else None}
    return after, [{**facts, "why": why, "sentence": text, "command": run} for why, text, run in found]


# ---- sentences


def when(at: float) -> str:
    """Return C(at), seconds since the epoch, as operators on several continents read it."""
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def held_by(document: Document, now: float) -> str:
    """Return who holds the lock of C(document), since when, at which step, and when it last lived."""
    lock = document["lock"]
    age = max(0.0, now - lock["at"])
    release = last(document)
    at_step = _at_step(lock["step"], release["steps"] if release else [])
    text = (
        f"{document['key']} is held by {_run(lock['owner'])} since {when(lock['since'])}, {at_step}, "
        f"last sign of life {duration.text(round(age))} ago"
    )
    return text if age <= patience(lock) else f"{text}; if its run is dead, run resume"


def _busy(document: Document, owner: t.Mapping[str, t.Any], now: float) -> str:
    theirs, ours = _environment(document["lock"]["owner"]), _environment(owner)
    text = held_by(document, now)
    return text if theirs == ours else f"{ours} and {theirs} name the same object: {text}"


def _same_environment(document: Document, owner: t.Mapping[str, t.Any]) -> None:
    theirs, ours = _environment(document), _environment(owner)
    if document["environment"] is not None and theirs != ours:
        raise Refusal(
            f"{ours} and {theirs} name the same object {document['key']}, and it belongs to {theirs}: give each an "
            "object of its own, or, if it was renamed, run release_journal with verb rename",
            environment=document["environment"],
        )


def _run(owner: t.Mapping[str, t.Any]) -> str:
    job = f", AWX job {owner['awx_job_id']}" if owner.get("awx_job_id") else ""
    return f"run {owner['run']} of {_environment(owner)}{job}{f' by {_person(owner)}' if _person(owner) else ''}"


def _environment(owner: t.Mapping[str, t.Any]) -> str:
    return f"{owner.get('environment')} (app {owner.get('app')})"


def _person(owner: t.Mapping[str, t.Any]) -> str:
    return str(owner.get("awx_user_name") or owner.get("user") or "")


def _at_step(step: t.Optional[int], steps: t.Sequence[int]) -> str:
    """Steps count from 1; what they give to the canary says more than the number."""
    if not step:
        return "before its first step"
    return f"at step {step} of {len(steps)} ({steps[step - 1]} %)" if step <= len(steps) else f"at step {step}"


def _named(release: t.Mapping[str, t.Any]) -> str:
    return f"release {release['id']} ({release['revision']}) of {release['environment']}"


def _allowed(document: Document, command: str) -> phases.State:
    release = last(document)
    try:
        return phases.decide(state_of(release), command)
    except Refusal as refusal:
        subject = f"{command} of {_named(release)} was refused" if release else f"{document['key']}"
        raise Refusal(f"{subject}: {refusal}", **_plain_state(state_of(release))) from None


def _plain_state(state: phases.State) -> Answer:
    return {"phase": state.phase or None, "outcome": state.outcome or None}


# ---- parts


def _opening(owner: t.Mapping[str, t.Any], release: t.Mapping[str, t.Any], now: float) -> dict[str, t.Any]:
    if not owner.get("run") or not release.get("id"):
        raise Refusal("the lock needs the owner's run and the release's id")
    opening = {
        **copy.deepcopy(_OPENING),
        "app": owner.get("app"),
        "environment": owner.get("environment"),
        "started": now,
        "updated": now,
        "phase_since": now,
        "entry": 0,
        "entries": [],
        "commands": [],
    }
    _known(release, tuple(_OPENING))
    _set(opening, release)
    return opening


def _lock(fence: int, owner: t.Mapping[str, t.Any], ttl: float, release: t.Mapping[str, t.Any], now: float) -> Document:
    return {
        "owner": copy.deepcopy(dict(owner)),
        "release": release["id"],
        "step": release["step"],
        "since": now,
        "at": now,
        "heartbeat": 1,
        "expected_until": None,
        "silence": 0.0,
        "ttl": ttl,
        "fence": fence,
    }


def _taken(document: Document) -> Answer:
    return {"fence": document["fence"], "release": last(document)}


def _owned(document: t.Optional[Document], key: str, run: str) -> tuple[Document, Document, dict[str, t.Any]]:
    after = checked(document, key)
    lock, release = after["lock"], last(after)
    if lock and release and lock["owner"]["run"] == run:
        return after, lock, release
    entries = release["entries"] if release else []
    took = next((entry for entry in reversed(entries) if entry["kind"] == "taken_over" and entry["from"] == run), None)
    if took:
        by = f" by {took['who']}" if took["who"] else ""
        who = f"run {took['run']}{by} took it over with {took['command']} at {when(took['at'])}"
    elif lock:
        who = f"{_run(lock['owner'])} holds it since {when(lock['since'])}"
    else:
        who = "it was given back"
    raise Fenced(f"run {run} no longer has the lock of {key}: {who}; it writes nothing more", run=run)


def _alive(lock: Document, now: float) -> None:
    """A sign of life. The silence is kept as a span: an observer measures it with a clock of its own."""
    lock["heartbeat"] += 1
    lock["at"] = now
    until = lock["expected_until"]
    lock["silence"] = max(0.0, until - now) if until is not None else 0.0


def _lives_in(lock: Document, processes: t.Optional[t.Sequence[t.Mapping[str, t.Any]]]) -> None:
    if processes is not None:
        lock["owner"]["processes"] = [dict(process) for process in processes]


def _change(release: dict[str, t.Any], changes: t.Mapping[str, t.Any], now: float) -> None:
    _known(changes, tuple(name for name in _OPENING if name not in _FIXED))
    phase = release["phase"]
    _set(release, changes)
    try:
        state = state_of(release)
    except ValueError as error:
        raise Refusal(str(error)) from None
    if state != phases.PROMOTED and "retire_after" not in changes:
        # Only the old slot of a promoted release may go; a release that is taken back serves from it.
        release["retire_after"] = None
    if release["phase"] != phase:
        release["phase_since"] = now
    release["updated"] = now


def _set(release: dict[str, t.Any], fields: t.Mapping[str, t.Any]) -> None:
    """What is only told may be cut; what a restore needs is taken whole or not at all."""
    release.update({name: _capped(value) if name in _TOLD else copy.deepcopy(value) for name, value in fields.items()})
    size = len(_text({name: release[name] for name in _OPENING}))
    if size > MOST_RECORD_BYTES:
        raise Refusal(f"the record of {_named(release)} would have {size} bytes, {MOST_RECORD_BYTES} are the most")


def _known(fields: t.Mapping[str, t.Any], names: t.Sequence[str]) -> None:
    unknown = sorted(name for name in fields if name not in names)
    if unknown:
        raise Refusal(f"{unknown[0]!r} is not a field of a release that can be set: there are {', '.join(names)}")


def _append(release: dict[str, t.Any], entry: t.Mapping[str, t.Any], now: float) -> int:
    release["entry"] += 1
    told = _capped(dict(entry))
    if len(_text(told)) > MOST_ENTRY_BYTES:
        told = {name: value for name, value in told.items() if not isinstance(value, (dict, list))}
    release["entries"].append({**told, "n": release["entry"], "at": now})
    release["updated"] = now
    if len(release["entries"]) > MOST_ENTRIES:
        _shorten(release, MOST_ENTRIES)
    return int(release["entry"])


def _waiting(release: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    return [known for known in release["commands"] if known["answer"] is None]


def _answered(release: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    return [known for known in release["commands"] if known["answer"] is not None]


# ---- retention


def _small(document: Document, keep: int = KEEP) -> Document:
    """Forget the oldest: releases beyond C(keep), then entries, until a small store can hold the document.

    The newest release, and the newest promoted one with all that a rollback needs, stay.
    """
    releases = document["releases"]
    promoted = next((known for known in reversed(releases) if known["outcome"] == "Promoted"), None)
    while len(releases) > keep or (len(_text(document)) > MOST_BYTES and len(releases) > 2):
        oldest = next((known for known in releases[:-1] if known is not promoted), None)
        if oldest is None:
            break
        releases.remove(oldest)
    most = MOST_ENTRIES
    while len(_text(document)) > MOST_BYTES and most > 1:
        most //= 2
        for release in releases:
            _shorten(release, most)
    return document


def _shorten(release: dict[str, t.Any], most: int) -> None:
    entries = release["entries"]
    excess = len(entries) - most
    if excess <= 0:
        return
    light = {entry["n"] for entry in entries[1:-1] if entry["kind"] in _LIGHT}
    order = sorted(entries[1:-1], key=lambda entry: (entry["n"] not in light, entry["n"]))
    gone = {entry["n"] for entry in order[:excess]}
    release["entries"] = [entry for entry in entries if entry["n"] not in gone]


def _capped(value: t.Any, depth: int = 0) -> t.Any:
    """Return C(value) cut to what an entry may hold: long logs belong into the report, not into the journal."""
    if isinstance(value, str):
        return value if len(value) <= 500 else f"{value[:500]}..."
    if isinstance(value, t.Mapping):
        items = list(value.items())[:40] if depth < 4 else []
        return {str(name): _capped(item, depth + 1) for name, item in items}
    if isinstance(value, (list, tuple)):
        return [_capped(item, depth + 1) for item in value[:20]] if depth < 4 else []
    return value


def _text(value: t.Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
