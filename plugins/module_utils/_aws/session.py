# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to AWS: the auth options of amazon.aws, one warm session, every client error one of ours.

A deterministic refusal is a ReleaseError; an answer that does not say whether the call was made is Lost.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
import typing as t
from functools import partial

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws import auth
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, ReleaseError

MISSING: t.Optional[str] = None
try:
    import boto3
    import botocore.config
    import botocore.credentials
    import botocore.exceptions
    import botocore.parsers
    import botocore.session
except ImportError:
    MISSING = traceback.format_exc()

AUTH_SPEC: dict[str, t.Any] = auth.SPEC

# Answers that say nothing about whether an earlier try of the same call was carried out.
_UNSURE = frozenset(
    ("Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException")
    + ("ProvisionedThroughputExceededException", "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete")
)


class Service:
    """One service of AWS with the options of AUTH_SPEC, such as C(Service(options, "elbv2"))."""

    def __init__(self, options: t.Mapping[str, t.Any], name: str) -> None:
        self.name = name
        self._options = options
        self._client: t.Any = None

    @property
    def region(self) -> str:
        """Return the region that the calls go to. Raises ReleaseError as C(call) does."""
        return str(self._open().meta.region_name)

    def call(self, operation: str, **arguments: t.Any) -> dict[str, t.Any]:
        """Return the answer of one API call, such as C(call("describe_listeners", ListenerArns=[...])).

        Raises Lost when it is unknown whether the call was carried out, ReleaseError when it was refused; C(code)
        tells AWS's own word for either.
        """
        client = self._open()
        try:
            return t.cast("dict[str, t.Any]", getattr(client, operation)(**arguments))
        except _errors() as error:
            raise _ours(error, f"{self.name} {operation}") from error

    def pages(self, operation: str, part: str, **arguments: t.Any) -> list[dict[str, t.Any]]:
        """Return the items under C(part) of all pages of an API call. Raises as C(call) does."""
        client = self._open()
        try:
            answers = client.get_paginator(operation).paginate(**arguments)
            return [item for answer in answers for item in answer[part]]
        except _errors() as error:
            raise _ours(error, f"{self.name} {operation}") from error

    def _open(self) -> t.Any:
        if self._client is None:
            try:
                self._client = _client(self._options, self.name)
            except _errors() as error:
                raise _ours(error, f"{self.name} client") from error
        return self._client


def code(error: BaseException) -> str:
    """Return AWS's own code for an error that C(Service.call) raised, empty where AWS gave none."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def require() -> None:
    """Raise ReleaseError, with the command that helps, when boto3 cannot be imported by this Python."""
    if MISSING is not None:
        raise ReleaseError(
            f"AWS needs the Python package boto3 in {sys.executable}: run '{sys.executable} -m pip install boto3'"
        )


def _client(options: t.Mapping[str, t.Any], name: str) -> t.Any:
    require()
    verify: t.Any = options.get("aws_ca_bundle") or None
    if options.get("validate_certs") is False:
        verify = False
    config = botocore.config.Config(
        retries={"mode": "standard", "total_max_attempts": max(1, int(options.get("retries") or 3))},
        connect_timeout=float(options.get("timeout") or 10.0),
        read_timeout=float(options.get("timeout") or 10.0),
        user_agent_extra="zerodowntime.bluegreen",
    )
    if options.get("aws_config"):
        try:
            config = config.merge(botocore.config.Config(**options["aws_config"]))
        except TypeError as error:
            raise ReleaseError(f"aws_config: {_short(str(error))}") from None
    where = {
        "region_name": options.get("region") or None,
        "endpoint_url": options.get("endpoint_url") or None,
        "verify": verify,
        "config": config,
    }
    keys = {
        "aws_access_key_id": options.get("access_key") or None,
        "aws_secret_access_key": options.get("secret_key") or None,
        "aws_session_token": options.get("session_token") or None,
    }
    profile = str(options.get("profile") or "")
    if profile and any(keys.values()):
        raise ReleaseError(
            f"AWS: there is a profile ({profile}) and there are keys, by options or by the environment; only one can "
            "be meant: set the other one to ''"
        )
    session = _session(profile)
    role = options.get("assume_role_arn")
    if not role:
        return session.client(name, **where, **keys)
    return _assuming(session, str(role), options, where, keys).client(name, **where)


def _session(profile: str) -> t.Any:
    """Return the warm session, or one for C(profile) that shares its loaded service models."""
    if _WARM is not None and not profile:
        return _WARM
    core = botocore.session.Session(profile=profile or None)
    if _WARM is not None:
        core.register_component("data_loader", _WARM._session.get_component("data_loader"))
    return boto3.session.Session(botocore_session=core)


def _assuming(
    session: t.Any, role: str, options: t.Mapping[str, t.Any], where: t.Mapping[str, t.Any], keys: t.Mapping[str, t.Any]
) -> t.Any:
    """Return a session in C(role) that renews itself: a release may outlive the hour that a role's keys live."""
    source = session.get_credentials()
    if keys["aws_access_key_id"]:
        source = botocore.credentials.Credentials(
            keys["aws_access_key_id"], keys["aws_secret_access_key"], keys["aws_session_token"]
        )
    if source is None:
        raise botocore.exceptions.NoCredentialsError()
    fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
        client_creator=partial(session._session.create_client, **where),
        source_credentials=source,
        role_arn=role,
        extra_args={"RoleSessionName": options.get("assume_role_session_name") or "zerodowntime"},
    )
    core = botocore.session.Session()
    core.register_component("data_loader", session._session.get_component("data_loader"))
    core._credentials = botocore.credentials.DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    return boto3.session.Session(botocore_session=core)


def _errors() -> tuple[type[Exception], ...]:
    if MISSING is not None:
        return ()
    return (
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.ClientError,
        # Not a BotoCoreError, and not retried: a proxy's HTML page where XML was due.
        botocore.parsers.ResponseParserError,
    )


def _ours(error: Exception, what: str) -> ReleaseError:
    """Return the one sentence for C(error), as ReleaseError or Lost."""
    if isinstance(error, botocore.exceptions.ClientError):
        details = error.response.get("Error", {})
        meta = error.response.get("ResponseMetadata", {})
        sentence = f"AWS {what}: {details.get('Code', '?')}: {_short(details.get('Message') or 'no reason given')}"
        unsure = details.get("Code") in _UNSURE or int(meta.get("HTTPStatusCode") or 500) >= 500
        # A refusal of the second try may follow a first one that was carried out and whose answer was lost.
        return Lost(sentence) if unsure or meta.get("RetryAttempts") else ReleaseError(sentence)
    if isinstance(error, botocore.parsers.ResponseParserError):
        return Lost(f"AWS {what}: the answer cannot be read: {_short(str(error))}")
    if isinstance(error, (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)):
        return Lost(f"AWS {what}: no answer: {_short(str(error))}")
    return ReleaseError(f"AWS {what}: {_short(str(error))}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:297] + "..."


def _warm() -> t.Any:
    """Return a session that has made one client: in a forked worker the next one costs 2 ms instead of 50.

    No socket is opened, and no credentials are looked for.
    """
    if MISSING is not None:
        return None
    with contextlib.suppress(*_errors()):
        session = boto3.session.Session()
        session.client("elbv2", region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
        return session
    return None


_WARM = _warm()
