#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: it runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_tasks
short_description: Run a task file of your own on the machines of a slot, in parallel
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Runs a task file (start, stop, a hook) as a play of its own on the machines of a slot, all of them at once, each
    with its own variables and connection. Vault, extra variables, C(--check) and C(--diff) are those of the run;
    C(--limit), C(--tags), C(--start-at-task) and C(--step) do not reach into the file.
  - A failure, an unreachable machine, an unknown module or a mistake in the file fails this one task with one sentence
    that names the machine and the task, so that the C(rescue) around it runs. The other machines finish the task at
    hand and stop there; C(always) sections of the file still run.
  - The file handles failures as any task file does, with C(rescue), C(ignore_errors) and C(ignore_unreachable).
  - It ends with the run that started it. When the controller dies, no further task begins.
options:
  file:
    description: The task file. A relative path starts at the folder of the inventory.
    type: path
    required: true
  machines:
    description:
      - Names of machines or groups of the inventory.
      - Without any, or with the name of the task's own host alone, the tasks run on the task's own host with a local
        connection; so do hooks such as announcements.
    type: list
    elements: str
    default: []
  slot:
    description: The slot the machines belong to. The tasks see it as C(release_slot).
    type: str
    choices: [blue, green]
  variables:
    description: Variables for the tasks. They are values, never templates. Extra variables of the run win over them.
    type: dict
    default: {}
  hook:
    description: What messages call the file. Its file name by default.
    type: str
  deadline:
    description:
      - How long all of it may take, such as V(300), V(30s), V(5m). No limit by default.
      - At the deadline the task fails. A command that runs on a machine at that moment may run on there.
    type: str
  log:
    description:
      - The file that gets what the tasks said, capped at 256 KiB, readable by its owner only. What C(no_log) hides is
        not in it.
    type: path
  journal:
    description: Where the journal is, for a run that keeps its lock and hears of an abort meanwhile.
    type: dict
  key:
    description: The key of the journal.
    type: str
  run:
    description: The run that holds the lock.
    type: str
notes:
  - The tasks are those of another play. What they register or set as facts is not seen outside of the file.
  - At most 50 machines work at the same moment.
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: As far as the modules in the file support it.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
    details: As far as the modules in the file support it. Each difference names its machine.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: partial
    details: As far as the tasks in the file are.
seealso:
  - module: zerodowntime.bluegreen.traffic_shift
"""

EXAMPLES = r"""
- name: Start the new revision, and clear up when that fails
  block:
    - name: Start the new revision in the green slot
      zerodowntime.bluegreen.release_tasks:
        file: tasks/start.yml
        machines: [shop_green]
        slot: green
        variables:
          release_revision: 1.4.2
        deadline: 10m
      register: started
  rescue:
    - name: Say where it failed
      ansible.builtin.fail:
        msg: "{{ started.msg }}"

- name: Announce the release from where it runs
  zerodowntime.bluegreen.release_tasks:
    file: hooks/announce.yml
    hook: after_promote
"""

RETURN = r"""
machines:
  description:
    - What became of each machine. V(ok) did all tasks, V(failed) and V(unreachable) have a sentence in RV(failures),
      V(stopped) did not do all tasks because of another machine, the deadline or the end of the run.
  returned: when the tasks were begun
  type: dict
  sample: {app1: stopped, app2: failed}
failures:
  description: One sentence for each machine that failed or was unreachable. What C(no_log) hides stays hidden.
  returned: when the tasks were begun
  type: dict
  sample: {app2: "'Start the service' failed: Unable to start service shop"}
diff:
  description: The differences that the tasks showed, in diff mode.
  returned: when the tasks were begun
  type: list
  elements: dict
  sample: [{before_header: "app1: /etc/shop.conf", after_header: "app1: /etc/shop.conf", before: "a", after: "b"}]
msg:
  description: What failed, in one sentence.
  returned: failure
  type: str
  sample: "start.yml: app2: 'Start the service' failed: Unable to start service shop; not done on app1"
"""
