# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How AWS is reached, and what each kind of failure of a call becomes: refused or unknown, in one sentence."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import session
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.session import AUTH_SPEC, Service, code
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError

pytest.importorskip("moto", reason="the lab needs the Python package moto")
from tests.lab.aws.cloud import Cloud
from tests.unit.docs.pages import ROOT

SECRET = "canary-secret-3b1f"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as lab:
        yield lab


@pytest.fixture
def options(cloud: Cloud) -> Iterator[dict[str, t.Any]]:
    yield {**cloud.options, "secret_key": SECRET, "retries": 2}
    cloud.faults.clear()


def test_the_answer_of_a_call_and_all_pages_of_one(options: dict[str, t.Any]) -> None:
    elb = Service(options, "elbv2")
    assert elb.call("describe_load_balancers")["LoadBalancers"] == []
    assert elb.pages("describe_load_balancers", "LoadBalancers") == []
    assert elb.region == "eu-central-1"


def test_a_refusal_is_an_error_with_the_word_of_aws(options: dict[str, t.Any]) -> None:
    with pytest.raises(ReleaseError, match="AWS elbv2 describe_listeners: ListenerNotFound: ") as refused:
        Service(options, "elbv2").call("describe_listeners", ListenerArns=["arn:aws:none"])
    assert not isinstance(refused.value, Lost)
    assert code(refused.value) == "ListenerNotFound"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["throttle", "error", "html", "reset", "delay"])
def test_an_answer_that_does_not_say_whether_it_was_done_is_unknown(
    cloud: Cloud, options: dict[str, t.Any], kind: str, when: str
) -> None:
    cloud.faults.plan("DescribeLoadBalancers", kind, when=when, times=99, seconds=0.8)
    with pytest.raises(Lost) as lost:
        Service({**options, "timeout": 0.4 if kind == "delay" else 10.0}, "elbv2").call("describe_load_balancers")
    assert "\n" not in str(lost.value)
    assert SECRET not in str(lost.value)


def test_a_refusal_of_the_second_try_is_unknown_as_the_first_may_have_been_made(
    cloud: Cloud, options: dict[str, t.Any]
) -> None:
    cloud.faults.plan("DescribeLoadBalancers", "reset", when="after", nth=1)
    cloud.faults.plan("DescribeLoadBalancers", "denied", nth=2)
    with pytest.raises(Lost, match="AccessDenied"):
        Service(options, "elbv2").call("describe_load_balancers")


def test_nobody_there_and_an_unknown_profile_are_one_sentence(options: dict[str, t.Any]) -> None:
    with pytest.raises(Lost, match="no answer"):
        Service({**options, "endpoint_url": "http://127.0.0.1:9"}, "elbv2").call("describe_load_balancers")
    with pytest.raises(ReleaseError, match=r"profile \(none-such\) could not be found"):
        Service({**options, "access_key": None, "secret_key": None, "profile": "none-such"}, "elbv2").call(
            "describe_load_balancers"
        )


def test_a_role_is_assumed_with_the_same_endpoint(cloud: Cloud, options: dict[str, t.Any]) -> None:
    cloud.faults.calls.clear()
    role = {"assume_role_arn": "arn:aws:iam::123456789012:role/release"}
    Service({**options, **role}, "elbv2").call("describe_load_balancers")
    assert cloud.faults.calls == ["AssumeRole", "DescribeLoadBalancers"]


# What amazon.aws 9 to 11 takes in every module: type, default, aliases, environment in the order of its weight.
OF_AMAZON_AWS: dict[str, tuple[str, t.Any, list[str], list[str]]] = {
    "access_key": (
        "str",
        None,
        ["aws_access_key_id", "aws_access_key", "ec2_access_key"],
        ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "EC2_ACCESS_KEY"],
    ),
    "secret_key": (
        "str",
        None,
        ["aws_secret_access_key", "aws_secret_key", "ec2_secret_key"],
        ["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "EC2_SECRET_KEY"],
    ),
    "session_token": (
        "str",
        None,
        ["aws_session_token", "security_token", "access_token", "aws_security_token"],
        ["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "EC2_SECURITY_TOKEN"],
    ),
    "profile": ("str", None, ["aws_profile"], ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]),
    "region": ("str", None, ["aws_region", "ec2_region"], ["AWS_REGION", "AWS_DEFAULT_REGION", "EC2_REGION"]),
    "endpoint_url": ("str", None, ["aws_endpoint_url", "ec2_url", "s3_url"], ["AWS_URL", "EC2_URL", "S3_URL"]),
    "validate_certs": ("bool", True, [], []),
    "aws_ca_bundle": ("path", None, [], ["AWS_CA_BUNDLE"]),
    "aws_config": ("dict", None, [], []),
    "debug_botocore_endpoint_logs": ("bool", False, [], ["ANSIBLE_DEBUG_BOTOCORE_LOGS"]),
}
OURS = {"assume_role_arn", "assume_role_session_name", "retries", "timeout"}


