# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A become method that needs no other user: the command only sees, in LAB_BECAME, whom it should run as."""

from __future__ import annotations

import shlex

from ansible.plugins.become import BecomeBase

DOCUMENTATION = """
name: lab
short_description: Note who the command should run as
description: [For tests.]
author: [The zerodowntime.bluegreen project (@zerodowntime)]
options:
  become_user:
    description: Who.
    default: root
    vars: [{name: ansible_become_user}]
    keyword: [{name: become_user}]
  become_pass:
    description: The password.
    vars: [{name: ansible_become_password}]
  become_exe:
    description: Unused.
  become_flags:
    description: Unused.
"""


class BecomeModule(BecomeBase):
    name = "lab"

    def build_become_command(self, cmd, shell):
        super().build_become_command(cmd, shell)
        note = f"{self.get_option('become_user')} with {self.get_option('become_pass')}"
        return f"env LAB_BECAME={shlex.quote(note)} {self._build_success_command(cmd, shell)}"
