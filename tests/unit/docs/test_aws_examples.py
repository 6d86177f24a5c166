# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Terraform of the examples: read as HCL, as Terraform formats it, and of the same names as the inventory."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.unit.docs.pages import ROOT

hcl2 = pytest.importorskip("hcl2", reason="needs the Python package python-hcl2")

FOLDER = ROOT / "docs/examples/terraform"
FILES = sorted(FOLDER.glob("*.tf"))
SLOTS = {"blue", "green"}


def plain(value: t.Any) -> t.Any:
    """Return what was parsed without quotes, comments and marks of blocks."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, str):
        return value
    return value[1:-1] if re.fullmatch(r'"[^"]*"', value) else value


def read(path: Path) -> dict[str, t.Any]:
    with path.open() as file:
        return t.cast("dict[str, t.Any]", plain(hcl2.load(file)))


def declared(kind: str, *labels: str) -> dict[str, t.Any]:
    """Return the one block of a kind with these labels."""
    found = [block for path in FILES for block in read(path).get(kind, [])]
    for label in labels:
        found = [block[label] for block in found if label in block]
    assert len(found) == 1, (kind, labels)
    return t.cast("dict[str, t.Any]", found[0])


def environment() -> dict[str, t.Any]:
    inventory = yaml.safe_load((ROOT / "docs/examples/aws/inventory.yml").read_text())
    (host,) = inventory["all"]["children"]["release_environments"]["hosts"].values()
    return t.cast("dict[str, t.Any]", host)


def named(resource: dict[str, t.Any], slot: str) -> str:
    """Return the name of a resource for a slot, with the variables' defaults."""
    name = str(declared("variable", "name")["default"])
    return str(resource["name"]).replace("${var.name}", name).replace("${each.key}", slot)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_as_terraform_formats_it(path: Path) -> None:
    text = path.read_text()
    assert text.endswith("}\n")
    depth, run = 0, []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        where = f"{path.name}:{number}"
        assert line == line.rstrip(), where
        bare = re.sub(r'"[^"]*"', '""', line).partition("#")[0].strip()
        shallow = depth - len(re.match(r"[\]})]*", bare).group())  # type: ignore[union-attr]
        assert not bare or line == "  " * shallow + line.strip(), f"{where}: indented by other than two spaces a level"
        depth += sum(bare.count(sign) for sign in "{[(") - sum(bare.count(sign) for sign in "}])")
        single = re.match(r"\s*[\w-]+(\s+)= (?!.*[\[{(]$)", line)
        if single:
            run.append((where, line.index(" = ")))
        else:
            assert len({column for _where, column in run}) <= 1, f"{run[0][0]}: signs of equality are not aligned"
            run = []
    assert depth == 0


def test_both_target_groups_stand_in_one_forward_so_that_both_are_health_checked() -> None:
    action = declared("resource", "aws_lb_listener", "app")["default_action"]
    groups = action[0]["forward"][0]["target_group"]
    assert [(re.search(r'\["(\w+)"\]', group["arn"]).group(1), group["weight"]) for group in groups] == [
        ("blue", 100),
        ("green", 0),
    ]


def test_what_a_release_owns_is_left_alone_by_an_apply() -> None:
    for resource, name, owned in (
        ("aws_lb_listener", "app", {"default_action"}),
        ("aws_launch_template", "app", {"image_id"}),
        (
            "aws_autoscaling_group",
            "slot",
            {"min_size", "max_size", "desired_capacity", "launch_template", "suspended_processes", "tag"},
        ),
    ):
        ignored = {
            re.sub(r"^\$\{|\}$", "", word)
            for word in declared("resource", resource, name)["lifecycle"][0]["ignore_changes"]
        }
        assert ignored == owned, resource


def test_slots_have_names_of_their_own_which_are_those_of_the_inventory() -> None:
    for resource in ("aws_lb_target_group", "aws_autoscaling_group"):
        assert declared("resource", resource, "slot")["for_each"] == "${local.slots}"
    shop = environment()
    group = declared("resource", "aws_autoscaling_group", "slot")
    assert shop["release_aws_groups"] == {slot: named(group, slot) for slot in SLOTS}
    target_group = declared("resource", "aws_lb_target_group", "slot")
    traffic = shop["release_traffic"]["alb_traffic"]
    assert {slot: arn.split("/")[1] for slot, arn in traffic["slots"].items()} == {
        slot: named(target_group, slot) for slot in SLOTS
    }
    assert f"/{named(declared('resource', 'aws_lb', 'app'), '')}/" in traffic["listener_arn"]
    assert traffic["region"] == declared("variable", "region")["default"]


def test_the_stable_slot_pins_a_number_and_a_slow_start_is_no_failure() -> None:
    group = declared("resource", "aws_autoscaling_group", "slot")
    assert group["launch_template"][0]["version"] == "${aws_launch_template.app.latest_version}"
    assert group["health_check_type"] == "ELB"
    assert group["health_check_grace_period"] > 0


def test_draining_is_shorter_than_the_default_and_longer_than_a_request() -> None:
    assert 0 < declared("resource", "aws_lb_target_group", "slot")["deregistration_delay"] <= 60


def test_the_preview_route_is_the_header_that_a_release_sends() -> None:
    from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._settings import SETTINGS

    rule = declared("resource", "aws_lb_listener_rule", "preview")
    condition = rule["condition"][0]["http_header"][0]
    assert {condition["http_header_name"]: "$slot"} == SETTINGS["release_preview"].default
    assert rule["for_each"] == "${local.slots}"


def journal() -> dict[str, t.Any]:
    """Return the journal's table as CreateTable takes it."""
    table = declared("resource", "aws_dynamodb_table", "journal")
    (attribute,) = table["attribute"]
    return {
        "TableName": named(table, ""),
        "BillingMode": table["billing_mode"],
        "KeySchema": [{"AttributeName": table["hash_key"], "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": attribute["name"], "AttributeType": attribute["type"]}],
    }


def test_the_journals_table_is_the_one_that_the_store_would_make() -> None:
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.dynamodb import EXPIRES, KEY

    table = declared("resource", "aws_dynamodb_table", "journal")
    assert journal()["KeySchema"] == [{"AttributeName": KEY, "KeyType": "HASH"}]
    assert table["ttl"] == [{"attribute_name": EXPIRES, "enabled": True}]
    assert environment()["release_journal"] == {
        "store": "dynamodb",
        "dynamodb": {"table": named(table, ""), "region": declared("variable", "region")["default"]},
    }


def statements() -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", declared("data", "aws_iam_policy_document", "release")["statement"])


def test_nothing_that_changes_something_is_allowed_on_everything() -> None:
    for statement in statements():
        if statement["resources"] == ["*"]:
            reads = all(action.partition(":")[2].startswith(("Describe", "Get")) for action in statement["actions"])
            assert reads or statement["condition"][0]["test"] == "ArnLike", statement["sid"]
        assert not any("*" in action for action in statement["actions"])
