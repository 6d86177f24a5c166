# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines to release to: each a real OpenSSH server of its own on a loopback address, as root or as the current user.

Usable as a context manager from tests and benchmarks::

    with SshMachines(["lb1", "lb2"]) as machines:
        machines.variables("lb1")   # the inventory variables that reach it
        machines.lose("lb2")        # the machine is gone: listener and sessions

No file of the system is touched: keys, configuration, control sockets and remote temporary files lie in a folder that
goes with the lab. Only root's servers need C(/run/sshd), the empty runtime folder that every start of sshd makes.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Iterable, Iterator
from pathlib import Path

PRIVILEGE_SEPARATION = Path("/run/sshd")
START_SECONDS = 10.0


def missing() -> str | None:
    """Return the sentence that says why no machine can be started here, or None when all is there."""
    for program in ("sshd", "ssh", "ssh-keygen"):
        if not _program(program):
            return f"{program} is not installed: apt-get install openssh-server openssh-client"
    return None


class SshMachines:
    """As many machines as there are names. They share one host key and one user key; each has an address of its own."""

    def __init__(
        self,
        names: Iterable[str],
        python: str = sys.executable,
        within: t.Mapping[str, t.Sequence[str]] | None = None,
        environment: t.Mapping[str, str] | None = None,
    ) -> None:
        self.names = list(names)
        self.python = python
        # What enters a machine's namespaces, such as nsenter with its options, and the environment of its sessions.
        self._within = within or {}
        self._environment = environment or {}
        self._servers: dict[str, _Server] = {}

    def __enter__(self) -> SshMachines:
        """Start all machines; raises RuntimeError with sshd's own words when one does not come up."""
        # A control socket's path must be shorter than 108 bytes: never below a deep TMPDIR.
        self.folder = Path(tempfile.mkdtemp(prefix="zdt-ssh-", dir="/tmp"))
        try:
            for key in ("host_key", "user_key"):
                command = [_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / key)]
                subprocess.run(command, check=True)
            shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")
            for number, name in enumerate(self.names, start=1):
                self._servers[name] = _Server(
                    self.folder, name, f"127.0.0.{number}", self._within.get(name, ()), self._environment
                )
                self._servers[name].start()
            host_key = (self.folder / "host_key.pub").read_text()
            known = [f"[{server.address}]:{server.port} {host_key}" for server in self._servers.values()]
            (self.folder / "known_hosts").write_text("".join(known))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        for name in self._servers:
            self.lose(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def variables(self, name: str) -> dict[str, t.Any]:
        """Return the inventory variables by which Ansible reaches the machine; pipelining is left to the caller."""
        server = self._servers[name]
        ssh = {
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": "5",
        }
        return {
            "ansible_connection": "ssh",
            "ansible_host": server.address,
            "ansible_port": server.port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.folder / "user_key"),
            "ansible_ssh_common_args": " ".join(["-F /dev/null", *(f"-o {key}={value}" for key, value in ssh.items())]),
            "ansible_control_path_dir": str(self.folder / "control"),
            "ansible_remote_tmp": str(self.folder / "remote-tmp"),
            "ansible_python_interpreter": self.python,
        }

    def inventory(self) -> dict[str, dict[str, t.Any]]:
        """Return the variables of all machines, by name."""
        return {name: self.variables(name) for name in self.names}

    def lose(self, name: str) -> None:
        """Take the machine away without a goodbye: its listener and every session and command in it."""
        self._servers[name].kill()

    @contextlib.contextmanager
    def hung(self, name: str) -> Iterator[None]:
        """Let the machine hang meanwhile: connections stay open and nothing answers."""
        self._servers[name].send(signal.SIGSTOP)
        try:
            yield
        finally:
            self._servers[name].send(signal.SIGCONT)

    def revive(self, name: str) -> None:
        """Start the machine again at its old address and port."""
        self._servers[name].start()


class _Server:
    """One sshd at one address. Its commands see the machine's name in the environment variable LAB_MACHINE."""

    def __init__(
        self, folder: Path, name: str, address: str, within: t.Sequence[str], environment: t.Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.name = name
        self.address = address
        self._within = within
        self._environment = {"LAB_MACHINE": name, **environment}
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if os.geteuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        # A port that was free may be taken a moment later; a machine that comes back has to have its old one.
        ports = [self.port] if self.port else [_free_port(self.address) for _attempt in range(5)]
        for port in ports:
            if self._listens(port):
                self.port = port
                return
        raise RuntimeError(f"sshd for {self.name} did not start: {self._log.read_text().strip()}")

    def kill(self) -> None:
        if self._process is None:
            return
        self.send(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def send(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        # The whole list before the first kill: who loses its parent is no longer found.
        for pid in list(_family(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def _listens(self, port: int) -> bool:
        config = self.folder / f"{self.name}.conf"
        config.write_text(
            f"""\
ListenAddress {self.address}:{port}
HostKey {self.folder}/host_key
AuthorizedKeysFile {self.folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 100
SetEnv {" ".join(f"{name}={value}" for name, value in self._environment.items())}
Subsystem sftp internal-sftp
"""
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._within, _program("sshd"), "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(OSError), socket.create_connection((self.address, port), timeout=1) as answer:
                if answer.recv(4) == b"SSH-":
                    return True
            time.sleep(0.01)
        self.kill()
        return False


def _program(name: str) -> str:
    # sshd insists on an absolute path, and /usr/sbin is not on every user's PATH.
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def _free_port(address: str) -> int:
    with socket.socket() as listener:
        listener.bind((address, 0))
        return int(listener.getsockname()[1])


def _family(pid: int) -> Iterator[int]:
    """Yield the process and all its descendants; a session's processes leave the listener's process group."""
    yield pid
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may hold blanks; what follows it is: state, parent, ...
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                yield from _family(int(status.parent.name))
