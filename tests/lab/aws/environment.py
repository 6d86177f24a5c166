# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example's environment, in the lab: its inventory with the lab's ARNs, and the playbooks an operator starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from tests.lab.aws.grouped import Grouped
from tests.lab.aws.shop import SLOTS

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs/examples/aws/inventory.yml"
# What would take minutes takes seconds.
PACE = {
    "release_bake_time": "1s",
    "release_drain_timeout": "1s",
    "release_scale_down_delay": "1s",
    "release_abort_scale_down_delay": "0",
    "release_progress_deadline": "60s",
    "release_steps": [50, 100],
}


class Environment:
    """A folder with the inventory of one shop; C(variables) are laid over those of the example."""

    def __init__(self, shop: Grouped, folder: Path, variables: t.Mapping[str, t.Any] | None = None) -> None:
        self.shop, self.cloud, self.folder = shop, shop.cloud, folder
        for priority, slot in enumerate(SLOTS, 1):
            shop.shop.elbv2.create_rule(
                ListenerArn=shop.shop.listener,
                Priority=priority,
                Conditions=[
                    {
                        "Field": "http-header",
                        "HttpHeaderConfig": {"HttpHeaderName": "X-Release-Slot", "Values": [slot]},
                    }
                ],
                Actions=[{"Type": "forward", "TargetGroupArn": shop.shop.groups[slot]}],
            )
        inventory = yaml.safe_load(EXAMPLE.read_text())
        host = inventory["all"]["children"]["release_environments"]["hosts"]["shop-eu"]
        host["release_traffic"]["alb_traffic"].update(listener_arn=shop.shop.listener, slots=dict(shop.shop.groups))
        host["release_aws_groups"] = dict(shop.names)
        host["release_verify"]["url"] = f"{shop.shop.url}/"
        host["release_journal"] = {"store": "file", "path": str(folder / "journal")}
        host.update({"ansible_python_interpreter": sys.executable, **PACE, **(variables or {})})
        (folder / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))

    def start(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        """Start a playbook, a file or one of the collection's, and return its process, the leader of its session."""
        return subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                playbook if playbook.endswith(".yml") else f"zerodowntime.bluegreen.{playbook}",
                "-i",
                "inventory.yml",
                *options,
            ],
            cwd=self.folder,
            env={**os.environ, **self.cloud.environment, "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *options: str) -> tuple[int, str]:
        """Run a playbook to its end and return its exit status and what it said."""
        process = self.start(playbook, *options)
        said, _none = process.communicate(timeout=240)
        return process.returncode, said

    def deploy(self, revision: str, *options: str, program: str = "") -> tuple[int, str]:
        """Release C(revision), an AMI made for it; C(program) are options of its app."""
        ami = self.shop.ami(revision, program)
        return self.run("deploy", "-e", f"release_revision={revision}", "-e", f"release_aws_ami={ami}", *options)

    def report(self, revision: str) -> dict[str, t.Any]:
        """Return the newest report on a release of C(revision)."""
        files = sorted((self.folder / "reports").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        reports = (json.loads(file.read_text()) for file in reversed(files))
        return next(report for report in reports if report["revision"] == revision)

    def answer(self, slot: str = "") -> tuple[int, str]:
        """Return status and version of one answer of the front door, of a slot's preview where one is named."""
        headers = {"X-Release-Slot": slot} if slot else {}
        request = urllib.request.Request(f"{self.shop.shop.url}/", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers.get("X-Version", "")
        except urllib.error.HTTPError as error:
            return error.code, ""
