# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say how AWS is reached, without its SDK: who only checks options does not pay for boto3."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

# Names, aliases, defaults and environment are those of amazon.aws, so that one set of variables, and one
# module_defaults, serves both. What only we have: assume_role_*, retries and timeout.
SPEC: dict[str, t.Any] = {
    "profile": {
        "type": "str",
        "aliases": ["aws_profile"],
        "fallback": (env_fallback, ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]),
    },
    "region": {
        "type": "str",
        "aliases": ["aws_region", "ec2_region"],
        "fallback": (env_fallback, ["AWS_REGION", "AWS_DEFAULT_REGION", "EC2_REGION"]),
    },
    "access_key": {
        "type": "str",
        "no_log": False,
        "aliases": ["aws_access_key_id", "aws_access_key", "ec2_access_key"],
        "fallback": (env_fallback, ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "EC2_ACCESS_KEY"]),
    },
    "secret_key": {
        "type": "str",
        "no_log": True,
        "aliases": ["aws_secret_access_key", "aws_secret_key", "ec2_secret_key"],
        "fallback": (env_fallback, ["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "EC2_SECRET_KEY"]),
    },
    "session_token": {
        "type": "str",
        "no_log": True,
        "aliases": ["aws_session_token", "security_token", "aws_security_token", "access_token"],
        "fallback": (env_fallback, ["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "EC2_SECURITY_TOKEN"]),
    },
    "assume_role_arn": {"type": "str", "aliases": ["iam_role_arn"]},
    "assume_role_session_name": {"type": "str", "default": "zerodowntime"},
    "endpoint_url": {
        "type": "str",
        "aliases": ["aws_endpoint_url", "ec2_url", "s3_url"],
        "fallback": (env_fallback, ["AWS_URL", "EC2_URL", "S3_URL"]),
    },
    "aws_ca_bundle": {"type": "path", "fallback": (env_fallback, ["AWS_CA_BUNDLE"])},
    "validate_certs": {"type": "bool", "default": True},
    "aws_config": {"type": "dict"},
    "debug_botocore_endpoint_logs": {
        "type": "bool",
        "default": False,
        "fallback": (env_fallback, ["ANSIBLE_DEBUG_BOTOCORE_LOGS"]),
    },
    "retries": {"type": "int", "default": 3},
    "timeout": {"type": "float", "default": 10.0},
}
