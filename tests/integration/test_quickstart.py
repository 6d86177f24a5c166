# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(./quickstart) keeps what it promises, twice at the same time, and leaves nothing behind however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.hosts.quickstart import promised
from tests.lab.hosts.world import CHECKOUT

SECONDS = 300
CACHE = os.environ.get("ZERODOWNTIME_CACHE") or str(Path.home() / ".cache/zerodowntime-bluegreen")


class Quickstart:
    """One C(./quickstart) in a session of its own: C(until) a line, C(interrupt), to its C(end)."""

    def __init__(self, *options: str, **environment: str) -> None:
        self.output = ""
        self._process = subprocess.Popen(
            [str(CHECKOUT / "quickstart"), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "ZERODOWNTIME_CACHE": CACHE, **environment},
        )

    def until(self, words: str) -> None:
        """Read up to the line that contains C(words)."""
        assert self._process.stdout
        for line in self._process.stdout:
            self.output += line
            if words in line:
                return
        pytest.fail(f"it ended without {words!r}:\n{self.output}")

    def interrupt(self, number: signal.Signals) -> None:
        """Send the signal to the whole group, as a terminal does."""
        os.killpg(self._process.pid, number)

    def end(self) -> int:
        """Return the exit status."""
        self.output += self._process.communicate(timeout=SECONDS)[0]
        return self._process.returncode

    @property
    def folder(self) -> Path:
        """The folder of its world."""
        found = re.search(r"with addresses of (\S+)", self.output)
        assert found, self.output
        return Path(found[1])


