# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name the traffic of one app behind HAProxy."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the HAProxy traffic names."""

    DOCUMENTATION = r"""
options:
  socket:
    description:
      - The stats socket of HAProxy, with C(level admin). An absolute path, or C(host:port).
    type: str
    required: true
  slots:
    description: The backend of each slot.
    type: dict
    required: true
    suboptions:
      blue:
        description: The backend of blue.
        type: str
        required: true
      green:
        description: The backend of green.
        type: str
        required: true
  map:
    description:
      - The map file from which the frontend reads the weights. Several apps may share it; only the line of O(key) is
        touched, under a lock on a file beside it.
    type: path
    default: /etc/haproxy/zerodowntime.map
  key:
    description: The entry of this app in the map. By default what the names of the two backends begin with.
    type: str
  persist:
    description:
      - Whether the map file is written in the same step. Without it a reload of HAProxy falls back to the file, and
        there is no place for a lock. For a HAProxy that is reached over TCP from a machine without its files.
    type: bool
    default: true
  timeout:
    description: Seconds an answer of the socket may take.
    type: float
    default: 5.0
requirements:
  - HAProxy 2.4 or newer, with a frontend that reads the map as docs/examples/hosts/haproxy.cfg does
"""
