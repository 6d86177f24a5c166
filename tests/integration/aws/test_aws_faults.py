# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API call that fails in a release leaves no weight and no setting behind: C(benchmarks/faults) has all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="needs the Python package moto")

from tests.lab.aws.failing import Case, FailingAws


@pytest.fixture(scope="module")
def shop() -> Iterator[FailingAws]:
    with FailingAws() as ground:
        cases = ground.cases()
        # What changes something: before it is carried out and after it; what reads once.
        assert {case.when for case in cases if case.operation == "DeleteTags"} == {"before", "after"}
        assert {case.when for case in cases if case.operation == "DescribeListeners"} == {"before"}
        yield ground


@pytest.mark.parametrize(
    "case",
    [Case("ModifyListener", 1, "delay", "before"), Case("UpdateAutoScalingGroup", 4, "html", "after")],
    ids=str,
)
def test_traffic_and_settings_are_those_of_the_outcome(shop: FailingAws, case: Case) -> None:
    outcome = shop.run_case(case)
    assert outcome.met, "the call did not come"
    assert outcome.faults == [], "\n".join(outcome.notes)
