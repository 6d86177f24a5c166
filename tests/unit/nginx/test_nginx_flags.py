# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flag files: what their folder says, and that every death and every race leaves one state, whole."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights, split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.flags import (
    Flags,
    buckets,
    name_of,
    parse_name,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.place import Standing

from tests.lab.hosts.deaths import killed_before


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    return Flags(str(tmp_path))


def green(percent: int) -> Weights:
    return split("green", percent)


def tree(folder: Path) -> dict[str, object]:
    """Return what is reached through the link: its target, and names, sizes and modes below it."""
    current = folder / "current"
    return {"current": os.readlink(current), **{p.name: p.stat().st_size for p in sorted(current.iterdir())}}


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 99, 100])
def test_what_was_written_is_read_back(flags: Flags, percent: int) -> None:
    flags.write(green(percent), 7)
    assert flags.standing() == Standing(green(percent), 7)
    assert sorted(os.listdir(flags.path)) == [f"{number:02}" for number in range(percent)]


def test_weights_and_fence_are_one_name() -> None:
    assert parse_name(name_of(green(10), 7)) == (green(10), 7)


@pytest.mark.parametrize("name", ["blue-90_green-20_fence-7", "blue-200_green-10_fence-7"])
def test_a_name_that_does_not_add_up_keeps_its_fence(name: str) -> None:
    assert parse_name(name) == (None, 7)


def test_more_weight_only_adds_buckets() -> None:
    assert all(buckets(green(percent)) < buckets(green(percent + 1)) for percent in range(100))


def test_nothing_there_names_adopt(flags: Flags) -> None:
    standing = flags.standing()
    assert standing.weights is None
    assert "run adopt" in standing.trouble


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "current/00").unlink(), "sends 9 of 100 buckets to green, not 10"),
        (lambda folder: (folder / "current/42").touch(), "sends 11 of 100 buckets to green, not 10"),
        (lambda folder: (folder / os.readlink(folder / "current")).rename(folder / "gone"), "is gone"),
        (lambda folder: relink(folder, "elsewhere"), "points to 'elsewhere'"),
        (lambda folder: relink(folder, "blue-90_green-20_fence-7"), "not to blue-N_green-N_fence-N"),
    ],
)
def test_a_state_of_other_hands_is_named_and_no_weights(flags: Flags, tmp_path: Path, damage, sentence: str) -> None:
    flags.write(green(10), 7)
    damage(tmp_path)
    standing = flags.standing()
    assert standing.weights is None
    assert sentence in standing.trouble


def test_a_damaged_state_still_keeps_late_writers_out(flags: Flags, tmp_path: Path) -> None:
    flags.write(green(10), 7)
    (tmp_path / "current/00").unlink()
    assert flags.standing().fence == 7


@pytest.mark.parametrize("damage", [lambda p: (p / "current/00").unlink(), lambda p: (p / "current/42").touch()])
def test_writing_the_same_state_again_repairs_it(flags: Flags, tmp_path: Path, damage) -> None:
    flags.write(green(10), 7)
    damage(tmp_path)
    flags.write(green(10), 7)
    assert flags.standing() == Standing(green(10), 7)


def test_undo_restores_what_nginx_reads_byte_for_byte(flags: Flags, tmp_path: Path) -> None:
    flags.write(green(10), 7)
    before = tree(tmp_path)
    flags.write(green(100), 7)
    flags.write(green(10), 7)
    assert tree(tmp_path) == before


def test_only_the_folder_before_this_one_is_kept(flags: Flags, tmp_path: Path) -> None:
    for percent in (0, 5, 25, 100):
        flags.write(green(percent), 7)
    folders = {entry.name for entry in tmp_path.iterdir() if entry.is_dir() and not entry.is_symlink()}
    assert folders == {name_of(green(100), 7), name_of(green(25), 7)}


def test_foreign_files_in_the_folder_stay(flags: Flags, tmp_path: Path) -> None:
    (tmp_path / ".zd-lease-1").write_text("{}")
    for percent in (0, 5, 25):
        flags.write(green(percent), 7)
    assert (tmp_path / ".zd-lease-1").read_text() == "{}"


def test_nginx_may_read_it_whatever_the_umask(flags: Flags, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        flags.write(green(3), 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / name_of(green(3), 1)).stat().st_mode) == 0o755


def test_a_kill_before_any_system_call_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    old, new = Standing(green(3), 7), Standing(green(1), 8)
    seen = []
    for moment in range(1000):
        place = tmp_path / str(moment)
        place.mkdir()
        flags = Flags(str(place))
        flags.write(green(0), 6)  # so that the switch has something to tidy up
        flags.write(green(3), 7)
        finished = killed_before(moment, lambda flags=flags: flags.write(green(1), 8))
        standing = flags.standing()
        assert standing in (old, new), f"killed before system call {moment}: {standing}"
        seen.append(standing)
        flags.write(green(50), 9)
        assert flags.standing() == Standing(green(50), 9), f"killed before system call {moment}: not to be healed"
        if finished:
            break
    assert finished
    assert old in seen
    # One switch and no way back: once it is new, it stays new for every later moment.
    assert seen == sorted(seen, key=lambda standing: standing.fence)
    assert len(seen) > 15


def test_a_request_in_the_middle_of_a_switch_never_misses_its_flag(flags: Flags) -> None:
    # Bucket 30 is green under both weights, so nginx must find it at every moment.
    flags.write(green(60), 1)
    flag, missed, looks, over = os.path.join(flags.path, "30"), [], [], threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                os.stat(flag)
                looks.append(1)
            except FileNotFoundError:
                missed.append(1)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for fence in range(300):
            flags.write(green(100 if fence % 2 else 60), fence)
    finally:
        over.set()
        reader.join()
    assert len(looks) > 300
    assert not missed


@pytest.mark.skipif(os.geteuid() == 0, reason="needs a user whom file modes stop, not root")
def test_a_folder_that_may_not_be_written_is_a_sentence_for_a_user(flags: Flags, tmp_path: Path) -> None:
    flags.write(green(0), 1)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(ReleaseError, match="Permission denied; the split is as it was"):
            flags.write(green(10), 1)
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("call", ["mkdir", "link", "symlink", "rename", "fsync"])
def test_a_disk_that_refuses_is_a_sentence_and_the_split_stays(
    flags: Flags, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    flags.write(green(0), 1)
    full = OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, _raising(full))
        with pytest.raises(ReleaseError, match="No space left on device; the split is as it was"):
            flags.write(green(10), 1)
    assert flags.standing() == Standing(green(0), 1)


def relink(folder: Path, target: str) -> None:
    (folder / "current").unlink()
    (folder / "current").symlink_to(target)


def _raising(error: OSError):
    def call(*_arguments, **_words):
        raise error

    return call
