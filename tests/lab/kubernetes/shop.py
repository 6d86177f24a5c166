# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop of C(docs/examples/kubernetes) in a real cluster: applied as it is written, by names a test chooses."""

from __future__ import annotations

import threading
import typing as t
from pathlib import Path

import yaml

from tests.lab.kubernetes.api import ApiError
from tests.lab.kubernetes.cluster import Cluster

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/examples/kubernetes"


def documents(name: str) -> list[dict[str, t.Any]]:
    """Return the objects in a file of the examples."""
    return [found for found in yaml.safe_load_all((EXAMPLES / name).read_text()) if found]


def place(body: dict[str, t.Any], namespace: str) -> str:
    """Return the path of an object."""
    group = "api" if body["apiVersion"] == "v1" else "apis"
    return f"/{group}/{body['apiVersion']}/namespaces/{namespace}/{body['kind'].lower()}s/{body['metadata']['name']}"


def apply(cluster: Cluster, namespace: str, name: str) -> list[dict[str, t.Any]]:
    """Apply a file of the examples, every field known to the server, and return what the server made of it."""
    made = []
    for body in documents(name):
        wanted = yaml.safe_dump(body).encode()
        query = {"fieldManager": "lab", "force": "true", "fieldValidation": "Strict"}
        made.append(cluster.api.patch(place(body, namespace), wanted, "apply", **query))
    return made


def rules() -> list[dict[str, t.Any]]:
    """Return the rules of the account that releases run as."""
    return t.cast(
        "list[dict[str, t.Any]]", next(one for one in documents("access.yml") if one["kind"] == "Role")["rules"]
    )


class Kubelet:
    """What a node would say of a namespace's pods where there is none: started, with an address, ready."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._pods = cluster, f"/api/v1/namespaces/{namespace}/pods"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        # Images that never start.
        self.broken: dict[str, dict[str, t.Any]] = {}

    def __enter__(self) -> Kubelet:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 1
        while not self._stop.wait(0.1):
            for pod in self._cluster.api.get(self._pods)["items"]:
                path = f"{self._pods}/{pod['metadata']['name']}"
                try:
                    if pod["metadata"].get("deletionTimestamp"):
                        self._cluster.api.delete(path, gracePeriodSeconds="0")
                    elif not pod["status"].get("conditions"):
                        number += 1
                        self._cluster.api.patch(f"{path}/status", {"status": self._status(pod, number)})
                except ApiError as refusal:
                    if refusal.status not in (404, 409, 422):
                        raise

    def _status(self, pod: dict[str, t.Any], number: int) -> dict[str, t.Any]:
        image = pod["spec"]["containers"][0]["image"]
        waiting = self.broken.get(image)
        condition = {"type": "Ready", "status": "False" if waiting else "True"}
        state = {"waiting": waiting} if waiting else {"running": {}}
        container = {
            "name": "shop",
            "image": image,
            "imageID": "",
            "ready": not waiting,
            "restartCount": 0,
            "state": state,
        }
        address = f"10.9.{number // 250}.{number % 250}"
        return {
            "phase": "Pending" if waiting else "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [condition],
            "containerStatuses": [container],
        }
