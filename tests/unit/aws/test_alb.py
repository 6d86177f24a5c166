# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How C(alb_traffic) finds its listener or rule, and what it does about a write that was broken off."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="the lab needs the Python package moto")
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import alb
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.alb import ALBTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

from tests.lab.aws.cloud import Cloud
from tests.lab.aws.shop import Shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Cloud() as cloud:
        yield Shop(cloud, delay=1)


def driver(shop: Shop, **where: t.Any) -> ALBTraffic:
    given = {**shop.cloud.options, "slots": shop.groups, **where}
    checked = ArgumentSpecValidator(ALBTraffic.spec).validate(given)
    assert not checked.error_messages
    return ALBTraffic(checked.validated_parameters)


def test_a_listener_is_found_by_load_balancer_and_port(shop: Shop) -> None:
    found = driver(shop, load_balancer=shop.name, port=80)
    assert found.identity() == driver(shop, listener_arn=shop.listener).identity() == f"alb:{shop.listener}"
    assert found.observe().weights == Weights(100, 0)


def test_a_port_without_a_listener_is_named_with_those_there_are(shop: Shop) -> None:
    with pytest.raises(ReleaseError, match="shop has no listener on port 1; it has 80"):
        driver(shop, load_balancer=shop.name, port=1).observe()


def test_a_rule_is_found_by_its_arn_and_its_listener_is_left_alone(shop: Shop) -> None:
    rule = shop.elbv2.create_rule(
        ListenerArn=shop.listener,
        Priority=7,
        Conditions=[{"Field": "path-pattern", "Values": ["/seven*"]}],
        Actions=[shop.forward(100, 0)],
    )["Rules"][0]["RuleArn"]
    found = driver(shop, rule_arn=rule)
    found.write(found.observe(), Weights(25, 75), 0)
    assert found.observe().weights == Weights(25, 75)
    assert driver(shop, listener_arn=shop.listener, priority=7).identity() == f"alb:{rule}"
    assert shop.weights() == [100, 0]


def test_a_write_that_was_broken_off_is_waited_for_before_anything_is_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = driver(shop, listener_arn=shop.listener)
    seen = found.observe()
    may_end, call = threading.Event(), found.elb.call

    def held(operation: str, **arguments: t.Any) -> t.Any:
        if operation == "modify_listener":
            assert may_end.wait(10)
        return call(operation, **arguments)

    def broken_off(one: alb._Call) -> None:
        raise InterruptedError

    monkeypatch.setattr(found.elb, "call", held)
    monkeypatch.setattr(alb._Call, "wait", broken_off)
    with pytest.raises(InterruptedError):
        found.write(seen, Weights(90, 10), 0)
    threading.Timer(0.3, may_end.set).start()
    # Read at once it would still be 100 / 0, and a restore would find nothing to do.
    assert found.observe().weights == Weights(90, 10)


def test_a_rule_is_found_by_its_conditions_in_any_order(shop: Shop) -> None:
    def rule(priority: int, *conditions: dict[str, t.Any]) -> str:
        made = shop.elbv2.create_rule(
            ListenerArn=shop.listener, Priority=priority, Conditions=conditions, Actions=[shop.forward(100, 0)]
        )
        return t.cast(str, made["Rules"][0]["RuleArn"])

    host = {"Field": "host-header", "HostHeaderConfig": {"Values": ["b.example.com", "a.example.com"]}}
    header = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Shop", "Values": ["eu"]}}
    both, one = rule(20, host, header), rule(21, host)
    hosts = ["a.example.com", "b.example.com"]
    where = {"listener_arn": shop.listener}
    asked = {"http-header": {"x-shop": "eu"}, "host-header": hosts}
    assert driver(shop, conditions=asked, **where).identity() == f"alb:{both}"
    assert driver(shop, conditions={"host-header": hosts}, **where).identity() == f"alb:{one}", "all of them, no less"
    with pytest.raises(ReleaseError, match="no rule with the conditions path-pattern /nine; it has .*host-header a"):
        driver(shop, conditions={"path-pattern": "/nine"}, **where).observe()
    rule(22, host)
    with pytest.raises(ReleaseError, match="at the priorities 21 and 22: name one of them"):
        driver(shop, conditions={"host-header": hosts}, **where).observe()


@pytest.mark.parametrize("given", [{"host": "a"}, {"host-header": {"X": "a"}}, {"http-header": "a"}])
def test_conditions_that_are_none_are_refused_with_those_there_are(shop: Shop, given: dict[str, t.Any]) -> None:
    with pytest.raises(ReleaseError, match="conditions take host-header, path-pattern, "):
        driver(shop, listener_arn=shop.listener, conditions=given)


def test_looks_that_follow_closely_share_the_health_and_say_how_old_it_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(alb.time, "monotonic", lambda: now[0])
    found = driver(shop, listener_arn=shop.listener)

    def look(at: float) -> tuple[int, int, float]:
        now[0] = at
        shop.cloud.faults.calls.clear()
        age = found.observe().facts["age"]
        calls = shop.cloud.faults.calls
        return calls.count("DescribeListeners"), calls.count("DescribeTargetHealth"), round(age, 2)

    assert look(100.0) == (1, 2, 0.0)
    assert look(100.0 + alb.HEALTH / 2) == (1, 0, alb.HEALTH / 2), "the weights are never taken from memory"
    assert look(100.1 + alb.HEALTH) == (1, 2, 0.0)


def test_a_move_reads_the_weights_once_before_it_writes_and_once_after(shop: Shop) -> None:
    found = driver(shop, listener_arn=shop.listener)
    found.identity()
    shop.cloud.faults.calls.clear()
    _traffic.move(found, {"weights": {"blue": 70, "green": 30}, "force": True})
    calls = [call for call in shop.cloud.faults.calls if "Attributes" not in call]
    assert calls == ["DescribeTargetHealth", "DescribeTargetHealth", "DescribeListeners", "ModifyListener"] + [
        "DescribeListeners"
    ]
