# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The included file of reload mode: what it says, and what is found out about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.config import Configuration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.include import Include
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.place import Standing


@pytest.fixture
def include(tmp_path: Path) -> Include:
    return Include(
        key="shop",
        path=str(tmp_path / "shop.conf"),
        folder=str(tmp_path),
        config=Configuration(str(tmp_path / "nginx.conf")),
        pid_file=str(tmp_path / "nginx.pid"),
        binary="nginx",
        timeout=1.0,
        linger=1.0,
    )


def put(include: Include, text: str, loaded: str | None = None) -> None:
    Path(include.path).write_text(text)
    Path(include.path).with_name("loaded.conf").write_text(text if loaded is None else loaded)


@pytest.mark.parametrize(
    ("percent", "body"),
    [
        (0, "split_clients $request_id $shop_split {\n    * blue;\n}\n"),
        (10, "split_clients $request_id $shop_split {\n    10% green;\n    * blue;\n}\n"),
        (100, "split_clients $request_id $shop_split {\n    * green;\n}\n"),
    ],
)
def test_a_share_of_nothing_is_left_out_because_nginx_refuses_it(include: Include, percent: int, body: str) -> None:
    assert include.text(split("green", percent), 7).endswith(body)


@pytest.mark.parametrize("percent", [0, 10, 100])
def test_what_is_written_is_read_back(include: Include, percent: int) -> None:
    put(include, include.text(split("green", percent), 7))
    assert include.standing() == Standing(split("green", percent), 7)


def test_no_file_names_adopt(include: Include) -> None:
    assert include.standing().weights is None
    assert "run adopt" in include.standing().trouble


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("key=shop", "key=till"), "is not a split of 'shop'"),
        (("# zerodowntime", "# by hand"), "is not a split of 'shop'"),
        (("    10% green;", "    20% green;"), "was edited below it"),
        (("blue=90", "blue=80"), "is damaged: weights blue 80 and green 10 add up to 90"),
    ],
)
def test_a_file_of_other_hands_is_named_and_no_weights(
    include: Include, change: tuple[str, str], sentence: str
) -> None:
    put(include, include.text(split("green", 10), 7).replace(*change))
    standing = include.standing()
    assert standing.weights is None
    assert sentence in standing.trouble


def test_a_file_that_was_moved_into_place_but_not_seen_loaded_is_named(include: Include) -> None:
    put(include, include.text(split("green", 10), 7), loaded=include.text(split("green", 0), 7))
    standing = include.standing()
    assert (standing.weights, standing.fence) == (split("green", 10), 7)
    assert "a write died in between" in standing.trouble


def test_an_nginx_that_does_not_run_is_a_sentence_and_nothing_is_written(include: Include) -> None:
    with pytest.raises(ReleaseError, match=r"nginx does not run: .*nginx.pid names no master process; nothing was"):
        include.write(split("green", 10), 7)
    assert not Path(include.path).exists()
