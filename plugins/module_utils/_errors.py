# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors of this collection: raised deep, shown to an operator as one sentence."""

from __future__ import annotations


class ReleaseError(Exception):
    """What an operator must read: what was seen, where traffic is, what to do. It says so if anything was changed."""


class Lost(ReleaseError):
    """An answer was lost: whether the change was made is unknown until the object is read again."""


class Fenced(ReleaseError):
    """The run lost its lock: it writes nothing more, anywhere."""


class Refused(ReleaseError):
    """The object was not what the caller expected, or a newer fence stands there: nothing was written."""
