# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions of a listener or a rule say, and how they are rewritten."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.forward import read, written
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup"
BLUE, GREEN, OTHER = f"{ARN}/shop-blue/1", f"{ARN}/shop-green/2", f"{ARN}/billing/3"
GROUPS = {"blue": BLUE, "green": GREEN}
STICKY = {"Enabled": True, "DurationSeconds": 3600}


def forward(weights: dict[str, int], **more: t.Any) -> dict[str, t.Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return {
        "Type": "forward",
        "Order": 1,
        "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": STICKY},
        **more,
    }


OIDC = {
    "Type": "authenticate-oidc",
    "Order": 1,
    "AuthenticateOidcConfig": {"Issuer": "https://id.example.com", "ClientId": "shop", "Scope": "openid"},
}


@pytest.mark.parametrize(
    ("action", "weights", "trouble"),
    [
        (forward({BLUE: 100, GREEN: 0}), Weights(100, 0), ""),
        (forward({GREEN: 10, BLUE: 90}), Weights(90, 10), ""),
        (forward({BLUE: 9, GREEN: 1}), Weights(90, 10), ""),
        (forward({BLUE: 0, GREEN: 999}), Weights(0, 100), ""),
        ({"Type": "forward", "TargetGroupArn": GREEN}, Weights(0, 100), "does not name shop-blue"),
        (forward({BLUE: 1}, TargetGroupArn=BLUE), Weights(100, 0), "does not name shop-green"),
        (forward({BLUE: 0, GREEN: 0}), None, "blue 0 and green 0, which are no whole percents"),
        (forward({BLUE: 2, GREEN: 1}), None, "blue 2 and green 1, which are no whole percents"),
        (forward({BLUE: 50, GREEN: 50, OTHER: 0}), None, "the forward names the target group billing, of no slot"),
        ({"Type": "redirect", "RedirectConfig": {}}, None, "the last action is 'redirect', not a forward"),
        ({"Type": "fixed-response"}, None, "the last action is 'fixed-response', not a forward"),
    ],
)
def test_what_stands_is_read_from_either_shape(action: dict[str, t.Any], weights: Weights | None, trouble: str) -> None:
    found = read([action], GROUPS)
    assert found.weights == weights
    assert trouble in found.trouble
    assert bool(found.trouble) is bool(trouble)


def test_an_action_in_front_that_is_not_understood_is_trouble_and_never_written() -> None:
    actions = [{"Type": "rate-limit", "Order": 1}, forward({BLUE: 100, GREEN: 0}, Order=2)]
    assert "'rate-limit' in front of the forward, which is not understood" in read(actions, GROUPS).trouble
    with pytest.raises(ReleaseError, match="not understood; nothing was written"):
        written(actions, GROUPS, Weights(0, 100))


def test_a_last_action_that_is_no_forward_is_never_replaced() -> None:
    with pytest.raises(ReleaseError, match="not a forward; nothing was written"):
        written([{"Type": "redirect"}], GROUPS, Weights(0, 100))


def test_only_the_weights_change_and_both_are_sent() -> None:
    actions = [forward({GREEN: 0, BLUE: 100}, Future="kept")]
    before = copy.deepcopy(actions)
    assert written(actions, GROUPS, Weights(0, 100)) == [forward({GREEN: 100, BLUE: 0}, Future="kept")]
    assert actions == before


def test_the_short_form_becomes_the_long_one() -> None:
    (action,) = written([{"Type": "forward", "TargetGroupArn": BLUE, "Order": 1}], GROUPS, Weights(95, 5))
    assert "TargetGroupArn" not in action
    assert [group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]] == [95, 5]


def test_authentication_in_front_is_kept_with_the_secret_that_aws_does_not_tell() -> None:
    first, second = written([OIDC, forward({BLUE: 100, GREEN: 0}, Order=2)], GROUPS, Weights(0, 100))
    assert first["AuthenticateOidcConfig"] == {**OIDC["AuthenticateOidcConfig"], "UseExistingClientSecret": True}
    assert second["Order"] == 2
    assert read([OIDC, second], GROUPS).in_front == ["authenticate-oidc"]
