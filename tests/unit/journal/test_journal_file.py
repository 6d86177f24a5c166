# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file store on real directories: killed writers, full disks, foreign owners, files in the way."""

from __future__ import annotations

import fcntl
import json
import os
import random
import resource
import signal
import stat
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal import file as file_store
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError, Unreachable
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.file import FileStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import Journal
from stores import SECONDS, in_child, processes

KEY = "haproxy:lb1:/etc/haproxy/zerodowntime.map:shop"
OWNER = {"run": "run-1", "environment": "shop-eu", "app": "shop"}
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def write(store: FileStore, document: dict[str, t.Any], key: str = KEY) -> bool:
    return store.swap(key, store.read(key)[1], {"schema": 1, "key": key, **document})


def journal_file(store: FileStore) -> Path:
    (path,) = Path(store.path).glob("*.json")
    return path


def names(store: FileStore) -> list[str]:
    return sorted(os.listdir(store.path))


# ---- what lies there


def test_the_folder_and_its_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "deep" / "journal"))
    previous = os.umask(0)
    try:
        write(store, {})
    finally:
        os.umask(previous)
    assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path(store.path).iterdir()} == {0o600}


def test_a_file_is_named_so_that_a_person_finds_it(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    write(store, {})
    (name,) = [name for name in names(store) if name.endswith(".json")]
    assert name.startswith("haproxy-lb1-etc-haproxy-zerodowntime-map-shop-")


def test_the_lock_file_is_never_deleted_nor_replaced(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "journal"))
    journal = Journal(store)
    journal.acquire(KEY, OWNER, 60.0, {"id": "one"})
    lock = Path(f"{journal_file(store)}.lock")
    before = lock.stat().st_ino
    journal.note(KEY, "run-1", {"kind": "phase"}, {"phase": "Healthy", "outcome": "RolledBack"})
    journal.unlock(KEY, "run-1")
    journal.acquire(KEY, {**OWNER, "run": "run-2"}, 60.0, {"id": "two"})
    assert lock.stat().st_ino == before
    assert names(store) == [journal_file(store).name, lock.name], "and nothing else stays"


def test_foreign_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    (tmp_path / "notes.json").write_text("[]")
    (tmp_path / "README").write_text("hands off")
    write(store, {})
    assert store.keys() == [KEY]


def test_a_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FileStore("~/journal").path == str(tmp_path / "journal")


# ---- killed in the middle


def test_a_reader_never_sees_half_a_document_though_writers_are_killed_100_times(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")

    def write_for_ever() -> None:
        store, number = FileStore(path), 0
        while True:
            number += 1
            write(store, {"writer": os.getpid(), "numbers": [number] * 5000})

    reader = FileStore(path)
    for _unused in range(100):
        with processes() as group:
            pid = group.start(write_for_ever)
            deadline = time.monotonic() + SECONDS
            while _whole(reader) != pid:
                assert time.monotonic() < deadline, "it does not write"
            time.sleep(0.015 * random.random())
            os.kill(pid, signal.SIGKILL)
        assert _whole(reader) == pid
    assert write(reader, {"numbers": [1]}), "what a killed writer left is in nobody's way"
    assert [name for name in names(reader) if name.endswith(".new")] == []


def _whole(store: FileStore) -> int | None:
    """Return who wrote the document, having seen that all of it is of one piece."""
    document, _version = store.read(KEY)
    if document is None:
        return None
    assert len(document["numbers"]) == 5000
    assert len(set(document["numbers"])) == 1
    return t.cast(int, document["writer"])


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(str(tmp_path))
    calls: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    def rename(source: str, target: str) -> None:
        calls.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    write(store, {})
    assert calls == ["file", "rename", "folder"]


def test_a_writer_stopped_with_the_lock_in_hand_holds_nobody_for_ever(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path), lock_seconds=0.2)
    write(store, {})
    before = store.read(KEY)
    with open(f"{journal_file(store)}.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unreachable, match=r"another process has held .*\.lock for 0.2 s.*fuser"):
            write(store, {"number": 2})
        assert store.read(KEY) == before, "a reader waits for no lock"
    assert write(store, {"number": 2})


# ---- a disk that is full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"needs to mount a tmpfs: {mounted.stderr.decode().strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def fill(folder: Path) -> None:
    with open(folder / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"\0" * 4096)
        except OSError:
            pass


@needs_root
def test_a_full_disk_is_one_sentence_and_the_journal_stays_as_it_was(small_disk: Path) -> None:
    store = FileStore(str(small_disk / "journal"))
    write(store, {"number": 1})
    before = store.read(KEY)
    fill(small_disk)
    with pytest.raises(Unreachable) as full:
        write(store, {"number": 2, "text": "x" * 50_000})
    assert str(full.value) == (
        f"the journal {store.path} cannot be written, the disk is full: make room, or set its path to another disk"
    )
    assert store.read(KEY) == before
    assert [name for name in names(store) if name.endswith(".new")] == []
    (small_disk / "ballast").unlink()
    assert write(store, {"number": 2})


@needs_root
@pytest.mark.parametrize("folder", ["", "journal"])
def test_check_finds_a_full_disk(small_disk: Path, folder: str) -> None:
    fill(small_disk)
    with pytest.raises(Unreachable, match="the disk is full"):
        FileStore(str(small_disk / folder)).check()


def test_a_write_cut_short_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "journal"))
    write(store, {"number": 1})
    before = store.read(KEY)

    def too_much() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write(store, {"text": "x" * 5000})
        except Unreachable as full:
            return str(full)
        return "it wrote"

    assert "the disk is full" in in_child(too_much)
    assert store.read(KEY) == before


