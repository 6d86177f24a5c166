# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own client of an API server: plain requests, so that no test of a driver rests on the driver's client."""

from __future__ import annotations

import json
import re
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

PATCHES = {
    "apply": "application/apply-patch+yaml",
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
}
# Where objects of a kind lie that the lab itself writes; {0} is the namespace, {1} the API where a kind has several.
_PLACES = {
    "ConfigMap": "/api/v1/namespaces/{0}/configmaps",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Deployment": "/apis/apps/v1/namespaces/{0}/deployments",
    "DestinationRule": "/apis/networking.istio.io/v1/namespaces/{0}/destinationrules",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{0}/endpointslices",
    "EnvoyFilter": "/apis/networking.istio.io/v1alpha3/namespaces/{0}/envoyfilters",
    "Gateway": "/apis/{1}/namespaces/{0}/gateways",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{0}/httproutes",
    "Pod": "/api/v1/namespaces/{0}/pods",
    "Service": "/api/v1/namespaces/{0}/services",
    "ServiceEntry": "/apis/networking.istio.io/v1/namespaces/{0}/serviceentries",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/{0}/virtualservices",
}


class ApiError(Exception):
    """The API server refused: C(status) is HTTP's, the message the server's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class Api:
    """An API server at C(url), which C(ca) vouches for, asked as the owner of C(token) or of a certificate."""

    url: str
    ca: Path | None = None
    token: str = ""
    certificate: tuple[Path, Path] | None = None

    def call(
        self, method: str, path: str, body: t.Any = None, content_type: str = "application/json", **query: str
    ) -> t.Any:
        """Return the answer, parsed where it is JSON; raises ApiError when the server refuses, OSError without one."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        address = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        request = urllib.request.Request(address, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._tls()) as answer:
                said = answer.read()
        except urllib.error.HTTPError as refusal:
            said = refusal.read()
            try:
                message = str(json.loads(said)["message"])
            except (ValueError, KeyError, TypeError):
                message = said.decode(errors="replace")
            raise ApiError(refusal.code, message) from None
        return json.loads(said) if said[:1] == b"{" else said.decode()

    def get(self, path: str, **query: str) -> t.Any:
        """Return the object or list at C(path)."""
        return self.call("GET", path, **query)

    def create(self, path: str, body: t.Any) -> t.Any:
        """Create an object in the collection at C(path) and return it."""
        return self.call("POST", path, body)

    def patch(self, path: str, body: t.Any, kind: str = "merge", **query: str) -> t.Any:
        """Change the object at C(path): by a C(merge) or C(json) patch, or by C(apply)."""
        return self.call("PATCH", path, body, PATCHES[kind], **query)

    def delete(self, path: str, **query: str) -> None:
        """Delete what lies at C(path); nothing there is well, too."""
        try:
            self.call("DELETE", path, **query)
        except ApiError as refusal:
            if refusal.status != 404:
                raise

    def watch(self, path: str, **query: str) -> t.Iterator[dict[str, t.Any]]:
        """Yield what is at C(path), and each object again when it changes, for as long as the server likes."""
        found = self.get(path, **query)
        yield from found["items"]
        wish = {**query, "watch": "true", "resourceVersion": found["metadata"]["resourceVersion"]}
        address = f"{self.url}{path}?{urllib.parse.urlencode(wish)}"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, context=self._tls()) as answer:
            for line in answer:
                yield json.loads(line)["object"]

    def apply(self, body: dict[str, t.Any], namespace: str = "") -> t.Any:
        """Apply an object of a kind that the lab knows, by server-side apply, and return it."""
        place = _PLACES[body["kind"]].format(namespace, body["apiVersion"])
        wanted = json.dumps(body).encode()
        return self.patch(f"{place}/{body['metadata']['name']}", wanted, "apply", fieldManager="lab", force="true")

    def apply_definitions(self, file: Path) -> list[str]:
        """Apply every CustomResourceDefinition of a file; return their names."""
        place, names = _PLACES["CustomResourceDefinition"], []
        for document in re.split(r"^---.*$", file.read_text(), flags=re.M):
            # The server reads YAML; all that the lab needs to know is the name.
            found = re.search(r"^kind: CustomResourceDefinition$.*?^  name: (\S+)$", document, re.M | re.S)
            if found:
                names.append(found[1])
                self.patch(f"{place}/{found[1]}", document.encode(), "apply", fieldManager="lab", force="true")
        return names

    def _tls(self) -> ssl.SSLContext | None:
        if not self.url.startswith("https:"):
            return None
        context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        if self.certificate:
            context.load_cert_chain(*self.certificate)
        return context