def living(folder: Path) -> list[str]:
    """Return the command of every process that has to do with this world, in its words or in its environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (place / "cmdline").read_bytes()
            if str(folder).encode() in command + (place / "environ").read_bytes():
                found.append(command.replace(b"\0", b" ").decode())
    return found


class Ended(t.NamedTuple):
    """A quickstart that has ended, with its reports."""

    status: int
    output: str
    folder: Path
    reports: Path

    def report(self, revision: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads((self.reports / f"{revision}.json").read_text()))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ended, Ended]]:
    """Two quickstarts that ran at the same time, the second with C(--keep)."""
    folders = [tmp_path_factory.mktemp(name) for name in ("left", "kept")]
    running = [
        Quickstart("--report", str(folder), *options) for folder, options in zip(folders, ([], ["--keep"]), strict=True)
    ]
    statuses = [one.end() for one in running]
    left, kept = (
        Ended(status, one.output, one.folder, folder)
        for status, one, folder in zip(statuses, running, folders, strict=True)
    )
    yield left, kept
    if kept.folder.exists():
        subprocess.run([CHECKOUT / "quickstart", "--stop", kept.folder], check=True)


@pytest.mark.parametrize("which", [0, 1], ids=["ended", "kept"])
def test_v2_is_promoted_and_v3_is_taken_back_and_no_request_is_dropped(two: tuple[Ended, Ended], which: int) -> None:
    ended = two[which]
    assert ended.status == 0, ended.output
    v2, v3 = ended.report("v2"), ended.report("v3")
    assert (v2["outcome"], v2["dropped"], v2["errors"]) == ("Promoted", 0, 0)
    assert (v3["outcome"], v3["dropped"]) == ("RolledBack", 0)
    assert min(v2["requests"], v3["requests"]) > 1000
    assert "errors: canary" in v3["failure"], "it is the gate that found v3, not a failure of something else"
    assert v3["errors"] == v3["revisions"]["v3"]["errors"] > 0
    assert v3["confirmed"] == v2["confirmed"] == {"blue": 0, "green": 100}


def test_the_numbers_of_both_certificates_are_on_the_screen(two: tuple[Ended, Ended]) -> None:
    ended = two[0]
    screen = ended.output.partition("The certificates")[2]
    for revision in ("v2", "v3"):
        report = ended.report(revision)
        assert report["outcome"] in screen
        assert f"{report['requests']:,}" in screen
        assert f"{report['longest_gap_seconds']:.3f} s" in screen
    assert "Traffic is on blue 0 / green 100: of 50 answers, 50 are from v2." in screen
    assert "ansible-playbook zerodowntime.bluegreen.deploy -i inventory.yml -e release_revision=v3" in ended.output


def test_it_takes_less_than_two_minutes(two: tuple[Ended, Ended]) -> None:
    # Two of them share the machine here.
    seconds = [int(found) for ended in two for found in re.findall(r"As promised, in (\d+) s", ended.output)]
    assert len(seconds) == 2
    assert min(seconds) < 120


def test_nothing_is_left_of_it(two: tuple[Ended, Ended]) -> None:
    assert not two[0].folder.exists()
    assert not living(two[0].folder)


def test_a_release_leaves_no_temporary_file_behind(two: tuple[Ended, Ended]) -> None:
    assert not os.listdir(two[1].folder / "tmp")


def test_every_command_that_keep_shows_works(two: tuple[Ended, Ended]) -> None:
    kept = two[1]
    assert living(kept.folder)
    commands = re.findall(r"^  (\S.*)$", kept.output.partition("To play:")[2], re.MULTILINE)
    assert re.findall(r"bluegreen\.(\w+)", "\n".join(commands)) == ["status", "deploy", "rollback"]
    script = "set -ex\n" + "\n".join(commands)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v4 in blue: Promoted" in done.stdout + done.stderr
    assert not kept.folder.exists()
    assert not living(kept.folder)


@pytest.fixture
def places() -> Iterator[dict[str, str]]:
    """A folder for temporary files and a home, both empty, by the names of their environment variables."""
    folder = Path(tempfile.mkdtemp(prefix="zdt-"))
    for name in ("TMPDIR", "HOME"):
        (folder / name).mkdir()
    yield {name: str(folder / name) for name in ("TMPDIR", "HOME")}
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("v1, the first release", signal.SIGTERM),
        ("v2, under load", signal.SIGHUP),
        ("step 1/3: green has", signal.SIGINT),
    ],
    ids=["starting", "staging", "split"],
)
def test_an_interrupted_one_leaves_nothing_behind(
    words: str, number: signal.Signals, places: dict[str, str]
) -> None:
    quickstart = Quickstart(**places)
    quickstart.until(words)
    quickstart.interrupt(number)
    time.sleep(0.3)
    quickstart.interrupt(number)  # of an impatient user, while it clears up
    assert quickstart.end() == 130, quickstart.output
    assert "Interrupted: all that was started is stopped and removed." in quickstart.output
    assert quickstart.folder.is_relative_to(places["TMPDIR"])
    assert not living(quickstart.folder)
    assert not [name for place in places.values() for name in os.listdir(place)]


def test_a_reader_that_goes_away_leaves_nothing_behind() -> None:
    quickstart = Quickstart()
    quickstart.until("v1, the first release")
    assert quickstart._process.stdout
    quickstart._process.stdout.close()
    assert quickstart._process.wait(SECONDS) == 1
    assert not quickstart.folder.exists()
    assert not living(quickstart.folder)


GOOD = {
    "v2": {"outcome": "Promoted", "requests": 9000, "dropped": 0},
    "v3": {"outcome": "RolledBack", "requests": 4000, "dropped": 0},
}


@pytest.mark.parametrize(
    ("revision", "wrong"),
    [
        ("v2", {"outcome": "RolledBack"}),
        ("v3", {"outcome": "Promoted"}),
        ("v2", {"dropped": 1}),
        ("v3", {"dropped": 1}),
        ("v3", {"requests": 0}),
    ],
)
def test_it_is_not_as_promised_when_anything_is_wrong(revision: str, wrong: dict[str, t.Any]) -> None:
    assert promised(GOOD)
    assert not promised({**GOOD, revision: {**GOOD[revision], **wrong}})
    assert not promised({name: report for name, report in GOOD.items() if name != revision})


def test_without_a_python_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "readlink", "uname"):
        (tmp_path / name).symlink_to(t.cast(str, shutil.which(name)))
    done = subprocess.run(
        [tmp_path / "bash", CHECKOUT / "quickstart"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "quickstart: it needs Python 3.11 or newer with its venv module (Debian: python3-venv)\n"


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [CHECKOUT / "quickstart"],
        env={**os.environ, "ZERODOWNTIME_CACHE": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"quickstart: it cannot write to {tmp_path / 'file'}: set ZERODOWNTIME_CACHE\n"
