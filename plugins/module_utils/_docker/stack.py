# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rest of a Compose project, beside its slots: what C(compose_stack) and its module say of it."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import plan
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.driver import ComposeFleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._fleet_module import MACHINES

SPEC: dict[str, t.Any] = {**ComposeFleet.spec, "start": {"type": "bool", "default": True}, "machines": MACHINES}


def bring_up(options: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Bring the services up that are no slots, where C(start) is asked for, and return the result of the name.

    Raises ReleaseError, with nothing started when the slots could not be released.
    """
    project = ComposeFleet(options)
    configuration = project.configuration()
    changes = project.bring_up(check_mode) if options["start"] else []
    return {"changed": bool(changes), "diff": plan.diff(changes), "configuration": configuration}
