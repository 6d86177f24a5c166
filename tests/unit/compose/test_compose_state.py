# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's inspection means, and which service may be released: from answers of a real engine."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.containers import instance
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.engine import Engine, frames
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.service import checks_health, faults
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._docker.variables import EnvFile, name_of
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError

REFUSED = [{"ExitCode": 1, "Output": "curl: (7) Failed to connect\n"}]


def seen(restarts: int = 0, **state: t.Any) -> dict[str, t.Any]:
    return {
        "Id": "3f2a",
        "Name": "/shop-app-green-1",
        "Config": {"Image": "shop:v2"},
        "RestartCount": restarts,
        "State": {"Status": "running", "ExitCode": 0, "Error": "", "OOMKilled": False, **state},
        "NetworkSettings": {"Networks": {"shop_green": {"IPAddress": "10.0.0.2"}}},
    }


@pytest.mark.parametrize(
    ("inspected", "state", "why"),
    [
        (seen(Health={"Status": "healthy"}), "ready", "is healthy"),
        (seen(restarts=5, Health={"Status": "healthy"}), "ready", "is healthy"),
        (seen(Health={"Status": "starting", "FailingStreak": 0, "Log": []}), "starting", "is starting"),
        (
            seen(Health={"Status": "starting", "FailingStreak": 2, "Log": REFUSED}),
            "starting",
            "is starting (2 checks failed: its health check ended with status 1: curl: (7) Failed to connect)",
        ),
        (
            seen(Health={"Status": "unhealthy", "Log": REFUSED}),
            "failed",
            "is unhealthy: its health check ended with status 1: curl: (7) Failed to connect",
        ),
        (seen(Status="exited", ExitCode=2), "failed", "exited with status 2"),
        (seen(Status="exited", ExitCode=137, OOMKilled=True), "failed", "exited with status 137, out of memory"),
        (seen(restarts=1, Status="restarting"), "starting", "is restarting"),
        (seen(restarts=2, Status="restarting"), "failed", "is in a restart loop: started 3 times"),
        (seen(Status="created"), "starting", "is made"),
        (seen(Status="created", Error="port is taken"), "failed", "could not be started: port is taken"),
        (seen(Status="paused"), "failed", "is paused"),
        (seen(Status="removing"), "stopping", "is being removed"),
    ],
)
def test_a_container_is_ready_starting_or_failed_for_a_reason(
    inspected: dict[str, t.Any], state: str, why: str
) -> None:
    found = instance(inspected)
    assert (found.state, found.why) == (state, why)
    assert (found.name, found.revision, found.address) == ("shop-app-green-1", "shop:v2", "10.0.0.2")


GOOD: dict[str, t.Any] = {"image": "shop:v2", "scale": 2}


@pytest.mark.parametrize(
    ("service", "sentence"),
    [
        ({**GOOD, "container_name": "x"}, "container_name 'x', so there can be one container only: remove it"),
        ({**GOOD, "ports": [{"target": 8080, "published": "8080"}]}, "the fixed host port 8080"),
        ({**GOOD, "image": "shop:v1"}, "write 'image: ${APP_IMAGE:-none}'"),
        ({**GOOD, "scale": 0}, "write 'scale: ${APP_SCALE:-0}'"),
        ({"image": "shop:v2"}, "write 'scale: ${APP_SCALE:-0}'"),
        ({**GOOD, "network_mode": "host"}, "network_mode 'host'"),
    ],
)
def test_each_fault_of_a_service_is_a_sentence_that_says_what_to_write(
    service: dict[str, t.Any], sentence: str
) -> None:
    found = faults("app", service, "shop:v2", "APP_IMAGE", 2, "APP_SCALE")
    assert len(found) == 1
    assert sentence in found[0]


@pytest.mark.parametrize(
    "service", [GOOD, {"image": "shop:v2", "deploy": {"replicas": 2}}, {**GOOD, "ports": [{"target": 8080}]}]
)
def test_a_service_without_fault_has_none(service: dict[str, t.Any]) -> None:
    assert faults("app", service, "shop:v2", "APP_IMAGE", 2, "APP_SCALE") == []


IMAGE = {"Config": {"Healthcheck": {"Test": ["CMD", "true"]}}}


@pytest.mark.parametrize(
    ("service", "image", "checked"),
    [
        ({}, {}, False),
        ({}, IMAGE, True),
        ({"healthcheck": {"test": ["CMD", "true"]}}, {}, True),
        ({"healthcheck": {"disable": True}}, IMAGE, False),
        ({"healthcheck": {"test": ["NONE"]}}, IMAGE, False),
        ({"healthcheck": {"interval": "2s"}}, IMAGE, True),
        ({"healthcheck": {"interval": "2s"}}, {"Config": {"Healthcheck": {"Test": ["NONE"]}}}, False),
    ],
)
def test_a_health_check_is_the_services_or_the_images(
    service: dict[str, t.Any], image: dict[str, t.Any], checked: bool
) -> None:
    assert checks_health(service, image) is checked


def test_only_our_lines_of_an_env_file_change(tmp_path: t.Any) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"# caf\xe9\nPASSWORD='a=b'\nAPP_BLUE_SCALE=1\nAPP_BLUE_SCALE=9\nLAST=1")
    path.chmod(0o640)
    EnvFile(str(path)).write({"APP_BLUE_SCALE": "3", "APP_BLUE_IMAGE": "shop:v2", "APP_BLUE_NOTE": "two words"})
    assert path.read_bytes() == (
        b"# caf\xe9\nPASSWORD='a=b'\nAPP_BLUE_SCALE=3\nLAST=1\nAPP_BLUE_IMAGE=shop:v2\nAPP_BLUE_NOTE='two words'\n"
    )
    assert path.stat().st_mode & 0o777 == 0o640
    assert EnvFile(str(path)).read()["APP_BLUE_NOTE"] == "two words"


@pytest.mark.parametrize("value", ["it's", "two\nlines"])
def test_what_an_env_file_cannot_carry_is_refused_and_the_file_stays(tmp_path: t.Any, value: str) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    with pytest.raises(ReleaseError, match="holds a quote or a line break"):
        EnvFile(str(path)).write({"A": value})
    assert path.read_text() == "A=1\n"


def test_a_service_names_its_variables() -> None:
    assert name_of("app-blue", "image") == "APP_BLUE_IMAGE"


def test_what_a_container_wrote_is_read_with_and_without_a_terminal() -> None:
    framed = b"\1\0\0\0\0\0\0\4out\n\2\0\0\0\0\0\0\4err\n"
    assert frames(framed) == b"out\nerr\n"
    assert frames(b"plain text of a terminal\n") == b"plain text of a terminal\n"


def test_an_engine_that_is_no_unix_socket_or_does_not_run_is_a_sentence(tmp_path: t.Any) -> None:
    with pytest.raises(ReleaseError, match="name that machine in 'machines'"):
        Engine("tcp://10.0.0.1:2375")
    with pytest.raises(ReleaseError, match="nobody listens there; does the engine run"):
        Engine(f"unix://{tmp_path}/docker.sock").get("/_ping")
