# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say how AWS is reached; names, aliases and environment as amazon.aws has them."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every name that calls AWS (C(DOCUMENTATION)), and those that name an ALB (C(ALB))."""

    DOCUMENTATION = r"""
options:
  profile:
    description:
      - The named profile of the AWS configuration files, instead of keys.
      - E(AWS_PROFILE) and E(AWS_DEFAULT_PROFILE) are used when it is not set; V("") keeps it unset.
    type: str
    aliases: [aws_profile]
  region:
    description:
      - The region. E(AWS_REGION), E(AWS_DEFAULT_REGION) and E(EC2_REGION) are used when it is not set.
    type: str
    aliases: [aws_region, ec2_region]
  access_key:
    description:
      - The access key id. E(AWS_ACCESS_KEY_ID), E(AWS_ACCESS_KEY) and E(EC2_ACCESS_KEY) are used when it is not set;
        without any, what boto3 finds, such as the role of an instance.
    type: str
    aliases: [aws_access_key_id, aws_access_key, ec2_access_key]
  secret_key:
    description:
      - The secret access key. E(AWS_SECRET_ACCESS_KEY), E(AWS_SECRET_KEY) and E(EC2_SECRET_KEY) are used when it is
        not set.
    type: str
    aliases: [aws_secret_access_key, aws_secret_key, ec2_secret_key]
  session_token:
    description:
      - The token of temporary keys. E(AWS_SESSION_TOKEN), E(AWS_SECURITY_TOKEN) and E(EC2_SECURITY_TOKEN) are used
        when it is not set.
    type: str
    aliases: [aws_session_token, security_token, aws_security_token, access_token]
  assume_role_arn:
    description:
      - A role to work in. Its keys are renewed by themselves, however long a release takes.
    type: str
    aliases: [iam_role_arn]
  assume_role_session_name:
    description: The session name that CloudTrail shows for the assumed role.
    type: str
    default: zerodowntime
  endpoint_url:
    description:
      - Another address than AWS's own for every call, such as the lab's. E(AWS_URL), E(EC2_URL) and E(S3_URL) are
        used when it is not set.
    type: str
    aliases: [aws_endpoint_url, ec2_url, s3_url]
  aws_ca_bundle:
    description: File with the certificates to trust. E(AWS_CA_BUNDLE) is used when it is not set.
    type: path
  validate_certs:
    description: Whether the certificate of AWS is verified.
    type: bool
    default: true
  aws_config:
    description: Settings of botocore's client configuration, such as C(proxies), laid over our own.
    type: dict
  debug_botocore_endpoint_logs:
    description:
      - Taken so that C(module_defaults) of amazon.aws fit; it does nothing here. The calls of a release are in
        CloudTrail. E(ANSIBLE_DEBUG_BOTOCORE_LOGS) is used when it is not set.
    type: bool
    default: false
  retries:
    description: How often one call is tried, botocore's standard mode.
    type: int
    default: 3
  timeout:
    description: Seconds that one try of a call may take.
    type: float
    default: 10.0
requirements:
  - boto3 in the Python that runs the code, which is the controller's unless the task's host is another machine
"""

    ALB = r"""
options:
  listener_arn:
    description:
      - The listener whose default action forwards to the slots, or, with O(priority) or O(conditions), the listener
        of a rule.
      - Exactly one of O(listener_arn), O(rule_arn) and O(load_balancer) is given.
    type: str
  load_balancer:
    description: Name or ARN of the load balancer, instead of O(listener_arn); its listener is the one on O(port).
    type: str
  port:
    description: The port of the listener of O(load_balancer).
    type: int
  rule_arn:
    description: The rule that forwards to the slots, when it is not the listener's default action.
    type: str
  priority:
    description: The priority of that rule, with O(listener_arn) or O(load_balancer), instead of O(rule_arn).
    type: int
  conditions:
    description:
      - All conditions of that rule, with O(listener_arn) or O(load_balancer), instead of O(rule_arn) or O(priority).
      - 'By field, C(host-header), C(path-pattern), C(http-request-method) and C(source-ip) with a value or a list of
        them, C(http-header) and C(query-string) with such values by name, as in
        C({host-header: shop.example.com, http-header: {X-Shop: [eu, uk]}}).'
    type: dict
  slots:
    description: The target group of each slot, by name or ARN. Both are permanent.
    type: dict
    required: true
    suboptions:
      blue:
        description: The target group of blue.
        type: str
        required: true
      green:
        description: The target group of green.
        type: str
        required: true
"""
