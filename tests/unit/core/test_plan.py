# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: what --check --diff shows."""

from __future__ import annotations

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.plan import Change, diff


def test_each_change_is_one_part_of_the_diff_in_order() -> None:
    parts = diff([Change("map (shop)", "100:0:1", "90:10:2"), Change("file", "", "new")])
    assert [part["before_header"] for part in parts] == ["map (shop)", "file"]
    assert parts[0] == {
        "before_header": "map (shop)",
        "after_header": "map (shop)",
        "before": "100:0:1\n",
        "after": "90:10:2\n",
    }


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("a", "a\n"), ("a\n", "a\n"), ("a\nb", "a\nb\n")])
def test_text_ends_with_a_newline_so_that_no_diff_says_there_is_none(text: str, shown: str) -> None:
    (part,) = diff([Change("file", text, text)])
    assert part["before"] == part["after"] == shown


def test_no_change_is_no_diff() -> None:
    assert diff([]) == []
