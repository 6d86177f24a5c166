# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus learns of releases: figures of the last one, and counters that go on."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.exposition import ENDS, exposition

REPORT: dict[str, t.Any] = {
    "app": "shop",
    "environment": 'shop "eu"',
    "release": "r1",
    "revision": "1\\2",
    "outcome": "",
    "phase": "Degraded",
    "seconds": 12.3456,
    "cut": 0,
}
LABELS = 'app="shop",environment="shop \\"eu\\""'


def counts(text: str) -> dict[str, int]:
    found = re.findall(r'^zerodowntime_releases_total\{.*outcome="(\w+)"\} (\d+)$', text, re.M)
    return {outcome: int(count) for outcome, count in found}


def test_labels_may_hold_any_text_and_what_was_not_counted_is_left_out() -> None:
    lines = exposition(REPORT, 1790000000.0).splitlines()
    info = f'zerodowntime_release_info{{{LABELS},revision="1\\\\2",outcome="Degraded",release="r1"}} 1'
    assert info in lines
    assert f"zerodowntime_release_duration_seconds{{{LABELS}}} 12.346" in lines
    assert not [line for line in lines if "dropped" in line or "restore" in line]
    counted = exposition({**REPORT, "dropped": 0, "restore_seconds": 0.013}, 0.0).splitlines()
    assert f"zerodowntime_release_dropped_requests{{{LABELS}}} 0" in counted
    assert f"zerodowntime_release_restore_seconds{{{LABELS}}} 0.013" in counted


def test_the_counters_go_on_from_one_release_to_the_next() -> None:
    text = exposition({**REPORT, "outcome": "Promoted"}, 1.0)
    assert counts(text) == {**dict.fromkeys(ENDS, 0), "Promoted": 1}
    text = exposition({**REPORT, "release": "r2", "outcome": "RolledBack"}, 2.0, text)
    text = exposition({**REPORT, "release": "r3", "outcome": "Promoted"}, 3.0, text)
    assert counts(text) == {**dict.fromkeys(ENDS, 0), "Promoted": 2, "RolledBack": 1}


def test_a_report_that_is_written_again_counts_once_and_a_rollback_of_the_same_release_is_one_more_end() -> None:
    text = exposition({**REPORT, "outcome": "Promoted"}, 1.0)
    text = exposition({**REPORT, "outcome": "Promoted"}, 2.0, text)
    assert counts(text)["Promoted"] == 1
    assert counts(exposition({**REPORT, "outcome": "RolledBack"}, 3.0, text))["RolledBack"] == 1
    assert counts(exposition({**REPORT, "outcome": "Promoted"}, 3.0, "not ours\n"))["Promoted"] == 1
