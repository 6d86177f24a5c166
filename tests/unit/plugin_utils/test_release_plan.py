# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy would do: which slot is stable, what counts as released already, and which states are refused."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.action.release_preflight import _plan
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._balancers import Sight
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._settings import read

BLUE, GREEN = Weights(100, 0), Weights(0, 100)
Facts = dict[str, t.Any]


def settings(revision: str = "v1", **variables: t.Any) -> Facts:
    given = {"release_app": "shop", "release_platform": "hosts", "release_traffic": {"haproxy_traffic": {}}}
    return {**read({**given, "release_revision": revision, **variables}), "environment": "shop-eu"}


def sight(weights: Weights | None = BLUE, blue: bool = True, green: bool = False) -> Sight:
    slots = {name: {"up": up, "ready": int(up)} for name, up in (("blue", blue), ("green", green))}
    return Sight(weights, "" if weights else "the balancers disagree", {"lb1": {"slots": slots}})


def known(*promoted: Facts, state: str = "Healthy (Promoted)") -> Facts:
    return {"releases": list(promoted), "state": state}


def promoted(plan: Facts, revision: str) -> Facts:
    """Return the release of C(plan) as a journal has it when it was promoted."""
    facts = {name: plan[name] for name in ("fingerprint", "specification", "canary")}
    return {**facts, "id": plan["release"], "revision": revision, "outcome": "Promoted"}


@pytest.fixture
def v1() -> Facts:
    """The release of v1 into blue, where nothing had run."""
    return promoted(_plan(settings(), sight(blue=False), known(state="never released")), "v1")


def test_where_nothing_serves_yet_the_first_release_has_one_step_and_no_other_slot() -> None:
    plan = _plan(settings(), sight(blue=False), known(state="never released"))
    assert (plan["first"], plan["stable"], plan["canary"], plan["steps"]) == (True, "blue", "blue", [100])


def test_a_revision_goes_into_the_slot_without_traffic(v1: Facts) -> None:
    plan = _plan(settings("v2"), sight(), known(v1))
    assert (plan["serving"], plan["stable"], plan["canary"], plan["previous"]["revision"]) == (
        False,
        "blue",
        "green",
        "v1",
    )


def test_the_revision_that_serves_is_not_released_again(v1: Facts) -> None:
    assert _plan(settings(), sight(), known(v1))["serving"] is True
    assert _plan(settings(), sight(GREEN, green=True), known(v1))["serving"] is False, "another slot serves by now"


@pytest.mark.parametrize("changed", [{"release_hosts_variables": {"workers": 8}}, {"release_hosts_start": "other.yml"}])
def test_another_configuration_of_the_same_revision_is_a_release(v1: Facts, changed: Facts) -> None:
    assert _plan(settings(**changed), sight(), known(v1))["serving"] is False


def test_what_only_the_way_of_releasing_changes_is_none(v1: Facts) -> None:
    assert _plan(settings(release_steps=[5, 100], release_bake_time="5m"), sight(), known(v1))["serving"] is True


@pytest.mark.parametrize(
    ("seen", "state", "sentence"),
    [
        (sight(Weights(60, 40)), "Healthy (Promoted)", "no release of ours explains it: put one slot at 100"),
        (sight(Weights(60, 40)), "Progressing", "by a release that has not ended: run status"),
        (sight(Weights(60, 40)), "Paused", "by a release that has not ended: run status"),
        (sight(None), "Healthy (Promoted)", "in no state to release from: the balancers disagree"),
        (sight(blue=False), "Healthy (Promoted)", "blue has all the traffic and no healthy server: mend it, or force"),
    ],
)
def test_a_state_that_leads_nowhere_is_refused_in_one_sentence(
    v1: Facts, seen: Sight, state: str, sentence: str
) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        _plan(settings("v2"), seen, known(v1, state=state))


def test_force_releases_past_a_stable_slot_that_is_down(v1: Facts) -> None:
    forced = settings("v2", release_force=True, release_reason="the old one is beyond repair")
    assert _plan(forced, sight(blue=False), known(v1))["canary"] == "green"
