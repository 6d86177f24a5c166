# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(release_settings): an environment's variables, read once for all later tasks."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _settings
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction, plain


class ActionModule(ReleaseAction):
    """Returns what is registered as C(__release_settings), the only thing that later tasks read."""

    HANDS_ON = True
    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "needed": {"type": "list", "elements": "str", "default": []},
        "revision": {"type": "str"},
    }

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the settings, without their prefix."""
        for name in task_vars:
            if name.startswith("release_") and name not in _settings.SETTINGS and name not in _settings.OTHERS:
                meant = _settings.likely(name)
                if meant:
                    raise ReleaseError(f"{name} is not a variable of a release: did you mean {meant}?")
        values = {name: self._value(name, task_vars) for name in _settings.SETTINGS if name in task_vars}
        if params["revision"]:
            values["release_revision"] = params["revision"]
        settings = _settings.read(values, params["needed"])
        if settings["force"] and not settings["reason"]:
            raise ReleaseError("release_force needs release_reason: the journal says why somebody overrode a refusal")
        if settings["report"]:
            settings["report"] = self._beside_the_inventory(settings["report"], task_vars)
        # The options of traffic, gate and journal may hold a password: later tasks read it, no callback shows it.
        return {"changed": False, **settings, "environment": self.environment, "_ansible_no_log": True}

    def _value(self, name: str, task_vars: dict[str, t.Any]) -> t.Any:
        try:
            return plain(self._templar.template(task_vars[name]))
        except AnsibleError as error:
            raise ReleaseError(f"{name} cannot be read: {str(error).strip().splitlines()[0]}") from error

    def _beside_the_inventory(self, path: str, task_vars: dict[str, t.Any]) -> str:
        folder = plain(task_vars.get("inventory_dir")) or os.getcwd()
        return os.path.join(folder, os.path.expanduser(path))
