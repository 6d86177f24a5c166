# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(release_journal) in the controller's process, or on the journal's machine."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.errors import JournalError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.options import SPEC, STORE, arguments_of
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._journal_port import open_journal


class ActionModule(ReleaseAction):
    """Performs one verb of the journal."""

    SPEC = SPEC

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the answer of the verb as C(answer)."""
        try:
            journal = open_journal(self, {name: params[name] for name in STORE}, task_vars)
            answer = journal(params["verb"], **arguments_of(params))
        except JournalError as error:
            return {"failed": True, "msg": str(error), "kind": error.kind, "facts": error.facts}
        journal.close()
        return {"changed": answer["changed"], "answer": answer}
