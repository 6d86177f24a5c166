# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal's errors, each one sentence; C(kind) survives the way through a module's result."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _errors as errors
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.phases import Refusal
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError


class JournalError(ReleaseError):
    """The journal says no: a state that forbids the change, a wrong call. Nothing was written."""

    kind = "refused"

    def __init__(self, sentence: str, facts: t.Optional[t.Mapping[str, t.Any]] = None) -> None:
        super().__init__(sentence)
        self.facts = dict(facts or {})


class Busy(JournalError):
    """Somebody else holds the lock; C(facts) may have the C(holder)."""

    kind = "busy"


class Fenced(JournalError, errors.Fenced):
    """The run lost its lock: it writes nothing more, anywhere."""

    kind = "fenced"


class Unreachable(JournalError, Lost):
    """The store cannot be used now: connection lost, not writable, full. Whether a write was made is unknown."""

    kind = "unreachable"


_KINDS: t.Mapping[str, type[JournalError]] = {error.kind: error for error in (JournalError, Busy, Fenced, Unreachable)}


def rebuilt(kind: t.Optional[str], sentence: str, facts: t.Optional[t.Mapping[str, t.Any]] = None) -> JournalError:
    """Return the error that a module's result describes."""
    return _KINDS.get(kind or "", JournalError)(sentence, facts)


def from_refusal(refusal: Refusal) -> JournalError:
    """Return the error for a refusal of the core."""
    return rebuilt(refusal.kind, str(refusal), refusal.facts)
