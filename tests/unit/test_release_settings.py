# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user writes about an environment: defaults, text from surveys, and the sentence for what is wrong."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _settings

NEEDED: dict[str, t.Any] = {
    "release_app": "shop",
    "release_platform": "hosts",
    "release_traffic": {"haproxy_traffic": {"socket": "/s", "slots": {"blue": "b", "green": "g"}}},
}


def read(**values: t.Any) -> dict[str, t.Any]:
    return _settings.read({**NEEDED, **{f"release_{name}": value for name, value in values.items()}})


def test_everything_but_app_platform_and_traffic_has_a_default() -> None:
    settings = read()
    assert {f"release_{name}" for name in settings} == set(_settings.SETTINGS)
    assert settings["steps"] == [100]
    assert settings["journal"]["path"] == "/var/lib/zerodowntime"
    assert (settings["on_busy"], settings["force"], settings["hooks"]) == ("fail", False, {})


def test_the_empty_text_of_a_survey_is_the_default() -> None:
    optional = [name.removeprefix("release_") for name in _settings.SETTINGS if name not in NEEDED]
    assert read(**dict.fromkeys(optional, "")) == read()


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("steps", "5,25,50,100", [5, 25, 50, 100]),
        ("steps", "10", [10, 100]),
        ("bake_time", "5m", 300.0),
        ("bake_time", "90", 90.0),
        ("bake_time", 0, 0.0),
        ("force", "true", True),
        ("force", "False", False),
        ("force", "yes", True),
        ("force", 1, True),
        ("confirm", True, True),
        ("revision", "1.10", "1.10"),
        ("hooks", {"before_stage": "a.yml", "after_stage": ""}, {"before_stage": "a.yml"}),
        ("verify", {"url": "http://shop/", "header": "X"}, {"url": "http://shop/", "header": "X"}),
    ],
)
def test_a_value_is_read_as_what_it_means(name: str, value: t.Any, meant: t.Any) -> None:
    assert read(**{name: value})[name] == meant


def test_a_journal_without_its_store_has_the_default_one() -> None:
    assert read(journal={"path": "/data"})["journal"]["store"] == "file"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("app", "", "release_app is not set: the name of the application"),
        ("platform", None, "release_platform is not set: hosts"),
        ("traffic", "", "release_traffic is not set: the traffic system with its options"),
        ("app", 5, "release_app is 5, a int: write it in quotes"),
        ("platform", "swarm", "release_platform is 'swarm'; it may be hosts"),
        ("revision", 1.10, "release_revision is 1.1, a float: write it in quotes, as YAML changes what it takes for"),
        ("revision", ["v1"], "release_revision is ['v1'], a list: write it in quotes"),
        ("traffic", '{"haproxy_traffic": {}}', "release_traffic is text, not a mapping: write it as YAML"),
        ("traffic", ["haproxy_traffic"], "release_traffic is a list, not a mapping: write it as YAML"),
        ("traffic", {}, "release_traffic takes one traffic system with its options"),
        ("traffic", {"a": {}, "b": {}}, "release_traffic takes one traffic system with its options"),
        ("traffic", {"haproxy_traffic": "/s"}, "release_traffic takes one traffic system with its options"),
        ("verify", "http://shop/", "release_verify is text, not a mapping: write it as YAML in the inventory"),
        ("verify", {"uri": "http://shop/"}, "release_verify has no option 'uri'; there are url, header"),
        ("verify", {"url": "x", "patience": "soon"}, "release_verify is wrong: 'soon' is not a duration"),
        ("steps", "-5,100", "release_steps is wrong: a step is -5: a weight is a whole number from 0 to 100"),
        ("steps", "50,25", "release_steps is wrong: steps 50, 25 do not rise"),
        ("gate", '{"preset": "http"}', "release_gate is wrong: the gate must be a mapping of options, not text: write"),
        ("gate", {"preset": "no"}, "release_gate is wrong: the gate has no preset 'no'; there are"),
        ("bake_time", "5 minutes", "release_bake_time is wrong: '5 minutes' is not a duration; write 300, 30s, 5m"),
        ("bake_time", -1, "release_bake_time is wrong: -1 is not a duration"),
        ("journal", "/var/lib", "release_journal is text, not a mapping"),
        ("journal", {"folder": "/data"}, "release_journal has no option 'folder'; there are"),
        ("on_busy", "never", "release_on_busy is 'never'; it may be fail, wait, abort_first"),
        ("force", "perhaps", "release_force is 'perhaps'; it may be true or false"),
        ("hooks", {"before_start": "a.yml"}, "release_hooks has no moment 'before_start'; there are before_stage"),
        ("hooks", {"before_stage": 5}, "release_hooks is 5, a int: write it in quotes"),
        ("certificate", {"speed": 5}, "release_certificate has no option 'speed'; there are url, rate"),
        ("serving", "purple", "release_serving is 'purple'; it may be blue, green"),
        ("hosts_machines", {"blue": "b"}, "release_hosts_machines names blue; it takes blue and green"),
        ("hosts_machines", {"blue": "b", 2: "g"}, "release_hosts_machines names blue, 2; it takes blue and green"),
        ("hosts_machines", {}, "release_hosts_machines names no slot; it takes blue and green"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_variables_name(name: str, value: t.Any, sentence: str) -> None:
    with pytest.raises(ReleaseError) as refused:
        read(**{name: value})
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


def test_what_a_playbook_needs_is_required_beside_the_rest() -> None:
    with pytest.raises(ReleaseError, match="release_revision is not set: pass it with -e release_revision=..."):
        _settings.read(NEEDED, ["release_revision"])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("release_step_s", "release_steps"),
        ("release_revison", "release_revision"),
        ("release_bake_tme", "release_bake_time"),
        ("release_shop_owner", ""),
        ("release_notes_url", ""),
    ],
)
def test_a_misspelt_variable_is_recognised_and_a_users_own_is_left_alone(written: str, meant: str) -> None:
    assert _settings.likely(written) == meant
