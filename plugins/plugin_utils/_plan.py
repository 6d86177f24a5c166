# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release tells the user's own task files."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

# What a rollback stages again as it was recorded, whatever the inventory says by then.
STAGED = ("compose_image", "compose_variables", "aws_ami", "aws_template_data", "aws_template_version")
STAGED += ("kubernetes_image", "kubernetes_template")


def variables(
    settings: Mapping[str, t.Any],
    revision: str | None,
    stable: str | None,
    canary: str | None,
    specification: Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """Return the variables that every task file gets; C(specification) is the recorded one of an older release."""
    recorded = specification or {}
    return {
        **(recorded.get("hosts_variables") or settings["hosts_variables"]),
        **{f"release_{name}": recorded.get(name) or settings[name] for name in STAGED},
        "release_app": settings["app"],
        "release_environment": settings["environment"],
        "release_revision": revision,
        "release_stable": stable,
        "release_canary": canary,
    }
