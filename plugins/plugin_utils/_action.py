# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of every action: options validated, values plain, one sentence on failure, live lines on stderr."""

from __future__ import annotations

import os
import sys
import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _controller, _dead_workers, _secrets

# Actions are loaded in the controller's process, before a worker is forked.
_dead_workers.watch()

if not sys.stdout.isatty() and hasattr(sys.stdout, "reconfigure"):
    # A piped stdout hides lines until 8 KiB are together; operators watch a release live.
    sys.stdout.reconfigure(line_buffering=True)


def plain(value: t.Any) -> t.Any:
    """Return C(value) in builtin types only: from ansible-core 2.19 on values are tagged, and clients choke on them."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


class ReleaseAction(ActionBase):
    """An action that works in the controller's process. A subclass sets C(SPEC) and implements C(here)."""

    TRANSFERS_FILES = False
    _requires_connection = False

    SPEC: t.ClassVar[dict[str, t.Any]] = {}
    RULES: t.ClassVar[dict[str, t.Any]] = {}

    # Whether later tasks need of the result what stands in the options, secrets among it.
    HANDS_ON: t.ClassVar[bool] = False

    environment = ""
    _parent = 0
    _secrets: t.Collection[str] = ()

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the result of C(here); a ReleaseError becomes C(failed) with its sentence as C(msg)."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        variables = task_vars or {}
        self.environment = plain(variables.get("inventory_hostname", ""))
        self._parent = _controller.pid()
        _unused, params = self.validate_argument_spec(argument_spec=self.SPEC, **self.RULES)
        params = plain(params)
        self._secrets = set(_secrets.within(params))
        try:
            result.update(self.here(params, variables))
        except ReleaseError as error:
            result.update(failed=True, msg=str(error), aborted=getattr(error, "aborted", False))
        except AnsibleConnectionFailure as error:
            # UNREACHABLE skips rescue and always (all cores): a lost machine has to be a failure.
            result.update(failed=True, msg=f"connection lost: {error}")
        if self.HANDS_ON and not result.get("failed"):
            return result
        return t.cast("dict[str, t.Any]", _secrets.masked(result, self._secrets))

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Do the work and return the result; raise ReleaseError with one sentence when it cannot be done."""
        raise AnsibleError(f"{type(self).__module__} does nothing")

    @property
    def local(self) -> bool:
        """Whether the task's host is the controller itself, so that its systems are reached from this process."""
        return getattr(self._connection, "transport", "local") == "local"

    @property
    def becomes(self) -> bool:
        """Whether the task asks for another user, which a process that already runs cannot become."""
        return bool(self._play_context.become)

    def orphaned(self) -> bool:
        """Return whether the controller is gone."""
        return os.getppid() != self._parent

    def say(self, text: str) -> None:
        """Show one line now, prefixed with the environment; silent once the controller is gone.

        A write to a dead controller blocks for ever after 64 KiB.
        """
        if not self.orphaned():
            self._display.display(f"[{self.environment}] {_secrets.masked(text, self._secrets)}", stderr=True)
