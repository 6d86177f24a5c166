# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes API: credentials, TLS and proxies by the C(kubernetes) package, requests by hand.

No model classes and no discovery: an object is the mapping the server sends, and every path is known. The package takes
0.4 s to import (FACTS), so whoever uses this module imports it at the top level of an action, once per run; where it is
missing, C(Client) says so in one sentence.

    client = Client(options)                                       # options as in AUTH_SPEC
    where = path("apps/v1", "deployments", "shop", "shop-blue")    # ... [, "scale"]
    client.get(where)                                              # raises Missing; find() returns None instead
    client.list(path("v1", "pods", "shop"), labelSelector="app=shop")
    client.patch(where, [{"op": "test", ...}, {"op": "replace", ...}])   # a list is a JSON patch
    client.patch(where, {"spec": {...}})                                 # a mapping is a merge patch
    client.create(path("v1", "configmaps", "shop"), body)          # raises Conflict when it is there
    client.replace(where, body)                                    # raises Conflict when resourceVersion is old
    client.delete(where, resourceVersion="42")

Reads are asked again for a short while when the server is busy, failing or restarting. A write is repeated only when
the server has certainly not done it (refused connection, 401, 429); an answer that was lost, or a 5xx, is Lost.
"""

from __future__ import annotations

import json
import os
import sys
import time
import typing as t
import urllib.parse

from ansible.module_utils.basic import env_fallback
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError

MISSING = ""
try:
    import kubernetes.client
    import kubernetes.config
    import urllib3
except ImportError as _error:
    MISSING = str(_error)

Object = dict[str, t.Any]
Objects = list[Object]
Query = t.Union[str, int]

FIELD_MANAGER = "zerodowntime.bluegreen"

# Pauses in seconds between attempts. Longer patience belongs to those who know what is at stake, as a restore does.
PAUSES = (0.1, 0.3, 1.0)
LONGEST_PAUSE = 2.0


def _option(kind: str, environment: str, **more: t.Any) -> Object:
    return {"type": kind, "fallback": (env_fallback, [f"K8S_AUTH_{environment}"]), **more}


# The names, aliases and environment variables of kubernetes.core.
AUTH_SPEC: Object = {
    "kubeconfig": _option("raw", "KUBECONFIG"),
    "context": _option("str", "CONTEXT"),
    "host": _option("str", "HOST"),
    "api_key": _option("str", "API_KEY", no_log=True),
    "username": _option("str", "USERNAME"),
    "password": _option("str", "PASSWORD", no_log=True),
    "validate_certs": _option("bool", "VERIFY_SSL", aliases=["verify_ssl"]),
    "ca_cert": _option("path", "SSL_CA_CERT", aliases=["ssl_ca_cert"]),
    "client_cert": _option("path", "CERT_FILE", aliases=["cert_file"]),
    "client_key": _option("path", "KEY_FILE", aliases=["key_file"], no_log=False),
    "proxy": _option("str", "PROXY"),
    "no_proxy": _option("str", "NO_PROXY"),
    "timeout": {"type": "float", "default": 10.0},
}


class Missing(ReleaseError):
    """There is no such object, or no such kind of object (404)."""


class Forbidden(ReleaseError):
    """The account may not do that (403)."""


class Conflict(Refused):
    """Somebody else changed the object since it was read, or made it first (409): nothing was written."""


class Moved(Refused):
    """A C(test) of a JSON patch did not hold, or the server finds the object invalid (422): nothing was written."""


def path(api: str, kind: str, namespace: str = "", name: str = "", part: str = "") -> str:
    """Return the path of an object, or of all of a C(kind) (plural, small letters) without C(name).

    C(api) is C(v1) or C(GROUP/VERSION); C(part) is a subresource such as C(scale).
    """
    words = ["api" if api == "v1" else "apis", *api.split("/")]
    words += ["namespaces", namespace] if namespace else []
    words += [word for word in (kind, name, part) if word]
    return "/" + "/".join(urllib.parse.quote(word, safe="") for word in words)


class Answer(t.NamedTuple):
    """What the server said: status, body, and the seconds after which it wants to be asked again."""

    status: int
    body: bytes
    after: float = 0.0


Send = t.Callable[[str, str, t.Optional[bytes], t.Mapping[str, str]], Answer]


class Unsent(Exception):
    """No connection: the request certainly did not reach the server."""


class Unanswered(Exception):
    """The request may have reached the server, and no whole answer came back."""


class Client:
    """One API server, as one user. Made without a request; safe to use from several threads.

    C(send) and C(sleep) are for tests. Raises ReleaseError when the package is missing or the options lead nowhere.
    """

    def __init__(
        self,
        options: t.Mapping[str, t.Any],
        send: t.Optional[Send] = None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = options
        self._sleep = sleep
        if send:
            self.address = str(options.get("host") or "http://api")
            self._send = send
        else:
            self._connect()

    def get(self, where: str, **query: Query) -> Object:
        """Return the object at C(where). Raises Missing or ReleaseError."""
        return self._object("GET", where, None, query)

    def find(self, where: str) -> t.Optional[Object]:
        """Return the object at C(where), None when there is none. Raises ReleaseError."""
        try:
            return self.get(where)
        except Missing:
            return None

    def list(self, where: str, **query: Query) -> Objects:
        """Return the objects at C(where), with C(labelSelector) say. Raises Missing (no such kind) or ReleaseError."""
        return t.cast(Objects, self.get(where, **query).get("items") or [])

    def text(self, where: str, **query: Query) -> str:
        """Return what is no object, such as C(pods/NAME/log). Raises Missing or ReleaseError."""
        return self._call("GET", where, None, query).decode("utf-8", "replace")

    def create(self, where: str, body: Object, dry_run: bool = False) -> Object:
        """Make C(body) below C(where), a path without a name. Raises Conflict when it is there, Lost, ReleaseError."""
        return self._write("POST", where, body, dry_run)

    def replace(self, where: str, body: Object, dry_run: bool = False) -> Object:
        """Put C(body) in the object's place. Raises Conflict when its resourceVersion is old, Lost, ReleaseError."""
        return self._write("PUT", where, body, dry_run)

    def patch(self, where: str, body: t.Union[Objects, Object], dry_run: bool = False) -> Object:
        """Return the object after a JSON patch (a list) or merge patch (a mapping).

        With C(dry_run) the server checks everything and keeps nothing. Raises Conflict, Moved, Missing, Lost or
        ReleaseError.
        """
        kind = "application/json-patch+json" if isinstance(body, list) else "application/merge-patch+json"
        return self._write("PATCH", where, body, dry_run, kind)

    def delete(self, where: str, **preconditions: str) -> None:
        """Delete the object; C(resourceVersion) and C(uid) may have to match. Raises Conflict, Missing, Lost."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
        self._object("DELETE", where, json.dumps(body).encode(), {})

    def _write(self, method: str, where: str, body: t.Any, dry_run: bool, kind: str = "application/json") -> Object:
        query: dict[str, Query] = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self._object(method, where, json.dumps(body).encode(), query, kind)

    def _object(
        self, method: str, where: str, content: t.Optional[bytes], query: t.Mapping[str, Query], kind: str = ""
    ) -> Object:
        body = self._call(method, where, content, query, kind)
        try:
            return t.cast(Object, json.loads(body))
        except ValueError as error:
            words = f"{self.address} did not answer {method} {where} as a Kubernetes API does"
            raise (ReleaseError if method == "GET" else Lost)(words) from error

    def _call(
        self, method: str, where: str, content: t.Optional[bytes], query: t.Mapping[str, Query], kind: str = ""
    ) -> bytes:
        target = f"{where}?{urllib.parse.urlencode(query)}" if query else where
        reads = method == "GET"
        renewed = False
        for pause in (*PAUSES, None):
            wait = pause
            try:
                answer = self._send(method, target, content, {"Content-Type": kind or "application/json"})
            except Unsent as error:
                problem = ReleaseError(f"cannot reach the Kubernetes API at {self.address}: {error}")
            except Unanswered as error:
                problem = (ReleaseError if reads else Lost)(
                    f"no answer from {self.address} to {method} {where}: {error}"
                )
                if not reads:
                    raise problem from error
            else:
                if answer.status < 400:
                    return answer.body
                problem = _problem(self.address, method, where, answer)
                if answer.status == 401 and not renewed:
                    # A token that has expired meanwhile: the sources of the credentials are asked anew, once.
                    renewed = True
                    self._renew()
                elif not (answer.status == 429 or (reads and answer.status >= 500)):
                    raise problem
                if wait is not None:
                    wait = min(max(wait, answer.after), LONGEST_PAUSE)
            if wait is None:
                raise problem
            self._sleep(wait)
        raise AssertionError  # the last attempt returned or raised

    def _renew(self) -> None:
        if self._options.get("api_key") or not hasattr(self, "_pool"):
            return  # what was given as a word stays the same word
        self._connect()

    def _connect(self) -> None:
        if MISSING:
            raise ReleaseError(
                f"the Python package kubernetes is missing in {sys.executable} ({MISSING}): "
                f"{sys.executable} -m pip install kubernetes"
            )
        self._configuration = configuration(self._options)
        self.address = str(self._configuration.host).rstrip("/")
        self._pool = kubernetes.client.ApiClient(self._configuration).rest_client.pool_manager
        self._send = self._over_the_wire

    def _over_the_wire(
        self, method: str, target: str, content: t.Optional[bytes], headers: t.Mapping[str, str]
    ) -> Answer:
        try:
            answer = self._pool.request(
                method,
                self.address + target,
                body=content,
                headers={"Accept": "application/json", **headers, **self._credentials()},
                timeout=float(self._options.get("timeout") or 10.0),
                retries=False,
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise Unsent(_reason(error)) from error
        except urllib3.exceptions.ProxyError as error:
            raise Unsent(_reason(error)) from error
        except urllib3.exceptions.SSLError as error:
            raise ReleaseError(f"no trust in {self.address}: {_reason(error)}") from error
        except urllib3.exceptions.HTTPError as error:
            raise Unanswered(_reason(error)) from error
        after = str(answer.headers.get("Retry-After") or "")
        return Answer(answer.status, answer.data, float(after) if after.isdigit() else 0.0)

    def _credentials(self) -> dict[str, str]:
        """Return the header that says who asks; the package renews a token here when it knows that it has expired."""
        try:
            known = self._configuration.auth_settings().values()
        except Exception as error:  # exec plugins and token files: whatever they raise, an operator reads one sentence
            raise ReleaseError(f"no credentials for {self.address}: {_reason(error)}") from error
        found = {
            str(entry["key"]): str(entry["value"]) for entry in known if entry["in"] == "header" and entry["value"]
        }
        if not found and self._configuration.username:
            found["authorization"] = self._configuration.get_basic_auth_token()
        return found


def configuration(options: t.Mapping[str, t.Any]) -> t.Any:
    """Return the C(kubernetes) package's own configuration for C(options), in the order of kubernetes.core.

    Options alone when they name host and credentials, else the kubeconfig or context they name, else the cluster this
    process runs in, else the default kubeconfig; what the options say beside it wins. Raises ReleaseError.
    """
    given = {name: options.get(name) for name in AUTH_SPEC if options.get(name) not in (None, "")}
    made = kubernetes.client.Configuration()
    enough = given.get("host") and (given.get("api_key") or (given.get("username") and given.get("password")))
    if not enough and not ("host" in given and "client_cert" in given):
        _load(made, given)
    for name, option in (
        ("username", "username"),
        ("password", "password"),
        ("verify_ssl", "validate_certs"),
        ("ssl_ca_cert", "ca_cert"),
        ("cert_file", "client_cert"),
        ("key_file", "client_key"),
        ("proxy", "proxy"),
        ("no_proxy", "no_proxy"),
        ("host", "host"),
    ):
        if option in given:
            setattr(made, name, given[option])
    if "api_key" in given:
        made.refresh_api_key_hook = None
        # The name changed in version 36 of the package; both are understood by the versions that look for them.
        made.api_key = dict.fromkeys(("authorization", "BearerToken"), f"Bearer {given['api_key']}")
        made.api_key_prefix = {}
    return made


def _load(made: t.Any, given: t.Mapping[str, t.Any]) -> None:
    config = kubernetes.config
    file = given.get("kubeconfig")
    more = {"context": given.get("context"), "client_configuration": made, "persist_config": False}
    try:
        if isinstance(file, dict):
            config.load_kube_config_from_dict(file, **more)
        elif file or "context" in given:
            config.load_kube_config(os.path.expanduser(str(file)) if file else None, **more)
        else:
            try:
                config.load_incluster_config(client_configuration=made)
            except config.ConfigException:
                config.load_kube_config(None, **more)
    except Exception as error:  # the package lets errors of YAML, files and exec plugins through
        raise ReleaseError(
            f"no way to a Kubernetes API: {_reason(error)}; name one with kubeconfig and context, or host and api_key"
        ) from error


def _problem(address: str, method: str, where: str, answer: Answer) -> ReleaseError:
    try:
        words = json.loads(answer.body).get("message")
    except (ValueError, AttributeError):
        words = answer.body.decode("utf-8", "replace")[:200].strip()
    said = f"the Kubernetes API at {address} answered {answer.status} to {method} {where}: {words or 'no reason given'}"
    if answer.status == 403:
        return Forbidden(said)
    if answer.status == 404:
        return Missing(said)
    if answer.status == 409:
        return Conflict(said)
    if answer.status == 422:
        return Moved(said)
    if answer.status >= 500 and method != "GET":
        return Lost(said)
    return ReleaseError(said)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
