# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation is true: what it names exists, what it shows can be read, and its figures are those of the code."""

from __future__ import annotations

import importlib
import math
import re
import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.forecast import (
    requests_to_fail,
    requests_to_pass,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import (
    DURATIONS,
    Metric,
    Options,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.settings import PRESETS
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._settings import OTHERS, SETTINGS, read
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._traffic_port import driver_class, validated

from tests.unit.docs.pages import LANGUAGES, PAGES, ROOT, Block, Page, blocks, page

COLLECTION = "zerodowntime.bluegreen"
# What task files of users get beside the settings, see release_tasks and _plan.py.
GIVEN = ("release_environment", "release_slot", "release_stable", "release_canary", "release_result")
# The example of a driver that does not exist.
FICTION = "shelf"

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)


def every(language: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", blocks(language), ids=str)


def specs() -> dict[str, dict[str, t.Any]]:
    """Return the options of both roles by name."""
    found: dict[str, dict[str, t.Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        for entry_point in yaml.safe_load(path.read_text())["argument_specs"].values():
            found.update(entry_point["options"])
    return found


def known_variables() -> set[str]:
    return {*SETTINGS, *OTHERS, *GIVEN, *specs()}


def mappings(value: t.Any) -> Iterator[Mapping[str, t.Any]]:
    """Yield every mapping in C(value)."""
    if isinstance(value, Mapping):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else []:
        yield from mappings(item)


def templated(value: t.Any) -> bool:
    return "{{" in str(value)


# What every page is made of


@every_page
def test_every_block_is_in_a_language_that_is_checked(page: Page) -> None:
    for block in page.blocks:
        assert block.language in (*LANGUAGES, "") and (block.language or page.name == "README.md"), str(block)


@every_page
def test_every_relative_link_leads_somewhere(page: Page) -> None:
    for link in page.links():
        if "://" in link:
            continue
        path, _hash, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            there = next(one for one in PAGES if one.path == target)
            assert anchor in there.anchors(), f"{page.name}: {link} names none of {sorted(there.anchors())}"


@every_page
def test_every_file_that_is_named_exists(page: Page) -> None:
    for code in page.code():
        for name in re.findall(r"^(?:tests|plugins|roles|playbooks|docs|meta|changelogs)/[\w./-]+", code):
            assert FICTION in name or (ROOT / name).exists(), f"{page.name}: {name}"


@every_page
def test_every_test_that_is_named_is_in_a_file_that_its_section_names(page: Page) -> None:
    for section in re.split(r"^## ", page.prose, flags=re.M):
        files = [ROOT / name for name in re.findall(r"`(tests/[\w./]+)`", section)]
        texts = [file.read_text() for path in files for file in ([path] if path.is_file() else path.rglob("test_*.py"))]
        for name in re.findall(r"`(test_\w+)`", section):
            assert any(f"def {name}(" in text for text in texts), f"{page.name}: {section.splitlines()[0]}: {name}"


@every_page
def test_no_page_names_a_machine_of_ours(page: Page) -> None:
    assert not re.search(r"/tmp/zdt|/root\b|/work\b|(?<!\.)\bvm/", page.text), page.name


@every("mermaid")
def test_a_picture_says_what_it_is(block: Block) -> None:
    assert block.text.split()[0] in ("flowchart", "sequenceDiagram", "stateDiagram-v2"), str(block)


# Commands


@every_page
def test_every_name_of_the_collection_exists(page: Page) -> None:
    for name in re.findall(rf"(?<![\w/]){re.escape(COLLECTION)}\.(\w+)", page.text):
        there = [ROOT / "playbooks" / f"{name}.yml", ROOT / "plugins/modules" / f"{name}.py", ROOT / "roles" / name]
        assert name in ("NAME", "plugins") or any(path.exists() for path in there), f"{page.name}: {COLLECTION}.{name}"


@every_page
def test_every_command_names_a_playbook_and_variables_that_exist(page: Page) -> None:
    for line in page.text.splitlines():
        for name in re.findall(rf"ansible-playbook {re.escape(COLLECTION)}\.(\w+)", line):
            assert (ROOT / "playbooks" / f"{name}.yml").exists(), f"{page.name}: {line}"
        for name in re.findall(r"(?:-e |\")(release_\w+)(?:=|\":)", line):
            assert name in known_variables(), f"{page.name}: {line}"


@every_page
def test_every_program_of_the_checkout_has_the_options_that_are_shown(page: Page) -> None:
    programs = {"quickstart": "tests/lab/hosts/quickstart.py", "run-tests": "tests/tools/run.py"}
    for program, options in re.findall(r"\./(quickstart|run-tests)((?: --[\w-]+)*)", page.text):
        for option in options.split():
            assert f'"{option}"' in (ROOT / programs[program]).read_text(), f"{page.name}: {program} {option}"
    for name, options in re.findall(r"tests/benchmarks/(\w+)([^`\n]*)", page.text):
        texts = [path.read_text() for path in (ROOT / "tests/benchmarks").glob(f"*{name}*") if path.is_file()]
        for option in re.findall(r"--[\w-]+", options):
            assert any(f'"{option}"' in text for text in texts), f"{page.name}: {name} {option}"


# YAML


@every("yaml")
def test_what_is_shown_as_yaml_can_be_read_and_names_variables_that_exist(block: Block) -> None:
    loaded = yaml.safe_load(block.text)
    assert loaded, str(block)
    replay = set(re.findall(r"\breplay_\w+", (ROOT / "playbooks/gate_replay.yml").read_text()))
    for found in mappings(loaded):
        for name, value in found.items():
            if str(name).startswith(("release_", "replay_")):
                assert name in known_variables() | replay | {"release_environments"}, f"{block}: {name}"
            if name in SETTINGS and not templated(value):
                SETTINGS[name].read(value)
            if name == "release_traffic":
                ((driver, options),) = value.items()
                own = {key: option for key, option in options.items() if key != "machines"}
                driver_class(driver)(validated(driver, driver_class(driver).spec, own))
            if name == "release_hosts_balancer":
                checked = ArgumentSpecValidator({name: specs()[name]}).validate({name: value})
                assert not checked.error_messages, f"{block}: {checked.error_messages}"
    for name in re.findall(r"\{\{\s*(release_\w+)", block.text):
        assert name in known_variables(), f"{block}: {name}"


@every("yaml")
def test_a_task_gives_a_module_options_that_it_takes(block: Block) -> None:
    for found in mappings(yaml.safe_load(block.text)):
        for name, options in found.items():
            if str(name).startswith(f"{COLLECTION}.") and isinstance(options, Mapping):
                actions = f"ansible_collections.{COLLECTION}.plugins.action"
                action = importlib.import_module(f"{actions}.{name.removeprefix(COLLECTION + '.')}")
                assert_taken(options, action.ActionModule.SPEC, f"{block}: {name}")


def assert_taken(options: Mapping[str, t.Any], spec: Mapping[str, t.Any], where: str) -> None:
    """Assert that every option, at any depth, is one of C(spec), and that all required ones are there."""
    for name, value in options.items():
        assert name in spec, f"{where} takes no {name}"
        if isinstance(value, Mapping) and "options" in spec[name]:
            assert_taken(value, spec[name]["options"], f"{where}.{name}")
    missing = [name for name, option in spec.items() if option.get("required") and name not in options]
    assert not missing, f"{where} needs {missing}"


def test_the_inventory_of_the_tutorial_is_that_of_the_examples() -> None:
    example = yaml.safe_load((ROOT / "docs/examples/hosts/inventory.yml").read_text())
    shown = [yaml.safe_load(block.text) for block in page("tutorial-hosts").blocks if block.language == "yaml"]
    assert example in shown


# Variables


@pytest.mark.parametrize(
    "name",
    list(SETTINGS),
)
def test_every_setting_is_described_by_a_role(name: str) -> None:
    assert name in specs()


@pytest.mark.parametrize("name", specs())
def test_every_variable_of_a_role_is_a_setting(name: str) -> None:
    assert name in SETTINGS or name == "release_hosts_balancer"  # the latter is of an entry point of its own


def test_the_reference_has_every_variable_with_its_default() -> None:
    rows = {cells[0].strip("`"): cells[1] for cells in page("contract").rows("variable")}
    shown = {name for name in SETTINGS if name in specs()}
    assert set(rows) == shown
    for name in shown:
        said, setting = rows[name], SETTINGS[name]
        assert (said == "required") == setting.required, name
        if said == "none":
            assert setting.default is None, name
        elif said != "required":
            default = yaml.safe_load(said.strip("`"))
            same = default == setting.default or str(default) == str(setting.default)
            assert same, f"{name} is {setting.default!r}, the page says {said}"


def test_every_answer_of_the_survey_is_read() -> None:
    """As AWX sends it: a text, or nothing."""
    base: dict[str, t.Any] = {"release_app": "shop", "release_platform": "hosts", "release_traffic": {"x": {}}}
    for _question, variable, _type, answer, *_rest in page("awx").rows("question"):
        name = variable.strip("`")
        if name not in SETTINGS:
            assert name in OTHERS, name
            continue
        read({**base, name: answer.strip("`")})
        assert read({**base, name: ""}) == read(base), name


# The gate


def number(text: str) -> float:
    return float(text.replace(",", "").replace("%", ""))


def test_the_theory_of_canaries_is_that_of_the_code() -> None:
    for baseline, passing, failing in page("gate").rows("baseline"):
        rate = number(baseline) / 100
        *found, _all_fail = map(number, failing.split(" / "))
        for margin, requests in zip((0.001, 0.005, 0.01, 0.05), map(number, passing.split(" / ")), strict=True):
            assert abs(math.ceil(requests_to_pass(rate, margin, 0.05)) - requests) <= 1
        for excess, requests in zip((0.005, 0.01, 0.05, 0.2), found, strict=True):
            assert abs(math.ceil(requests_to_fail(rate, excess, 125.0, 0.1)) - requests) <= 1


def test_the_options_of_the_gate_have_the_defaults_that_are_named() -> None:
    default = Options()
    for names, values, *_meaning in page("gate").rows("option"):
        for name, value in zip(re.findall(r"`(\w+)`", names), re.findall(r"`([^`]+)`", values), strict=True):
            wanted = getattr(default, name)
            same = seconds(value) == wanted if name in DURATIONS else yaml.safe_load(value) == wanted
            assert same, f"{name} is {wanted!r}, the page says {value}"
    metric = {field.name: field.default for field in fields(Metric)}
    for name, value in re.findall(r"`(margin|tolerance|floor|limit)` \(`([\d.]+)`\)", page("gate").prose):
        assert float(value) == metric[name]


def test_every_preset_is_shown_as_it_is() -> None:
    rows = {cells[0].strip("`"): cells[-1] for cells in page("gate").rows("preset")}
    assert set(rows) == set(PRESETS)
    for name, said in rows.items():
        shown = dict(pair.split(": ") for pair in re.findall(r"`(\w+: \w+)`", said))
        assert shown == {key: str(value) for key, value in PRESETS[name].items()}, name


def test_every_playbook_is_in_the_reference() -> None:
    rows = {cells[0].strip("`").rpartition(".")[2] for cells in page("contract").rows("playbook")}
    assert rows == {path.stem for path in Path(ROOT / "playbooks").glob("*.yml")}
