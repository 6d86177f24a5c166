# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real control plane on 127.0.0.1: Debian's etcd, kube-apiserver, kube-controller-manager. No root, no node."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import typing as t
import urllib.request
from pathlib import Path

from tests.lab.kubernetes import programs
from tests.lab.kubernetes.api import Api, ApiError
from tests.lab.kubernetes.cluster import Cluster
from tests.lab.kubernetes.server import Server, free_port

SERVICE_RANGE = "10.96.0.0/16"


def missing() -> str | None:
    """Return what this machine lacks for a control plane, as the words of a skipped test; None: it lacks nothing."""
    if not shutil.which("openssl"):
        return "skipped: needs openssl"
    if _asset("kube-apiserver") and _asset("etcd"):
        return None
    if not _etcd():
        return "skipped: needs etcd (Debian: etcd-server)"
    return programs.missing(*programs.CONTROL_PLANE)


class ControlPlane(Cluster):
    """One control plane, from C(start) to C(stop). Its API server can go and come back at the same address."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        token = secrets.token_hex(16)
        self._port = free_port()
        super().__init__(folder, Api(f"https://127.0.0.1:{self._port}", folder / "pki/apiserver.crt", token))
        tokens = folder / "tokens.csv"
        tokens.touch(0o600)
        tokens.write_text(f'{token},admin,admin,"system:masters"\n')
        self._audit = folder / "audit.log"
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self._etcd = self._etcd_server()
        self._api_server = self._kube_apiserver()
        self._controllers = self._kube_controller_manager()

    @property
    def has_controllers(self) -> bool:
        """Whether Deployments make pods here: envtest's assets come without controllers."""
        return self._controllers is not None

    @property
    def pids(self) -> list[int]:
        """The processes, in the order in which they are to end."""
        return [one.pid for one in (self._controllers, self._api_server, self._etcd) if one]

    def start(self) -> ControlPlane:
        """Start everything, wait until it answers, return itself. Raises RuntimeError with a server's last words."""
        subprocess.run(["openssl", "genrsa", "-out", self.folder / "sa.key", "2048"], check=True, capture_output=True)
        try:
            self._etcd.start(lambda: b"true" in urllib.request.urlopen(f"{self._etcd_url}/health", timeout=2).read())
            self.start_api()
            if self._controllers:
                # The file is written only now: its certificate is the API server's own.
                self._controllers.command.append(f"--kubeconfig={self.kubeconfig}")
                accounts = "/api/v1/namespaces/default/serviceaccounts/default"
                self._controllers.start(lambda: self._has(accounts))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything and remove the folder."""
        for one in (self._controllers, self._api_server, self._etcd):
            if one:
                one.stop()
        super().stop()

    def done_by(self, account: str) -> t.Iterator[tuple[str, str, str, int]]:
        """Yield API group, resource, verb and the answer's status of each request of accounts of that name."""
        for line in self._audit.read_text().splitlines():
            event = json.loads(line)
            what = event.get("objectRef")
            if what and event["user"]["username"].rpartition(":")[2] == account:
                resource = "/".join(filter(None, [what["resource"], what.get("subresource")]))
                yield what.get("apiGroup", ""), resource, event["verb"], event["responseStatus"]["code"]

    def start_api(self) -> None:
        """Start the API server, at the address that it always has."""
        self._api_server.start(self._is_ready)

    def stop_api(self) -> None:
        """End the API server; etcd keeps what it knows, the controllers wait for it."""
        self._api_server.stop()

    def restart_api(self) -> None:
        """End the API server and start it again; returns when it is ready."""
        self.stop_api()
        self.start_api()

    def _is_ready(self) -> bool:
        with contextlib.suppress(ApiError):
            return bool(self.api.get("/readyz") == "ok")
        return False

    def _has(self, path: str) -> bool:
        with contextlib.suppress(ApiError):
            return bool(self.api.get(path))
        return False

    def _etcd_server(self) -> Server:
        peers = f"http://127.0.0.1:{free_port()}"
        words = [
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            # What is in it dies with the tests.
            "--unsafe-no-fsync",
        ]
        return Server([_etcd() or "etcd", *words], self.folder / "etcd.log")

    def _kube_apiserver(self) -> Server:
        folder = self.folder
        words = [
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={folder}/pki",
            # It refuses to publish a loopback address as the endpoint of the service "kubernetes".
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            f"--token-auth-file={folder}/tokens.csv",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder}/sa.key",
            f"--service-account-signing-key-file={folder}/sa.key",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
            "--shutdown-delay-duration=0s",
            f"--audit-policy-file={folder}/audit.json",
            f"--audit-log-path={self._audit}",
        ]
        # What accounts did, and what came of it: not what the lab itself does.
        accounts = {"level": "Metadata", "userGroups": ["system:serviceaccounts"]}
        policy = {"omitStages": ["RequestReceived"], "rules": [accounts, {"level": "None"}]}
        audit = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", **policy}
        (folder / "audit.json").write_text(json.dumps(audit))
        return Server([_program("kube-apiserver"), *words], folder / "kube-apiserver.log")

    def _kube_controller_manager(self) -> Server | None:
        folder = self.folder
        words = [
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={folder}/controllers",
            "--leader-elect=false",
            f"--root-ca-file={folder}/pki/apiserver.crt",
            f"--service-account-private-key-file={folder}/sa.key",
            "--use-service-account-credentials=false",
            "--allocate-node-cidrs=false",
            "--controllers=*",
        ]
        if _asset("kube-apiserver") and not _asset("kube-controller-manager"):
            return None
        return Server([_program("kube-controller-manager"), *words], folder / "kube-controller-manager.log")


def _program(name: str) -> Path:
    return _asset(name) or programs.program(name)


def _asset(name: str) -> Path | None:
    """Return a program of the folder that envtest's users have, too."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    file = Path(folder, name) if folder else None
    return file if file and file.exists() else None


def _etcd() -> str | None:
    return str(_asset("etcd") or "") or shutil.which("etcd")
