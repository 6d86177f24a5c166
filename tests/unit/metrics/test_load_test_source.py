# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source load_test: what a load beside the release counts per revision."""

from __future__ import annotations

import os

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load import report
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.process import identify
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.load_test import LoadTest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place, SourceError

PLACES = {"stable": Place("blue", "v1"), "canary": Place("green", "v2")}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "load.json")


def write(path, state="running", **revisions):
    names = ("requests", "errors", "dropped")
    counts = {revision: dict(zip(names, values, strict=True)) for revision, values in revisions.items()}
    me = identify(os.getpid())
    report.write(path, {"state": state, "pid": me.pid, "pid_started": me.started, "revisions": counts})


def test_requests_errors_and_dropped_ones_are_counted_per_revision(path):
    write(path, v1=(100, 1, 0), v2=(10, 2, 3))
    sample = LoadTest({"report": path}, PLACES).read(1.0)
    assert (sample.stable.requests, sample.stable.bad) == (100, {"errors": 1, "dropped": 0})
    assert (sample.canary.requests, sample.canary.bad) == (10, {"errors": 2, "dropped": 3})


def test_a_revision_that_has_not_answered_yet_has_no_data(path):
    write(path, v1=(100, 1, 0))
    assert LoadTest({"report": path}, PLACES).read(1.0).canary is None


def test_a_load_that_is_over_is_no_source(path):
    write(path, state="finished", v1=(100, 1, 0))
    with pytest.raises(SourceError, match="does not run any more"):
        LoadTest({"report": path}, PLACES).read(1.0)


def test_a_load_may_begin_later_than_the_gate(path):
    source = LoadTest({"report": path}, PLACES)
    assert all(look.value is None for look in source.describe())
    with pytest.raises(SourceError, match="no report of a load test at"):
        source.read(1.0)


@pytest.mark.parametrize(
    ("revisions", "said"), [(("v1", "v1"), "both slots run v1"), (("v1", ""), "the revision of green is not known")]
)
def test_slots_that_cannot_be_told_apart_are_refused(path, revisions, said):
    places = {"stable": Place("blue", revisions[0]), "canary": Place("green", revisions[1])}
    with pytest.raises(SourceError, match=said):
        LoadTest({"report": path}, places)
