# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name the two slots of an app in Auto Scaling groups."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the Auto Scaling fleet names."""

    DOCUMENTATION = r"""
options:
  groups:
    description:
      - The Auto Scaling group of each slot. Both stay; each has a launch template of its own or shares one with the
        other, and is attached to the target group of its slot.
    type: dict
    required: true
    suboptions:
      blue:
        description: The group of blue.
        type: str
        required: true
      green:
        description: The group of green.
        type: str
        required: true
  ami:
    description:
      - The AMI of the revision. Without it the revision is itself the id of an AMI.
      - It is laid over O(template_version), so that nothing else changes.
    type: str
  template_data:
    description:
      - The whole content of the launch template's new version, as C(CreateLaunchTemplateVersion) takes it in
        C(LaunchTemplateData). Then nothing is taken over from another version.
    type: dict
    default: {}
  template_version:
    description:
      - The version of the launch template that O(ami) is laid over, a number, C($Latest) or C($Default). By default the
        one that the other slot's group is pinned to. V($Latest) brings a change of the template by other hands, such as
        another instance type, into service.
    type: str
  machines:
    description: Inventory machines to make the calls from. Without them it is the task's own host.
    type: list
    elements: str
    default: []
"""
