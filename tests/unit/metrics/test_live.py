# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate at work: who asks never waits, an old verdict is none of the new step, a broken source is no data."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate import Gate, Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm, Sample
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.live import KEPT, Live
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place, Source, SourceError

PLACES = {"stable": Place("blue"), "canary": Place("green")}
QUICK = {"interval": 1, "initial_delay": 0, "min_duration": 2, "min_step_duration": 1, "dispersion": 1}


class Counts(Source):
    """A source whose next readings a test lays down: bad requests of the canary per reading, an error, or nothing."""

    name = "counts"
    spec = {}
    quick = True

    def __init__(self, *bad, requests=1000):
        self.bad, self.requests = list(bad), requests
        self.seen = [0, 0, 0]
        self.reads = 0

    def read(self, at):
        self.reads += 1
        bad = self.bad.pop(0) if len(self.bad) > 1 else self.bad[0]
        if isinstance(bad, Exception):
            raise bad
        if bad is None:
            return None
        self.seen = [self.seen[0] + self.requests, self.seen[1] + self.requests, self.seen[2] + bad]
        return Sample(at, Arm(self.seen[0], {"errors": 0}), Arm(self.seen[1], {"errors": self.seen[2]}))

    def describe(self):
        return []

    def metrics(self, history):
        return [{"name": "errors"}]

    def counters(self):
        return ["errors"]


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def live(source, clock, probes=None, watchers=(), **more):
    options = Options.from_dict({**QUICK, **more})
    return Live(Gate(options), options, source, PLACES, watchers, probes, clock)


def look_for(gate, clock, seconds, tick=0.5):
    verdicts = []
    for _tick in range(int(seconds / tick)):
        verdicts.append(gate.look())
        clock.now += tick
    return verdicts


def test_a_source_is_read_once_an_interval():
    source, clock = Counts(0), Clock()
    gate = live(source, clock)
    gate.step(10, 50)
    look_for(gate, clock, 10, tick=0.1)
    assert source.reads == 10


def test_a_good_canary_passes_and_a_bad_one_fails():
    for bad, status in ((0, "pass"), (200, "fail")):
        clock = Clock()
        gate = live(Counts(bad), clock)
        gate.step(50, 100)
        assert look_for(gate, clock, 20)[-1].status == status


def test_the_pass_of_a_step_is_no_verdict_on_the_next():
    clock = Clock()
    gate = live(Counts(0), clock)
    gate.step(50, 100)
    assert look_for(gate, clock, 20)[-1].status == "pass"
    gate.step(100, None)
    assert gate.look().status == "running"


def test_a_fail_stays_a_fail_in_every_later_step():
    clock = Clock()
    gate = live(Counts(500), clock)
    gate.step(50, 100)
    assert look_for(gate, clock, 10)[-1].status == "fail"
    gate.step(100, None)
    assert gate.verdict.status == "fail", "at once, not only with the next reading"
    assert gate.look().status == "fail"


def test_a_broken_source_is_no_data_and_says_why():
    clock = Clock()
    gate = live(Counts(SourceError("the store is down")), clock)
    gate.step(50, 100)
    verdicts = look_for(gate, clock, 20)
    assert {verdict.status for verdict in verdicts} == {"running", "inconclusive"}
    assert verdicts[-1].msg.endswith("; the store is down")


def test_an_unforeseen_error_of_a_source_is_no_data_too():
    clock = Clock()
    gate = live(Counts(KeyError("value")), clock)
    gate.step(50, 100)
    verdict = look_for(gate, clock, 20)[-1]
    assert verdict.status == "inconclusive" and "the source counts broke: KeyError" in verdict.msg


def test_a_source_that_comes_back_is_believed_again():
    clock, down = Clock(), SourceError("down")
    gate = live(Counts(0, 0, *[down] * 8, 0), clock)
    gate.step(50, 100)
    verdicts = look_for(gate, clock, 30)
    assert "inconclusive" in {verdict.status for verdict in verdicts} and verdicts[-1].status == "pass"


def test_nothing_new_changes_nothing():
    clock = Clock()
    gate = live(Counts(0, None), clock)
    gate.step(50, 100)
    assert {verdict.reason for verdict in look_for(gate, clock, 60)} == {"first_reading"}


def test_a_dry_run_passes_with_what_it_would_have_said():
    clock = Clock()
    gate = live(Counts(500), clock, dry_run=True)
    gate.step(50, 100)
    verdict = look_for(gate, clock, 10)[-1]
    assert verdict.status == "pass" and verdict.msg.startswith("DRY RUN, it would have been FAIL after")


def test_probes_alone_are_no_traffic_and_earn_no_pass():
    source, clock = Counts(0), Clock()

    def sent():
        return {"blue": (source.seen[0], 0), "green": (source.seen[1], 0)}

    gate = live(source, clock, probes=sent)
    gate.step(50, 100)
    assert {verdict.status for verdict in look_for(gate, clock, 60)} == {"running"}
    assert gate.report()["metrics"]["errors"]["canary"]["requests"] == 0


class TestASlowSource:
    @pytest.fixture
    def slow(self):
        class Slow(Counts):
            quick = False
            answer = threading.Event()

            def read(self, at):
                self.answer.wait(20)
                return super().read(at)

        source = Slow(0)
        yield source
        source.answer.set()

    def test_nobody_waits_for_it(self, slow):
        gate = live(slow, time.monotonic)
        gate.step(50, 100)
        began = time.monotonic()
        for _look in range(100):
            assert gate.look().status == "running"
        assert time.monotonic() - began < 0.5

    def test_its_answer_is_taken_when_it_is_there(self, slow):
        gate = live(slow, time.monotonic)
        gate.step(50, 100)
        gate.look()
        slow.answer.set()
        deadline = time.monotonic() + 5
        while gate.look().reason != "first_reading" or not gate.polls:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def test_one_that_never_answers_is_no_data(self, slow):
        clock = Clock()
        gate = live(slow, clock)
        gate.step(50, 100)
        verdicts = look_for(gate, clock, 40)
        assert verdicts[-1].status == "inconclusive" and "no answer for" in verdicts[-1].msg
        assert slow.reads == 0, "it was asked once and hangs: nobody asks a second time meanwhile"


def test_the_report_holds_what_was_judged_in_a_compact_form():
    clock = Clock()
    gate = live(Counts(1, 2, 3, 4), clock)
    gate.step(10, 50)
    look_for(gate, clock, 4)
    report = gate.report()
    assert report["samples"]["columns"] == [
        "at", "stable_requests", "stable_errors", "canary_requests", "canary_errors"
    ]  # fmt: skip
    assert report["samples"]["rows"][:2] == [[0.0, 1000, 0, 1000, 1], [1.0, 2000, 0, 2000, 3]]
    assert report["steps"] == [{"at": 0.0, "weight": 10, "next_weight": 50}]


def test_a_long_judgement_keeps_its_first_and_last_samples_only_thinned_between():
    clock = Clock()
    gate = live(Counts(0, requests=1), clock, max_duration=1e6, interval=1, min_requests=10**6)
    gate.step(50, 100)
    look_for(gate, clock, 2 * KEPT + 500, tick=1.0)
    rows = gate.report()["samples"]["rows"]
    assert len(rows) <= KEPT
    assert rows[0][0] == 0.0 and rows[-1][0] == 2 * KEPT + 499


def test_a_judgement_can_be_seen():
    clock = Clock()
    gate = live(Counts(200), clock)
    gate.step(50, 100)
    look_for(gate, clock, 10)
    picture = gate.picture()
    assert picture.startswith("<svg") and "FAIL after" in picture
