# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a release's holder is seen dead, then take it over: the loop around the verb C(take_over)."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal import machine
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import Busy

Answer = dict[str, t.Any]


def wait(
    look: t.Callable[..., Answer],
    say: t.Callable[[str], None] = lambda text: None,
    patient: float = 0.0,
    monotonic: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
    gone: t.Callable[[t.Mapping[str, t.Any]], bool] = machine.gone,
) -> Answer:
    """Return the answer of C(look) (the verb with all its arguments but C(dead)) once it has taken the release.

    At once when all processes of the holder are C(gone) from this machine; else when its record has stood still for
    as long as its patience says. Raises Busy when the holder shows life, at the earliest after C(patient) seconds, or
    when somebody else takes the release meanwhile.
    """
    began, first = monotonic(), look()
    answer, said = first, monotonic() - 10
    while not answer["taken"]:
        if answer["holder"]["fence"] != first["holder"]["fence"]:
            raise Busy(f"somebody else was quicker: {answer['sentence']}", {"holder": answer["holder"]})
        if answer["record"] != first["record"]:
            if monotonic() - began >= patient:
                raise Busy(f"its run is alive: {answer['sentence']}", {"holder": answer["holder"]})
            first = answer
        if gone(answer["holder"]["owner"]):
            say(f"{answer['sentence']}; its processes are gone from this machine: taking over")
            # Not taken: another one was quicker, or a worker that we did not know of lives.
            answer = look(dead=answer["record"])
            continue
        left = max(0.0, answer["patience"] - answer["silent"])
        if monotonic() - said >= 5:
            say(f"{answer['sentence']}; silent for {_text(answer['silent'])}, taken over if so for {_text(left)} more")
            said = monotonic()
        sleep(min(1.0, max(0.02, left)))
        answer = look()
    return answer


def _text(seconds: float) -> str:
    return duration.text(round(seconds))
