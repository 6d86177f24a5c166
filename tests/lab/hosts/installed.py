# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases by the collection that is installed in a folder, and by nothing of this checkout.

``python -m tests.lab.hosts.installed FOLDER`` releases twice in a world of its own and asks for the status. It prints
what the playbooks say and exits with 1 when one of them fails or does not do what it should.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.lab.hosts.world import World


def main(folder: Path) -> int:
    """Return the exit status."""
    with World(variables={"release_bake_time": "0"}, collections=folder) as world:
        for revision in ("v1", "v2"):
            world.build(revision)
        for words in (("deploy", "-e", "release_revision=v1"), ("deploy", "-e", "release_revision=v2"), ("status",)):
            print("$", *world.command(*words))
            if world.run(*words, say=print):
                return 1
        report = world.report("v2") or {}
        print(f"v2: {report.get('outcome')}, {report.get('dropped')} dropped, traffic {world.weights()}")
        return 0 if (report.get("outcome"), report.get("dropped")) == ("Promoted", 0) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