def test_check_finds_a_quota_that_shows_only_when_it_writes(tmp_path: Path) -> None:
    def too_much() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            FileStore(str(tmp_path)).check()
        except Unreachable as full:
            return str(full)
        return "it passed"

    assert "the disk is full" in in_child(too_much)
    assert os.listdir(tmp_path) == []


# ---- a folder that is none, or somebody else's


def every_way_in(store: FileStore) -> list[Callable[[], t.Any]]:
    return [store.check, lambda: write(store, {})]


@pytest.mark.parametrize("path", ["file", "file/journal", "file/deep/journal"])
def test_a_file_in_the_place_of_the_folder_is_one_sentence(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("precious")
    store = FileStore(str(tmp_path / path))
    for call in every_way_in(store):
        with pytest.raises(Unreachable) as wrong:
            call()
        assert f"the journal {store.path} is not a folder" in str(wrong.value)
        assert f"{tmp_path}/file" in str(wrong.value)
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere: the next test does it as nobody")
@pytest.mark.parametrize("path", ["closed", "closed/journal"])
def test_a_folder_that_we_may_not_write_is_one_sentence(tmp_path: Path, path: str) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    for call in every_way_in(FileStore(str(tmp_path / path))):
        with pytest.raises(Unreachable, match="cannot be used by user"):
            call()


@needs_root
@pytest.mark.parametrize("path", ["closed", "closed/journal", "closed/secret"])
def test_a_folder_that_another_user_may_not_write_is_one_sentence(path: str) -> None:
    # Not below pytest's own folder: nobody may not even enter that.
    folder = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    folder.chmod(0o755)
    (folder / "closed").mkdir(mode=0o755)
    (folder / "closed/secret").mkdir(mode=0o700)

    def as_nobody() -> list[str]:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        said = []
        for call in every_way_in(FileStore(str(folder / path))):
            try:
                call()
            except Unreachable as error:
                said.append(str(error))
        return said

    try:
        said = in_child(as_nobody)
        assert len(said) == 2, said
        assert all(f"cannot be used by user {NOBODY}" in text and "Permission denied" in text for text in said), said
        assert os.listdir(folder / "closed") == ["secret"]
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_check_changes_nothing_whether_the_folder_is_there_or_not(tmp_path: Path) -> None:
    assert FileStore(str(tmp_path / "deep" / "journal")).check()["exists"] is False
    assert os.listdir(tmp_path) == []
    assert FileStore(str(tmp_path)).check()["exists"] is True
    assert os.listdir(tmp_path) == []


def test_check_refuses_a_folder_that_goes_with_the_jobs_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_store, "ephemeral", lambda path: "seen: /.dockerenv, AWX_HOST")
    with pytest.raises(
        JournalError,
        match=r"be gone with this job's container \(seen: .*\): set the journal's machine .* the store dynamodb or kub",
    ):
        FileStore(str(tmp_path)).check()


# ---- a file that is none of ours


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"{}", b"\xff\xfe"])
def test_a_file_that_is_no_journal_is_named_and_not_touched(tmp_path: Path, content: bytes) -> None:
    store = FileStore(str(tmp_path))
    write(store, {})
    path = journal_file(store)
    path.write_bytes(content)
    for call in (lambda: store.read(KEY), store.keys, lambda: store.swap(KEY, "none", {"key": KEY})):
        with pytest.raises(JournalError, match=rf"{path} is not a journal: move it away"):
            call()
    assert path.read_bytes() == content


def test_a_journal_is_text_that_a_person_can_read(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    Journal(store).acquire(KEY, OWNER, 60.0, {"id": "one", "revision": "1.4.2"})
    text = journal_file(store).read_text()
    assert '"revision": "1.4.2"' in text
    assert json.loads(text)["key"] == KEY
