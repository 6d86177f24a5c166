# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver has made is listed as ours, and all of it: whoever leaves finds nothing else of us."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conformance.cases import HERE, Case, on_every_world
from tests.integration.conformance.world import BLUE, SPLIT


@on_every_world(where=[HERE])
def test_every_file_that_a_leased_move_leaves_is_listed_as_ours(case: Case) -> None:
    before = set(case.world.folder.rglob("*"))
    balancer = case.balancer()
    lease = {"state": "held", "id": "run", "ttl": 60.0, "weights": BLUE, "expect": [BLUE, SPLIT], "fence": 5}
    balancer.move({"weights": SPLIT, "fence": 4}, lease)
    try:
        ours = {Path(thing["name"]) for thing in balancer.owned() if thing["kind"] in ("file", "folder")}
        now = set(case.world.folder.rglob("*"))
        assert all(path.exists() for path in ours)
    finally:
        balancer.observe({**lease, "state": "ended"})
    made = {path for path in now - before if path.suffix not in (".log", ".count", ".bad")}
    assert [path for path in made if not {path, *path.parents} & ours] == []
