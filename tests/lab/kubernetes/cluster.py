# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as tests see it: a kubeconfig, namespaces, users that may only what their rules say."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.lab.kubernetes.api import Api
from tests.lab.kubernetes.server import until

# Set beside KUBECONFIG by who wants the tests to run against that cluster, and to write into it.
PERMISSION = "ZERODOWNTIME_TEST_CLUSTER"


class Cluster:
    """A cluster that answers, reached as its administrator."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.folder = folder
        self.api = api

    @property
    def has_controllers(self) -> bool:
        """Whether somebody makes pods of Deployments, and accounts of namespaces."""
        return True

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file."""
        return self.write_kubeconfig("admin", self.api.token)

    def write_kubeconfig(self, name: str, token: str, door: str = "") -> Path:
        """Write the kubeconfig of who owns C(token), and return it; it lies in the cluster's folder until that ends.

        C(door) is an address to go by, in place of the cluster's own.
        """
        user: dict[str, str] = {"token": token} if token else {}
        if not token and self.api.certificate:
            user = dict(zip(("client-certificate", "client-key"), map(str, self.api.certificate), strict=True))
        server = {"server": self.api.url, **({"certificate-authority": str(self.api.ca)} if self.api.ca else {})}
        if door:
            server = {"server": door}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": server}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name}}],
        }
        file = self.folder / f"{name}.kubeconfig"
        file.touch(0o600)
        file.write_text(json.dumps(content, indent=1))
        return file

    def create_namespace(self, prefix: str = "test") -> str:
        """Create a namespace with a new name, wait until pods may be made in it, and return the name."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        place = f"/api/v1/namespaces/{name}/serviceaccounts"
        # Without controllers (KUBEBUILDER_ASSETS has none) nobody makes the account; after a restart of the API server
        # they come back as late as their longest pause.
        until(lambda: self.api.get(place)["items"], 60.0 if self.has_controllers else 0.0)
        return name

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace with everything in it; does not wait."""
        self.api.delete(f"/api/v1/namespaces/{name}")

    def create_user(self, namespace: str, name: str, rules: Sequence[Mapping[str, t.Any]], seconds: int = 3600) -> str:
        """Create a user who may do in C(namespace) what the RBAC C(rules) say; return a token for C(seconds) >= 600."""
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        self.api.create(accounts, {"metadata": {"name": name}})
        self.api.create(f"{rbac}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        self.api.create(f"{rbac}/rolebindings", binding)
        wish = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        return str(self.api.create(f"{accounts}/{name}/token", wish)["status"]["token"])

    def apply_definitions(self, files: Sequence[Path]) -> None:
        """Apply the definitions of resources in C(files), and wait until the server serves them all."""
        place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        names = [name for file in files for name in self.api.apply_definitions(file)]
        for name in names:
            give_up = time.monotonic() + 30
            while not self._is_established(f"{place}/{name}"):
                if time.monotonic() > give_up:
                    raise RuntimeError(f"the API server does not serve {name} after 30 s")
                time.sleep(0.05)

    def _is_established(self, path: str) -> bool:
        conditions = self.api.get(path).get("status", {}).get("conditions", [])
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    def stop(self) -> None:
        """Leave it as it was found."""
        shutil.rmtree(self.folder, ignore_errors=True)


def opened(kubeconfig: Path, context: str = "", place: Path | None = None) -> Cluster:
    """Return the cluster of a kubeconfig file, with its token or client certificate. Raises RuntimeError.

    What is written for it lies in C(place), a new folder by default.
    """
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        lists = {kind: {one["name"]: one[kind[:-1]] for one in config[kind]} for kind in _LISTS}
        chosen = lists["contexts"][context or config["current-context"]]
        cluster, user = lists["clusters"][chosen["cluster"]], lists["users"][chosen["user"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise RuntimeError(f"{kubeconfig} cannot be read as a kubeconfig: {error!r}") from error
    folder = place or Path(tempfile.mkdtemp(prefix="zdt-k8s-"))
    folder.mkdir(exist_ok=True)

    def file(of: t.Mapping[str, t.Any], name: str) -> Path | None:
        if of.get(f"{name}-data"):
            place = folder / name
            place.touch(0o600)
            place.write_bytes(base64.b64decode(of[f"{name}-data"]))
            return place
        return (kubeconfig.parent / of[name]) if of.get(name) else None

    certificate, key = file(user, "client-certificate"), file(user, "client-key")
    if not user.get("token") and not (certificate and key):
        raise RuntimeError(f"the user in {kubeconfig} has neither a token nor a client certificate")
    pair = (certificate, key) if certificate and key else None
    return Cluster(folder, Api(cluster["server"], file(cluster, "certificate-authority"), user.get("token", ""), pair))


_LISTS = ("clusters", "contexts", "users")


def named() -> Cluster | None:
    """Return the cluster of the current context, where the user names it and permits the tests to write there."""
    if not os.environ.get("KUBECONFIG") or os.environ.get(PERMISSION) != "yes":
        return None
    words = ["kubectl", "config", "view", "--minify", "--raw", "--flatten", "-o", "json"]
    config = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    folder = Path(tempfile.mkdtemp(prefix="zdt-k8s-"))

    def decoded(content: str | None, name: str) -> Path | None:
        if not content:
            return None
        (folder / name).touch(0o600)
        (folder / name).write_bytes(base64.b64decode(content))
        return folder / name

    ca = decoded(cluster.get("certificate-authority-data"), "ca.crt")
    certificate = decoded(user.get("client-certificate-data"), "client.crt")
    key = decoded(user.get("client-key-data"), "client.key")
    if not user.get("token") and not (certificate and key):
        raise RuntimeError("the current context of KUBECONFIG has neither a token nor a client certificate")
    pair = (certificate, key) if certificate and key else None
    return Cluster(folder, Api(cluster["server"], ca, user.get("token", ""), pair))
