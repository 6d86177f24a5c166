# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guide's Compose file and deployment script, taken from its fences and run unchanged in a folder of their own.

What they take for granted is put around them: images of their names, C(docker-compose) as a program, port 80 by an
overlay that Compose reads by itself and a C(.curlrc). Not a byte of the two files is changed, but for the waits where
they are asked to be left out.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

from tests.lab.compose import images
from tests.lab.compose.engine import Engine

COMPOSE_FILE = "docker-compose.yml"
SCRIPT = "docker-compose-blue-green.sh"
SCRIPT_SECONDS = 900.0
START_SECONDS = 60.0


def parts(guide: str) -> tuple[str, str]:
    """Return the Compose file and the script of a guide, the fences that name them. Raises ValueError."""
    fences = re.findall(r"^```\w+\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    found = [[text for text in fences if name in "".join(text.splitlines(True)[:3])] for name in (COMPOSE_FILE, SCRIPT)]
    if not all(found):
        raise ValueError(f"the guide has no fence that begins with {COMPOSE_FILE} or {SCRIPT}")
    return found[0][0], found[1][0]


class Guide:
    """The guide's stack in C(folder); usable as a context manager."""

    def __init__(self, engine: Engine, folder: Path, text: str, waits: bool = True) -> None:
        self.engine, self.folder = engine, folder
        self._compose_file, self._script = parts(text)
        if not waits:
            # What the script costs when it never waits: no sleep, and no two minutes of watching.
            self._script = re.sub(r"^ *sleep .*\n|(?<=SECONDS) \+ \d+", "", self._script, flags=re.MULTILINE)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Guide:
        """Bring the stack up as the guide leaves it: blue serves with three containers."""
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / COMPOSE_FILE).write_text(self._compose_file)
        (self.folder / SCRIPT).write_text(self._script)
        (self.folder / "docker-compose.override.yml").write_text(
            f'services:\n  nginx:\n    ports: !override ["127.0.0.1:{self.port}:80"]\n'
        )
        (self.folder / ".curlrc").write_text(f'connect-to = "localhost:80:127.0.0.1:{self.port}"\n')
        program = self.folder / "bin/docker-compose"
        program.write_text('#!/bin/sh\nexec docker compose "$@"\n')
        program.chmod(0o755)
        # The script writes this file, and the Compose file mounts it: the first one is the script's own, for blue.
        first = re.findall(r"<< EOF\n(.*?)^\s*EOF$", self._script, re.DOTALL | re.MULTILINE)[0]
        (self.folder / "nginx.conf").write_text(first.replace("${TARGET_ENV}", "blue").replace("\\$", "$"))
        self._images()
        try:
            self.compose("up", "-d")
            give_up = time.monotonic() + START_SECONDS
            while self.answer() != 200:
                if time.monotonic() > give_up:
                    raise RuntimeError("the guide's stack does not answer: " + self.compose("logs", "nginx")[-1000:])
                time.sleep(0.2)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the stack's containers and networks."""
        self.engine.compose(self.folder, "down", "--timeout", "1", check=False)

    def compose(self, *words: str) -> str:
        return self.engine.compose(self.folder, *words)

    def image(self, revision: str) -> None:
        """Make the guide's image of C(revision)."""
        self._tag(images.shop(self.engine, f"guide-{revision}", curl=True), f"myapp:{revision}")

    def deploy(self, revision: str) -> tuple[int, str]:
        """Run the script unchanged and return its exit status and what it said."""
        self.image(revision)
        done = subprocess.run(
            ["bash", SCRIPT, revision],
            cwd=self.folder,
            env={
                **os.environ,
                **self.engine.environment,
                "HOME": str(self.folder),
                "PATH": f"{self.folder}/bin:{os.environ.get('PATH', os.defpath)}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SCRIPT_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    def containers(self) -> int:
        """Return how many containers of the application run."""
        return sum(len(self.compose("ps", "-q", f"app-{slot}").split()) for slot in ("blue", "green"))

    def answer(self) -> int:
        """Return the status of one answer, 0 for none."""
        try:
            with urllib.request.urlopen(f"{self.url}/", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def _images(self) -> None:
        self.image("blue")
        self.image("green")
        self._tag(images.shop(self.engine, "guide-database"), "postgres:13")
        changes = ["ENTRYPOINT " + json.dumps(["/usr/sbin/nginx", "-g", "daemon off;"])]
        images.changed(self.engine, images.nginx(self.engine), "nginx:alpine", changes)

    def _tag(self, image: str, name: str) -> None:
        repository, tag = name.split(":")
        self.engine.api.call("POST", f"/images/{image}/tag", repo=repository, tag=tag)


def strict_load(url: str, report: Path, load: t.Mapping[str, t.Any]) -> t.Any:
    """Start the collection's own strict client beside the script; returns what ends it and gives its report."""
    # Not at the top: tests/conftest.py has to make the collection importable first.
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load import detached
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load
    from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource

    detached.start_by_fork(
        detached.order(Load(f"{url}/", revision=RevisionSource(header="X-Version"), **load), str(report), 3600.0)
    )
    return lambda: detached.finish(str(report), lambda line: None)
