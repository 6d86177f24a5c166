# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From counts to the certificate, its table and its sentence."""

from __future__ import annotations

import typing as t
from collections import Counter

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.certificate import (
    alarms,
    certificate,
    latency_bucket,
    quantile,
    summary,
)


def counts(**changes: t.Any) -> dict[str, t.Any]:
    """Return the counts of a minute: 1,000 of v1, 100 of v2 with 3 errors and a lost one, and 2 of nobody."""
    latency = Counter({latency_bucket(0.010): 90, latency_bucket(0.200): 10})
    return {
        "seconds": 60.0,
        "dropped_by_kind": {"reset": 2, "cut": 1},
        "unattributed": 2,
        "throttled": 0,
        "unsent": 0,
        "unfinished": 0,
        "longest_gap_seconds": 0.2134,
        "first_dropped": [{"at": 1.0, "kind": "reset", "detail": "connection reset by peer"}],
        "revisions": {
            "v1": {"requests": 1000, "dropped": 0, "errors_by_status": {}, "latency": latency},
            "v2": {"requests": 100, "dropped": 1, "errors_by_status": {"500": 2, "503": 1}, "latency": {}},
        },
        **changes,
    }


def test_dropped_and_errors_are_kept_apart_and_everything_adds_up() -> None:
    found = certificate(counts())
    assert found["requests"] == 1102
    assert found["dropped"] == 3
    assert found["dropped_by_kind"] == {"refused": 0, "reset": 2, "cut": 1, "timeout": 0, "balancer": 0}
    assert found["errors"] == 3
    assert found["longest_gap_seconds"] == 0.213
    assert found["revisions"]["v2"]["error_rate"] == 0.03
    assert found["revisions"]["v2"]["errors_by_status"] == {"500": 2, "503": 1}


def test_the_upper_bound_is_the_exact_95_percent_limit_of_the_drop_rate() -> None:
    none = certificate(counts(dropped_by_kind={}, unattributed=0))
    assert none["upper_bound_95"] == pytest.approx(1 - 0.05 ** (1 / 1100))
    assert certificate(counts())["upper_bound_95"] == pytest.approx(0.00702, abs=1e-5)


def test_no_request_proves_nothing() -> None:
    found = certificate(counts(revisions={}, unattributed=0, dropped_by_kind={}))
    assert (found["requests"], found["upper_bound_95"]) == (0, 1.0)


def test_latencies_are_milliseconds_within_one_percent_and_none_without_answers() -> None:
    found = certificate(counts())["revisions"]
    assert found["v1"]["p50_ms"] == pytest.approx(10, rel=0.011)
    assert found["v1"]["p95_ms"] == pytest.approx(200, rel=0.011)
    assert found["v2"]["p99_ms"] is None


def test_quantiles_take_the_answer_of_their_rank_whether_keys_are_numbers_or_came_through_json() -> None:
    buckets = {latency_bucket(0.001): 50, latency_bucket(0.010): 50}
    for given in (buckets, {str(key): count for key, count in buckets.items()}):
        assert quantile(given, 0.50) == pytest.approx(1, rel=0.011)
        assert quantile(given, 0.51) == pytest.approx(10, rel=0.011)


def test_the_summary_is_a_table_and_one_sentence() -> None:
    assert summary(certificate(counts())) == [
        "revision     requests  errors  dropped  p50 ms  p95 ms  p99 ms",
        "v1              1,000       0        0    10.0     201     201",
        "v2                100       3        1       -       -       -",
        "(no answer)         2                2",
        "1,102 probes in 1m00s: 3 dropped (2 reset, 1 cut), 3 errors of the application, longest gap 0.21 s.",
    ]


def test_the_sentence_gives_the_bound_when_nothing_was_dropped_and_says_what_was_not_sent() -> None:
    found = certificate(counts(dropped_by_kind={}, unattributed=0, unsent=7, throttled=2))
    assert summary(found)[-1] == (
        "1,100 probes in 1m00s: 0 dropped (at most 0.27 % with 95 % confidence), 3 errors of the application, "
        "longest gap 0.21 s, 2 answered 429 and backed off from, 7 not sent because this client could not keep up."
    )


def test_alarms_name_revision_threshold_and_numbers() -> None:
    found = certificate(counts())
    assert alarms(found, 0.01, 0.1) == [
        "v1: p95 201 ms is above 100 ms",
        "v2: error rate 3.0 % (3 of 100) is above 1.0 %",
    ]
    assert alarms(found, 0.03, 0.5) == []
    assert alarms(found, None, None) == []
