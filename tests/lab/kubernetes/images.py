# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images for a node without a registry: tar files in Docker's format, kept in the cache of the tests.

C(SHOP:v1) and the other tags are the demo app as the images of Compose have it, one layer for all of them; a tag that
is not in C(REVISIONS) cannot be pulled. The pause container of every pod is this machine's C(sleep).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
import typing as t
from collections.abc import Mapping
from pathlib import Path

from tests.lab import layers
from tests.lab.kubernetes.programs import CACHE
from tests.lab.layers import APP, DEMO, PYTHON, demo, fill, found

SHOP = "registry.example.com/shop"
# The same app, with the revisions of the quickstart.
QUICK = "registry.example.com/quickstart"
PAUSE = "registry.example.com/pause:1"
# Tag -> options of the demo app.
REVISIONS = {
    "v1": "",
    "v2": "",
    "v3": "",
    "faulty": "--error-rate 0.5",
    "unhealthy": "--unhealthy",
    "crash": "--no-such-option",
}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def shop(revisions: Mapping[str, str] | None = None, repository: str = SHOP) -> Path:
    """Return the tar file of C(revisions) of the shop, tags with options of the demo app; REVISIONS by default."""
    programs, files, links = demo()
    sleep = found("sleep")
    layer = _layer([*programs, sleep], files, {**links, "bin/sleep": sleep})
    configs = {
        f"{repository}:{tag}": {
            "Entrypoint": ["/bin/sh", "-c", APP],
            "Env": ["PATH=/usr/bin:/bin", "SLOT=none", f"REVISION={tag}", f"OPTIONS={options}"],
        }
        for tag, options in (revisions or REVISIONS).items()
    }
    return _image("shop", layer, configs, f"{PYTHON} {DEMO.stat().st_mtime_ns} {sleep}")


def quick() -> Path:
    """Return the tar file of the quickstart's revisions: v3 is bad, v4 is for who plays on."""
    return shop({"v1": "", "v2": "", "v3": "--error-rate 0.05", "v4": ""}, QUICK)


def pause() -> Path:
    """Return the tar file of the container that holds a pod's network."""
    sleep = found("sleep")
    return _image("pause", _layer([sleep], {}, {}), {PAUSE: {"Entrypoint": [sleep, "infinity"]}}, sleep)


def _layer(
    programs: list[Path | str], files: Mapping[str, Path | bytes], links: Mapping[str, str]
) -> t.Callable[[tarfile.TarFile], None]:
    return lambda tar: fill(tar, programs, files, links, ())


def _image(
    name: str,
    write_layer: t.Callable[[tarfile.TarFile], None],
    configs: Mapping[str, Mapping[str, t.Any]],
    marks: str,
) -> Path:
    """Return the tar of images that share one layer, made when the cache lacks one of these marks."""
    sources = Path(__file__).read_bytes() + Path(layers.__file__).read_bytes()
    mark = hashlib.sha256(f"{marks} {json.dumps(configs)}".encode() + sources).hexdigest()[:16]
    kept = CACHE / "images" / f"{name}-{mark}.tar"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        write_layer(tar)
    layer = content.getvalue()
    digest = hashlib.sha256(layer).hexdigest()
    fresh = kept.with_suffix(f".{os.getpid()}")
    manifest = []
    with tarfile.open(fresh, "w") as tar:
        _add(tar, f"{digest}/layer.tar", layer)
        for reference, config in configs.items():
            body = {
                "architecture": _MACHINES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            }
            described = json.dumps(body).encode()
            file = f"{hashlib.sha256(described).hexdigest()}.json"
            _add(tar, file, described)
            manifest.append({"Config": file, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]})
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    fresh.rename(kept)
    return kept


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
