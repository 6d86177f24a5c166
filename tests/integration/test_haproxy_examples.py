# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ready configuration is what the role renders, HAProxy takes it, and the inventory beside it fits to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import yaml
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils import _settings

from tests.lab.hosts.haproxy import rendered

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples/hosts"

VALUES: dict[str, t.Any] = {
    "app": "shop",
    "bind": ":80",
    "map": "/etc/haproxy/zerodowntime.map",
    "socket": "/run/haproxy/admin.sock",
    "global_lines": [],
    "preview_from": ["127.0.0.0/8", "10.0.0.0/8"],
    "health_path": "/health",
    "check_interval": "2s",
    "slots": {
        "blue": {
            "backend": "shop_blue",
            "servers": [
                {"name": "blue1", "address": "10.0.0.11:8080"},
                {"name": "blue2", "address": "10.0.0.12:8080"},
            ],
        },
        "green": {
            "backend": "shop_green",
            "servers": [
                {"name": "green1", "address": "10.0.0.21:8080"},
                {"name": "green2", "address": "10.0.0.22:8080"},
            ],
        },
    },
}


def test_the_example_is_what_the_role_renders() -> None:
    assert (EXAMPLES / "haproxy.cfg").read_text() == rendered(**VALUES)


def test_haproxy_takes_the_example(tmp_path: Path) -> None:
    text = (EXAMPLES / "haproxy.cfg").read_text()
    (tmp_path / "map").write_text("shop 100:0:0\n")
    (tmp_path / "haproxy.cfg").write_text(text.replace(VALUES["map"], str(tmp_path / "map")))
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert haproxy
    done = subprocess.run(
        [haproxy, "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr.upper()


def test_the_inventory_is_valid_and_names_what_the_configuration_has() -> None:
    children = yaml.safe_load((EXAMPLES / "inventory.yml").read_text())["all"]["children"]
    shop = children["release_environments"]["hosts"]["shop-eu"]
    settings = _settings.read({**shop, "release_revision": "1.4.2"}, ["release_revision"])
    assert {f"release_{name}" for name in settings} >= {name for name in shop if name.startswith("release_")}

    options = settings["traffic"]["haproxy_traffic"]
    assert (options["map"], options["socket"]) == (VALUES["map"], VALUES["socket"])
    assert set(options["machines"]) == set(children["balancers"]["hosts"])

    shop_machines = children["shop_machines"]
    for slot, group in settings["hosts_machines"].items():
        assert options["slots"][slot] == VALUES["slots"][slot]["backend"]
        hosts = shop_machines["children"][group]["hosts"]
        port = shop_machines["vars"]["shop_port"]
        addresses = [f"{host['ansible_host']}:{port}" for host in hosts.values()]
        assert addresses == [server["address"] for server in VALUES["slots"][slot]["servers"]]
    for name in (settings["hosts_start"], settings["hosts_stop"]):
        assert (EXAMPLES / name).is_file()
