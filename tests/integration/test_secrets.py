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

NOBODY = "http://127.0.0.1:9"


def secret(number: int) -> str:
    return f"kept-from-view-{number}"


AWS = {
    "release_platform": "aws",
    "release_aws_groups": {"blue": "b", "green": "g"},
    "release_aws_options": {"region": "eu-west-1", "secret_key": secret(0), "session_token": secret(1)},
    "release_traffic": {
        "alb_traffic": {
            "listener_arn": "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/x/1/2",
            "region": "eu-west-1",
            "access_key": "AK",
            "secret_key": secret(2),
            "session_token": secret(3),
            "endpoint_url": NOBODY,
            "slots": {"blue": "b", "green": "g"},
        }
    },
    "release_gate": {
        "source": {
            "prometheus": {
                "url": NOBODY,
                "username": "u",
                "password": secret(4),
                "headers": {"X-Token": secret(5)},
            }
        },
        "watch": [{"alertmanager": {"url": NOBODY, "labels": {"a": "b"}, "bearer_token": secret(6)}}],
    },
    "release_certificate": {"headers": {"Authorization": secret(7)}},
}
API = {"host": NOBODY, "api_key": secret(8), "password": secret(9), "namespace": "shop", "timeout": 1}
KUBERNETES = {
    "release_platform": "kubernetes",
    "release_kubernetes_namespace": "shop",
    "release_traffic": {"istio_traffic": {**API, "virtual_service": "shop", "slots": {"blue": "b", "green": "g"}}},
    "release_journal": {"store": "kubernetes", "kubernetes": API},
}
# What each environment fails with: the calls were made, with the secrets in them.
FAILURES = {
    "aws": f'Could not connect to the endpoint URL: "{NOBODY}/"',
    "kubernetes": f"cannot reach the Kubernetes API at {NOBODY}",
}


@pytest.mark.parametrize("playbook", ["deploy", "status"])
def test_no_password_of_an_environment_is_shown_and_the_failure_is(tmp_path: Path, playbook: str) -> None:
    common = {"ansible_connection": "local", "release_app": "shop"}
    journal = {"release_journal": {"path": str(tmp_path / "journal")}}
    hosts = {"aws": {**common, **journal, **AWS}, "kubernetes": {**common, **KUBERNETES}}
    inventory = {"all": {"children": {"release_environments": {"hosts": hosts}}}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), f"zerodowntime.bluegreen.{playbook}", "-vvv"]
    done = subprocess.run(
        [*command, "-i", "inventory.yml", "-e", "release_revision=v2"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "AWS_MAX_ATTEMPTS": "1"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    for words in FAILURES.values():
        assert words in said.replace("\\", ""), said
    assert [secret(number) for number in range(10) if secret(number) in said] == []
