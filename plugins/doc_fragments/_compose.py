# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name the two slots of an app in a Compose project."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the Compose fleet names."""

    DOCUMENTATION = r"""
options:
  project_src:
    description: The folder of the Compose project, on the machine of the Docker engine; an absolute path.
    type: path
    required: true
  services:
    description: The service of each slot.
    type: dict
    required: true
    suboptions:
      blue:
        description: The service of blue.
        type: str
        required: true
      green:
        description: The service of green.
        type: str
        required: true
  project_name:
    description: The project's name; by default what Compose makes of the file and the folder.
    type: str
  files:
    description: The Compose files, relative to O(project_src); by default those that Compose finds there.
    type: list
    elements: path
    default: []
  env_file:
    description:
      - The file, relative to O(project_src), that says what each slot runs. Only the variables of the two services
        are changed, such as C(APP_BLUE_IMAGE), C(APP_BLUE_REVISION) and C(APP_BLUE_SCALE) of the service C(app-blue),
        in one rename. The Compose file itself is never changed.
      - With the default, a plain C(docker compose up -d) by hand brings what stands.
    type: path
    default: .env
  image:
    description:
      - The image without its tag. A revision that begins with C(sha256:) is its digest, any other one its tag. Without
        this option the revision is the whole name of an image.
    type: str
  variables:
    description:
      - Further variables of the slot that is staged. C(LOG_LEVEL) is written as C(APP_BLUE_LOG_LEVEL) for the service
        C(app-blue).
    type: dict
    default: {}
  docker_host:
    description: The engine's socket, on its own machine.
    type: str
    default: unix:///var/run/docker.sock
  machines:
    description:
      - The Docker hosts, inventory names. Each has the project at the same place, with a balancer of its own. Without
        them it is the task's own host.
    type: list
    elements: str
    default: []
requirements:
  - Docker engine 20.10 or newer, and Compose v2 as the plugin C(docker compose)
"""
