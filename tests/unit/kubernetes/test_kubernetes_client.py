# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: what is asked again, what never is, whose error becomes which, and whose credentials are used."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes import client as module
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import (
    AUTH_SPEC,
    Answer,
    Client,
    Conflict,
    Forbidden,
    Missing,
    Moved,
    Unanswered,
    Unsent,
    configuration,
    path,
)

WHERE = path("apps/v1", "deployments", "shop", "shop-blue")
OK = Answer(200, b'{"kind": "Deployment"}')
Said = Answer | Exception


class Server:
    """Answers in this order, and remembers what was asked and how long was waited."""

    def __init__(self, *answers: Said) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, t.Any, str]] = []
        self.slept: list[float] = []
        self.client = Client({}, self.send, self.slept.append)

    def send(self, method: str, target: str, content: bytes | None, headers: t.Mapping[str, str]) -> Answer:
        self.asked.append((method, target, json.loads(content) if content else None, headers["Content-Type"]))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def status(code: int, message: str = "no") -> Answer:
    return Answer(code, json.dumps({"kind": "Status", "message": message}).encode())


def test_paths_are_those_of_the_api() -> None:
    assert WHERE == "/apis/apps/v1/namespaces/shop/deployments/shop-blue"
    assert path("v1", "pods", "shop") == "/api/v1/namespaces/shop/pods"
    assert path("v1", "namespaces", name="a/b", part="status") == "/api/v1/namespaces/a%2Fb/status"


@pytest.mark.parametrize("trouble", [status(429), status(500), status(503), Unsent("refused"), Unanswered("reset")])
def test_a_read_is_asked_again_while_the_server_is_busy_or_restarts(trouble: Said) -> None:
    server = Server(trouble, trouble, trouble, OK)
    assert server.client.get(WHERE) == {"kind": "Deployment"}
    assert server.slept == [0.1, 0.3, 1.0]


def test_a_read_gives_up_after_four_times_with_the_last_reason() -> None:
    server = Server(*[status(503, "etcd is gone")] * 4)
    with pytest.raises(ReleaseError, match="answered 503 to GET /apis/apps/v1/.*: etcd is gone"):
        server.client.get(WHERE)


def test_what_the_server_asks_for_is_waited_for_up_to_two_seconds() -> None:
    server = Server(Answer(429, b"", 0.7), Answer(429, b"", 60.0), OK)
    server.client.get(WHERE)
    assert server.slept == [0.7, 2.0]


@pytest.mark.parametrize("trouble", [status(429), Unsent("refused")])
def test_a_write_that_was_certainly_not_done_is_sent_again(trouble: Said) -> None:
    server = Server(trouble, OK)
    assert server.client.patch(WHERE, []) == {"kind": "Deployment"}


@pytest.mark.parametrize("trouble", [status(500), status(503), status(504), Unanswered("reset"), Answer(200, b"oops")])
def test_a_write_whose_answer_was_lost_is_unknown_and_is_not_sent_again(trouble: Said) -> None:
    server = Server(trouble)
    with pytest.raises(Lost):
        server.client.patch(WHERE, [])
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("code", "kind"), [(404, Missing), (409, Conflict), (422, Moved), (403, Forbidden), (400, ReleaseError)]
)
def test_each_refusal_is_an_error_of_its_own(code: int, kind: type[ReleaseError]) -> None:
    with pytest.raises(ReleaseError, match=f"answered {code} to PATCH .*: no") as error:
        Server(status(code)).client.patch(WHERE, [])
    assert error.type is kind
    assert issubclass(kind, Refused) is (code in (409, 422))


def test_a_token_that_is_refused_is_renewed_once() -> None:
    assert Server(status(401), OK).client.patch(WHERE, [])
    with pytest.raises(ReleaseError, match="answered 401"):
        Server(status(401), status(401)).client.patch(WHERE, [])


def test_writes_say_who_they_are_and_what_they_are() -> None:
    server = Server(OK, OK, OK)
    server.client.patch(WHERE, [{"op": "test"}], dry_run=True)
    server.client.patch(WHERE, {"spec": {}})
    server.client.create(path("v1", "configmaps", "shop"), {"kind": "ConfigMap"})
    mark = "?fieldManager=zerodowntime.bluegreen&fieldValidation=Strict"
    assert server.asked == [
        ("PATCH", f"{WHERE}{mark}&dryRun=All", [{"op": "test"}], "application/json-patch+json"),
        ("PATCH", f"{WHERE}{mark}", {"spec": {}}, "application/merge-patch+json"),
        ("POST", f"/api/v1/namespaces/shop/configmaps{mark}", {"kind": "ConfigMap"}, "application/json"),
    ]


def test_a_deletion_can_be_bound_to_one_version() -> None:
    server = Server(OK)
    server.client.delete(WHERE, resourceVersion="42")
    assert server.asked[0][2]["preconditions"] == {"resourceVersion": "42"}


def test_what_is_not_there_is_none_and_an_empty_list_is_a_list() -> None:
    assert Server(status(404)).client.find(WHERE) is None
    assert Server(Answer(200, b'{"items": null}')).client.list(WHERE) == []


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MISSING", "No module named 'kubernetes'")
    with pytest.raises(ReleaseError, match="the Python package kubernetes is missing in .*python.* -m pip install"):
        Client({"host": "http://127.0.0.1:1", "api_key": "x"})


def test_options_come_from_the_variables_of_kubernetes_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_HOST", "https://api.example.com")
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "no")
    monkeypatch.setenv("K8S_AUTH_API_KEY", "from the environment")
    found = ArgumentSpecValidator(AUTH_SPEC).validate({"api_key": "given"}).validated_parameters
    assert (found["host"], found["validate_certs"], found["api_key"]) == ("https://api.example.com", False, "given")


class TestConfiguration:
    """What is made of the options by the kubernetes package."""

    pytestmark = pytest.mark.skipif(bool(module.MISSING), reason="skipped: the package kubernetes is not installed")

    CONFIG: t.ClassVar[dict[str, t.Any]] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "one", "user": "someone"}},
            {"name": "two", "context": {"cluster": "two", "user": "someone"}},
        ],
        "clusters": [
            {"name": "one", "cluster": {"server": "https://one.example.com"}},
            {"name": "two", "cluster": {"server": "https://two.example.com"}},
        ],
        "users": [{"name": "someone", "user": {"token": "from the file"}}],
    }

    @staticmethod
    def bearer(made: t.Any) -> str:
        return str(next(iter(made.auth_settings().values()))["value"])

    def test_host_and_token_need_no_file(self) -> None:
        made = configuration({"host": "https://api.example.com", "api_key": "secret", "validate_certs": False})
        assert (made.host, made.verify_ssl, self.bearer(made)) == ("https://api.example.com", False, "Bearer secret")

    def test_a_kubeconfig_may_be_a_mapping_or_a_file(self, tmp_path: t.Any) -> None:
        (tmp_path / "config").write_text(json.dumps(self.CONFIG))
        for given in (self.CONFIG, str(tmp_path / "config")):
            made = configuration({"kubeconfig": given, "context": "two"})
            assert (made.host, self.bearer(made)) == ("https://two.example.com", "Bearer from the file")

    def test_what_is_given_beside_a_kubeconfig_wins(self) -> None:
        made = configuration({"kubeconfig": self.CONFIG, "api_key": "given"})
        assert (made.host, self.bearer(made)) == ("https://one.example.com", "Bearer given")

    def test_nothing_at_all_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        with pytest.raises(ReleaseError, match="no way to a Kubernetes API: .*; name one with kubeconfig and context"):
            configuration({"kubeconfig": str(tmp_path / "absent")})
