# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who would answer: the ready endpoints of a Service, all of them or those of the pods with some labels."""

from __future__ import annotations

import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Client, Object, path
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic import Slot

Labels = t.Mapping[str, str]


class Endpoints:
    """The endpoints of one Service at one moment."""

    def __init__(self, slices: t.Sequence[Object]) -> None:
        self._all = [endpoint for one in slices for endpoint in one.get("endpoints") or []]

    @classmethod
    def of(cls, client: Client, namespace: str, service: str) -> Endpoints:
        """Ask the API for them. Raises ReleaseError."""
        where = path("discovery.k8s.io/v1", "endpointslices", namespace)
        return cls(client.list(where, labelSelector=f"kubernetes.io/service-name={service}"))

    def ready(self) -> set[str]:
        """Return the pods (or addresses, where no pod is named) that the Service sends requests to."""
        return {_name(endpoint) for endpoint in self._all if _ready(endpoint)}

    def slot(self, pods: t.Optional[set[str]] = None) -> Slot:
        """Return the slot that all endpoints are, or those of C(pods) only.

        Endpoints that somebody else lists by address belong to no pod: whose they are cannot be known.
        """
        ready = self.ready()
        if pods is None:
            return Slot(up=bool(ready), ready=len(ready))
        if not ready & pods and any(not endpoint.get("targetRef") for endpoint in self._all):
            return Slot()
        return Slot(up=bool(ready & pods), ready=len(ready & pods))


def pods(client: Client, namespace: str, labels: t.Mapping[str, str]) -> list[Object]:
    """Return the pods with all of C(labels). Raises ReleaseError."""
    return client.list(path("v1", "pods", namespace), labelSelector=selector(labels))


def selector(labels: t.Mapping[str, str]) -> str:
    """Return C(labels) as the API wants to be asked for them."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def names(found: t.Iterable[Object]) -> set[str]:
    """Return the names of objects."""
    return {str(one["metadata"]["name"]) for one in found}


def is_ready(pod: Object) -> bool:
    """Return whether a pod answers requests and is not on its way out."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _ready(endpoint: Object) -> bool:
    # An absent condition counts as ready: that is how the API defines it.
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _name(endpoint: Object) -> str:
    target = endpoint.get("targetRef") or {}
    return str(target.get("name") or ",".join(endpoint.get("addresses") or []))
