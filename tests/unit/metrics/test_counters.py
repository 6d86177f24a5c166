# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums of counters never fall and count no request twice, whatever single counters do."""

from __future__ import annotations

import random

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.sample import Arm
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.counters import Total, Without


def test_what_stands_at_the_first_look_is_the_origin():
    assert Total().add({"a": (1000.0, None), "b": (5.0, None)}) == 0


def test_a_counter_that_restarts_alone_counts_from_zero():
    total = Total()
    total.add({"a": (1000.0, None), "b": (1000.0, None)})
    assert total.add({"a": (30.0, None), "b": (1010.0, None)}) == 40


def test_a_counter_that_appears_counts_from_zero_and_one_that_comes_back_from_where_it_was():
    total = Total()
    total.add({"a": (1000.0, None)})
    assert total.add({"a": (1000.0, None), "b": (3.0, None)}) == 3
    assert total.add({"b": (3.0, None)}) == 3
    assert total.add({"a": (1004.0, None), "b": (3.0, None)}) == 7


def test_a_replica_that_is_behind_restarts_nothing():
    total = Total()
    total.add({"a": (1000.0, 50.0)})
    assert total.add({"a": (1010.0, 60.0)}) == 10
    assert total.add({"a": (1005.0, 55.0)}) == 10
    assert total.add({"a": (1020.0, 65.0)}) == 20


def test_no_request_is_ever_counted_twice_and_the_sum_never_falls():
    random.seed(1)
    for _life in range(200):
        total, counters, served, last = Total(), dict.fromkeys("abc", 1000), 0, 0.0
        total.add({name: (float(count), None) for name, count in counters.items()})
        for _poll in range(40):
            for name in counters:
                if random.random() < 0.05:
                    counters[name] = 0  # restarted
                new = random.randrange(200)
                counters[name] += new
                served += new
            shown = {name: (float(count), None) for name, count in counters.items() if random.random() < 0.8}
            counted = total.add(shown)
            assert last <= counted <= served
            last = counted


def test_probes_are_taken_out_and_a_race_with_them_is_no_restart():
    without = Without()
    assert without.take("green", Arm(100, {"errors": 10}), (40, 4)) == Arm(60, {"errors": 6})
    assert without.take("green", Arm(100, {"errors": 10}), (41, 5)) == Arm(60, {"errors": 6})
    assert without.take("green", Arm(110, {"errors": 10}), (41, 4)) == Arm(69, {"errors": 6})
