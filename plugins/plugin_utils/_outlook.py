# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform kubernetes says in preflight of a release to come: room for both slots, and node drains."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.fleet import DeploymentFleet

SPEC = DeploymentFleet.spec


def look(settings: t.Mapping[str, t.Any], slot: str) -> list[str]:
    """Return a sentence for each thing to know before C(slot) is staged. Raises ReleaseError where it cannot be."""
    given = {name: settings[f"kubernetes_{name}"] for name in SPEC if settings.get(f"kubernetes_{name}")}
    # As a task of the fleet would read them: what is not given may stand in the environment.
    checked = ArgumentSpecValidator(SPEC).validate(given)
    if checked.error_messages:
        raise ReleaseError(f"release_kubernetes: {checked.error_messages[0]}")
    return DeploymentFleet(checked.validated_parameters).outlook(slot, int(settings["kubernetes_capacity"] or 0))
