# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift checks find what they are there for."""

from __future__ import annotations

import check_action_specs
import check_argument_specs
import pytest


def _options(**options):
    return {"main": {"options": options}}


@pytest.mark.parametrize(
    ("defaults", "specs", "said"),
    [
        ({"shop_port": 80}, _options(shop_port={"type": "int", "default": 80}), []),
        ({"shop_port": None}, _options(shop_port={"type": "int"}), []),
        ({"shop_port": "{{ shop_base + 1 }}"}, _options(shop_port={"type": "int"}), []),
        ({"__shop_seen": []}, _options(), []),
        ({}, _options(shop_app={"type": "str", "required": True}), []),
        ({"shop_port": 80}, _options(shop_port={"default": 81}), ["is 80 in defaults, but argument_specs.yml says 81"]),
        ({"shop_port": 80}, _options(shop_port={}), ["is 80 in defaults, but argument_specs.yml says None"]),
        ({"shop_port": 80}, _options(), ["argument_specs.yml does not name it"]),
        ({}, _options(shop_port={"default": 80}), ["80 in argument_specs.yml only"]),
        ({"shop_app": "x"}, _options(shop_app={"required": True}), ["is required, but has the default 'x'"]),
        ({"shop_port": "{{ 1 }}"}, _options(shop_port={"default": 80}), ["is computed in defaults"]),
        ({"port": 80}, _options(port={"default": 80}), ["does not begin with shop_"]),
        ({"__shop_seen": []}, _options(__shop_seen={"default": []}), ["is internal"]),
        (
            {"shop_port": 80},
            {"main": {"options": {"shop_port": {"default": 80}}}, "stop": {"options": {"shop_port": {"default": 81}}}},
            ["another type or default in entry point stop"],
        ),
    ],
)
def test_a_roles_defaults_and_argument_specs_must_agree(defaults, specs, said):
    found = list(check_argument_specs.drifts("shop", defaults, specs))
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("spec", "documented", "said"),
    [
        ({"url": {"required": True}}, {"url": {"type": "str", "required": True}}, []),
        ({"url": {}}, {}, ["url is taken, but not documented"]),
        ({}, {"url": {}}, ["url is documented, but not taken"]),
        ({"url": {"type": "raw"}}, {"url": {}}, ["url: type is 'raw', documented as 'str'"]),
        ({"url": {"default": "a"}}, {"url": {"default": "b"}}, ["url: default is 'a', documented as 'b'"]),
        (
            {"verify": {"type": "dict", "options": {"url": {}}}},
            {"verify": {"type": "dict", "suboptions": {"url": {"required": True}}}},
            ["verify.url: required is False, documented as True"],
        ),
    ],
)
def test_an_action_takes_what_its_module_documents(spec, documented, said):
    assert list(check_action_specs.drifts(spec, documented)) == said
