# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ready configurations are what the role renders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.hosts.nginx import rendered

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/examples/hosts"

VALUES = {
    "app": "shop",
    "bind": "80",
    "state": "/etc/nginx/zerodowntime",
    "include": "/etc/nginx/zerodowntime/shop.conf",
    "counters": "/var/log/nginx",
    "access_log": "/var/log/nginx/access.log",
    "preview_from": ["127.0.0.0/8", "10.0.0.0/8"],
    "slots": {
        "blue": {"upstream": "shop_blue", "servers": [{"address": "10.0.0.11:8080"}, {"address": "10.0.0.12:8080"}]},
        "green": {"upstream": "shop_green", "servers": [{"address": "10.0.0.21:8080"}, {"address": "10.0.0.22:8080"}]},
    },
}


@pytest.mark.parametrize(
    ("name", "mode", "keepalive_min_timeout"), [("nginx.conf", "flag", ""), ("nginx-reload.conf", "reload", "5s")]
)
def test_the_example_is_what_the_role_renders(name: str, mode: str, keepalive_min_timeout: str) -> None:
    text = rendered(mode=mode, keepalive_min_timeout=keepalive_min_timeout, **VALUES)
    assert (EXAMPLES / name).read_text() == text


def test_an_app_with_a_hyphen_gets_variables_that_nginx_takes() -> None:
    text = rendered(mode="flag", **{**VALUES, "app": "my-shop.eu"})
    assert "$my_shop_eu_slot" in text
    assert "/my-shop.eu/current/$my_shop_eu_bucket" in text
