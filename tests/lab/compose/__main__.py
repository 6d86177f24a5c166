# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example's project on an engine of its own, for who is not a test: C(python -m tests.lab.compose up FOLDER).

C(up) leaves the engine running, with images of v1 and v2, and writes C(shop.json) beside it; nothing of the project
runs yet. C(down) ends and removes all of it. C(missing) says what this machine lacks, nothing when it lacks nothing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.lab.compose import images
from tests.lab.compose.engine import Engine, missing
from tests.lab.compose.project import Project


def up(folder: Path) -> None:
    """Start the engine in C(folder), a path short enough for a socket, and write the project."""
    engine = Engine(folder).start()
    try:
        for revision in ("v1", "v2"):
            images.shop(engine, revision, "--stop-grace 0.2")
        project = Project(engine, folder / "shop")
        project.write()
        said = {
            "home": str(project.folder),
            "files": [project.file, "lab.yml"],
            "url": f"{project.url}/",
            "docker_host": f"unix://{engine.socket}",
            "cli": engine.environment["DOCKER_CONFIG"],
        }
        (folder / "shop.json").write_text(json.dumps(said))
    except BaseException:
        engine.stop()
        raise


def main() -> int:
    """Return the exit status."""
    verb, *rest = sys.argv[1:] or [""]
    if verb == "missing":
        print(missing() or "", end="")
    elif verb == "up" and rest:
        up(Path(rest[0]))
    elif verb == "down" and rest:
        Engine(Path(rest[0])).stop()
    else:
        print("python -m tests.lab.compose up FOLDER | down FOLDER | missing", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
