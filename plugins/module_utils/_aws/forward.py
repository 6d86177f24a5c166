# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions of a listener or a rule, read and rewritten; pure. Weights of AWS are parts of their sum, 0 to 999."""

from __future__ import annotations

import copy
import typing as t
from dataclasses import dataclass

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, Weights, parse
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

Action = dict[str, t.Any]

# What may stand in front of the forward: it is kept as it is.
AUTHENTICATE = ("authenticate-cognito", "authenticate-oidc", "jwt-validation")


@dataclass(frozen=True)
class Found:
    """What stands. C(weights) is None where the forward does not say percents of our two groups."""

    weights: t.Optional[Weights]
    trouble: str
    stickiness: t.Mapping[str, t.Any]
    in_front: t.Sequence[str]


def read(actions: t.Sequence[Action], groups: t.Mapping[str, str]) -> Found:
    """Return what C(actions) do with requests; C(groups) are the ARNs of the slots' target groups."""
    in_front = [str(action["Type"]) for action in actions[:-1]]
    strange = _strange(actions)
    if strange:
        return Found(None, strange, {}, in_front)
    last = actions[-1]
    shares = _shares(last)
    stickiness = dict((last.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {"Enabled": False})
    foreign = [arn for arn in shares if arn not in groups.values()]
    missing = [slot for slot in SLOTS if groups[slot] not in shares]
    if foreign:
        return Found(None, f"the forward names the target group {_name(foreign[0])}, of no slot", stickiness, in_front)
    parts = [shares.get(groups[slot], 0) for slot in SLOTS]
    weights = _percents(parts)
    if weights is None:
        trouble = f"the forward's weights are blue {parts[0]} and green {parts[1]}, which are no whole percents"
        return Found(None, trouble, stickiness, in_front)
    trouble = ""
    if missing:
        # A group that nothing refers to is never health-checked, so its slot could never be staged.
        trouble = f"the forward does not name {_name(groups[missing[0]])}, the target group of {missing[0]}; run adopt"
    return Found(weights, trouble, stickiness, in_front)


def written(actions: t.Sequence[Action], groups: t.Mapping[str, str], weights: Weights) -> list[Action]:
    """Return C(actions) with both groups in the forward by these weights, and everything else as it was.

    Raises ReleaseError when there is no forward at the end, or something unknown in front of it.
    """
    strange = _strange(actions)
    if strange:
        raise ReleaseError(f"{strange}; nothing was written")
    rewritten = [_kept(action) for action in actions]
    last = rewritten[-1]
    config = dict(last.get("ForwardConfig") or {})
    order = [arn for arn in _shares(last) if arn in groups.values()]
    order += [groups[slot] for slot in SLOTS if groups[slot] not in order]
    slot_of = {groups[slot]: slot for slot in SLOTS}
    config["TargetGroups"] = [{"TargetGroupArn": arn, "Weight": weights[slot_of[arn]]} for arn in order]
    last["ForwardConfig"] = config
    # The short form of a forward to one group; beside two groups it is refused.
    last.pop("TargetGroupArn", None)
    return rewritten


def _strange(actions: t.Sequence[Action]) -> str:
    """Return what is not understood, empty when everything is."""
    for action in actions[:-1]:
        if action["Type"] not in AUTHENTICATE:
            return f"there is an action {action['Type']!r} in front of the forward, which is not understood"
    if not actions or actions[-1]["Type"] != "forward":
        return f"the last action is {actions[-1]['Type'] if actions else 'none'!r}, not a forward"
    return ""


def _shares(forward: Action) -> dict[str, int]:
    """Return the weight of each target group; a forward to one group comes with its ARN alone or in either form."""
    listed = (forward.get("ForwardConfig") or {}).get("TargetGroups") or []
    if listed:
        return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in listed}
    return {forward["TargetGroupArn"]: 1} if forward.get("TargetGroupArn") else {}


def _percents(parts: t.Sequence[int]) -> t.Optional[Weights]:
    total = sum(parts)
    if total == 0 or parts[0] * 100 % total:
        return None
    blue = parts[0] * 100 // total
    return parse({"blue": blue, "green": 100 - blue})


def _kept(action: Action) -> Action:
    """Return an action as it must be sent to stay as it is."""
    kept = copy.deepcopy(action)
    config = kept.get("AuthenticateOidcConfig")
    if config is not None and not config.get("ClientSecret"):
        # AWS never tells the secret; without this it would demand it again.
        config["UseExistingClientSecret"] = True
    return kept


def _name(arn: str) -> str:
    """Return a target group's name, from its ARN C(...:targetgroup/NAME/ID)."""
    parts = arn.split("/")
    return parts[1] if len(parts) == 3 else arn
