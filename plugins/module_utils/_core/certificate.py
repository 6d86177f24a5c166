# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a release: what became of every request, what was ours to prevent, what the application's."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.binomial import upper_limit

KINDS = ("refused", "reset", "cut", "timeout", "balancer")
UNKNOWN = "unknown"

_PER_E = 50  # buckets per factor e of latency: 2 % wide


def certificate(counts: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the certificate of C(counts), as C(_load/tally.py) makes them.

    C(dropped) counts requests that got no answer of the application: refused, reset, cut off, timed out, or a failure
    made by the balancer; C(errors) answers of the application with a failure status. C(upper_bound_95) is the drop rate
    (0 to 1) that the counts leave possible with 95 % confidence, exact; 1.0 without a request. Latencies per revision
    are milliseconds, within 1 %; None without an answer.
    """
    revisions = {revision: _revision(of) for revision, of in counts["revisions"].items()}
    requests = counts["unattributed"] + sum(of["requests"] for of in revisions.values())
    dropped = sum(counts["dropped_by_kind"].values())
    return {
        "requests": requests,
        "dropped": dropped,
        "dropped_by_kind": {kind: counts["dropped_by_kind"].get(kind, 0) for kind in KINDS},
        "errors": sum(of["errors"] for of in revisions.values()),
        "longest_gap_seconds": round(counts["longest_gap_seconds"], 3),
        "revisions": revisions,
        "upper_bound_95": upper_limit(dropped, requests, 0.95) if requests else 1.0,
        "seconds": round(counts["seconds"], 3),
        "throttled": counts["throttled"],
        "unsent": counts["unsent"],
        "unfinished": counts["unfinished"],
        "first_dropped": list(counts["first_dropped"]),
    }


def summary(report: t.Mapping[str, t.Any]) -> list[str]:
    """Return the certificate C(report) as lines for one screen: a table of the revisions and one sentence."""
    head = ("revision", "requests", "errors", "dropped", "p50 ms", "p95 ms", "p99 ms")
    rows = [
        (
            revision,
            f"{of['requests']:,}",
            f"{of['errors']:,}",
            f"{of['dropped']:,}",
            *(_milliseconds(of[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
        )
        for revision, of in report["revisions"].items()
    ]
    unattributed = report["dropped"] - sum(of["dropped"] for of in report["revisions"].values())
    if unattributed:
        rows.append(("(no answer)", f"{unattributed:,}", "", f"{unattributed:,}", "", "", ""))
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    table = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip()
        for row in [head, *rows]
    ]
    return [*table, sentence(report)]


def sentence(report: t.Mapping[str, t.Any]) -> str:
    """Return the certificate C(report) as one sentence. It says probes, never users: nobody knows what they saw."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report["dropped_by_kind"].items() if count)
    parts = [
        f"{report['requests']:,} probes in {duration.text(report['seconds'])}: {report['dropped']:,} dropped"
        + (f" ({kinds})" if kinds else f" (at most {_percent(report['upper_bound_95'])} with 95 % confidence)"),
        f"{report['errors']:,} errors of the application",
        f"longest gap {report['longest_gap_seconds']:.2f} s",
    ]
    for name, words in (
        ("throttled", "answered 429 and backed off from"),
        ("unfinished", "still in flight at the end"),
        ("unsent", "not sent because this client could not keep up"),
    ):
        if report[name]:
            parts.append(f"{report[name]:,} {words}")
    return ", ".join(parts) + "."


def alarms(
    report: t.Mapping[str, t.Any], max_error_rate: t.Optional[float], max_p95: t.Optional[float]
) -> list[str]:
    """Return one sentence per revision and threshold that was passed: C(max_error_rate) 0 to 1, C(max_p95) seconds."""
    found = []
    for revision, of in report["revisions"].items():
        if max_error_rate is not None and of["error_rate"] > max_error_rate:
            found.append(
                f"{revision}: error rate {_percent(of['error_rate'])} ({of['errors']:,} of {of['requests']:,}) "
                f"is above {_percent(max_error_rate)}"
            )
        if max_p95 is not None and of["p95_ms"] is not None and of["p95_ms"] > max_p95 * 1000:
            seen, limit = _milliseconds(of["p95_ms"]), _milliseconds(max_p95 * 1000)
            found.append(f"{revision}: p95 {seen} ms is above {limit} ms")
    return found


def latency_bucket(seconds: float) -> int:
    """Return the number of the bucket, 2 % wide, that counts a latency of C(seconds)."""
    return int(math.log(max(seconds, 1e-6) * 1e6) * _PER_E)


def quantile(buckets: t.Mapping[t.Any, int], share: float) -> t.Optional[float]:
    """Return the latency in milliseconds that C(share) of the counted answers did not exceed; None without answers.

    Keys of C(buckets) may be text: JSON knows no other keys.
    """
    rank = math.ceil(share * sum(buckets.values()))
    seen = 0
    for bucket in sorted(buckets, key=int):
        seen += buckets[bucket]
        if seen >= rank:
            return float(f"{math.exp((int(bucket) + 0.5) / _PER_E) / 1000:.3g}")
    return None


def _revision(of: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    errors = sum(of["errors_by_status"].values())
    return {
        "requests": of["requests"],
        "dropped": of["dropped"],
        "errors": errors,
        "errors_by_status": dict(of["errors_by_status"]),
        "error_rate": round(errors / of["requests"], 6) if of["requests"] else 0.0,
        "p50_ms": quantile(of["latency"], 0.50),
        "p95_ms": quantile(of["latency"], 0.95),
        "p99_ms": quantile(of["latency"], 0.99),
    }


def _milliseconds(value: t.Optional[float]) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _percent(rate: float) -> str:
    """Return C(rate) with two digits that count: C(0.00031 %), C(3.1 %), C(42 %)."""
    if rate <= 0:
        return "0 %"
    digits = max(0, 1 - math.floor(math.log10(rate * 100)))
    return f"{rate * 100:.{digits}f} %"
