# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the tests import the collection by its full name, wherever the checkout lies."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

COLLECTION = Path("ansible_collections/zerodowntime/bluegreen")


def _collections_folder() -> Path:
    """Return the folder that holds C(ansible_collections): the checkout's own, or a temporary one that links to it."""
    checkout = Path(__file__).resolve().parents[1]
    if checkout.parts[-3:] == COLLECTION.parts:
        return checkout.parents[2]
    folder = Path(tempfile.mkdtemp(prefix="zerodowntime-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / COLLECTION).parent.mkdir(parents=True)
    (folder / COLLECTION).symlink_to(checkout)
    return folder


_FOLDER = str(_collections_folder())
sys.path.insert(0, _FOLDER)
# Playbooks that tests start find the same copy.
os.environ["ANSIBLE_COLLECTIONS_PATH"] = _FOLDER
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_FOLDER, os.environ.get("PYTHONPATH")]))
