# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images without a registry are made of: this machine's programs with the libraries they load, as one layer."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sysconfig
import tarfile
import typing as t
from pathlib import Path

DEMO = Path(__file__).parent / "hosts/demo_app.py"
PYTHON = Path(os.path.realpath(sysconfig.get_config_var("BINDIR") + "/python3"))
# What the standard library holds that no server needs.
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip"}
APP = f"exec {PYTHON} -S -B /app/demo_app.py --host 0.0.0.0 --port 8080 --revision $REVISION --slot $SLOT $OPTIONS"


def demo() -> tuple[list[Path | str], dict[str, Path | bytes], dict[str, str]]:
    """Return what an image of the demo app is made of: programs, files, links."""
    library = Path(sysconfig.get_path("stdlib"))
    shell = found("dash", "sh")
    files: dict[str, Path | bytes] = {"app/demo_app.py": DEMO, **_files(library, LEFT_OUT)}
    return [PYTHON, shell, *_extensions(library)], files, {"bin/sh": shell}


def fill(
    tar: tarfile.TarFile,
    programs: t.Sequence[Path | str],
    files: t.Mapping[str, Path | bytes],
    links: t.Mapping[str, str],
    folders: t.Sequence[str],
) -> None:
    """Fill the layer of an image: C(programs) with the libraries they load, C(files) and C(links) by their names."""
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


def found(*names: str) -> str:
    """Return where the first of C(names) that is installed lies; raises FileNotFoundError when none is."""
    for name in names:
        place = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
        if place:
            return place
    raise FileNotFoundError(f"no {names[0]} on PATH")


def _extensions(library: Path) -> list[Path]:
    return list((library / "lib-dynload").glob("*.so"))


def _files(folder: Path, left_out: set[str]) -> dict[str, Path]:
    return {
        str(path).lstrip("/"): path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".a" and ".opt-" not in path.name
        and not left_out & set(path.relative_to(folder).parts)
    }  # fmt: skip


def _libraries(program: Path) -> set[str]:
    """Return the libraries that a program loads, as ldd finds them."""
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    words = (word for line in said.splitlines() for word in line.split() if word.startswith("/"))
    return {word for word in words if Path(word).exists()}
