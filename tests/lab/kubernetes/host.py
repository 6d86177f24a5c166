# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node of the lab changes on its machine, and puts back: an address, a bridge, cgroups, sysctls, one rule."""

from __future__ import annotations

import contextlib
import random
import secrets
import shutil
import subprocess
from pathlib import Path

from tests.lab.kubernetes.programs import search_path

CGROUPS = Path("/sys/fs/cgroup")
# What kubelet and the bridge plugin write.
SYSCTLS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
# Where kubelet links the logs of all pods, whatever folder it is given.
LINKS = Path("/var/log/containers")


class Host:
    """This machine as the place of one node; several may lie on it, each with addresses and cgroups of its own."""

    def __init__(self) -> None:
        network = f"10.{random.randint(100, 250)}.{random.randint(0, 127) * 2}"
        self.pods = f"{network}.0/24"
        # The API refuses loopback addresses, so the node has another one, on lo.
        self.address = network.rpartition(".")[0] + f".{int(network.rpartition('.')[2]) + 1}.1"
        self.bridge = f"zdt-{secrets.token_hex(3)}"
        self.cgroup = f"/{self.bridge}"
        self._sysctls: dict[Path, str] = {}
        self._made_links = False

    def prepare(self) -> None:
        """Note what is, and add what a node needs; the bridge is made by the first pod."""
        for name in SYSCTLS:
            file = Path("/proc/sys", name)
            if file.exists():
                self._sysctls[file] = file.read_text()
        self._made_links = not LINKS.exists()
        _run("ip", "address", "add", f"{self.address}/32", "dev", "lo")
        # Where Docker runs, it drops what goes from one port of a bridge to another.
        _run("iptables", "-I", "FORWARD", *self._rule)
        for root in self._cgroup_roots():
            root.mkdir(exist_ok=True)

    def restore(self) -> None:
        """Put everything back as it was; what is gone already is well, too."""
        _run("iptables", "-D", "FORWARD", *self._rule, check=False)
        _run("ip", "link", "delete", self.bridge, check=False)
        _run("ip", "address", "delete", f"{self.address}/32", "dev", "lo", check=False)
        for root in self._cgroup_roots():
            for folder in [*sorted(root.glob("**/"), reverse=True), root]:
                with contextlib.suppress(OSError):
                    folder.rmdir()
        for file, value in self._sysctls.items():
            if file.read_text() != value:
                file.write_text(value)
        if self._made_links:
            shutil.rmtree(LINKS, ignore_errors=True)

    def changes(self) -> list[str]:
        """Return what is not as C(prepare) found it."""
        left = [str(file) for file, value in self._sysctls.items() if file.read_text() != value]
        left += [str(root) for root in self._cgroup_roots() if root.exists()]
        for words in (("ip", "-o", "address"), ("ip", "-o", "link"), ("iptables", "-S", "FORWARD")):
            left += [line for line in _run(*words).splitlines() if self.bridge in line or self.address in line]
        return left

    @property
    def _rule(self) -> list[str]:
        return ["-i", self.bridge, "-o", self.bridge, "-j", "ACCEPT"]

    def _cgroup_roots(self) -> list[Path]:
        """The folders of the node's cgroup: one in version 2, one for each controller in version 1."""
        if (CGROUPS / "cgroup.controllers").exists():
            return [CGROUPS / self.cgroup[1:]]
        return [folder / self.cgroup[1:] for folder in CGROUPS.iterdir() if folder.is_dir() and not folder.is_symlink()]


def unmount_below(folder: Path) -> None:
    """Unmount everything below C(folder), the last one first."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        place = line.split(" ")[1]
        if place.startswith(f"{folder}/"):
            _run("umount", "-l", place, check=False)


def _run(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, env={"PATH": search_path()}, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
