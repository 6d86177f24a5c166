# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the Python of the environment with the newest ansible-core that this machine allows, made if it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

from bench import Bench, Failed, Job, Skipped
from environments import core_environment, cores


def main() -> int:
    """Print the path; return 2 with one sentence when there is no such environment to be had."""
    job = Job(Bench.open(Path(__file__).resolve().parents[2]), "environment")
    try:
        if not cores():
            raise Skipped("needs a Python that ansible-core 2.16 or newer runs on")
        print(core_environment(job, cores()[-1]) / "python")
    except (Failed, Skipped) as error:
        print(f"{error}; see {job.log}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
