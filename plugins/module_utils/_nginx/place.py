# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a split stands: what a place of nginx's traffic says, and how it is changed."""

from __future__ import annotations

import abc
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights


@dataclass(frozen=True)
class Standing:
    """C(weights) is None, and C(trouble) a sentence, when what stands there is not one of ours."""

    weights: t.Optional[Weights]
    fence: int
    trouble: str = ""


class Place(abc.ABC):
    """The object that decides, per request, which slot answers."""

    path: str

    @abc.abstractmethod
    def standing(self) -> Standing:
        """Return what stands now. Raises ReleaseError when it cannot be read."""

    @abc.abstractmethod
    def write(self, weights: Weights, fence: int) -> None:
        """Make both stand; the caller holds the lock.

        Raises ReleaseError, with the old state standing unless it says otherwise.
        """

    @abc.abstractmethod
    def text(self, weights: Weights, fence: int) -> str:
        """Return, for an operator's eyes, what C(path) holds under these weights and fence."""
