# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to an API call: chosen by name and by number, before it is carried out or after it.

The kinds: C(throttle), C(error) (500), C(html) (a proxy's 503 page), C(reset), C(delay), C(denied).
"""

from __future__ import annotations

import fnmatch
import io
import json
import re
import threading
import typing as t
import urllib.parse
from dataclasses import dataclass

KINDS = ("throttle", "error", "html", "reset", "delay", "denied")
WHEN = ("before", "after")

Wsgi = t.Callable[[dict[str, t.Any], t.Callable[..., t.Any]], t.Iterable[bytes]]

# Where the name that a call is signed for is not the one of IAM's actions.
_SIGNED = {"monitoring": "cloudwatch"}
_ANSWERS = {
    "throttle": ("400 Bad Request", "Throttling", "Rate exceeded"),
    "error": ("500 Internal Server Error", "InternalFailure", "An internal error has occurred."),
    "denied": ("403 Forbidden", "AccessDenied", "User: lab is not authorized to perform this operation"),
}
_HTML = b"<html><body><h1>503 Service Unavailable</h1>No server is available to handle this request.</body></html>"


@dataclass
class Fault:
    """One fault: calls C(nth) to C(nth + times - 1) of those that C(operation) (a pattern) names meet it."""

    operation: str
    kind: str
    when: str = "before"
    nth: int = 1
    times: int = 1
    seconds: float = 0.5  # of a delay, at most where there is something else that ends it
    over: threading.Event | None = None
    seen: int = 0

    def meets(self, operation: str) -> bool:
        """Count a call, and return whether it is one of those."""
        if not fnmatch.fnmatch(operation, self.operation):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    def delay(self) -> None:
        """Let the call wait."""
        (self.over or threading.Event()).wait(self.seconds)


class Faults:
    """A WSGI application around another one; C(calls) are the names of the API calls that came, in order.

    C(policies) holds, by access key, the actions that its owner may do, as C(ec2:RunInstances); a key that is not there
    may do everything.
    """

    def __init__(self, app: Wsgi) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._planned: list[Fault] = []
        self.calls: list[str] = []
        self.policies: dict[str, set[str]] = {}

    def plan(self, operation: str, kind: str, **more: t.Any) -> Fault:
        """Plan a fault for later calls and return it."""
        assert kind in KINDS, kind
        fault = Fault(operation, kind, **more)
        assert fault.when in WHEN, fault.when
        with self._lock:
            self._planned.append(fault)
        return fault

    def clear(self) -> None:
        """Forget every fault and every call."""
        with self._lock:
            self._planned.clear()
            self.calls.clear()

    def __call__(self, environ: dict[str, t.Any], start_response: t.Callable[..., t.Any]) -> t.Iterable[bytes]:
        operation = environ["lab.operation"] = _operation(environ)
        with self._lock:
            self.calls.append(operation)
            met = [fault for fault in self._planned if fault.meets(operation)]
        if not self._allowed(environ, operation):
            return _answer(Fault(operation, "denied"), environ, start_response)
        for fault in met:
            if fault.kind == "delay" and fault.when == "before":
                fault.delay()
            elif fault.when == "before":
                return _answer(fault, environ, start_response)
        if not any(fault.when == "after" for fault in met):
            return self._app(environ, start_response)
        kept: list[t.Any] = []
        done = b"".join(self._app(environ, lambda *answer: kept.append(answer[:2])))
        for fault in met:
            if fault.kind == "delay":
                fault.delay()
            else:
                return _answer(fault, environ, start_response)
        start_response(*kept[0])
        return [done]

    def _allowed(self, environ: dict[str, t.Any], operation: str) -> bool:
        """Return whether the policy of the caller's key has the action."""
        scope = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None or scope.group(1) not in self.policies:
            return True
        return f"{_SIGNED.get(scope.group(2), scope.group(2))}:{operation}" in self.policies[scope.group(1)]


def _answer(fault: Fault, environ: dict[str, t.Any], start_response: t.Callable[..., t.Any]) -> list[bytes]:
    if fault.kind == "reset":
        raise ConnectionResetError("a fault of the lab")
    if fault.kind == "html":
        start_response("503 Service Unavailable", [("Content-Type", "text/html")])
        return [_HTML]
    status, code, message = _ANSWERS[fault.kind]
    if environ.get("HTTP_X_AMZ_TARGET") or environ["PATH_INFO"].startswith("/service/"):
        headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-query-error", f"{code};Sender")]
        start_response(status, headers)
        return [json.dumps({"__type": code, "message": message}).encode()]
    start_response(status, [("Content-Type", "text/xml")])
    body = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    request = "<RequestId>00000000-0000-0000-0000-000000000000</RequestId>"
    if "/ec2/" in environ.get("HTTP_AUTHORIZATION", ""):
        body = f"<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        return [f"<Response>{body}<RequestID>0</RequestID></Response>".encode()]
    return [f"<ErrorResponse>{body}{request}</ErrorResponse>".encode()]


def _operation(environ: dict[str, t.Any]) -> str:
    """Return the name of the API call, whichever of AWS's protocols it comes by; the body stays readable."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rpartition(".")[2]
    path = re.fullmatch(r"/service/\w+/operation/(\w+)", environ.get("PATH_INFO", ""))
    if path:
        return path.group(1)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return urllib.parse.parse_qs(body.decode("utf-8", "replace")).get("Action", ["?"])[0]
