# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller of a worker."""

from __future__ import annotations

import multiprocessing
import os


def pid() -> int:
    """Return the process that forked this one, which getppid() no longer tells once it has died.

    On a busy machine a worker may come to its first line seconds after its fork: asked then, the system would name
    whoever adopts orphans, who never dies, and the worker would work on for nobody.
    """
    parent = multiprocessing.parent_process()
    return parent.pid if parent is not None and parent.pid is not None else os.getppid()
