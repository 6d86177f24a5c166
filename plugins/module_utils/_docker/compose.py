# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose v2's command line, for what only it can do: read the project, pull, start and take down one service.

What it prints while it works is for people and is not read; its exit status and its last words are.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _program
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError

# Pulling an image and stopping with grace take their time; for ever is a hang.
PATIENCE = 1800.0

# An operator's shell must not choose another project than the inventory does.
_NOT_OURS = ("COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES", "DOCKER_CONTEXT")


class Compose:
    """The project in C(folder)."""

    def __init__(
        self, folder: str, files: t.Sequence[str], project: t.Optional[str], env_file: str, docker_host: str
    ) -> None:
        self.folder = folder
        self.files = files
        self.project = project
        self.env_file = env_file
        self.docker_host = docker_host

    def config(self, values: t.Mapping[str, str]) -> dict[str, t.Any]:
        """Return the project as Compose understands it, with C(values) over the env file. Raises ReleaseError."""
        return t.cast("dict[str, t.Any]", json.loads(self.run("config", "--format", "json", values=values)))

    def hash(self, service: str, values: t.Mapping[str, str]) -> str:
        """Return what Compose labels a container of this configuration with."""
        return self.run("config", "--hash", service, values=values).split()[-1]

    def pull(self, image: str) -> None:
        """Pull an image, with the credentials of C(docker login). Raises ReleaseError with the registry's words.

        Not by Compose, which pulls nothing for a service whose C(pull_policy) is C(never).
        """
        done = self._within_patience("docker pull", ["docker", "pull", "--quiet", image], {})
        if done.returncode:
            raise ReleaseError(_last_words(done))

    def up(self, service: str, scale: int) -> None:
        """Make new containers of one service, and touch no other.

        Without C(--no-deps), the service's name and its scale, Compose sets every other service back to the file's
        scale: that removed both colours (FACTS). It does not wait: the frame does, and hears of an abort meanwhile.
        """
        words = ["--detach", "--no-deps", "--no-build", "--pull", "never", "--force-recreate"]
        self.run("up", *words, "--scale", f"{service}={scale}", service)

    def start(self, services: t.Sequence[str]) -> None:
        """Bring the named services up, what they depend on too, and wait until they run, healthy where they check."""
        self.run("up", "--detach", "--wait", *services)

    def take_down(self, service: str) -> None:
        """Stop the containers of one service, each with the grace that the file gives it, and remove them."""
        self.run("rm", "--stop", "--force", service)

    def run(self, *words: str, values: t.Optional[t.Mapping[str, str]] = None) -> str:
        """Return what C(docker compose words) prints. Raises ReleaseError with its last words, Lost when it hangs."""
        command = ["docker", "compose", "--progress", "quiet", "--project-directory", self.folder]
        if self.project:
            command += ["--project-name", self.project]
        for file in self.files:
            command += ["--file", os.path.join(self.folder, file)]
        for file in dict.fromkeys([os.path.join(self.folder, ".env"), self.env_file]):
            if os.path.exists(file):
                command += ["--env-file", file]
        done = self._within_patience(f"docker compose {words[0]}", [*command, *words], values or {})
        if done.returncode:
            raise ReleaseError(self._complaint(words[0], done))
        return done.stdout

    def _within_patience(
        self, what: str, command: t.Sequence[str], values: t.Mapping[str, str]
    ) -> _program.Done:
        try:
            return self._call(command, values)
        except TimeoutError as error:
            raise Lost(f"{what} has not ended after {PATIENCE:.0f} s in {self.folder}") from error

    def _call(self, command: t.Sequence[str], values: t.Mapping[str, str]) -> _program.Done:
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        try:
            env = {**environment, "DOCKER_HOST": self.docker_host, **values}
            return _program.run(command, env, PATIENCE, self.folder)
        except TimeoutError:
            raise
        except FileNotFoundError as error:
            missing = "the program docker is not on PATH" if os.path.isdir(self.folder) else f"no folder {self.folder}"
            raise ReleaseError(f"cannot run Compose: {missing}") from error
        except OSError as error:
            raise ReleaseError(f"cannot run Compose in {self.folder}: {error.strerror}") from error

    def _complaint(self, verb: str, done: _program.Done) -> str:
        version = self._call(["docker", "compose", "version", "--short"], {})
        number = version.stdout.strip().lstrip("v")
        if version.returncode or not number[:1].isdigit() or int(number.split(".")[0]) < 2:
            return (
                "Compose v2, the plugin 'docker compose', is needed and not there (Compose v1, 'docker-compose', "
                "will not do): install the package docker-compose-plugin"
            )
        return f"docker compose {verb} in {self.folder} failed: {_last_words(done)}"


def _last_words(done: _program.Done) -> str:
    words = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    last = words[-1] if words else f"it ended with status {done.returncode}"
    return last.replace("Error response from daemon: ", "")
