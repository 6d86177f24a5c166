# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate as the engine asks it: what a user wrote, opened and looked at before anything waits for it."""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import Traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options, Verdict
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.haproxy import HAProxy
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.live import Live, Probes
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import (
    CANARY,
    STABLE,
    Look,
    Place,
    Places,
    Source,
    SourceError,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.watchers import WATCHERS
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _forecast
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import open_balancers


@dataclass(frozen=True)
class Opened:
    """A gate that is ready to judge: C(looks) is what its source said when it was opened, C(watched) what is beside."""

    live: Live
    looks: list[Look]
    watched: list[str]
    options: Options
    source: Source
    history: list[Sample]


class ShiftJudge:
    """What C(Judge) of the engine asks for. Its source may be the balancers that the engine looks at anyway."""

    def __init__(self, opened: Opened, desk: _Desk) -> None:
        self._opened, self._live, self._desk = opened, opened.live, desk

    @property
    def options(self) -> Options:
        """Return the gate's options, the source's metrics among them."""
        return self._opened.options

    def traffic(self, observe: t.Callable[[], Sight]) -> Traffic | None:
        """Return the traffic of now, C(observe) to look at the balancers once more; None where nobody can tell."""

        def wait(seconds: float) -> None:
            time.sleep(seconds)
            self._desk.sight = observe()

        opened = self._opened
        return _forecast.measure(opened.options, opened.source, opened.looks, opened.history, wait)

    def lasting(self, action: ReleaseAction) -> contextlib.AbstractContextManager[None]:
        """Return the context to shift in, see C(lasting)."""
        return lasting(action, self._live)

    def step(self, weight: int, next_weight: int | None) -> None:
        """Begin to judge the canary at C(weight) percent."""
        self._live.step(weight, next_weight)

    def look(self, sight: Sight) -> Verdict:
        """Return the verdict of now; never waits for a slow source."""
        self._desk.sight = sight
        return self._live.look()

    def picture(self) -> str:
        """Return the two rates and the odds over time, as SVG."""
        return self._live.picture()

    def report(self) -> dict[str, t.Any]:
        """Return status, reason, msg, metrics, steps and samples, as M(zerodowntime.bluegreen.metric_gate) does."""
        return self._live.report()


class _Desk:
    """Where the engine lays down what the balancers said, for a source that reads it."""

    def __init__(self, sight: Sight | None) -> None:
        self.sight = sight

    def read(self) -> Sight:
        if self.sight is None:
            raise SourceError("the source haproxy needs socket and slots here: there are no balancers to look at")
        return self.sight


def open_judge(
    action: ReleaseAction,
    gate: t.Any,
    canary: str,
    stable: str,
    names: t.Mapping[str, str] | None = None,
    revisions: t.Mapping[str, str] | None = None,
    sight: Sight | None = None,
    probes: Probes | None = None,
    task_vars: dict[str, t.Any] | None = None,
    traffic: t.Mapping[str, t.Any] | None = None,
) -> ShiftJudge | None:
    """Return the judge of C(gate), None without one.

    C(names) is what the traffic system calls each slot, C(revisions) what runs there, C(sight) what the balancers say
    now, C(probes) what a prober of ours sent through them, C(traffic) how traffic is moved. Raises ReleaseError, with
    one sentence, when the gate or its source is wrong, so open it before anything moves.
    """
    if gate is None or gate == {} or gate == "":
        return None
    desk = _Desk(sight)
    where = places(canary, stable, names, revisions)
    gate = settings.beside(gate, traffic)
    opened = open_gate(action, gate, where, desk.read, probes, task_vars, patient=False)
    action.say(f"the gate reads {'; '.join([*map(str, opened.looks), *opened.watched])}")
    return ShiftJudge(opened, desk)


@contextlib.contextmanager
def lasting(action: ReleaseAction, live: Live) -> t.Iterator[None]:
    """Hold what lasts as long as the judgement, and say so. Raises ReleaseError before anything is judged."""
    try:
        for line in live.begin():
            action.say(line)
        yield
    finally:
        for line in live.end():
            action.say(line)


def places(
    canary: str, stable: str, names: t.Mapping[str, t.Any] | None, revisions: t.Mapping[str, t.Any] | None
) -> Places:
    """Return the two slots as sources know them."""
    return {
        arm: Place(slot, str((revisions or {}).get(slot) or ""), str((names or {}).get(slot) or ""))
        for arm, slot in ((STABLE, stable), (CANARY, canary))
    }


def open_gate(
    action: ReleaseAction,
    gate: t.Any,
    where: Places,
    observe: t.Callable[[], Sight],
    probes: Probes | None = None,
    task_vars: dict[str, t.Any] | None = None,
    patient: bool = True,
) -> Opened:
    """Return the gate, its source seen to answer and its past read. Raises ReleaseError with one sentence.

    With C(patient), a look may wait for balancers that are asked only for the gate.
    """
    wanted = settings.parse(gate)
    source = open_source(action, wanted, where, observe, task_vars, patient)
    looks = source.describe()
    for look in looks:
        if look.arm == STABLE and look.counter == "requests" and look.value is None and not source.late:
            raise ReleaseError(
                f"the source {source.name} has no requests of {look.slot}, the stable slot: nothing for {look.query}"
            )
    # Asked more often than it counts, a source would say the same again.
    options = replace(wanted.options(), interval=max(wanted.options().interval, source.resolution))
    history = source.history(options.lookback, options.interval)
    options = replace(wanted.options(source.metrics(history)), interval=options.interval)
    source.choose(options.counters)
    watchers = [WATCHERS[name](given, where) for name, given in wanted.watch]
    live = Live(Gate(options, history), options, source, where, watchers, probes, time.monotonic)
    told = [look for look in looks if look.counter in ("requests", *options.counters)]
    watched = [line for watcher in watchers for line in watcher.describe()]
    return Opened(live, told, watched, options, source, history)


def open_source(
    action: ReleaseAction,
    wanted: settings.Settings,
    where: Places,
    observe: t.Callable[[], Sight],
    task_vars: dict[str, t.Any] | None = None,
    patient: bool = True,
) -> Source:
    """Return the source; C(observe) stands in for balancers whose address is not among its options."""
    if wanted.source != HAProxy.name:
        return settings.SOURCES[wanted.source](wanted.source_options, where)
    if not wanted.source_options:
        return HAProxy(observe, where)
    options = dict(wanted.source_options)
    options.setdefault("slots", {place.slot: place.name for place in where.values() if place.name})
    try:
        balancers = open_balancers(action, {"haproxy_traffic": options}, task_vars or {})
        return HAProxy(balancers.observe, where, quick=patient)
    except ReleaseError as error:
        raise ReleaseError(f"the gate's source: {error}") from error
