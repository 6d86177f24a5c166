# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name the two slots of an app that are Deployments."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the Deployment fleet names."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: The namespace of the Deployments.
    type: str
    required: true
  deployments:
    description: The Deployment of each slot. Both have to be there, with 0 replicas where nothing runs yet.
    type: dict
    required: true
    suboptions:
      blue:
        description: The Deployment of blue.
        type: str
        required: true
      green:
        description: The Deployment of green.
        type: str
        required: true
  services:
    description:
      - The Service of each slot, the same one for both where the slots are subsets of one Service. A pod counts as
        ready once that Service's EndpointSlices say so too. Without this option a pod's own readiness is all that is
        asked.
    type: dict
    suboptions:
      blue:
        description: The Service that sends requests to blue.
        type: str
        required: true
      green:
        description: The Service that sends requests to green.
        type: str
        required: true
  container:
    description: The container whose image is the revision; needed where the pods have several.
    type: str
  image:
    description:
      - The image without its tag; a registry's port is no tag. A revision that begins with C(sha256:) is its digest,
        any other one its tag. Without this option the revision is the whole name of an image.
    type: str
  template:
    description:
      - The whole pod template that the slot shall run, in the place of the one that stands there. The image of
        O(container) and the labels by which the Deployment finds its pods are put in, so one template serves both
        slots.
    type: dict
  machines:
    description:
      - Inventory names of machines that reach the API where the controller does not. Without them it is the task's own
        host.
    type: list
    elements: str
    default: []
"""
