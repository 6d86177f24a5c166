# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus learns of the releases of an environment, in its text format (exposition format 0.0.4).

A release is a batch job: it ends before anybody could scrape it. So its figures stay in a file, which the textfile
collector of a node exporter reads, and the counters in it go on from the file of the release before.
"""

from __future__ import annotations

import json
import re
import typing as t

# How a release can end; each has a counter from the first release on, so that a first increase is seen.
ENDS = ("Promoted", "RolledBack", "Aborted", "Degraded")
_COUNTER = re.compile(r'^zerodowntime_releases_total\{.*outcome="(\w+)"\} (\d+)$', re.M)

Report = t.Mapping[str, t.Any]


def exposition(report: Report, now: float, before: str = "") -> str:
    """Return the figures of C(report), a release that ended, and how many ended how.

    C(now) is in seconds since the epoch. C(before) is what this returned for the environment's last report; one that
    is written again counts once.
    """
    labels = {name: str(report[name] or "") for name in ("app", "environment")}
    end = str(report["outcome"] or report["phase"])
    about = {**labels, "revision": str(report["revision"] or ""), "outcome": end, "release": report["release"]}
    figures = {
        "info": 1,
        "ended_timestamp_seconds": round(now, 3),
        "duration_seconds": round(report["seconds"], 3),
        "restore_seconds": report.get("restore_seconds"),
        "cut_requests": report["cut"],
        "requests": report.get("requests"),
        "dropped_requests": report.get("dropped"),
        "error_requests": report.get("errors"),
        "longest_gap_seconds": report.get("longest_gap_seconds"),
    }
    lines = []
    for name, value in figures.items():
        if value is not None:
            name = f"zerodowntime_release_{name}"
            lines += [f"# TYPE {name} gauge", _line(name, about if name.endswith("_info") else labels, value)]
    counts = {**dict.fromkeys(ENDS, 0), **{outcome: int(count) for outcome, count in _COUNTER.findall(before)}}
    if lines[1] not in before.splitlines():
        counts[end] = counts.get(end, 0) + 1
    lines.append("# TYPE zerodowntime_releases_total counter")
    lines += [_line("zerodowntime_releases_total", {**labels, "outcome": way}, count) for way, count in counts.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, labels: t.Mapping[str, str], value: float) -> str:
    words = ",".join(f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in labels.items())
    return f"{name}{{{words}}} {value}"
