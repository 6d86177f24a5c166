# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch without a reload: nginx tests a file per request, and one rename changes all its answers.

C(current) is a link to a folder whose name is the state, C(blue-90_green-10_fence-7), and which holds one empty file
for each of the 100 buckets of requests that goes to green. nginx asks C(-f current/BUCKET).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _files
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights, parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.place import Place, Standing

_NAME = re.compile(r"blue-(\d{1,3})_green-(\d{1,3})_fence-(\d+)")


def name_of(weights: Weights, fence: int) -> str:
    """Return the name of the folder that stands for these weights and this fence."""
    return f"blue-{weights.blue}_green-{weights.green}_fence-{fence}"


def parse_name(name: str) -> tuple[t.Optional[Weights], int]:
    """Return weights and fence of a folder's name; weights None when it is not one of ours."""
    found = _NAME.fullmatch(name)
    if not found:
        return None, 0
    try:
        return parse({"blue": found.group(1), "green": found.group(2)}), int(found.group(3))
    except ValueError:
        return None, int(found.group(3))


def buckets(weights: Weights) -> set[str]:
    """Return the buckets that go to green. More weight adds buckets and takes none away."""
    return {f"{number:02}" for number in range(weights.green)}


class Flags(Place):
    """The flag files of one app, in C(folder)."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.path = os.path.join(folder, "current")

    def text(self, weights: Weights, fence: int) -> str:
        return name_of(weights, fence)

    def standing(self) -> Standing:
        while True:
            target = self._target()
            if target is None:
                return Standing(None, 0, f"{self.path} does not exist, so every request goes to blue; run adopt")
            weights, fence = parse_name(target)
            if weights is None:
                return Standing(None, fence, f"{self.path} points to '{target}', not to blue-N_green-N_fence-N")
            try:
                there = set(os.listdir(os.path.join(self.folder, target)))
            except FileNotFoundError:
                if self._target() != target:
                    continue  # it was switched between the two looks
                return Standing(
                    None, fence, f"{self.path} points to {target}, which is gone: every request goes to blue"
                )
            except OSError as error:
                raise ReleaseError(f"cannot read {self.folder}/{target}: {error.strerror}") from error
            if there != buckets(weights):
                green = len(there & {f"{number:02}" for number in range(100)})
                return Standing(
                    None, fence, f"{self.folder}/{target} sends {green} of 100 buckets to green, not {weights.green}"
                )
            return Standing(weights, fence)

    def write(self, weights: Weights, fence: int) -> None:
        name = name_of(weights, fence)
        before = self._target()
        following = os.path.join(self.folder, ".next")
        try:
            self._fill(name, buckets(weights))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(following)
            os.symlink(name, following)
            os.rename(following, self.path)
        except OSError as error:
            raise ReleaseError(f"cannot write {self.folder}: {error.strerror}; the split is as it was") from error
        try:
            _files.sync_folder(self.folder)
        except OSError as error:
            raise ReleaseError(
                f"{self.path} is switched, but cannot be made to survive a power cut: {error.strerror}"
            ) from error
        if before != name:
            self._tidy({name, before})

    def _target(self) -> t.Optional[str]:
        try:
            return os.readlink(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReleaseError(f"cannot read the link {self.path}: {error.strerror}") from error

    def _fill(self, name: str, wanted: set[str]) -> None:
        """Make the folder hold exactly C(wanted), be it new, the leftover of a death, or changed by others."""
        place = os.path.join(self.folder, name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(place)
        os.chmod(place, 0o755)  # nginx's workers are another user, whatever our umask is
        there = set(os.listdir(place))
        for stranger in there - wanted:
            os.unlink(os.path.join(place, stranger))
        flag = os.path.join(self.folder, "flag")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(flag, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        # All the names of one file: a hundred links cost a tenth of a hundred files.
        for bucket in sorted(wanted - there):
            os.link(flag, os.path.join(place, bucket))
        # Before the link names it, the folder and what it holds must be on disk: a link into nothing sends all to blue.
        _files.sync_folder(place)
        _files.sync_folder(self.folder)

    def _tidy(self, keep: set[t.Optional[str]]) -> None:
        # The folder that was current stays: a request may be walking through the link this very moment.
        with contextlib.suppress(OSError):
            for entry in os.listdir(self.folder):
                if _NAME.fullmatch(entry) and entry not in keep:
                    shutil.rmtree(os.path.join(self.folder, entry), ignore_errors=True)
