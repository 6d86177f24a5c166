# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of C(traffic_shift): everything between the first request moved and committed or restored.

    for each step: journal the intent, write the weights, prove them, judge, journal the outcome
    anything wrong: put the recorded traffic back first, then journal, then report

One thread, one loop. Every wait is made of ticks (C(_tick)); a tick reads commands, keeps lock and lease alive, and
watches the balancers, so that a restore never acts on knowledge older than two seconds.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Balancers, Sight, after
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import text as span
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights, other, parse, split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import (
    Fenced,
    Lost,
    Refused,
    ReleaseError,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._verify import Proof

TICK = 0.5
HEARTBEAT = 10.0
COMMANDS = 1.0
PROGRESS = 5.0
# Knowledge older than this is looked up again before a restore acts on it.
FRESH = 2.0
# How often a prober is asked, a second apart, whether the way back answers.
SURE = 4
# How long a write of a dead or broken-off run is looked for after a restore, where no fence can refuse it: such a
# write was seen to land 0.7 to 0.9 s late.
LATE = 3.0
# What an operator runs who wants the recorded traffic back over somebody else's change.
OVERRIDE = ". To put it back all the same: rollback with -e release_force=true -e release_reason=..."
# How long the journal, or a balancer, may be out of reach before traffic is put back.
PATIENCE = 30.0


class Verdict(t.Protocol):
    """What a judge says: C(status) running, pass, fail, inconclusive or error, and the one line for it."""

    status: str
    msg: str


class Judge(t.Protocol):
    """The gate with its source: asked at every tick, decides by itself when it polls."""

    def step(self, weight: int, next_weight: t.Optional[int]) -> None:
        """Begin to judge the canary at C(weight) percent."""

    def look(self, sight: Sight) -> Verdict:
        """Return the verdict of now."""


@dataclass(frozen=True)
class Order:
    """What to do: move C(canary) up through C(steps), from the recorded traffic, under a lock that is held.

    Times in seconds. C(fences) are the numbers of a forward write and of a restore.
    """

    run: str
    key: str
    canary: str
    recorded: Weights
    steps: t.Sequence[int]
    fences: tuple[int, int]
    ttl: float = 60.0
    lease_ttl: float = 15.0
    bake_time: float = 0.0
    pause_timeout: float = 3600.0
    retire_delay: float = 30.0
    restore_patience: float = 60.0
    on_inconclusive: str = "hold"
    prove_required: bool = False
    revision: str = ""
    force: bool = False
    # What an earlier run of this release confirmed and intended: a restore may find it standing.
    known: t.Sequence[Weights] = ()


@dataclass
class World:
    """What the engine works with; every one of them a plain call, so that a test can put its own in.

    C(journal(verb, **arguments)) returns a mapping and raises Fenced, Lost or ReleaseError. C(sight) is what was seen
    last, if anything. C(prove(asked, before, moved, observe)) returns a Proof. C(healthy(slot)) is asked where the
    balancers do not know a slot's health, and may not know it either. C(shield()) makes this process deaf to signals,
    for a restore.
    """

    balancers: Balancers
    journal: t.Callable[..., t.Mapping[str, t.Any]]
    say: t.Callable[[str], None]
    sight: t.Optional[Sight] = None
    prove: t.Optional[t.Callable[[Weights, Weights, Sight, t.Callable[[], Sight]], Proof]] = None
    judge: t.Optional[Judge] = None
    healthy: t.Optional[t.Callable[[str], t.Optional[bool]]] = None
    shield: t.Callable[[], None] = lambda: None
    monotonic: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep
    wall: t.Callable[[], float] = time.time


class Interrupted(KeyboardInterrupt):
    """A signal, the death of the controller, or a task timeout ends the run; traffic goes back first.

    A KeyboardInterrupt, as asyncio swallows every other exception that a signal raises within a callback of its loop.
    """


class Back(Exception):
    """The release ends here and the recorded traffic is put back. C(outcome) is RolledBack or Aborted."""

    def __init__(self, reason: str, msg: str, outcome: str = "RolledBack") -> None:
        super().__init__(msg)
        self.reason = reason
        self.outcome = outcome


@dataclass
class Report:
    """What happened: C(outcome) Promoted, RolledBack, Aborted, or empty with C(phase) Degraded."""

    outcome: str = ""
    phase: str = "Progressing"
    reason: str = ""
    msg: str = ""
    weights: t.Optional[dict[str, int]] = None
    steps: list[dict[str, t.Any]] = field(default_factory=list)
    restore_seconds: t.Optional[float] = None
    retire_after: t.Optional[float] = None


class Shift:
    """One shift of traffic. C(run) does it all and returns a Report; it raises Interrupted after having restored."""

    def __init__(self, order: Order, world: World) -> None:
        self.order = order
        self.world = world
        self.stable = other(order.canary)
        self.report = Report()
        self.confirmed = order.recorded
        self.intended = order.recorded
        self._step: t.Optional[int] = None
        self._sight: t.Optional[Sight] = None
        self._seen_at = self._beat_at = self._answered_at = world.monotonic()
        self._asked_at = float("-inf")
        self._blind_since: t.Optional[float] = None
        self._fenced = ""
        self._owed: t.Optional[dict[str, t.Any]] = None
        self._paused = self._promoted = False
        self._committing = False
        self._said_at = world.monotonic()

    def run(self) -> Report:
        """Shift traffic and return the Report. Raises Interrupted, after traffic was put back."""
        try:
            self._run()
        except Interrupted as error:  # here, and not beside the others: it may come while they are handled
            self._restore("interrupted", str(error), "RolledBack")
            raise
        return self.report

    def restore(self, reason: str, outcome: str = "RolledBack", promoted_too: bool = False) -> Report:
        """Put the recorded traffic back, for a run that died or failed, and return the Report.

        A release that is journaled as promoted stays, unless C(promoted_too).
        """
        self._ask_journal("heartbeat")
        self._committing = not promoted_too
        self._restore(reason, reason, outcome)
        return self.report

    def _run(self) -> None:
        try:
            self._beat()
            self._see(self.world.sight or self.world.balancers.observe())
            for number, percent in enumerate(self.order.steps):
                self._step = number + 1
                self._forward(percent)
                self._hold(percent)
            self._bake()
            self._commit()
        except Back as back:
            self._restore(back.reason, str(back), back.outcome)
        except Fenced as error:
            self._fenced = str(error)
            self._restore("fenced", str(error), "RolledBack")
        except ReleaseError as error:
            self._restore("error", str(error), "RolledBack")
        except Interrupted:
            raise
        except BaseException as error:  # whatever it is, traffic goes back before anybody hears of it
            self._restore("exception", f"{type(error).__name__}: {error}", "RolledBack")
            if not isinstance(error, Exception):
                raise

    # One step forward

    def _forward(self, percent: int) -> None:
        """Move the canary to C(percent): intent, write, proof, outcome. Raises Back or Fenced."""
        weights = split(self.order.canary, percent)
        self._wait_until_safe(percent)
        self._journal_or_back(
            "note",
            entry={"kind": "intent", "step": self._step, "weights": weights.plain()},
            changes={"intended": weights.plain(), "step": self._step, "phase": "Progressing"},
        )
        before, self.intended = self.confirmed, weights
        self._write(weights)
        proof = self._proof(weights, before)
        self._journal_or_back(
            "note",
            entry={"kind": "done", "step": self._step, "weights": weights.plain(), **proof.plain()},
            changes={"confirmed": weights.plain()},
        )
        self.confirmed = weights
        self.report.steps.append({"weights": weights.plain(), **proof.plain()})
        self._say(f"{self.order.canary} has {percent} % ({proof.verdict}: {proof.msg})")

    def _write(self, weights: Weights) -> None:
        for attempt in (1, 2):
            try:
                self._see(
                    after(
                        self.world.balancers.forward(
                            weights, [self.confirmed], self.order.fences[0], self._lease(weights)
                        )
                    )
                )
                return
            except Refused as error:
                raise Back("refused", str(error)) from error
            except Lost as error:
                # Unknown, neither failed nor done: the object itself says which.
                sight = self._look()
                if sight.weights == weights:
                    return
                if sight.weights != self.confirmed or attempt == 2:
                    raise Back("lost", f"{error}; traffic now: {sight.weights or sight.trouble}") from error

    def _proof(self, asked: Weights, before: Weights) -> Proof:
        if self.world.prove is None:
            return Proof("unverifiable", "no verify option")
        proof = self.world.prove(asked, before, t.cast(Sight, self._sight), lambda: self._look(lease=True))
        if proof.verdict == "refuted":
            raise Back("refuted", f"the weights were accepted, but traffic did not follow: {proof.msg}")
        if proof.verdict == "unverifiable" and self.order.prove_required:
            raise Back("unverifiable", f"it cannot be proven that traffic moved: {proof.msg}")
        return proof

    def _wait_until_safe(self, percent: int) -> None:
        """Take no step forward without a way back, or onto a canary that could not carry its share. Raises Back."""
        started = self.world.monotonic()
        while True:
            danger = self._danger(percent)
            if not danger:
                return
            if self.world.monotonic() - started > self.order.pause_timeout:
                raise Back("unsafe", danger)
            self._tick()
            self._wait(f"{danger}: no step forward")

    def _danger(self, percent: int) -> str:
        """Return why C(percent) must not be given to the canary now, empty when it may."""
        if self.order.recorded[self.stable] == 0:
            return ""  # a first release: nothing served before it
        if self._stable_is_down():
            return f"{self.stable}, the way back, has no healthy server"
        sight = t.cast(Sight, self._sight)
        has, carries = sight.total(self.order.canary, "ready"), sight.total(self.stable, "ready")
        if has is not None and carries is not None and has * 100 < carries * percent:
            return f"{self.order.canary} has {has} servers, {self.stable} {carries}: short of {percent} %"
        return ""

    # Judging

    def _hold(self, percent: int) -> None:
        """Stay at this step until the gate, or an operator, lets it go on. Raises Back."""
        judge, started = self.world.judge, self.world.monotonic()
        if judge is not None:
            done = t.cast(int, self._step)
            later = self.order.steps[done] if done < len(self.order.steps) else None
            judge.step(percent, later)
        judged = judge is None or percent == 100
        self._promoted = False
        paused_at: t.Optional[float] = None
        while True:
            self._tick()
            verdict = judge.look(t.cast(Sight, self._sight)) if judge is not None else None
            # What has passed is still watched while an operator holds it: it may fail.
            if verdict is not None and (not judged or verdict.status == "fail") and self._verdict(verdict):
                judged = True
            undecided = not judged and verdict is not None and verdict.status in ("inconclusive", "error")
            if self._promoted or (judged and not self._paused):
                break
            if (self._paused or (undecided and self.order.on_inconclusive == "hold")) and paused_at is None:
                paused_at = self.world.monotonic()
                why = verdict.msg if undecided and verdict else "paused by an operator"
                self._note_quietly({"kind": "phase", "phase": "Paused", "msg": why}, {"phase": "Paused"})
                self._say(f"{why}: paused, waiting for promote or abort, {span(self.order.pause_timeout)} at most")
            if paused_at is not None and self.world.monotonic() - paused_at > self.order.pause_timeout:
                raise Back("pause_timeout", f"paused at {percent} % for {span(self.order.pause_timeout)}")
            line = verdict.msg if verdict else "paused"
            self._wait(f"{self.order.canary} at {percent} % for {span(self.world.monotonic() - started)}: {line}")
        self._paused = False
        if paused_at is not None:
            self._note_quietly({"kind": "phase", "phase": "Progressing"}, {"phase": "Progressing"})

    def _verdict(self, verdict: Verdict) -> bool:
        """Return whether the step is done. Raises Back on a fail."""
        if verdict.status == "fail":
            raise self._judged(verdict)
        if verdict.status in ("inconclusive", "error"):
            if self.order.on_inconclusive == "rollback":
                raise self._judged(verdict)
            if self.order.on_inconclusive != "promote":
                return False
        if verdict.status == "running":
            return False
        self._note_quietly({"kind": "verdict", "status": verdict.status, "msg": verdict.msg})
        self._say(verdict.msg)
        return True

    def _judged(self, verdict: Verdict) -> Back:
        """Return what ends the release; the verdict is journaled when the traffic is back."""
        self._owed = {"kind": "verdict", "status": verdict.status, "msg": verdict.msg}
        return Back("gate", verdict.msg)

    def _bake(self) -> None:
        """Stay at 100 % for C(bake_time) with the gate still on. Raises Back."""
        until = self.world.monotonic() + self.order.bake_time
        paused_at: t.Optional[float] = None
        while self.world.monotonic() < until or self._paused:
            self._tick()
            if self._paused and paused_at is None:
                paused_at = self.world.monotonic()
                self._say(f"paused, waiting for promote or abort, {span(self.order.pause_timeout)} at most")
            paused_at = paused_at if self._paused else None
            if paused_at is not None and self.world.monotonic() - paused_at > self.order.pause_timeout:
                raise Back("pause_timeout", f"paused at 100 % for {span(self.order.pause_timeout)}")
            if self.world.judge is not None:
                verdict = self.world.judge.look(t.cast(Sight, self._sight))
                if verdict.status == "fail":
                    self._verdict(verdict)
            left = span(max(0.0, until - self.world.monotonic()))
            self._wait("paused at 100 %" if self._paused else f"baking at 100 %, {left} left")

    def _commit(self) -> None:
        """Journal Promoted. From then on only C(rollback) takes it back."""
        self._tick()
        self._committing = True
        # The lease goes first: it must not take back what the journal calls Promoted.
        self.world.balancers.observe(self._lease(self.confirmed, "ended"))
        retire_after = self.world.wall() + self.order.retire_delay
        self._journal_or_back(
            "note",
            entry={"kind": "phase", "phase": "Healthy", "outcome": "Promoted"},
            changes={"phase": "Healthy", "outcome": "Promoted", "retire_after": retire_after},
        )
        self.report.outcome, self.report.phase = "Promoted", "Healthy"
        self.report.retire_after = retire_after
        self.report.weights = self.confirmed.plain()
        self.report.msg = f"{self.order.canary} serves {self.order.revision or 'the new revision'} to everybody"
        self._say(self.report.msg)

    # Waiting

    def _wait(self, line: str) -> None:
        now = self.world.monotonic()
        if now - self._said_at >= PROGRESS:
            self._say(line)
        self.world.sleep(TICK)

    def _tick(self) -> None:
        """Commands, heartbeat, balancers. Raises Back, Fenced."""
        self._commands()
        if self.world.monotonic() - self._beat_at >= min(HEARTBEAT, self.order.ttl / 6):
            self._beat()
        self._watch()
        if self._blind_since is not None and self.world.monotonic() - self._blind_since > PATIENCE:
            raise Back("journal", f"the journal is out of reach for {span(PATIENCE)}")

    def _beat(self) -> None:
        self._beat_at = self.world.monotonic()
        self._ask_journal("heartbeat", step=self._step)

    def _commands(self) -> None:
        if self.world.monotonic() - self._asked_at < COMMANDS:
            return
        self._asked_at = self.world.monotonic()
        answer = self._ask_journal("pending")
        for command in answer.get("commands", []) if answer else []:
            verb, number = command["verb"], command["n"]
            who = f" by {command['who']}" if command.get("who") else ""
            why = f": {command['why']}" if command.get("why") else ""
            # "rollback" of a release that has not ended is what an operator means by abort.
            done = {"abort": "restoring", "rollback": "restoring", "pause": "paused", "promote": "promoted"}.get(verb)
            if verb == "promote" and command.get("step") not in (None, self._step):
                done = f"too late: this is step {self._step}"
            # In the same swap as the answer, so that a promote counts once whatever dies in between.
            changes = {"phase": {"promoted": "Progressing", "paused": "Paused"}.get(done or "")}
            self._ask_journal(
                "acknowledge", n=number, answer=done or "unknown", changes=changes if changes["phase"] else {}
            )
            self._say(f"{verb}{who}{why}")
            if verb in ("abort", "rollback"):
                raise Back(verb, f"{verb}{who}{why}", "Aborted" if verb == "abort" else "RolledBack")
            if verb == "pause":
                self._paused = True
            if verb == "promote" and done == "promoted":
                self._promoted, self._paused = True, False

    def _watch(self) -> None:
        """Look at the balancers: nobody else's change, no slot with traffic down. Raises Back."""
        pause = self._sight.pause if self._sight else 0.0
        if self.world.monotonic() - self._seen_at < max(TICK, pause):
            return  # the proof of this step has just looked, or the system counts the calls that it gets
        try:
            sight = self._look(lease=True)
        except ReleaseError as error:
            if self.world.monotonic() - self._seen_at > PATIENCE:
                raise Back("unreachable", f"{error}, for {span(PATIENCE)}") from error
            self._say(str(error))
            return
        if "fired" in (view.get("lease") for view in sight.views.values()):
            raise Back("lease", "heartbeats stood still too long: the lease has put the traffic back")
        if sight.weights != self.confirmed:
            self._drifted(sight)
        if self.confirmed[self.order.canary] > 0 and self._down(sight, self.order.canary):
            raise Back("canary_down", f"{self.order.canary} has no healthy server left")

    def _drifted(self, sight: Sight) -> None:
        """A reload that fell back to an older state is put right; anything else is somebody's change. Raises Back."""
        seen = sight.weights or sight.trouble
        if self._pids and sight.pids() != self._pids and sight.weights is not None:
            self._say(f"a balancer was reloaded and came back with {seen}: writing {self.confirmed} again")
            self.world.balancers.forward(
                self.confirmed, [sight.weights], self.order.fences[0], self._lease(self.confirmed)
            )
            self._look()
            return
        raise Back("drift", f"somebody else changed the traffic: {seen} instead of {self.confirmed}")

    def _look(self, lease: bool = False) -> Sight:
        return self._see(self.world.balancers.observe(self._lease(self.confirmed) if lease and self._leased else None))

    def _see(self, sight: Sight) -> Sight:
        if self._sight is None or sight.weights in (self.confirmed, self.intended):
            self._pids = dict(sight.pids())
        self._sight, self._seen_at = sight, self.world.monotonic() - sight.age
        return sight

    _pids: t.Mapping[str, str] = {}
    _leased = False

    def _lease(self, weights: Weights, state: str = "held") -> dict[str, t.Any]:
        """Return the lease that keeps the way back open while C(weights) are or will be confirmed."""
        self._leased = state == "held"
        allowed = {self.order.recorded, self.confirmed, self.intended, weights}
        return {
            "state": state,
            "id": self.order.run,
            "ttl": self.order.lease_ttl,
            "weights": self.order.recorded.plain(),
            "expect": [item.plain() for item in sorted(allowed, key=str)],
            "fence": self.order.fences[1],
        }

    def _stable_is_down(self) -> bool:
        if self._sight is None or self.world.monotonic() - self._seen_at > FRESH:
            self._look(lease=True)
        return self._down(t.cast(Sight, self._sight), self.stable)

    def _down(self, sight: Sight, slot: str) -> bool:
        """Return whether C(slot) is known to answer nobody, in the balancers' eyes or else in the prober's."""
        up = sight.up(slot)
        return up is False or (up is None and self.world.healthy is not None and self.world.healthy(slot) is False)

    # Putting it back

    def _restore(self, reason: str, msg: str, outcome: str) -> None:
        """Put the recorded traffic back first, then journal, then report. Raises nothing."""
        self.world.shield()
        started = self.world.monotonic()
        self.report.reason, self.report.msg = reason, msg
        try:
            kept = self._why_not_restore()
            if kept:
                self._degraded(f"{msg}. {kept}")
                return
            answers = self.world.balancers.restore(
                self.order.recorded,
                self._restorable(),
                self.order.fences[1],
                self.order.restore_patience,
                self._say,
                self.order.force,
            )
            self.report.restore_seconds = self.world.monotonic() - started
            failed = {name: answer for name, answer in answers.items() if isinstance(answer, ReleaseError)}
            if failed:
                names = "; ".join(str(error) for error in failed.values())
                foreign = any(isinstance(error, Refused) for error in failed.values())
                self._degraded(f"{msg}. Traffic could not be put back everywhere: {names}{OVERRIDE if foreign else ''}")
                return
        except Exception as error:  # a restore that fails must still report where traffic is
            self._degraded(f"{msg}. Traffic could not be put back: {error}")
            return
        self.report.weights = self.order.recorded.plain()
        self.report.outcome, self.report.phase = outcome, "Healthy"
        stood = {self.confirmed, self.intended, *self.order.known, self._sight.weights if self._sight else None}
        if stood == {self.order.recorded}:
            self._say(f"{msg}: no traffic was moved, it is on {self.order.recorded}")
        else:
            took = f"{self.report.restore_seconds * 1000:.0f} ms"
            self._say(f"{msg}: traffic is back on {self.order.recorded} after {took}")
        self._note_owed()
        seconds = round(self.report.restore_seconds, 3)
        back = {"weights": self.order.recorded.plain(), "seconds": seconds}
        self._note_quietly(
            {"kind": "restored", "reason": reason, "msg": msg, **back},
            {"phase": "Healthy", "outcome": outcome, "confirmed": self.order.recorded.plain()},
        )
        self._end_lease()
        if any(answer["after"]["facts"].get("fence") == "none" for answer in answers.values()):  # type: ignore[index]
            self._outlast_late_writers()

    def _outlast_late_writers(self) -> None:
        """Look for LATE seconds whether a step that was on its way lands after all, and put it right again."""
        steps = {self.confirmed, self.intended, *self.order.known} - {self.order.recorded}
        until = self.world.monotonic() + LATE
        while self.world.monotonic() < until:
            self.world.sleep(TICK)
            try:
                seen = self.world.balancers.observe().weights
            except ReleaseError:
                continue
            if seen in steps:
                self._say(f"a late write has set {seen}: traffic is put back again")
                order = self.order
                back = (order.recorded, [seen], order.fences[1], order.restore_patience, self._say)
                self.world.balancers.restore(*back, force=order.force)
                until = self.world.monotonic() + LATE

    def _restorable(self) -> list[Weights]:
        """Return what may stand where traffic is put back: anything else is somebody else's, unless it is forced."""
        if self.order.force:
            return []
        return sorted({self.confirmed, self.intended, self.order.recorded, *self.order.known}, key=str)

    def _why_not_restore(self) -> str:
        """Return why a restore must not write, empty when it may (PROTOCOL, "Writes")."""
        if self._committing:
            record = self._ask_journal("read")
            release = (record or {}).get("release") or {}
            if release.get("outcome") == "Promoted":
                self.confirmed = parse(release["confirmed"])
                return f"It was promoted before; traffic stays on {self.confirmed}"
        if not self._fenced and self.world.monotonic() - self._answered_at > self.order.ttl:
            answer = self._ask_journal("heartbeat", step=self._step)
            if answer is None and not self._fenced:
                return f"The lock is older than its TTL, the journal out of reach: traffic was seen at {self._where()}"
        if self._fenced:
            return f"Nothing more is written: traffic was seen at {self._where()}"
        if self.world.monotonic() - self._seen_at > FRESH or self._sight is None:
            try:
                self._look()
            except ReleaseError:
                return ""  # what cannot be seen may still be reached: the restore itself will tell
        if self.order.recorded[self.stable] > 0 and not self.order.force and self._is_no_way_back():
            return f"{self.stable}, the way back, has no healthy server: traffic stays on {self.confirmed}"
        return ""

    def _is_no_way_back(self) -> bool:
        """Return whether the stable slot answers nobody; where only a prober knows, it is asked until it is sure."""
        sight = t.cast(Sight, self._sight)
        if sight.up(self.stable) is not None or self.world.healthy is None:
            return self._down(sight, self.stable)
        for _probe in range(SURE):
            answers = self.world.healthy(self.stable)
            if answers is not None:
                return not answers
            self.world.sleep(1.0)
        return True

    def _degraded(self, msg: str) -> None:
        promoted = "was promoted before" in msg
        self.report.phase = "Healthy" if promoted else "Degraded"
        self.report.outcome = "Promoted" if promoted else ""
        self.report.weights = self.confirmed.plain() if promoted else None
        self.report.msg = msg
        self._say(msg)
        self._note_owed()
        if not promoted:
            self._note_quietly({"kind": "phase", "phase": "Degraded", "msg": msg}, {"phase": "Degraded"})

    def _end_lease(self) -> None:
        try:
            self.world.balancers.observe(self._lease(self.order.recorded, "ended"))
        except ReleaseError as error:
            self._say(f"the lease stays until it runs out: {error}")

    def _where(self) -> str:
        return str(self._sight.weights or self._sight.trouble) if self._sight else "no place: no balancer was seen"

    # The journal

    def _ask_journal(self, verb: str, **arguments: t.Any) -> t.Optional[t.Mapping[str, t.Any]]:
        """Return the journal's answer, None while it is out of reach. Raises Fenced unless a restore is under way."""
        try:
            answer = self.world.journal(verb, key=self.order.key, run=self.order.run, **arguments)
        except Fenced as error:
            self._fenced = str(error)
            if self.report.reason:
                return None
            raise
        except Lost as error:
            if self._blind_since is None:
                self._blind_since = self.world.monotonic()
                self._say(f"the journal: {error}")
            return None
        except ReleaseError as error:
            if not self.report.reason:
                raise
            self._say(f"the journal: {error}")
            return None
        self._blind_since, self._answered_at = None, self.world.monotonic()
        return answer

    def _journal_or_back(self, verb: str, **arguments: t.Any) -> None:
        """Write to the journal before anything moves: no journal, no step. Raises Back after PATIENCE, Fenced."""
        started = self.world.monotonic()
        while self._ask_journal(verb, **arguments) is None:
            if self.world.monotonic() - started > PATIENCE:
                raise Back("journal", f"the journal is out of reach for {span(PATIENCE)}")
            self._watch()
            self._wait("waiting for the journal")

    def _note_quietly(self, entry: dict[str, t.Any], changes: t.Optional[dict[str, t.Any]] = None) -> None:
        self._ask_journal("note", entry=entry, changes=changes or {})

    def _note_owed(self) -> None:
        if self._owed:
            self._note_quietly(self._owed)
            self._owed = None

    def _say(self, line: str) -> None:
        self._said_at = self.world.monotonic()
        total = len(self.order.steps)
        self.world.say(f"step {self._step}/{total}: {line}" if self._step else line)
