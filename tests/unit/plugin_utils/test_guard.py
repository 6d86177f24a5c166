# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signal interrupts the work wherever it arrives, and only once."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
import warnings
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._shift import Interrupted
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _controller
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._guard import Guard


def test_a_signal_within_a_callback_of_an_event_loop_is_not_lost() -> None:
    loop = asyncio.new_event_loop()
    loop.call_later(0.02, os.kill, os.getpid(), signal.SIGINT)
    with Guard():
        with pytest.raises(Interrupted, match="SIGINT"):
            loop.run_until_complete(asyncio.sleep(0.2))
        os.kill(os.getpid(), signal.SIGTERM)  # the second one is not heard
    loop.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_was_lost_on_the_way_is_raised_at_the_next_look() -> None:
    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with Guard() as guard, warnings.catch_warnings():
        Dying()
        with pytest.raises(Interrupted, match="SIGTERM"):
            guard.check()


def test_a_restore_that_has_begun_is_not_interrupted_by_what_began_it() -> None:
    with Guard() as guard:
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        guard.shield()
        guard.check()


def _guarded_orphan(parent: int, heard: Path) -> None:
    """Begin to work only when C(parent), which forked this process, is dead."""
    while os.getppid() == parent:
        time.sleep(0.01)
    try:
        with Guard():
            said = "it works for nobody"
    except Interrupted as error:
        said = str(error)
    heard.with_suffix(".new").write_text(f"{said}, {_controller.pid() == parent}")
    heard.with_suffix(".new").rename(heard)


def _dying_controller(heard: Path) -> None:
    worker = multiprocessing.get_context("fork").Process(target=_guarded_orphan, args=(os.getpid(), heard))
    worker.start()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_begins_when_its_controller_has_died_knows_it(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    controller = multiprocessing.get_context("fork").Process(target=_dying_controller, args=(heard,))
    controller.start()
    controller.join(30)
    give_up = time.monotonic() + 30
    while not heard.exists():
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert heard.read_text() == "the controller died, True"
