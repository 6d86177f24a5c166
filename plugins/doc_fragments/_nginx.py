# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name the traffic of one app behind nginx."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the nginx traffic names."""

    DOCUMENTATION = r"""
options:
  slots:
    description: The upstream of each slot.
    type: dict
    required: true
    suboptions:
      blue:
        description: The upstream of blue.
        type: str
        required: true
      green:
        description: The upstream of green.
        type: str
        required: true
  mode:
    description:
      - How nginx learns of new weights. V(flag) needs no reload, and nginx 1.18 or newer; V(reload) is one.
    type: str
    choices: [flag, reload]
    default: flag
  state:
    description:
      - The folder with the flag files, locks and leases of all apps; nginx's workers must be able to enter it. Where
        nginx runs in a container, mount this folder, not one below it.
    type: path
    default: /etc/nginx/zerodowntime
  key:
    description:
      - The name of this app below O(state), and in mode V(reload) in the variable C($KEY_split). By default what the
        names of the two upstreams begin with.
    type: str
  pid_file:
    description:
      - The file in which nginx leaves the number of its master process. Where it is given, it is seen whether nginx
        runs, in which version, and whether its workers may read O(state). V(/run/nginx.pid) in mode V(reload).
    type: path
  config:
    description:
      - The main configuration file. Where it is given, it is read with all it includes, and found out whether it has
        both upstreams and looks at O(state) or O(include). V(/etc/nginx/nginx.conf) in mode V(reload).
    type: path
  include:
    description: The file that holds the split in mode V(reload), which O(config) includes. Required there.
    type: path
  nginx:
    description: The program that tests a candidate in mode V(reload), and tells its version.
    type: path
    default: nginx
  timeout:
    description:
      - Seconds within which nginx must have started new workers after a reload; else the file before is put back.
    type: float
    default: 10.0
  linger:
    description:
      - Seconds that a move in mode V(reload) then waits for the old workers to end. Those that are still there have
        requests in flight, or idle connections that get one more answer by the old split.
    type: float
    default: 5.0
  counters:
    description:
      - Where nginx counts the requests of each slot, as docs/examples/hosts/nginx.conf does. A log with one line of 4
        bytes for each request, and one with C(.bad) appended to its name for those with a status of 500 or more. nginx
        counts a request when it ends.
    type: dict
    suboptions:
      blue:
        description: The log of blue.
        type: path
        required: true
      green:
        description: The log of green.
        type: path
        required: true
requirements:
  - nginx 1.18 or newer, with a server that is set up as docs/examples/hosts/nginx.conf or nginx-reload.conf is
  - Linux, where nginx's processes are looked at
"""
