# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API behind TLS: verified by default, by an authority of one's own too, and shown a certificate when it asks."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.endpoint import Endpoint
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import SourceError

from tests.unit.metrics.recorded import Server

ANSWER = (200, b'{"all": "well"}')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where C(server) and C(client), each a C(.pem) and a C(.key), lie."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "client"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
            check=True,
            capture_output=True,
        )  # fmt: skip
    return folder


def context(folder: Path, asks: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if asks:
        context.load_verify_locations(folder / "client.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def endpoint(url: str, **options: object) -> Endpoint:
    given = {"url": url, "exporter": "app", **options}
    return Endpoint("Prometheus", settings.parse({"source": {"prometheus": given}}).source_options)


def test_a_certificate_of_nobody_known_is_refused_in_one_sentence(folder: Path) -> None:
    with Server(ANSWER, tls=context(folder)) as server, pytest.raises(SourceError) as caught:
        endpoint(server.url).ask()
    assert server.asked == []
    assert "certificate" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("trust", ["ca_path", "validate_certs"])
def test_an_authority_of_ones_own_is_believed_and_verifying_can_be_left(folder: Path, trust: str) -> None:
    options = {"ca_path": {"ca_path": str(folder / "server.pem")}, "validate_certs": {"validate_certs": False}}[trust]
    with Server(ANSWER, tls=context(folder)) as server:
        assert endpoint(server.url, **options).ask() == {"all": "well"}


def test_a_certificate_is_shown_to_who_asks_for_one(folder: Path) -> None:
    trusted = {"ca_path": str(folder / "server.pem")}
    shown = {"client_cert": str(folder / "client.pem"), "client_key": str(folder / "client.key")}
    with Server(ANSWER, tls=context(folder, asks=True)) as server:
        assert endpoint(server.url, **trusted, **shown).ask() == {"all": "well"}
        with pytest.raises(SourceError, match="Prometheus at https://127.0.0.1"):
            endpoint(server.url, **trusted).ask()
