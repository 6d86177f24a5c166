# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worlds of all drivers. A new driver adds its class here, and nothing else."""

from __future__ import annotations

from tests.integration.conformance.world import World
from tests.integration.conformance.worlds.alb import ALBListener, ALBRule
from tests.integration.conformance.worlds.containers import HAProxyInContainer, NginxInContainer
from tests.integration.conformance.worlds.haproxy import HAProxy26, HAProxy28
from tests.integration.conformance.worlds.memory import Memory
from tests.integration.conformance.worlds.nginx import NginxFlag, NginxReload, NginxReloadNewest

WORLDS: tuple[type[World], ...] = (
    HAProxy26,
    HAProxy28,
    NginxFlag,
    NginxReload,
    NginxReloadNewest,
    Memory,
    HAProxyInContainer,
    NginxInContainer,
    ALBListener,
    ALBRule,
)
