# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords in an inventory's options reach the systems they are for, and no screen, however verbose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SECRETS = ("kept-from-view-1", "kept-from-view-2", "kept-from-view-3")
NOBODY = "http://127.0.0.1:9"

SHOP = {
    "ansible_connection": "local",
    "release_app": "shop",
    "release_platform": "aws",
    "release_aws_groups": {"blue": "b", "green": "g"},
    "release_aws_options": {"region": "eu-west-1", "secret_key": SECRETS[0]},
    "release_traffic": {
        "alb_traffic": {
            "listener_arn": "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/x/1/2",
            "region": "eu-west-1",
            "access_key": "AK",
            "secret_key": SECRETS[1],
            "endpoint_url": NOBODY,
            "slots": {"blue": "b", "green": "g"},
        }
    },
    "release_gate": {"source": {"prometheus": {"url": NOBODY, "username": "u", "password": SECRETS[2]}}},
}


@pytest.mark.parametrize("playbook", ["deploy", "status"])
def test_no_password_of_an_environment_is_shown_and_the_failure_is(tmp_path: Path, playbook: str) -> None:
    hosts = {"shop": {**SHOP, "release_journal": {"path": str(tmp_path / "journal")}}}
    inventory = {"all": {"children": {"release_environments": {"hosts": hosts}}}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), f"zerodowntime.bluegreen.{playbook}", "-vvv"]
    done = subprocess.run(
        [*command, "-i", "inventory.yml", "-e", "release_revision=v2"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "AWS_MAX_ATTEMPTS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f'Could not connect to the endpoint URL: "{NOBODY}/"' in said.replace("\\", "")
    assert not [secret for secret in SECRETS if secret in said]
