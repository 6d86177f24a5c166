# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real node for a control plane of the lab: scheduler, kubelet, containerd, runc, a bridge. It needs root.

Real pods with probes, logs, preStop and grace; images that cannot be pulled, and containers that crash. There is no
registry: images come from tar files (images.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

from tests.lab.kubernetes import images, programs
from tests.lab.kubernetes.api import ApiError
from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.host import Host, unmount_below
from tests.lab.kubernetes.server import Server, free_port, until

NAME = "node-1"


def missing() -> str | None:
    """Return what this machine lacks for a node, as the words of a skipped test; None when it lacks nothing."""
    if os.geteuid() != 0:
        return "skipped: needs root for a Kubernetes node of its own"
    for name, package in (("runc", "runc"), ("iptables", "iptables"), ("ip", "iproute2")):
        if not shutil.which(name, path=programs.search_path()):
            return f"skipped: needs {name} (Debian: {package})"
    return programs.missing(*programs.NODE)


class Node:
    """One node, from C(start) to C(stop)."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self.folder = cluster.folder / "node"
        self.folder.mkdir()
        self.host = Host()
        self._socket = self.folder / "containerd.sock"
        self.containerd = self._containerd()
        self.kubelet = self._kubelet()
        self.scheduler = self._scheduler()

    def start(self) -> Node:
        """Start everything, wait until the node is ready; returns itself. Raises RuntimeError with last words."""
        self.host.prepare()
        try:
            self.containerd.start(lambda: "Server:" in self._ctr("version"))
            self.load(images.shop())
            self.load(images.pause())
            self.scheduler.start(lambda: True)
            self.kubelet.start(self._is_ready)
        except BaseException:
            self.stop()
            raise
        return self

    def load(self, image: Path) -> None:
        """Load the images of a tar file."""
        self._ctr("images", "import", str(image))

    def stop(self) -> None:
        """End every pod without its grace, end the servers, and put the machine back as it was."""
        self.scheduler.stop()
        self.kubelet.stop()
        for container in self._ctr("containers", "ls", "-q").split():
            self._ctr("tasks", "rm", "-f", container)
            self._ctr("containers", "rm", container)
        until(lambda: not self._shims(), 10)
        self.containerd.stop()
        unmount_below(self.folder)
        self.host.restore()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_ready(self) -> bool:
        with contextlib.suppress(ApiError):
            conditions = self._cluster.api.get(f"/api/v1/nodes/{NAME}")["status"].get("conditions", [])
            return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        return False

    def _ctr(self, *words: str) -> str:
        """Run containerd's own client in the namespace of kubelet's containers; return what it says, errors too."""
        command = [programs.program("ctr"), "--address", self._socket, "--namespace", "k8s.io", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout

    def _shims(self) -> list[str]:
        """Return the processes that hold a container of this node."""
        own = str(self._socket).encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if own in (folder / "cmdline").read_bytes().split(b"\0") and b"shim" in (folder / "comm").read_bytes():
                    found.append(folder.name)
        return found

    def _containerd(self) -> Server:
        folder = self.folder
        runtime = "io.containerd.cri.v1.runtime"
        plugins: dict[str, t.Any] = {
            "io.containerd.internal.v1.opt": {"path": f"{folder}/opt"},
            "io.containerd.cri.v1.images": {
                "snapshotter": "overlayfs",
                "pinned_images": {"sandbox": images.PAUSE},
            },
            runtime: {
                # Where root lacks CAP_SYS_RESOURCE, no sandbox comes up without it.
                "restrict_oom_score_adj": True,
                # So that they can be told from the network namespaces of others.
                "netns_mounts_under_state_dir": True,
                "cni": {"bin_dirs": [str(programs.program("bridge").parent)], "conf_dir": f"{folder}/cni"},
                "containerd": {
                    "runtimes": {
                        "runc": {
                            "runtime_type": "io.containerd.runc.v2",
                            "options": {
                                "BinaryName": str(shutil.which("runc", path=programs.search_path())),
                                "SystemdCgroup": False,
                            },
                        }
                    }
                },
            },
        }
        kinds = ("btrfs", "zfs", "devmapper", "erofs", "blockfile")
        config = {
            "version": 3,
            "root": f"{folder}/containerd",
            "state": f"{folder}/state",
            "disabled_plugins": [
                *(f"io.containerd.snapshotter.v1.{kind}" for kind in kinds),
                "io.containerd.nri.v1.nri",
                "io.containerd.tracing.processor.v1.otlp",
            ],
            "grpc": {"address": str(self._socket)},
            "ttrpc": {"address": f"{self._socket}.ttrpc"},
            "plugins": plugins,
        }
        (folder / "containerd.toml").write_text("\n".join(_toml(config)) + "\n")
        (folder / "cni").mkdir()
        (folder / "cni/10-lab.conflist").write_text(json.dumps(self._network()))
        for name in ("containerd-shim-runc-v2", "host-local", "loopback"):
            programs.program(name)
        path = f"{programs.program('containerd').parent}:{programs.search_path()}"
        words = [programs.program("containerd"), "--config", folder / "containerd.toml"]
        return Server(words, folder / "containerd.log", PATH=path)

    def _network(self) -> dict[str, t.Any]:
        ipam = {
            "type": "host-local",
            "dataDir": f"{self.folder}/addresses",
            "ranges": [[{"subnet": self.host.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {
            "type": "bridge",
            "bridge": self.host.bridge,
            "isGateway": True,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": ipam,
        }
        return {"cniVersion": "1.0.0", "name": self.host.bridge, "plugins": [bridge]}

    def _kubelet(self) -> Server:
        folder = self.folder
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.host.address,
            "port": free_port(),
            "readOnlyPort": 0,
            "healthzPort": 0,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self.host.cgroup,
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "resolvConf": "",
            "podLogsDir": f"{folder}/logs",
            "volumePluginDir": f"{folder}/volumes",
            "nodeStatusUpdateFrequency": "4s",
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            # A container that crashes again and again is seen to do so within a test.
            "crashLoopBackOff": {"maxContainerRestartPeriod": "10s"},
        }
        (folder / "kubelet.json").write_text(json.dumps(config, indent=1))
        words = [
            f"--config={folder}/kubelet.json",
            f"--kubeconfig={self._cluster.kubeconfig}",
            f"--root-dir={folder}/kubelet",
            f"--cert-dir={folder}/kubelet/pki",
            f"--hostname-override={NAME}",
            f"--node-ip={self.host.address}",
        ]
        return Server([programs.program("kubelet"), *words], folder / "kubelet.log", PATH=programs.search_path())

    def _scheduler(self) -> Server:
        words = [
            f"--kubeconfig={self._cluster.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={self.folder}/scheduler",
            "--leader-elect=false",
        ]
        return Server([programs.program("kube-scheduler"), *words], self.folder / "kube-scheduler.log")


def _toml(table: t.Mapping[str, t.Any], name: str = "") -> t.Iterator[str]:
    """Yield the lines of a table: what is plain first, then the tables in it. JSON's values are TOML's."""
    if name:
        yield f"[{name}]"
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{key} = {json.dumps(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _toml(value, ".".join(filter(None, [name, f'"{key}"'])))
