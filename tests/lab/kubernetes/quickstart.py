# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of C(./quickstart --platform kubernetes): the shop of the examples behind Istio.

The test bed is made for it and removed after it. A cluster that the user names gets a namespace, and loses it again.
"""

from __future__ import annotations

import json
import shlex
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab.hosts.world import CHECKOUT, COLLECTION, MARK, SLOTS, end
from tests.lab.kubernetes import images, testbed
from tests.lab.kubernetes.__main__ import Bed
from tests.lab.kubernetes.cluster import Cluster, opened

PODS = 2
PACE = {"release_steps": [20, 50, 100], "release_bake_time": "3s"}
NEEDS = "--platform kubernetes makes a cluster of its own, and"


@dataclass(frozen=True)
class Door:
    """Where clients ask."""

    url: str

    @property
    def gateway_url(self) -> str:
        """No route of the Gateway API is made here."""
        return self.url


class KubernetesWorld:
    """What C(Story) asks of a world, in pods; usable as a context manager."""

    where = "Manifests and inventory are those of docs/examples/kubernetes"

    def __init__(
        self, variables: t.Mapping[str, t.Any], kubeconfig: Path | None, url: str | None, context: str = ""
    ) -> None:
        if kubeconfig and not url:
            raise RuntimeError("--kubeconfig needs --url, the address of the cluster's ingress gateway")
        self._variables = {**PACE, **variables}
        self._kubeconfig, self._url, self._context = kubeconfig, url, context
        self._bed: Bed | None = None
        self._kept = False

    def __enter__(self) -> KubernetesWorld:
        if not self._kubeconfig and (why := testbed.missing()):
            raise RuntimeError(f"{NEEDS} {why}; or name one with --kubeconfig and --url")
        self.folder = Path(tempfile.mkdtemp(prefix="zdt-shop-", dir="/tmp"))
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        if not self._kept:
            self._close()

    def _open(self) -> None:
        if self._kubeconfig and self._url:
            kubeconfig, url = self._kubeconfig, self._url.rstrip("/")
        else:
            self._bed = Bed(self.folder / "bed")
            places = self._bed.start()
            kubeconfig, url = Path(places["kubeconfig"]), places["url"]
        self.cluster: Cluster = opened(kubeconfig, self._context, self.folder / "access")
        self.balancer = Door(url)
        # Any metrics would do; probes by the preview route need nothing that a cluster may lack.
        source = {"http": {"url": f"{url}/", "headers": {"X-Release-Slot": "$slot"}, "probes": 80}}
        variables = {**self._variables, "release_kubernetes_image": images.QUICK}
        variables["release_gate"] = {**self._variables["release_gate"], "source": source}
        self.shop = testbed.Shop(self.cluster, self.balancer, "istio", self.folder, variables)
        note = {"namespace": self.shop.namespace, "kubeconfig": str(kubeconfig), "context": self._context}
        (self.folder / "kubernetes.json").write_text(json.dumps({**note, "bed": self._bed is not None}))

    def _close(self) -> None:
        if hasattr(self, "shop"):
            self.cluster.delete_namespace(self.shop.namespace)
        if hasattr(self, "cluster"):
            self.cluster.stop()
        if self._bed:
            self._bed.down()
        end(self.folder)

    def picture(self) -> list[str]:
        """Return what there is, line by line."""
        version = self.cluster.api.get("/version")["gitVersion"]
        slots = (f"  {slot:<6} the Deployment shop-{slot}, with {PODS} pods when it serves" for slot in SLOTS)
        listens = f"Istio's Envoy listens at {self.balancer.url}, Kubernetes is {version}."
        return [
            f"{listens} Behind it are the two slots of the app shop:",
            *slots,
            f"{self.where}, in the folder {self.folder} and the namespace {self.shop.namespace}",
        ]

    def build(self, revision: str, *options: str) -> None:
        """The images are there; a cluster of the user's has to get them first."""
        if revision == "v1" and not self._bed:
            print(f"The nodes need {images.QUICK}:v1 to v4: kind load image-archive {images.quick()}", flush=True)

    def command(self, playbook: str, *options: str) -> list[str]:
        return ["ansible-playbook", f"zerodowntime.bluegreen.{playbook}", "-i", "inventory.yml", *options]

    def run(self, playbook: str, *options: str, say: t.Callable[[str], None] = lambda line: None) -> int:
        first = self.shop.first() if playbook == "deploy" else []
        process = self.shop.environment.start(playbook, *options, *first)
        assert process.stdout
        for line in process.stdout:
            say(line.rstrip())
        return process.wait()

    def report(self, revision: str) -> dict[str, t.Any] | None:
        return self.shop.report(revision)

    def weights(self) -> dict[str, int]:
        return self.shop.weights()

    def keep(self) -> None:
        """Leave all of it running; a shell belongs to it by C(. ./env)."""
        self._kept = True
        link = self.folder / "collections" / COLLECTION
        link.parent.mkdir(parents=True)
        link.symlink_to(CHECKOUT)
        needed = {
            "KUBECONFIG": json.loads((self.folder / "kubernetes.json").read_text())["kubeconfig"],
            "PATH": self.shop.environment.path,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            MARK: str(self.folder),
        }
        (self.folder / "env").write_text("".join(f"export {name}={shlex.quote(of)}\n" for name, of in needed.items()))

    def revision_of_ones_own(self) -> list[str]:
        """Return what to look at before the revision v4, whose image is there."""
        return [f"kubectl get deployments,pods,virtualservices -n {self.shop.namespace}    # where there is a kubectl"]


def stop(folder: Path) -> None:
    """End what C(keep) left in C(folder)."""
    note = json.loads((folder / "kubernetes.json").read_text())
    cluster = opened(Path(note["kubeconfig"]), note["context"])
    try:
        cluster.delete_namespace(note["namespace"])
    except OSError:
        if not note["bed"]:
            raise
    cluster.stop()
    if note["bed"]:
        Bed(folder / "bed").down()
    end(folder)
