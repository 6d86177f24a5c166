# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A JSON API over HTTP: authentication, TLS, and every failure as one sentence without a secret."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import typing as t
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

from ansible.module_utils import urls
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import SourceError

MOST = 64 << 20
HIDDEN = "********"

SPEC: dict[str, t.Any] = {
    "url": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "bearer_token": {"type": "str", "no_log": True},
    "headers": {"type": "dict", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "use_proxy": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 5.0},
}

# open_url installs its opener for the whole process.
_ONE_AT_A_TIME = threading.Lock()


class Endpoint:
    """The address of one API. C(what) names it in sentences, such as C(Prometheus)."""

    def __init__(self, what: str, options: t.Mapping[str, t.Any]) -> None:
        self.url = str(options["url"]).rstrip("/")
        self._what, self._options = what, options
        headers = {str(name): str(value) for name, value in (options.get("headers") or {}).items()}
        if options.get("bearer_token"):
            headers["Authorization"] = f"Bearer {options['bearer_token']}"
        self._headers = {"Accept": "application/json", **headers}
        self._secrets = [str(options[name]) for name in ("password", "bearer_token") if options.get(name)]
        # A short header is a tenant's name or a flag, and would blot out half of a sentence.
        self._secrets += [value for value in headers.values() if len(value) > 3]
        self._check()

    def hide(self, text: str) -> str:
        """Return C(text) with every secret of this endpoint blotted out."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def ask(self, path: str = "", form: t.Optional[t.Mapping[str, str]] = None) -> t.Any:
        """Return the decoded JSON answer to a GET of C(path), or to a POST of C(form). Raises SourceError."""
        return self._decoded("GET" if form is None else "POST", path, None if form is None else urlencode(form), {})

    def send(self, method: str, path: str, body: t.Any = None) -> t.Any:
        """Return the decoded answer to C(method) with C(body) as JSON, None for an empty one. Raises SourceError."""
        data = None if body is None else json.dumps(body)
        return self._decoded(method, path, data, {"Content-Type": "application/json"}, empty=True)

    def _decoded(
        self, method: str, path: str, data: t.Optional[str], headers: t.Mapping[str, str], empty: bool = False
    ) -> t.Any:
        try:
            content = self._read(method, path, data, headers)
            return None if empty and not content.strip() else json.loads(content)
        except HTTPError as error:
            raise self._error(self._refusal(error)) from None
        except socket.timeout:
            raise self._error(f"no whole answer within {self._options['timeout']:g} s") from None
        except ValueError:
            raise self._error(f"the answer is not JSON: is this the address of {self._what}?") from None
        except (OSError, http.client.HTTPException, urls.ConnectionError) as error:
            raise self._error(_words(error)) from None

    def _read(self, method: str, path: str, data: t.Optional[str], headers: t.Mapping[str, str]) -> bytes:
        options, timeout = self._options, float(self._options["timeout"])
        until = time.monotonic() + timeout
        with _ONE_AT_A_TIME:
            answer = urls.open_url(
                self.url + path,
                data=data,
                method=method,
                headers={**self._headers, **headers},
                timeout=timeout,
                validate_certs=options["validate_certs"],
                ca_path=options.get("ca_path"),
                client_cert=options.get("client_cert"),
                client_key=options.get("client_key"),
                url_username=options.get("username"),
                url_password=options.get("password"),
                force_basic_auth=bool(options.get("username")),
                use_proxy=options["use_proxy"],
                follow_redirects="none",
                http_agent="zerodowntime",
                use_netrc=False,
            )
        content = bytearray()
        while chunk := answer.read(65536):
            content += chunk
            if time.monotonic() > until:
                raise socket.timeout
            if len(content) > MOST:
                raise self._error(f"the answer is longer than {MOST >> 20} MiB: ask for fewer series")
        return bytes(content)

    def _refusal(self, error: HTTPError) -> str:
        """Return what an answer with an error status says: the API's own words where it has any."""
        try:
            body = error.read(65536)
        except (OSError, http.client.HTTPException):
            body = b""
        if 300 <= error.code < 400:
            return f"it answers {error.code} and points to {error.headers.get('Location')}: give the final address"
        try:
            answer = json.loads(body)
            said = str(answer if isinstance(answer, str) else answer["error"])
        except (ValueError, KeyError, TypeError):
            said = ""
        hint = {401: "are username and password, or bearer_token, right?", 403: "this user may not ask for it"}
        return f"it answers {error.code} ({said or hint.get(error.code) or error.reason})"

    def _error(self, why: str) -> SourceError:
        return SourceError(self.hide(f"{self._what} at {self.url}: {why}"))

    def _check(self) -> None:
        try:
            parts = urlsplit(self.url)
            wrong = parts.scheme not in ("http", "https") or not parts.hostname or (parts.port or 1) < 1
        except ValueError:
            wrong = True
        if wrong:
            raise SourceError(f"{self.url!r} is not a URL such as http://prometheus:9090")
        if "@" in parts.netloc:
            raise SourceError(f"the URL of {parts.hostname} carries credentials: give them as username and password")
        if self._options.get("username") and self._options.get("bearer_token"):
            raise SourceError(f"{self._what} takes a username with its password, or a bearer_token, not both")


def _words(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, socket.timeout):
        return "no answer in time"
    inner = reason if isinstance(reason, BaseException) else error
    return str(getattr(inner, "strerror", None) or reason or inner or type(inner).__name__).strip().rstrip(".").lower()
