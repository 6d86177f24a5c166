# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How AWS is reached, and what each kind of failure of a call becomes: refused or unknown, in one sentence."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import session
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.session import AUTH_SPEC, Service, code
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError

pytest.importorskip("moto", reason="the lab needs the Python package moto")
from tests.lab.aws.cloud import Cloud

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
        Service({**options, "access_key": None, "profile": "none-such"}, "elbv2").call("describe_load_balancers")


def test_a_role_is_assumed_with_the_same_endpoint(cloud: Cloud, options: dict[str, t.Any]) -> None:
    cloud.faults.calls.clear()
    role = {"assume_role_arn": "arn:aws:iam::123456789012:role/release"}
    Service({**options, **role}, "elbv2").call("describe_load_balancers")
    assert cloud.faults.calls == ["AssumeRole", "DescribeLoadBalancers"]


def test_options_have_the_aliases_and_the_environment_of_amazon_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "EC2_REGION", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    checked = ArgumentSpecValidator(AUTH_SPEC).validate({"aws_access_key": "AKIA"})
    assert not checked.error_messages
    values = checked.validated_parameters
    assert (values["region"], values["secret_key"], values["access_key"]) == ("eu-west-1", SECRET, "AKIA")


def test_a_missing_boto3_is_one_sentence_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MISSING", "Traceback ...")
    with pytest.raises(ReleaseError, match=r"needs the Python package boto3 in \S+: run '\S+ -m pip install boto3'"):
        Service({}, "elbv2").call("describe_load_balancers")
