# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say where the journal of releases is."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of all who use the journal."""

    DOCUMENTATION = r"""
options:
  store:
    description:
      - What keeps the journals. V(file) is a directory with one file for each traffic object, V(dynamodb) a table of
        AWS with one item for each, V(kubernetes) a namespace with one ConfigMap for each.
    type: str
    choices: [file, dynamodb, kubernetes]
    default: file
  path:
    description:
      - The directory of the V(file) store. It is made with mode C(0700) when it is not there. All who release the same
        objects have to use the same one, and it has to outlive the job.
    type: str
    default: /var/lib/zerodowntime
  machine:
    description:
      - The inventory name of the machine whose directory O(path) is, such as the balancer. By default it is the machine
        that runs C(ansible-playbook).
    type: str
  dynamodb:
    description:
      - The options of the V(dynamodb) store. C(table) (V(zerodowntime-journal)), C(create_table) (V(false); without a
        table a release is refused), C(retention), how long after its last change a journal is kept (V(0), for ever),
        and how AWS is reached, the options of M(zerodowntime.bluegreen.alb_traffic) such as C(region) and C(profile).
      - It needs the rights C(dynamodb:GetItem), C(dynamodb:PutItem) and C(dynamodb:Scan) on the table, to make it also
        C(dynamodb:CreateTable), C(dynamodb:DescribeTable) and C(dynamodb:UpdateTimeToLive).
      - Reads are consistent, writes are conditional. The last releases of an object are kept as far as they fit; an
        item may have 400 KB.
    type: dict
    default: {}
  kubernetes:
    description:
      - The options of the V(kubernetes) store. C(namespace), which it needs, and how the API is reached, the
        connection options of M(zerodowntime.bluegreen.deployment_fleet) such as C(kubeconfig) and C(context).
      - Without them the cluster this process runs in is used, else the default kubeconfig.
    type: dict
    default: {}
  ttl:
    description:
      - How long a lock has to stand still before its run counts as dead, such as V(60s). A run shows life at least six
        times in that span.
    type: str
    default: 60s
"""
