# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver's options, identity and lock; what it does with a real nginx is told in the integration tests."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.driver import NginxTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.process import Master, version_of

SLOTS = {"blue": "shop_blue", "green": "shop_green"}


def driver(state: Path, **options: object) -> NginxTraffic:
    result = ArgumentSpecValidator(NginxTraffic.spec).validate({"slots": SLOTS, "state": str(state), **options})
    assert not result.error_messages
    return NginxTraffic(result.validated_parameters)


def move(to: NginxTraffic, green: int, check_mode: bool = False, **params: object) -> dict:
    return _traffic.move(to, {"weights": {"blue": 100 - green, "green": green}, **params}, check_mode)


@pytest.fixture
def adopted(tmp_path: Path) -> NginxTraffic:
    nginx = driver(tmp_path / "state")
    move(nginx, 0, force=True, fence=6)
    return nginx


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"slots": {"blue": "shop", "green": "shop"}}, "both slots are the upstream shop"),
        ({"slots": {"blue": "left", "green": "right"}}, "share no beginning: name the 'key'"),
        ({"key": "../etc"}, "key '../etc' may hold letters"),
        ({"key": "."}, "key '.' may hold letters"),
        ({"mode": "reload"}, "mode 'reload' needs 'include'"),
        ({"mode": "reload", "include": "shop.conf"}, "include 'shop.conf' must be an absolute path"),
        ({"mode": "reload", "include": "/x", "key": "my-shop"}, "part of a variable's name"),
        ({"pid_file": "nginx.pid"}, "pid_file 'nginx.pid' must be an absolute path"),
    ],
)
def test_a_wrong_option_is_one_sentence_before_anything_is_touched(
    tmp_path: Path, options: dict, sentence: str
) -> None:
    with pytest.raises(ReleaseError) as caught:
        driver(tmp_path, **options)
    assert sentence in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_the_key_is_what_the_upstreams_begin_with(tmp_path: Path) -> None:
    assert driver(tmp_path).key == "shop"


def test_one_object_has_one_identity_whatever_way_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert driver(tmp_path / "link").identity() == driver(tmp_path / "real").identity() == f"nginx:{tmp_path}/real:shop"


def test_before_adopt_nothing_is_moved(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="run adopt; nothing was written"):
        move(driver(tmp_path), 10)


def test_the_folders_are_open_to_nginx_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        move(driver(tmp_path / "a/b"), 0, force=True)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a/b/shop")} == {0o755}


def test_a_state_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReleaseError, match="cannot make the folder .*: Not a directory|is not a folder"):
        move(driver(tmp_path / "file/state"), 0, force=True)


def test_running_it_twice_changes_nothing_the_second_time(adopted: NginxTraffic) -> None:
    assert move(adopted, 10)["changed"]
    again = move(adopted, 10)
    assert (again["changed"], again["diff"]) == (False, [])


def test_check_mode_says_what_then_happens_and_writes_nothing(adopted: NginxTraffic) -> None:
    planned = move(adopted, 10, check_mode=True)
    assert adopted.observe().plain()["weights"] == {"blue": 100, "green": 0}
    done = move(adopted, 10)
    assert (planned["diff"], planned["after"]["weights"]) == (done["diff"], done["after"]["weights"])
    assert planned["diff"][0]["after"] == "blue-90_green-10_fence-6\n"


def test_a_late_writer_with_an_old_fence_writes_nothing(adopted: NginxTraffic) -> None:
    move(adopted, 0, fence=8)
    with pytest.raises(Refused, match="a newer writer was here"):
        move(adopted, 50, fence=7, expect={"blue": 100, "green": 0})
    assert adopted.observe().plain()["weights"] == {"blue": 100, "green": 0}


def test_somebody_elses_change_stops_the_write(adopted: NginxTraffic) -> None:
    move(adopted, 30)
    with pytest.raises(Refused, match="somebody else changed them"):
        move(adopted, 50, expect={"blue": 100, "green": 0})


def test_a_fence_alone_is_stored(adopted: NginxTraffic) -> None:
    result = move(adopted, 0, fence=9)
    assert (result["changed"], adopted.observe().fence) == (False, 9)


def test_undo_puts_the_state_back(adopted: NginxTraffic) -> None:
    before = os.readlink(adopted.place.path)
    undo = move(adopted, 100)["undo"]
    _traffic.move(adopted, {"weights": undo["weights"]})
    assert os.readlink(adopted.place.path) == before


def test_counters_are_the_sizes_of_two_files_per_slot(tmp_path: Path) -> None:
    for slot in SLOTS:
        (tmp_path / slot).write_text("200\n502\n")
        (tmp_path / f"{slot}.bad").write_text("502\n")
    slots = driver(tmp_path, counters={slot: str(tmp_path / slot) for slot in SLOTS}).observe().slots
    assert [(slots[slot].requests, slots[slot].bad) for slot in SLOTS] == [(2, 1), (2, 1)]


def test_counters_that_are_not_there_are_unknown_and_stop_nothing(tmp_path: Path) -> None:
    slots = driver(tmp_path, counters={slot: str(tmp_path / "none" / slot) for slot in SLOTS}).observe().slots
    assert [(slots[slot].requests, slots[slot].bad) for slot in SLOTS] == [(None, None), (None, None)]


def test_a_configuration_that_cannot_be_read_is_named_but_stops_no_restore(
    adopted: NginxTraffic, tmp_path: Path
) -> None:
    broken = driver(tmp_path / "state", config=str(tmp_path / "none.conf"))
    assert "cannot read nginx's configuration" in broken.observe().trouble
    with pytest.raises(ReleaseError, match="wrote blue 50 / green 50, read back"):
        move(broken, 50, expect={"blue": 100, "green": 0})
    assert adopted.observe().plain()["weights"] == {"blue": 50, "green": 50}


@pytest.mark.parametrize("content", ["", "none", str(os.getpid()), "4194305"])
def test_a_pid_file_that_names_no_nginx_is_no_nginx(tmp_path: Path, content: str) -> None:
    (tmp_path / "nginx.pid").write_text(content)
    assert Master.find(str(tmp_path / "nginx.pid")) is None


def test_versions_compare_as_numbers() -> None:
    assert version_of("1.9.15") < version_of("1.27.4") <= version_of("1.27.4 (Ubuntu)") < version_of("1.31.3")
