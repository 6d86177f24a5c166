#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of releases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_journal
short_description: Lock a traffic object and keep the durable record of its releases
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Each traffic object has one journal, found by the object's canonical identity. It holds the lock, its fence (a
    number that only grows), the last releases with their entries, and the commands to the one that runs. Every change
    exchanges the whole journal by compare-and-swap, so of two who change it at once one wins and the other sees it.
  - Works in the process of C(ansible-playbook), or on the machine that O(machine) names.
  - The playbooks of this collection do all of this by themselves. A task of yours uses it for O(verb=check),
    O(verb=rename), or to read what another tool shows.
options:
  verb:
    description:
      - What to do.
      - V(acquire) takes the lock and opens a release. It never takes a lock over, not even one whose owner is dead.
      - V(heartbeat) shows that the run lives and may announce silence; V(note) appends an entry and changes the
        release in the same write; V(unlock) gives the lock back. All of them fail for a run that lost the lock.
      - V(command) leaves a command for the run that holds the lock; V(pending) shows the ones that wait and
        V(acknowledge) answers one.
      - V(take_over) gives the release to another run as soon as the holder is seen dead. That is at once when it ran on
        this machine and all its processes are gone, else when its lock has stood still for the span it promised.
      - V(rename) hands the object to the new name of an environment.
      - V(read) shows one journal, V(status) all in short, V(due) what a schedule has to look at.
      - V(check) proves that the store can be written and outlives this job; it changes nothing.
      - V(owned) lists what there is of one journal, for whoever leaves.
    type: str
    required: true
    choices:
      - acquire
      - heartbeat
      - note
      - command
      - acknowledge
      - take_over
      - unlock
      - rename
      - due
      - read
      - status
      - check
      - pending
      - owned
  key:
    description:
      - The canonical identity of the traffic object. V(status) and V(check) take none, V(due) may.
    type: str
  arguments:
    description:
      - What the verb takes besides.
      - V(acquire) takes C(owner) with C(run), C(release) with C(id) and what else is known of it, and C(names) with
        C(environment) and C(app).
      - V(heartbeat) takes C(run), C(step), and C(expected_until) in seconds since the epoch.
      - V(note) takes C(run), C(entry) with C(kind), and C(changes) to the release.
      - V(command) takes C(command) (C(promote), C(abort), C(rollback) or C(pause)), C(who), C(why), C(step) and
        C(release).
      - V(pending) and V(unlock) take C(run); V(acknowledge) takes C(run), C(n), C(answer) and C(changes).
      - V(take_over) takes C(owner) with C(run), C(command) (what for, by default C(resume)) and C(patient), the
        seconds for which signs of life are borne.
      - V(rename) takes C(environment) and C(app); V(due) takes C(now) and C(pause_timeout), in seconds.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: What would be refused is refused; nothing is written, and a take-over is looked at once.
  diff_mode:
    support: none
    description: A journal's change is its answer.
  idempotent:
    support: partial
    description: Taking, giving back, commanding and answering again changes nothing; C(note) and C(heartbeat) do.
extends_documentation_fragment:
  - zerodowntime.bluegreen._journal
seealso:
  - module: zerodowntime.bluegreen.release_journal_info
"""

EXAMPLES = r"""
- name: Prove that the balancer's journal can be relied on
  zerodowntime.bluegreen.release_journal:
    path: /var/lib/zerodowntime
    machine: lb1
    verb: check

- name: Hand the object of an environment to its new name
  zerodowntime.bluegreen.release_journal:
    verb: rename
    key: haproxy:/run/haproxy/admin.sock:/etc/haproxy/zerodowntime.map:shop
    arguments: {environment: shop-europe, app: shop}

- name: Stop a release where it stands
  zerodowntime.bluegreen.release_journal:
    verb: command
    key: haproxy:/run/haproxy/admin.sock:/etc/haproxy/zerodowntime.map:shop
    arguments: {command: pause, why: the database is slow}
"""

RETURN = r"""
answer:
  description:
    - What the verb answers. C(acquire) and C(take_over) give C(fence) and C(release); C(take_over) also C(previous),
      the holder that lost it, and C(next), the phase and outcome that the command leads to.
  returned: success
  type: dict
  sample: {fence: 7, release: {id: 20261124-101502-4711, phase: Progressing, step: 2}}
kind:
  description:
    - Why it failed. V(busy) when somebody else holds the lock, V(fenced) when this run lost it, V(unreachable) when the
      store cannot be used now, V(refused) for the rest.
  returned: failure
  type: str
  sample: busy
facts:
  description: What is known besides, such as the C(holder) of the lock.
  returned: failure
  type: dict
  sample: {holder: {owner: {run: 4711-shop-eu, environment: shop-eu}, step: 2, age: 3.1}}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.dry import DryStore
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.journal import Journal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.options import (
    SPEC,
    arguments_of,
    open_store,
)


def main() -> t.NoReturn:
    """Perform the verb on this machine's store."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        store = open_store(module.params)
        journal = Journal(DryStore(store) if module.check_mode else store)
        answer = journal.perform(module.params["verb"], **arguments_of(module.params))
    except JournalError as error:
        module.fail_json(msg=str(error), kind=error.kind, facts=error.facts)
    module.exit_json(changed=answer["changed"], answer=answer)


if __name__ == "__main__":
    main()
