# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service of a Compose project must be, for its containers to be released: each fault is one sentence."""

from __future__ import annotations

import typing as t

Service = t.Mapping[str, t.Any]


def faults(name: str, service: Service, image: str, image_variable: str, scale: int, scale_variable: str) -> list[str]:
    """Return what makes the service C(name) unfit; C(image) and C(scale) are what it was to resolve to."""
    found = []
    if service.get("image") != image:
        found.append(
            f"the service {name} has the image {service.get('image')!r}, not the released one: "
            f"write 'image: ${{{image_variable}:-none}}'"
        )
    if _scale(service) != scale:
        found.append(
            f"the service {name} has a scale of its own, to which any 'docker compose up' sets it back: "
            f"write 'scale: ${{{scale_variable}:-0}}'"
        )
    if service.get("container_name"):
        found.append(
            f"the service {name} has the container_name {service['container_name']!r}, so there can be one container "
            "only: remove it"
        )
    fixed = [port["published"] for port in service.get("ports") or [] if str(port.get("published") or "0") != "0"]
    if fixed:
        found.append(
            f"the service {name} publishes the fixed host port {fixed[0]}, which one container only can have: remove "
            "'ports', the balancer reaches it by its network"
        )
    if service.get("network_mode") == "host":
        found.append(f"the service {name} has network_mode 'host', where its containers clash: give it a network")
    return found


def checks_health(service: Service, image: t.Mapping[str, t.Any]) -> bool:
    """Return whether a container of the service has a health check, the service's own or else the image's."""
    own = service.get("healthcheck")
    if own is not None:
        if own.get("disable") or list(own.get("test") or [])[:1] == ["NONE"]:
            return False
        if own.get("test"):
            return True
    test = ((image.get("Config") or {}).get("Healthcheck") or {}).get("Test") or ["NONE"]
    return bool(test[0] != "NONE")


def _scale(service: Service) -> int:
    replicas = (service.get("deploy") or {}).get("replicas")
    value = service.get("scale", replicas)
    return 1 if value is None else int(value)
