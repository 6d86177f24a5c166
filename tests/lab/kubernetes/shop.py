# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop of C(docs/examples/kubernetes) in a real cluster: applied as it is written, by names a test chooses."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import yaml

from tests.lab.kubernetes.api import ApiError
from tests.lab.kubernetes.cluster import Cluster

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/examples/kubernetes"


def documents(name: str) -> list[dict[str, t.Any]]:
    """Return the objects in a file of the examples."""
    found = yaml.safe_load((EXAMPLES / name).read_text())
    return list(found["items"]) if found["kind"] == "List" else [found]


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


# Minutes of production in seconds.
PACE: dict[str, t.Any] = {
    "release_steps": [20, 100],
    "release_bake_time": "1s",
    "release_progress_deadline": "90s",
    "release_drain_timeout": "2s",
    "release_scale_down_delay": "1s",
    "release_abort_scale_down_delay": "1s",
}


class Environment:
    """An inventory of the examples for one namespace of a cluster, and its playbooks."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        folder: Path,
        example: str,
        url: str = "",
        variables: t.Mapping[str, t.Any] | None = None,
        journal: t.Mapping[str, t.Any] | None = None,
        door: str = "",
    ) -> None:
        self.folder = folder
        token = cluster.create_user(namespace, "releases", rules())
        kubeconfig = str(cluster.write_kubeconfig(namespace, token, door))
        inventory = yaml.safe_load((EXAMPLES / example).read_text())
        environment = inventory["all"]["children"]["release_environments"]["hosts"]["shop-eu"]
        traffic = next(iter(environment["release_traffic"].values()))
        traffic.update(namespace=namespace, kubeconfig=kubeconfig)
        environment.update(
            PACE,
            ansible_python_interpreter=sys.executable,
            release_kubernetes_namespace=namespace,
            release_kubernetes_kubeconfig=kubeconfig,
            release_journal={
                "store": "kubernetes",
                "kubernetes": {"namespace": namespace, "kubeconfig": kubeconfig},
                **(journal or {}),
            },
            release_verify={"url": url, "header": "X-Version"} if url else None,
        )
        environment.update(variables or {})
        (folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))
        (folder / "ansible.cfg").write_text("[defaults]\nnocolor = true\nlocalhost_warning = false\n")

    def run(self, playbook: str, *options: str) -> tuple[int, str]:
        """Run a playbook of the collection; return its status and everything it said."""
        process = self.start(playbook, *options)
        said, _nothing = process.communicate(timeout=240)
        return process.returncode, said

    def start(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        """Start a playbook of the collection."""
        return subprocess.Popen(
            ["ansible-playbook", f"zerodowntime.bluegreen.{playbook}", "-i", "inventory.yml", *options],
            cwd=self.folder,
            env={**os.environ, "PATH": self.path, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def path(self) -> str:
        """The search path on which this Python's Ansible comes first."""
        return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

    def deploy(self, revision: str, *options: str) -> tuple[int, str]:
        """Release C(revision)."""
        return self.run("deploy", "-e", f"release_revision={revision}", *options)

    def report(self) -> dict[str, t.Any]:
        """Return the newest report."""
        files = sorted((self.folder / "reports").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        return t.cast("dict[str, t.Any]", json.loads(files[-1].read_text()))


class Kubelet:
    """What a node would say of a namespace's pods where there is none: started, with an address, ready."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._pods = cluster, f"/api/v1/namespaces/{namespace}/pods"
        self.node = f"paper-{namespace}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        # Images that never start.
        self.broken: dict[str, dict[str, t.Any]] = {}

    def __enter__(self) -> Kubelet:
        # EndpointSlices list only pods of nodes that there are.
        self._cluster.api.create("/api/v1/nodes", {"metadata": {"name": self.node}})
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._cluster.api.delete(f"/api/v1/nodes/{self.node}")

    def _run(self) -> None:
        numbers = itertools.count(2)
        while not self._stop.wait(0.1):
            with contextlib.suppress(OSError):  # an API server that is away comes back
                for pod in self._cluster.api.get(self._pods)["items"]:
                    self._look(pod, numbers)

    def _look(self, pod: dict[str, t.Any], numbers: t.Iterator[int]) -> None:
        path = f"{self._pods}/{pod['metadata']['name']}"
        try:
            if pod["metadata"].get("deletionTimestamp"):
                self._cluster.api.delete(path, gracePeriodSeconds="0")
            elif not pod["spec"].get("nodeName"):
                target = {"apiVersion": "v1", "kind": "Node", "name": self.node}
                binding = {"metadata": {"name": pod["metadata"]["name"]}, "target": target}
                self._cluster.api.create(f"{path}/binding", binding)
                self._cluster.api.patch(f"{path}/status", {"status": self._status(pod, next(numbers))})
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
