# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a namespace has room for both slots at once, and whether a node drain leaves the serving one up.

A quota that is too small is found by the controller only, when the first pod is not made; here before anything is.
"""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Object

QUOTAS, BUDGETS = ("v1", "resourcequotas"), ("policy/v1", "poddisruptionbudgets")

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]))?")
_SUFFIXES = {
    **{unit: Decimal(10) ** power for unit, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18))},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
# What a quota calls the resources of a pod, and where the pod's containers say how much of them.
_RESOURCES = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}


def quantity(text: t.Any) -> Decimal:
    """Return what a quantity of Kubernetes (C(100m), C(128Mi), C(2)) amounts to. Raises ValueError."""
    found = _QUANTITY.fullmatch(str(text))
    if not found:
        raise ValueError(f"{text!r} is no quantity")
    number, power, suffix = found.groups()
    return Decimal(number) * (Decimal(10) ** int(power) if power else _SUFFIXES.get(suffix or "", Decimal(1)))


def needed(pod: Object, resource: str) -> t.Optional[Decimal]:
    """Return how much of a quota's C(resource) one pod with that spec takes, None where nobody can know."""
    if resource in ("pods", "count/pods"):
        return Decimal(1)
    if resource not in _RESOURCES:
        return None
    kind, name = _RESOURCES[resource]
    values = [((one.get("resources") or {}).get(kind) or {}).get(name) for one in pod["containers"]]
    # Where a container does not say, the namespace may say it for it.
    return None if None in values else sum(map(quantity, values), Decimal(0))


def shortage(quotas: t.Sequence[Object], pod: Object, more: int) -> str:
    """Return which quota has no room for C(more) pods with that spec, and how much it has; empty when all have.

    Quotas with scopes hold for some pods only, and are left out.
    """
    for quota in quotas:
        spec, status = quota.get("spec") or {}, quota.get("status") or {}
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        for resource, hard in (status.get("hard") or {}).items():
            one = needed(pod, resource)
            left = quantity(hard) - quantity((status.get("used") or {}).get(resource, "0"))
            if one is not None and one * more > left:
                name = quota["metadata"]["name"]
                return (
                    f"the quota {name} has {_plain(left, resource)} of {_plain(quantity(hard), resource)} {resource} "
                    f"left, and {more} more pods need {_plain(one * more, resource)}"
                )
    return ""


def exposure(budgets: t.Sequence[Object], serving: t.Mapping[str, str], other: t.Mapping[str, str], slot: str) -> str:
    """Return why a node drain may take all pods of the C(slot) that serves, empty when a budget keeps some.

    C(serving) and C(other) are the labels of the pods of both slots.
    """
    covering = [one for one in budgets if matches((one.get("spec") or {}).get("selector"), serving)]
    if not covering:
        return f"no PodDisruptionBudget covers the pods of {slot}: a node drain during the release may take all of them"
    if all(matches(one["spec"].get("selector"), other) for one in covering):
        name = covering[0]["metadata"]["name"]
        return (
            f"the PodDisruptionBudget {name} counts the pods of both slots as one: a node drain during the release may "
            f"take all of {slot}"
        )
    return ""


def matches(selector: t.Optional[Object], labels: t.Mapping[str, str]) -> bool:
    """Return whether a label selector takes a pod with C(labels); an empty one takes all, none takes none."""
    if selector is None:
        return False
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or []:
        value, values = labels.get(rule["key"]), rule.get("values") or []
        fits = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not fits.get(rule["operator"], False):
            return False
    return True


def _plain(amount: Decimal, resource: str) -> str:
    if resource.endswith("memory"):
        return f"{amount / 2**20:.0f}Mi"
    return f"{amount.normalize():f}"
