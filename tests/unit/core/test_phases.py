# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cell of the release's table, written down a second time."""

from __future__ import annotations

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import phases
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.phases import (
    ABORTED,
    COMMANDS,
    DEGRADED,
    DEGRADED_PROMOTED,
    NOTHING,
    PAUSED,
    PROGRESSING,
    PROMOTED,
    ROLLED_BACK,
    TABLE,
    Refusal,
    State,
    decide,
    state,
)

# What is asked for stands in the columns, as in COMMANDS; "no" is a refusal.
EXPECTED = """
                   promote      abort    rollback    pause   resume       retry        deploy       sweep
nothing            no           no       no          no      nothing      no           progressing  nothing
progressing        no           aborted  rolled_back paused  rolled_back  no           no           rolled_back
paused             progressing  aborted  rolled_back paused  rolled_back  no           no           rolled_back
promoted           promoted     no       rolled_back no      promoted     no           progressing  promoted
rolled_back        no           =        =           no      rolled_back  progressing  progressing  rolled_back
aborted            no           aborted  aborted     no      aborted      progressing  progressing  aborted
degraded           no           aborted  rolled_back no      rolled_back  no           no           degraded
degraded_promoted  no           no       rolled_back no      promoted     no           no           =
"""
STATES = {
    "nothing": NOTHING,
    "progressing": PROGRESSING,
    "paused": PAUSED,
    "promoted": PROMOTED,
    "rolled_back": ROLLED_BACK,
    "aborted": ABORTED,
    "degraded": DEGRADED,
    "degraded_promoted": DEGRADED_PROMOTED,
}
_HEAD, *_ROWS = [line.split() for line in EXPECTED.strip().splitlines()]
CELLS = [
    (STATES[row], command, STATES[row] if cell == "=" else STATES.get(cell))
    for row, *cells in _ROWS
    for command, cell in zip(_HEAD, cells, strict=True)
]


@pytest.mark.parametrize(("now", "command", "to"), CELLS, ids=str)
def test_a_command_leads_where_the_table_says_or_is_refused_with_a_sentence(
    now: State, command: str, to: State | None
) -> None:
    if to is not None:
        assert decide(now, command) == to
        return
    with pytest.raises(Refusal) as refusal:
        decide(now, command)
    assert len(str(refusal.value).split()) > 4
    assert "\n" not in str(refusal.value)


def test_every_state_has_a_cell_for_every_command() -> None:
    assert tuple(_HEAD) == COMMANDS
    assert {(row, command) for row, command, _to in CELLS} == {(row, name) for row in TABLE for name in COMMANDS}
    assert all(set(cells) == set(COMMANDS) for cells in TABLE.values())


@pytest.mark.parametrize("command", ["abort", "rollback", "resume", "sweep", "pause"])
def test_a_command_given_twice_changes_nothing_the_second_time(command: str) -> None:
    for row in TABLE:
        try:
            once = decide(row, command)
        except Refusal:
            continue
        try:
            assert decide(once, command) == once
        except Refusal as refusal:
            pytest.fail(f"{command} of {row} leads to {once}, which refuses it: {refusal}")


@pytest.mark.parametrize("command", ["resume", "sweep", "abort", "rollback"])
def test_what_repairs_never_gives_the_canary_more(command: str) -> None:
    reached = {cell for cells in TABLE.values() for name, cell in cells.items() if name == command}
    assert PROGRESSING not in reached
    # Promoted is kept where it was journaled, never reached from a release that had not ended.
    assert TABLE[PROGRESSING][command] != PROMOTED
    assert TABLE[PAUSED][command] != PROMOTED


@pytest.mark.parametrize("row", [PROMOTED, DEGRADED_PROMOTED])
def test_abort_after_promoted_names_rollback(row: State) -> None:
    with pytest.raises(Refusal, match="run rollback"):
        decide(row, "abort")


def test_a_command_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="'undo' is not a command: there are promote, abort"):
        decide(PROGRESSING, "undo")


@pytest.mark.parametrize(
    ("phase", "outcome", "expected"),
    [
        (None, None, NOTHING),
        ("", "", NOTHING),
        ("Progressing", None, PROGRESSING),
        # A rollback after Promoted that is under way: what resume has to finish is the rollback.
        ("Progressing", "Promoted", PROGRESSING),
        ("Paused", "", PAUSED),
        ("Healthy", "Promoted", PROMOTED),
        ("Healthy", "RolledBack", ROLLED_BACK),
        ("Healthy", "Aborted", ABORTED),
        ("Degraded", "Promoted", DEGRADED_PROMOTED),
        ("Degraded", "RolledBack", DEGRADED),
        ("Degraded", None, DEGRADED),
    ],
)
def test_a_record_stands_in_one_row_of_the_table(phase: str | None, outcome: str | None, expected: State) -> None:
    assert state(phase, outcome) == expected


@pytest.mark.parametrize(("phase", "outcome"), [("Running", None), ("Healthy", "Done"), ("Healthy", None)])
def test_a_record_that_cannot_be_is_an_error(phase: str, outcome: str | None) -> None:
    with pytest.raises(ValueError, match="a release"):
        phases.state(phase, outcome)
