# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PromQL as the gate needs it: ready-made queries of exporters, and all the queries of one poll put into one."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import SourceError

TAG = "zd_counter"

# A vector selector with matchers, quoted strings inside them taken whole.
_SELECTOR = re.compile(
    r"""(?:[a-zA-Z_:][a-zA-Z0-9_:]*\s*)?\{(?:[^{}"'`]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*\}"""
)
_BARE = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`""")
_RATE = re.compile(r"\b(rate|irate|increase|delta|idelta|deriv)\s*\(")


@dataclass(frozen=True)
class Queries:
    """Queries of cumulative counters with placeholders: all requests, and per name the bad ones among them.

    C(slower) is the query of requests slower than C($le), C(buckets) the histogram that says which edges there are.
    """

    requests: str
    bad: t.Mapping[str, str] = field(default_factory=dict)
    slower: str = ""
    buckets: str = ""


def _ready(requests: str, errors: str, histogram: str = "", labels: str = "") -> Queries:
    slower = buckets = ""
    if histogram:
        buckets = f"{histogram}_bucket{{{labels}}}"
        fast = f'{histogram}_bucket{{{labels},le="$le"}}'
        slower = f"{histogram}_count{{{labels}}} - ignoring(le) {fast}"
    return Queries(requests, {"errors": errors}, slower, buckets)


# What each exporter calls the counters of a slot; which label tells the slots apart is its own way too.
EXPORTERS = {
    "app": _ready(
        'http_requests_total{version="$revision"}',
        'http_requests_total{version="$revision",status=~"5.."}',
        "http_request_duration_seconds",
        'version="$revision"',
    ),
    "haproxy": _ready(
        'haproxy_backend_http_requests_total{proxy="$name"}',
        'haproxy_backend_http_responses_total{proxy="$name",code="5xx"}',
    ),
    # The client's side reports: the proxy of a dead canary cannot.
    "istio": _ready(
        'istio_requests_total{reporter="source",destination_version="$name"}',
        'istio_requests_total{reporter="source",destination_version="$name",response_code=~"5..|0"}',
        "istio_request_duration_milliseconds",
        'reporter="source",destination_version="$name"',
    ),
    # rq_total counts no request for which no connection was made: a dead canary would have none at all.
    "envoy": _ready(
        'envoy_cluster_upstream_rq_completed{envoy_cluster_name="$name"}',
        'envoy_cluster_upstream_rq_xx{envoy_cluster_name="$name",envoy_response_code_class="5"}',
        "envoy_cluster_upstream_rq_time",
        'envoy_cluster_name="$name"',
    ),
    # nginx itself counts nothing per upstream: this is the module nginx-module-vts.
    "nginx": _ready(
        'nginx_vts_upstream_requests_total{upstream="$name",code=~"[1-5]xx"}',
        'nginx_vts_upstream_requests_total{upstream="$name",code="5xx"}',
    ),
    "nginx_ingress": _ready(
        'nginx_ingress_controller_requests{service="$name"}',
        'nginx_ingress_controller_requests{service="$name",status=~"5.."}',
        "nginx_ingress_controller_request_duration_seconds",
        'service="$name"',
    ),
    # Traefik adds its provider: shop_blue@docker.
    "traefik": _ready(
        'traefik_service_requests_total{service=~"$name(@.+)?"}',
        'traefik_service_requests_total{service=~"$name(@.+)?",code=~"5.."}',
        "traefik_service_request_duration_seconds",
        'service=~"$name(@.+)?"',
    ),
}


def quoted(value: str) -> str:
    """Return C(value) as it stands between double quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def narrowed(query: str, match: t.Mapping[str, str]) -> str:
    """Return C(query) with the matchers of C(match) added to each of its selectors."""
    more = ",".join(f'{name}="{quoted(value)}"' for name, value in match.items())

    def add(found: t.Match[str]) -> str:
        head = found.group(0)[:-1]
        return f"{head}{'' if head.endswith(('{', ',')) else ','}{more}}}"

    return _SELECTOR.sub(add, query) if more else query


def refuse_rates(query: str, what: str) -> None:
    """Raise SourceError when C(query) takes a rate: polls would share requests, and the gate counts each one once."""
    found = _RATE.search(_STRING.sub('""', query))
    if found:
        raise SourceError(
            f"{what} uses {found.group(1)}(): give the counter itself, the gate subtracts what it has counted before"
        )


def stamps(query: str) -> str:
    """Return the query of when the counters of C(query) were scraped, empty where that cannot be seen.

    An expression takes its first selector's: its result carries the same labels, or none at all.
    """
    if _BARE.fullmatch(query.strip()):
        return f"timestamp({query.strip()})"
    found = _SELECTOR.search(query)
    return f"timestamp({found.group(0)})" if found else ""


def together(queries: t.Mapping[str, str]) -> str:
    """Return one query that answers all C(queries), each series carrying its query's name in the label C(TAG)."""
    return " or ".join(f'label_replace(({query}), "{TAG}", "{tag}", "", "")' for tag, query in queries.items())
