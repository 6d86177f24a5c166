# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of every name that looks."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that lists what was made."""

    DOCUMENTATION = r"""
options:
  owned:
    description:
      - Also list, as RV(owned), what this collection has made there and what is there now.
    type: bool
    default: false
"""
