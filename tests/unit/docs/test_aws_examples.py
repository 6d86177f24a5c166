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
PLAYBOOK = ROOT / "docs/examples/aws/infrastructure.yml"


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


# The playbook that builds the same


def play() -> dict[str, t.Any]:
    (only,) = yaml.safe_load(PLAYBOOK.read_text())
    return t.cast("dict[str, t.Any]", only)


def tasks(module: str) -> list[dict[str, t.Any]]:
    """Return the tasks of a module, in order."""
    found = [task for task in play()["tasks"] if module in task]
    assert found, module
    return found


def in_words_of_terraform(text: t.Any) -> str:
    """Return a name of the playbook as Terraform would write it."""
    words = str(text).replace("{{ infra_name }}", "${var.name}").replace("{{ item.slot }}", "${each.key}")
    return words.replace("{{ item }}", "${each.key}")


def test_the_playbook_takes_what_terraform_takes_with_the_same_defaults() -> None:
    blocks = [block for path in FILES for block in read(path).get("variable", [])]
    variables = {name: block for one in blocks for name, block in one.items()}
    taken = {name.removeprefix("infra_"): value for name, value in play()["vars"].items()}
    given = {name: block["default"] for name, block in variables.items() if "default" in block}
    assert {name: taken[name] for name in given} == given
    asked = {name for name, block in variables.items() if "default" not in block}
    assert {name for name in asked if taken[name] in ("", [])} == asked
    refused = " ".join(tasks("ansible.builtin.assert")[0]["ansible.builtin.assert"]["that"])
    assert {name for name in asked if f"infra_{name} |" in refused} == asked


def test_the_playbooks_target_groups_are_those_of_terraform() -> None:
    (task,) = tasks("community.aws.elb_target_group")
    group, wanted = task["community.aws.elb_target_group"], declared("resource", "aws_lb_target_group", "slot")
    (check,) = wanted["health_check"]
    assert in_words_of_terraform(group["name"]) == wanted["name"]
    assert (group["deregistration_delay_timeout"], group["protocol"].upper()) == (
        wanted["deregistration_delay"],
        wanted["protocol"],
    )
    names = {
        "path": "health_check_path",
        "matcher": "successful_response_codes",
        "interval": "health_check_interval",
        "timeout": "health_check_timeout",
        "healthy_threshold": "healthy_threshold_count",
        "unhealthy_threshold": "unhealthy_threshold_count",
    }
    assert {name: group[ours] for name, ours in names.items()} == {name: check[name] for name in names}


def test_the_playbooks_listener_is_that_of_terraform_and_is_made_once() -> None:
    (task,) = tasks("amazon.aws.elb_application_lb")
    balancer, wanted = task["amazon.aws.elb_application_lb"], declared("resource", "aws_lb_listener", "app")
    assert in_words_of_terraform(balancer["name"]) == declared("resource", "aws_lb", "app")["name"]
    (listener,) = task["vars"]["infra_listeners"]
    assert (listener["Port"], listener["Protocol"], listener["SslPolicy"]) == (
        wanted["port"],
        wanted["protocol"],
        wanted["ssl_policy"],
    )
    (action,) = listener["DefaultActions"]
    groups = action["ForwardConfig"]["TargetGroups"]
    assert [group["Weight"] for group in groups] == [
        group["weight"] for group in wanted["default_action"][0]["forward"][0]["target_group"]
    ]
    assert [rule["Conditions"][0]["HttpHeaderConfig"] for rule in listener["Rules"]] == [
        {"HttpHeaderName": "X-Release-Slot", "Values": [slot]} for slot in ("blue", "green")
    ]
    # What Terraform leaves alone by ignore_changes, the playbook makes only where there is none.
    assert balancer["listeners"] == "{{ omit if infra_has_listener else infra_listeners }}"
    assert (balancer["purge_listeners"], balancer["purge_rules"]) == (False, False)
    assert all("when" in task for task in tasks("amazon.aws.ec2_launch_template"))
    assert all("when" in task for task in tasks("amazon.aws.autoscaling_group"))


def test_the_playbooks_auto_scaling_groups_are_those_of_terraform() -> None:
    (task,) = tasks("amazon.aws.autoscaling_group")
    group, wanted = task["amazon.aws.autoscaling_group"], declared("resource", "aws_autoscaling_group", "slot")
    assert in_words_of_terraform(group["name"]) == wanted["name"]
    assert (group["health_check_type"], group["health_check_period"], group["max_size"]) == (
        wanted["health_check_type"],
        wanted["health_check_grace_period"],
        wanted["max_size"],
    )
    for ours, theirs in (("min_size", "min_size"), ("desired_capacity", "desired_capacity")):
        sizes = re.findall(r"\d+", group[ours])
        assert sizes == re.findall(r"\d+", str(wanted[theirs])), ours
    assert group["launch_template"]["version"].isdigit()


def test_the_playbooks_policy_is_that_of_terraform() -> None:
    (task,) = tasks("amazon.aws.iam_managed_policy")
    policy = task["amazon.aws.iam_managed_policy"]["policy"]["Statement"]

    def actions(statement: dict[str, t.Any]) -> set[str]:
        named = re.fullmatch(r"\{\{ (\w+) \}\}", str(statement["Action"]))
        return set(play()["vars"][named.group(1)] if named else statement["Action"])

    assert {one["Sid"]: actions(one) for one in policy} == {one["sid"]: set(one["actions"]) for one in statements()}
    assert {one["Sid"] for one in policy if one["Resource"] == "*"} == {
        one["sid"] for one in statements() if one["resources"] == ["*"]
    }
    assert {one["Sid"] for one in policy if "Condition" in one} == {
        one["sid"] for one in statements() if "condition" in one
    }


def test_the_playbooks_journal_is_that_of_terraform() -> None:
    (task,) = tasks("community.aws.dynamodb_table")
    table, wanted = task["community.aws.dynamodb_table"], declared("resource", "aws_dynamodb_table", "journal")
    assert in_words_of_terraform(table["name"]) == wanted["name"]
    assert (table["hash_key_name"], table["hash_key_type"][0], table["billing_mode"]) == (
        wanted["hash_key"],
        wanted["attribute"][0]["type"],
        wanted["billing_mode"],
    )
    (kept,) = tasks("community.aws.dynamodb_ttl")
    assert kept["community.aws.dynamodb_ttl"]["attribute_name"] == wanted["ttl"][0]["attribute_name"]
