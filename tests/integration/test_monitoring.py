# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard and the alerts of docs/examples/monitoring, asked of a real Prometheus."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.exposition import exposition

from tests.lab.hosts.haproxy import free_port
from tests.lab.metrics.world import World

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "monitoring"
DASHBOARD = json.loads((EXAMPLE / "dashboard.json").read_text())
RULES = yaml.safe_load((EXAMPLE / "rules.yml").read_text())
PANELS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
ALERTS = {rule["alert"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"]}
VARIABLES = {"job": "shop", "app": ".*", "environment": ".*", "__rate_interval": "5s", "__interval": "5s"}


class Exporter:
    """What a node exporter makes of the file that a release leaves: an address that serves it."""

    def __init__(self) -> None:
        self.text, exporter = "", self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(exporter.text.encode())

            def log_message(self, *words: t.Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ends(self, release: str, outcome: str, **more: t.Any) -> None:
        report = {"app": "shop", "environment": "eu", "release": release, "revision": "v2", "outcome": outcome}
        figures = {"phase": "Degraded", "seconds": 60.0, "cut": 0, "dropped": 0, **more}
        self.text = exposition({**report, **figures}, time.time(), self.text)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[World, Exporter]]:
    """A service under load, and the file of an environment whose second release was taken back."""
    exporter = Exporter()
    exporter.ends("r1", "Promoted")
    address = f"127.0.0.1:{exporter.server.server_port}"
    with World.open(tmp_path_factory.mktemp("world"), others={"node": address}) as world:
        world.traffic()
        world.prometheus.wait_for('zerodowntime_releases_total{outcome="Promoted"} == 1')
        exporter.ends("r2", "RolledBack", restore_seconds=0.013, dropped=2)
        world.prometheus.wait_for('increase(zerodowntime_releases_total{outcome="RolledBack"}[1h]) > 0')
        for slot in ("v1", "v2"):
            world.prometheus.wait_for(f'rate(http_requests_total{{version="{slot}"}}[5s]) > 0')
        yield world, exporter
    exporter.server.shutdown()
    exporter.server.server_close()


def filled(query: str) -> str:
    """Return C(query) as Grafana sends it."""
    return re.sub(r"\$(\w+)", lambda found: VARIABLES[found[1]], query)


@pytest.mark.parametrize(("title", "query"), PANELS, ids=[title for title, _query in PANELS])
def test_every_panel_of_the_dashboard_shows_something(
    watched: tuple[World, Exporter], title: str, query: str
) -> None:
    rows = watched[0].prometheus.query(filled(query))
    assert rows, query
    assert all(row["value"][1] != "NaN" for row in rows), rows
    if "by (version)" in query or "by (le, version)" in query:
        assert {row["metric"]["version"] for row in rows} == {"v1", "v2"}, title


def test_a_version_without_an_error_has_the_error_rate_zero(watched: tuple[World, Exporter]) -> None:
    (query,) = (query for title, query in PANELS if title == "Error rate")
    assert {row["value"][1] for row in watched[0].prometheus.query(filled(query))} == {"0"}


def test_the_dashboard_marks_where_a_release_ended(watched: tuple[World, Exporter]) -> None:
    (mark,) = DASHBOARD["annotations"]["list"]
    query = re.sub(r"\[.*?\]", "[1h]", filled(mark["expr"]))
    assert [row["metric"]["environment"] for row in watched[0].prometheus.query(query)] == ["eu"]


def test_the_alerts_fire_on_what_they_are_there_for(watched: tuple[World, Exporter]) -> None:
    world, exporter = watched
    fired = {name for name, query in ALERTS.items() if world.prometheus.query(query)}
    assert fired == {"ReleaseDroppedRequests", "ReleaseTakenBack"}
    exporter.ends("r3", "")
    world.prometheus.wait_for(ALERTS["ReleaseDegraded"])
    assert not world.prometheus.query(ALERTS["ReleaseDroppedRequests"])


def test_prometheus_takes_the_file_of_the_alerts() -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("skipped: needs promtool")
    subprocess.run([promtool, "check", "rules", str(EXAMPLE / "rules.yml")], check=True, capture_output=True)
