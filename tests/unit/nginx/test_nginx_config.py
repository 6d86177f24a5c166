# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration, read through its includes as nginx reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.config import Configuration


@pytest.fixture
def main(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/shop.conf").write_text("upstream shop_blue { server 127.0.0.1; }\n# include /missing.conf;\n")
    (tmp_path / "conf.d/till.conf").write_text(f"include '{tmp_path}/split/till.conf';\n")
    (tmp_path / "split").mkdir()
    (tmp_path / "split/till.conf").write_text("# till\nsplit_clients $request_id $till { * blue; }\n")
    (tmp_path / "nginx.conf").write_text("http {\n  include conf.d/*.conf; include split/none-*.conf;\n}\n")
    return tmp_path / "nginx.conf"


def test_includes_are_followed_relative_to_the_main_file(main: Path) -> None:
    text = Configuration(str(main)).text()
    assert "upstream shop_blue" in text
    assert "$till" in text


def test_what_is_commented_out_does_not_count(main: Path) -> None:
    text = Configuration(str(main)).text()
    assert "missing" not in text
    assert "# till" not in text


@pytest.mark.parametrize(
    ("path", "included"),
    [
        ("conf.d/shop.conf", True),
        ("conf.d/new.conf", True),
        ("split/till.conf", True),
        ("split/shop.conf", False),
        ("conf.d/deep/shop.conf", False),
    ],
)
def test_whether_a_file_is_read_by_nginx_is_known_before_it_exists(main: Path, path: str, included: bool) -> None:
    assert Configuration(str(main)).includes(str(main.parent / path)) is included


def test_files_that_include_each_other_end(main: Path) -> None:
    (main.parent / "conf.d/shop.conf").write_text("include conf.d/till.conf;")
    (main.parent / "conf.d/till.conf").write_text("include conf.d/shop.conf;")
    assert Configuration(str(main)).text()


def test_a_missing_main_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"cannot read nginx's configuration .*none.conf: No such file"):
        Configuration(str(tmp_path / "none.conf")).text()
