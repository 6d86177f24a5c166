# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that users write, in real playbooks: check mode, diff, rescue, information, and no secret in any output."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conformance.cases import HERE, MACHINES, SSH, on_worlds
from tests.integration.conformance.world import BLUE, GREEN, REVISIONS, SPLIT, World, lab_folder, running
from tests.integration.conformance.worlds import WORLDS
from tests.integration.conformance.worlds.alb import ALBListener
from tests.lab.hosts.playbook import Playbook, Run
from tests.lab.hosts.sshd import SshMachines

SECRET = "canary-5f0e2d"  # must be found nowhere


@dataclass(frozen=True)
class Story:
    """What two runs of the same tasks said and did: C(checked) in check mode, C(real) after it."""

    checked: Run
    real: Run
    raws: list[dict[str, t.Any]]  # before, after the check, after the real run
    processes: list[object]
    remote: bool
    fence: int  # that the system keeps at the start


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, addresses: dict[str, str]) -> Iterator[Story]:
    """Run the story of one world in one place, once for all tests of this file."""
    world_class, place = request.param
    folder = lab_folder()
    with running(world_class(folder / "a", addresses)) as world:
        machines = request.getfixturevalue("machines") if place == SSH else None
        yield told(world, folder, machines)
    shutil.rmtree(folder, ignore_errors=True)


def told(world: World, folder: Path, machines: SshMachines | None) -> Story:
    where = {"machines": [MACHINES[0]]} if machines else {}
    inventory = machines.inventory() if machines else {}
    for variables in inventory.values():
        variables["ansible_become_password"] = SECRET
    project = Playbook(folder, inventory)
    project.variables["ansible_become_password"] = SECRET
    raws, processes = [world.raw()], [world.processes()]

    checked = project.run(tasks(world, where), "--check", "--diff", "-vvv")
    raws.append(world.raw())
    processes.append(world.processes())
    real = project.run(tasks(world, where), "--diff", "-vvv")
    raws.append(world.raw())
    return Story(checked, real, raws, processes, bool(machines), world.fence(1))


def tasks(world: World, where: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return the tasks: look, move to SPLIT, again, from what does not stand, and on to GREEN with a proof."""
    name = f"zerodowntime.bluegreen.{world.driver.name}"
    secrets = {option: SECRET for option, spec in world.driver.spec.items() if spec.get("no_log")}
    options = {**world.options, **where, **secrets}
    verify = {"url": f"{world.url}/", "header": "X-Version", "slots": REVISIONS}
    real = "not ansible_check_mode"
    return [
        {f"{name}_info": options, "register": "info"},
        {name: {**options, "weights": SPLIT, "expect": BLUE, "fence": 2}, "register": "move"},
        {name: {**options, "weights": SPLIT, "fence": 2}, "register": "again", "when": real},
        {
            "block": [{name: {**options, "weights": GREEN, "expect": BLUE}, "when": real}],
            "rescue": [{"ansible.builtin.set_fact": {"drift": "{{ ansible_failed_result }}"}}],
        },
        {name: {**options, "weights": GREEN, "verify": verify}, "register": "proven", "when": real},
        {
            "ansible.builtin.set_fact": {
                "result": {
                    "info": "{{ info }}",
                    "move": "{{ move }}",
                    "again": "{{ again }}",
                    "drift": "{{ drift | default({}) }}",
                    "proven": "{{ proven }}",
                }
            }
        },
    ]


def stories() -> pytest.MarkDecorator:
    """Run a test on the story of every system that users have names for; an ALB is reached from the controller only."""
    worlds = [world for world in WORLDS if world.REMOTE or world is ALBListener]
    mark = on_worlds(worlds, (), [HERE, SSH])
    return pytest.mark.parametrize("story", mark.args[1], indirect=True)


@stories()
def test_info_looks_and_changes_nothing(story: Story) -> None:
    assert story.checked.code == 0, story.checked.output
    info = story.real.result["info"]
    assert (info["changed"], info["weights"], info["fence"], info["trouble"]) == (False, BLUE, story.fence, "")
    assert list(info["balancers"]) == [MACHINES[0] if story.remote else "here"]
    assert {"identity", "unit", "slots", "facts"} <= set(info)


@stories()
def test_check_mode_writes_nothing_and_says_exactly_what_then_happens(story: Story) -> None:
    checked, real = story.checked.result["move"], story.real.result["move"]
    assert story.raws[1] == story.raws[0]
    assert story.processes[1] == story.processes[0]
    for key in ("changed", "before", "weights", "fence", "diff", "undo", "identity"):
        assert checked[key] == real[key], key
    assert checked["after"]["weights"] == real["after"]["weights"] == SPLIT
    assert checked["changed"] is True


@stories()
def test_the_diff_shows_what_stood_and_what_will(story: Story) -> None:
    (part,) = story.checked.result["move"]["diff"]
    assert part["before_header"] == part["after_header"]
    assert part["before"] != part["after"]
    for run in (story.checked, story.real):
        assert f"+++ after: {part['after_header']}" in run.output
        for sign, text in (("-", part["before"]), ("+", part["after"])):
            changed = [line for line in text.splitlines() if line not in part["before"] or line not in part["after"]]
            assert changed
            assert all(f"{sign}{line}" in run.output for line in changed)


@stories()
def test_the_second_call_is_unchanged_and_has_no_diff(story: Story) -> None:
    again = story.real.result["again"]
    assert (again["changed"], again["diff"], again["weights"]) == (False, [], SPLIT)


@stories()
def test_a_refusal_is_a_failure_that_rescue_gets_in_one_sentence(story: Story) -> None:
    assert story.real.code == 0, story.real.output
    drift = story.real.result["drift"]
    assert drift["failed"] is True
    assert "weights are blue 60 / green 40, expected blue 100 / green 0" in drift["msg"]
    assert drift["msg"].startswith(f"{MACHINES[0]}: ") is story.remote
    assert "\n" not in drift["msg"]


@stories()
def test_a_move_with_verify_says_what_its_proof_rests_on(story: Story) -> None:
    proven = story.real.result["proven"]
    assert proven["verified"] == "verified"
    assert "on green; asked blue 0 / green 100" in proven["verified_by"]
    assert story.real.result["move"]["verified"] == "unverifiable"
    assert story.real.result["move"]["verified_by"] == "verify was not asked for"


@stories()
def test_no_secret_and_no_traceback_is_in_any_output(story: Story) -> None:
    for run in (story.checked, story.real):
        assert SECRET not in run.output + run.lines + str(run.result)
        assert "Traceback" not in run.output + run.lines
