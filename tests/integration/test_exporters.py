# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ready-made queries, asked of a real Prometheus: of real exporters where they run here, else of their texts."""

from __future__ import annotations

import http.server
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.prometheus import Prometheus
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Place

from tests.lab.kubernetes import programs
from tests.lab.metrics.world import World

PLACES = {"stable": Place("blue", "v1", "shop_blue"), "canary": Place("green", "v2", "shop_green")}
TEXTS = Path(__file__).resolve().parents[1] / "lab/metrics/exporters"
PATIENCE = 20.0
# Requests, errors and slow ones of both slots in the texts, and the edge that is slow.
COUNTED = {
    "envoy": ((599, 6, None), (151, 12, None), "10"),
    "istio": ((400, 2, 20), (100, 7, 9), "250"),
    "nginx": ((400, 2, None), (100, 7, None), None),
    "nginx_ingress": ((400, 2, 20), (100, 7, 9), "0.25"),
    "traefik": ((400, 2, 20), (100, 7, 9), "0.3"),
}


class Texts(http.server.BaseHTTPRequestHandler):
    """Gives all texts as one."""

    def do_GET(self) -> None:
        content = b"".join(path.read_bytes() for path in sorted(TEXTS.glob("*.prom")))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture(scope="module")
def envoy_is_here() -> bool:
    return (programs.CACHE / programs.ENVOY.replace("==", "-") / "envoy/_bin/envoy").exists()


@pytest.fixture(scope="module")
def world(tmp_path_factory, envoy_is_here):
    """HAProxy, Envoy where it is installed, and a Prometheus that scrapes them, the application and the texts."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Texts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    others = {"texts": f"127.0.0.1:{server.server_address[1]}"}
    with World.open(tmp_path_factory.mktemp("world"), with_envoy=envoy_is_here, others=others) as world:
        world.prometheus.wait_for('up{job="texts"} == 1')
        yield world
    server.shutdown()


def source(world: World, exporter: str, **options) -> Prometheus:
    given = {"url": world.prometheus.url, "exporter": exporter, **options}
    return Prometheus(settings.parse({"source": {"prometheus": given}}).source_options, PLACES)


@pytest.mark.parametrize("exporter", sorted(COUNTED))
def test_what_an_exporter_writes_is_counted_for_each_slot(world, exporter):
    stable, canary, edge = COUNTED[exporter]
    asked = source(world, exporter, match={"job": "texts"}, edges=[edge] if edge else [])
    found = {(look.arm, look.counter): look.value for look in asked.describe()}
    for arm, (requests, errors, slow) in (("stable", stable), ("canary", canary)):
        assert (found[arm, "requests"], found[arm, "errors"]) == (requests, errors)
        if edge:
            assert found[arm, f"latency>{edge}"] == slow or slow is None


def scraped(world: World) -> None:
    """Wait until Prometheus knows all that has happened so far."""
    world.prometheus.wait_for(f"min(timestamp(up)) > {time.time()}")


def grown(world: World, exporter: str, enough: float) -> tuple[float, float, float, float]:
    """Return requests and errors of canary and stable since now, when the canary has C(enough) requests."""
    asked, began = source(world, exporter, edges=[], match={} if exporter == "app" else {"job": exporter}), time.time()
    asked.read(time.monotonic())
    while time.time() < began + PATIENCE:
        sample = asked.read(time.monotonic())
        if sample and sample.canary and sample.stable and sample.canary.requests >= enough:
            return (
                sample.canary.requests,
                sample.canary.bad["errors"],
                sample.stable.requests,
                sample.stable.bad["errors"],
            )
        time.sleep(0.2)
    raise AssertionError(f"{exporter} counted fewer than {enough} requests")


@pytest.mark.parametrize("exporter", ["app", "haproxy", "envoy"])
def test_a_real_exporter_counts_what_failed_in_its_slot(world, envoy_is_here, exporter):
    if exporter == "envoy" and not envoy_is_here:
        pytest.skip("needs Envoy, which tests/benchmarks/gate --full --only 11 installs")
    world.fault("green", error_rate=0.5)
    scraped(world)
    world.traffic(port=world.envoy.port if exporter == "envoy" else None)
    try:
        requests, errors, stable, stable_errors = grown(world, exporter, 100)
    finally:
        world.end_traffic()
        world.fault("green", error_rate=0.0)
    assert 0.3 * requests < errors < 0.7 * requests
    assert stable > 50 and stable_errors == 0


def test_a_canary_that_died_is_seen_by_what_the_balancers_count(world, envoy_is_here):
    """Last of this file: the canary's processes are gone afterwards."""
    world.kill("green")
    for exporter in ("haproxy", "envoy") if envoy_is_here else ("haproxy",):
        scraped(world)
        world.traffic(port=world.envoy.port if exporter == "envoy" else None)
        try:
            requests, errors, _stable, stable_errors = grown(world, exporter, 50)
        finally:
            world.end_traffic()
        assert errors >= 0.9 * requests, exporter
        assert stable_errors == 0
