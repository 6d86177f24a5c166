# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the engine without a registry, each of one layer.

C(zdt-shop) is the demo application on this machine's Python, one tag per revision; C(zdt-haproxy) and C(zdt-nginx) are
the balancers that the other tests use, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
import typing as t
from pathlib import Path

from tests.lab import layers
from tests.lab.compose.engine import Engine
from tests.lab.layers import APP, DEMO, PYTHON, demo, fill, found

CACHE = Path(os.environ.get("ZERODOWNTIME_CACHE") or "~/.cache/zerodowntime-bluegreen").expanduser() / "images"
# Asked each second of each container: without any import that costs more than the question.
HEALTH = (
    "import _socket as s;c=s.socket();c.settimeout(9);c.connect(('127.0.0.1',8080));"
    "c.send(b'GET /health HTTP/1.0\\r\\n\\r\\n');raise SystemExit(b' 200 ' not in c.recv(64))"
)


def shop(engine: Engine, revision: str, options: str = "", health: bool = True, curl: bool = False) -> str:
    """Make the image of C(revision), whose demo app runs with C(options), and return its name.

    With C(curl) it has that program, for a health check that is not the image's.
    """
    # An engine that runs for long meets more than one Python.
    base = f"zdt-shop-{'curl' if curl else 'base'}:{hashlib.sha256(str(PYTHON).encode()).hexdigest()[:8]}"
    if base not in _tags(engine):
        programs, files, links = demo()
        _load(engine, base, [*programs, *([found("curl")] if curl else [])], files, links)
    changes = [
        f"ENV REVISION={revision}",
        "ENV SLOT=none",
        f"ENV OPTIONS={json.dumps(options)}",
        f"ENTRYPOINT {json.dumps(['/bin/sh', '-c', APP])}",
        *([f"HEALTHCHECK --interval=1s --timeout=20s --retries=6 CMD {json.dumps([str(PYTHON), '-S', '-c', HEALTH])}"]
          if health else []),
    ]  # fmt: skip
    return changed(engine, base, f"zdt-shop:{revision}", changes)


def database(engine: Engine) -> str:
    """Make the image of what stands for the shop's database, once for all projects of the engine; return its name."""
    return "zdt-shop:data" if "zdt-shop:data" in _tags(engine) else shop(engine, "data")


def changed(engine: Engine, base: str, name: str, changes: t.Sequence[str]) -> str:
    """Make the image C(name) of C(base) with C(changes), lines of a Dockerfile, and return its name."""
    made = engine.api.call("POST", "/containers/create", body={"Image": base, "Cmd": ["x"]})["Id"]
    repository, tag = name.split(":")
    query = {"container": made, "repo": repository, "tag": tag, "changes": "\n".join(changes)}
    engine.api.call("POST", "/commit", body={}, **query)
    engine.api.call("DELETE", f"/containers/{made}")
    return name


def haproxy(engine: Engine, binary: str | None = None) -> str:
    """Make the image of HAProxy and return its name."""
    program = Path(binary or found("haproxy"))
    _load(engine, "zdt-haproxy:latest", [program], {}, links={"usr/bin/balancer": str(program)})
    return "zdt-haproxy:latest"


def nginx(engine: Engine, binary: str | None = None) -> str:
    """Make the image of nginx, of the program C(binary) or the system's, and return its name."""
    program = Path(os.path.realpath(binary or found("nginx")))
    tag = f"zdt-nginx:{hashlib.sha256(str(program).encode()).hexdigest()[:8]}"
    passwd = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    empty = {"etc/passwd": passwd, "etc/group": b"root:x:0:\nnogroup:x:65534:\n", "etc/nginx/mime.types": b"types {}\n"}
    names = {"usr/bin/balancer": str(program), "usr/bin/nginx": str(program), "usr/sbin/nginx": str(program)}
    folders = ["var/log/nginx", "var/lib/nginx", "var/cache/nginx", "run", "tmp"]
    _load(engine, tag, [program], empty, links=names, folders=folders)
    return tag


def _tags(engine: Engine) -> set[str]:
    return {tag for image in engine.api.get("/images/json") for tag in image["RepoTags"] or []}


def _load(
    engine: Engine,
    tag: str,
    programs: t.Sequence[Path | str],
    files: t.Mapping[str, Path | bytes],
    links: t.Mapping[str, str],
    folders: t.Sequence[str] = (),
) -> None:
    """Load an image of one layer into the engine; its tar is kept in the cache."""
    if tag in _tags(engine):
        return
    marks = [f"{p}:{Path(p).stat().st_mtime_ns}" for p in (*programs, DEMO, layers.__file__, __file__)]
    kept = CACHE / f"{tag.replace(':', '-')}-{hashlib.sha256(' '.join(marks).encode()).hexdigest()[:12]}.tar"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(f".{os.getpid()}")
        with tarfile.open(temporary, "w") as tar:
            fill(tar, programs, files, links, folders)
        temporary.rename(kept)
    done = subprocess.run(
        ["docker", "import", str(kept), tag],
        env={**os.environ, **engine.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"docker import {kept}: {done.stderr}")
