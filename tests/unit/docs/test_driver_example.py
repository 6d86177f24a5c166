# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver that docs/writing-a-driver.md shows is taken from there and keeps the contract."""

from __future__ import annotations

import importlib
import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused

from tests.unit.docs.pages import page

BLUE, SPLIT = {"blue": 100, "green": 0}, {"blue": 60, "green": 40}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Any:
    block = next(block for block in page("writing-a-driver").blocks if block.language == "python")
    (tmp_path / "shelf_driver.py").write_text(block.text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shelf_driver", raising=False)
    module = importlib.import_module("shelf_driver")
    path = tmp_path / "weights.json"
    path.write_text(json.dumps({**BLUE, "fence": 3}) + "\n")
    return module.ShelfTraffic({"path": str(path)})


def stands(shelf: t.Any) -> dict[str, int]:
    return t.cast("dict[str, int]", json.loads(Path(shelf.path).read_text()))


def test_it_moves_once_and_undo_puts_it_back(shelf: t.Any) -> None:
    before = Path(shelf.path).read_bytes()
    moved = _traffic.move(shelf, {"weights": SPLIT, "expect": BLUE})
    assert moved["changed"] and stands(shelf) == {**SPLIT, "fence": 3}
    assert not _traffic.move(shelf, {"weights": SPLIT})["changed"]
    _traffic.move(shelf, {"weights": moved["undo"]["weights"]})
    assert Path(shelf.path).read_bytes() == before


def test_check_mode_writes_nothing_and_shows_the_difference(shelf: t.Any) -> None:
    planned = _traffic.move(shelf, {"weights": SPLIT}, check_mode=True)
    assert planned["changed"] and planned["diff"] and stands(shelf) == {**BLUE, "fence": 3}


@pytest.mark.parametrize("guard", [{"expect": SPLIT}, {"fence": 2}])
def test_drift_and_late_writers_are_refused(shelf: t.Any, guard: dict[str, t.Any]) -> None:
    with pytest.raises(Refused):
        _traffic.move(shelf, {"weights": SPLIT, **guard})
    assert stands(shelf) == {**BLUE, "fence": 3}


@pytest.mark.parametrize(("content", "said"), [(None, "run adopt"), ("{}", "not one of ours"), ("no", "not one")])
def test_a_state_that_is_not_ours_is_named(shelf: t.Any, content: str | None, said: str) -> None:
    Path(shelf.path).unlink()
    if content is not None:
        Path(shelf.path).write_text(content)
    assert said in shelf.observe().trouble
    with pytest.raises(Refused):
        _traffic.move(shelf, {"weights": BLUE})
