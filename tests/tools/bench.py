# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the tests: its folder, the copy of the checkout that it judges, the log and the commands of each step."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COLLECTION = Path("ansible_collections/zerodowntime/bluegreen")
RUNS_KEPT = 10


def search_path(*first: Path) -> str:
    """Return the PATH with C(first) before it, and after it sbin, where servers lie: it is not on the PATH of users."""
    return os.pathsep.join(
        [*map(str, first), os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    )


class Skipped(Exception):
    """A step cannot be judged here; the message says what it needs."""


class Failed(Exception):
    """A step failed; the message is one line, the log has the rest."""


@dataclass(frozen=True)
class Bench:
    """Where a run works: the checkout it judges, the cache that outlives it, the folder of its own."""

    checkout: Path
    cache: Path
    folder: Path

    @classmethod
    def open(cls, checkout: Path) -> Bench:
        """Return a bench with a new folder and a fresh copy of the checkout's files; old folders go."""
        cache = Path(os.environ.get("ZERODOWNTIME_CACHE") or Path.home() / ".cache/zerodowntime-bluegreen")
        runs = cache / "runs"
        folder = runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        (folder / "logs").mkdir(parents=True)
        for old in sorted(runs.iterdir())[:-RUNS_KEPT]:
            if not _alive(old.name.rpartition("-")[2]):
                shutil.rmtree(old, ignore_errors=True)
        bench = cls(checkout, cache, folder)
        bench.copy_to(bench.collections)
        return bench

    @property
    def collections(self) -> Path:
        """The folder to give to Ansible as its collections path."""
        return self.folder / "collections"

    @property
    def tree(self) -> Path:
        """The copy of the checkout that is judged: nobody edits it under a running test."""
        return self.collections / COLLECTION

    def copy_to(self, collections: Path) -> Path:
        """Copy what git tracks, as it lies now, below C(collections); return the copy, a checkout too."""
        target = collections / COLLECTION
        for name in _git(self.checkout, "ls-files", "-z").split("\0"):
            source = self.checkout / name
            if name and (source.is_file() or source.is_symlink()):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / name, follow_symlinks=False)
        _git(target, "init", "-q")
        _git(target, "add", "--force", "--all")
        _git(target, "-c", "user.name=run-tests", "-c", "user.email=", "commit", "-q", "-m", "As tested")
        return target

    def untracked(self) -> list[str]:
        """Return the files that git neither tracks nor ignores: they are not judged."""
        return _git(self.checkout, "ls-files", "-z", "--others", "--exclude-standard").split("\0")[:-1]


class Job:
    """One step at work: its log file, and its commands."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench = bench
        self.name = name
        self.log = bench.folder / "logs" / f"{name}.log"
        self.log.touch()
        # What the step adds to its line on the terminal.
        self.remark = ""

    def note(self, text: str) -> None:
        """Write C(text) into the log."""
        with self.log.open("a") as log:
            log.write(f"{text}\n")

    def run(self, command: Sequence[str | Path], cwd: Path | None = None, **environment: str) -> None:
        """Run C(command) in C(cwd) (default: the tree), its output to the log; raise Failed when it does not exit 0."""
        words = [str(word) for word in command]
        self.note(f"$ {' '.join(words)}")
        with self.log.open("a") as log:
            done = subprocess.run(
                words,
                cwd=cwd or self.bench.tree,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise Failed(f"{Path(words[0]).name} exited {done.returncode}")

    def output(self, command: Sequence[str | Path], cwd: Path | None = None, **environment: str) -> str:
        """Run C(command) like C(run) and return its standard output, which goes to the log too."""
        words = [str(word) for word in command]
        self.note(f"$ {' '.join(words)}")
        with self.log.open("a") as log:
            done = subprocess.run(
                words,
                cwd=cwd or self.bench.tree,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                check=False,
            )
        self.note(done.stdout)
        if done.returncode:
            raise Failed(f"{Path(words[0]).name} exited {done.returncode}")
        return done.stdout

    def _environment(self, extra: t.Mapping[str, str]) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": search_path(),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(self.bench.collections),
            "ANSIBLE_NOCOLOR": "1",
            "NO_COLOR": "1",
            **extra,
        }


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def _alive(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()
