# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Service has no weights: steps made of them are refused before anything is staged."""

from __future__ import annotations

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.action.release_preflight import _refuse_steps
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError


@pytest.mark.parametrize("steps", [[5, 100], "auto"])
def test_steps_behind_a_service_are_refused(steps: str | list[int]) -> None:
    with pytest.raises(ReleaseError, match=r"service_traffic sends all .*release_steps has to be \[100\]"):
        _refuse_steps("service_traffic", steps)


def test_all_at_once_behind_a_service_and_steps_behind_weights_are_taken() -> None:
    _refuse_steps("service_traffic", [100])
    _refuse_steps("istio_traffic", [5, 100])
