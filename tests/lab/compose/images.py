# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images without a registry: this machine's own programs, with the libraries they load, as one layer.

C(zdt-shop) is the demo application on this machine's Python, one tag per revision; C(zdt-haproxy) and C(zdt-nginx) are
the balancers that the other tests use, too.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sysconfig
import tarfile
import typing as t
from pathlib import Path

from tests.lab.compose.engine import SBIN, Engine

CHECKOUT = Path(__file__).resolve().parents[3]
DEMO = CHECKOUT / "tests/lab/hosts/demo_app.py"
CACHE = Path(os.environ.get("ZERODOWNTIME_CACHE") or "~/.cache/zerodowntime-bluegreen").expanduser() / "images"

# What the standard library holds that no server needs.
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip"}
PYTHON = Path(os.path.realpath(sysconfig.get_config_var("BINDIR") + "/python3"))
APP = f"exec {PYTHON} -S -B /app/demo_app.py --host 0.0.0.0 --port 8080 --revision $REVISION --slot $SLOT $OPTIONS"
HEALTH = (
    "import http.client as h;c=h.HTTPConnection('127.0.0.1',8080,timeout=2);c.request('GET','/health');"
    "raise SystemExit(c.getresponse().status!=200)"
)


def shop(engine: Engine, revision: str, options: str = "", health: bool = True, curl: bool = False) -> str:
    """Make the image of C(revision), whose demo app runs with C(options), and return its name.

    With C(curl) it has that program, for a health check that is not the image's.
    """
    base = "zdt-shop-curl:latest" if curl else "zdt-shop-base:latest"
    if base not in _tags(engine):
        programs, files, links = demo()
        _load(engine, base, [*programs, *([found("curl")] if curl else [])], files, links)
    changes = [
        f"ENV REVISION={revision}",
        "ENV SLOT=none",
        f"ENV OPTIONS={json.dumps(options)}",
        f"ENTRYPOINT {json.dumps(['/bin/sh', '-c', APP])}",
        *([f"HEALTHCHECK --interval=1s --timeout=3s --retries=3 CMD {json.dumps([str(PYTHON), '-S', '-c', HEALTH])}"]
          if health else []),
    ]  # fmt: skip
    return changed(engine, base, f"zdt-shop:{revision}", changes)


def demo() -> tuple[list[Path | str], dict[str, Path | bytes], dict[str, str]]:
    """Return what an image of the demo app is made of: programs, files, links."""
    library = Path(sysconfig.get_path("stdlib"))
    shell = found("dash", "sh")
    files: dict[str, Path | bytes] = {"app/demo_app.py": DEMO, **_files(library, LEFT_OUT)}
    return [PYTHON, shell, *_extensions(library)], files, {"bin/sh": shell}


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


def found(*names: str) -> str:
    """Return where the first of C(names) that is installed lies; raises FileNotFoundError when none is."""
    for name in names:
        place = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SBIN}")
        if place:
            return place
    raise FileNotFoundError(f"no {names[0]} on PATH")


def _extensions(library: Path) -> list[Path]:
    return list((library / "lib-dynload").glob("*.so"))


def _files(folder: Path, left_out: set[str]) -> dict[str, Path]:
    return {
        str(path).lstrip("/"): path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.suffix != ".a"
        and not left_out & set(path.relative_to(folder).parts)
    }  # fmt: skip


def _libraries(program: Path) -> set[str]:
    """Return the libraries that a program loads, as ldd finds them."""
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    words = (word for line in said.splitlines() for word in line.split() if word.startswith("/"))
    return {word for word in words if Path(word).exists()}


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
    marks = [f"{p}:{Path(p).stat().st_mtime_ns}" for p in (*programs, DEMO, __file__)]
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


def fill(
    tar: tarfile.TarFile,
    programs: t.Sequence[Path | str],
    files: t.Mapping[str, Path | bytes],
    links: t.Mapping[str, str],
    folders: t.Sequence[str],
) -> None:
    """Fill the one layer of an image: C(programs) with the libraries they load, C(files) by their names in it, links."""
    tar.dereference = True
    everything = {str(path) for path in programs}
    for program in programs:
        everything |= _libraries(Path(program))
    # Names are looked up by what the C library finds here.
    everything |= {str(path) for path in Path("/").glob("lib/*-linux-gnu/libnss_*.so.2")}
    for name in sorted({"tmp", "run", "proc", "dev", "etc", *folders}):
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    for path in sorted(everything):
        tar.add(path, arcname=path.lstrip("/"), recursive=False)
    for name, content in files.items():
        if f"/{name}" in everything:
            continue
        if isinstance(content, bytes):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
        else:
            tar.add(content, arcname=name, recursive=False)
    for name, target in links.items():
        if f"/{name}" in everything:
            continue
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, target
        tar.addfile(link)