def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for _type, _default, _aliases, names in OF_AMAZON_AWS.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", OF_AMAZON_AWS)
def test_an_option_is_as_amazon_aws_has_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_environment(monkeypatch)
    kind, default, aliases, environment = OF_AMAZON_AWS[name]
    option = AUTH_SPEC[name]
    assert (option["type"], option.get("default")) == (kind, default)
    assert set(option.get("aliases", [])) == set(aliases)
    value: t.Any = {"bool": not default, "dict": {"connect_timeout": 3}}.get(kind, "/tmp/x")
    for alias in (name, *aliases):
        assert ArgumentSpecValidator(AUTH_SPEC).validate({alias: value}).validated_parameters[name] == value
    for number, variable in enumerate(reversed(environment)):  # each one stands before all that are set already
        word = str(value) if kind == "bool" else f"/tmp/{number}"
        monkeypatch.setenv(variable, word)
        found = ArgumentSpecValidator(AUTH_SPEC).validate({}).validated_parameters[name]
        assert found == (value if kind == "bool" else word)
    if environment and kind == "str":
        assert ArgumentSpecValidator(AUTH_SPEC).validate({name: ""}).validated_parameters[name] == ""


def test_no_other_option_is_there_and_secrets_are_hidden() -> None:
    assert set(AUTH_SPEC) == set(OF_AMAZON_AWS) | OURS
    assert {name for name, option in AUTH_SPEC.items() if option.get("no_log")} == {"secret_key", "session_token"}


def test_a_profile_beside_keys_is_refused_as_amazon_aws_does_unless_one_is_emptied(
    options: dict[str, t.Any], tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[profile ops]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(ReleaseError, match=r"there is a profile \(ops\) and there are keys.*set the other one to ''"):
        Service({**options, "profile": "ops"}, "elbv2").call("describe_load_balancers")
    keys = {"access_key": "", "secret_key": "", "session_token": ""}
    assert Service({**options, **keys, "profile": "ops", "region": None}, "elbv2").region == "eu-west-3"
    assert Service({**options, "profile": ""}, "elbv2").call("describe_load_balancers")["LoadBalancers"] == []


def test_settings_of_botocore_are_laid_over_ours_and_a_wrong_one_is_one_sentence(options: dict[str, t.Any]) -> None:
    elb = Service({**options, "aws_config": {"read_timeout": 3, "user_agent_extra": "ops"}}, "elbv2")
    elb.call("describe_load_balancers")
    config = elb._client.meta.config
    assert (config.read_timeout, config.connect_timeout, config.user_agent_extra) == (3, 10.0, "ops")
    with pytest.raises(ReleaseError, match="aws_config: .*raed_timeout"):
        Service({**options, "aws_config": {"raed_timeout": 3}}, "elbv2").call("describe_load_balancers")


@pytest.mark.parametrize(
    ("given", "verified"),
    [
        ({}, None),
        ({"aws_ca_bundle": "/etc/ssl/lab.pem"}, "/etc/ssl/lab.pem"),
        ({"aws_ca_bundle": "/etc/ssl/lab.pem", "validate_certs": False}, False),
    ],
)
def test_certificates_are_verified_as_asked(
    options: dict[str, t.Any], given: dict[str, t.Any], verified: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, t.Any] = {}
    warm = session._WARM.__class__

    def client(_session: t.Any, _name: str, **more: t.Any) -> None:
        seen.update(more)

    monkeypatch.setattr(warm, "client", client)
    session._client({**options, **given, "retries": 5, "timeout": 4.0}, "elbv2")
    assert seen["verify"] == verified
    assert (seen["config"].retries["total_max_attempts"], seen["config"].read_timeout) == (5, 4.0)
    assert (seen["region_name"], seen["aws_access_key_id"]) == (options["region"], options["access_key"])


def test_module_defaults_of_the_group_aws_reach_these_names_and_those_of_amazon_aws() -> None:
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]["aws"]
    assert groups[0] == {"metadata": {"extend_group": ["amazon.aws.aws"]}}
    assert set(groups[1:]) == {"alb_traffic", "alb_traffic_info", "asg_fleet", "asg_fleet_info"}


def test_a_missing_boto3_is_one_sentence_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MISSING", "Traceback ...")
    with pytest.raises(ReleaseError, match=r"needs the Python package boto3 in \S+: run '\S+ -m pip install boto3'"):
        Service({}, "elbv2").call("describe_load_balancers")
