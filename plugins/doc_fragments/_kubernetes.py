# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name a Kubernetes API, and the traffic of one app in it."""

from __future__ import annotations


class ModuleDocFragment:
    """The API (C(DOCUMENTATION), names as in kubernetes.core), and the object of each traffic name."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - A kubeconfig file, or its content as a mapping. Also by the environment variable E(K8S_AUTH_KUBECONFIG).
      - Without it, without O(context), and without O(host) and credentials, it is the cluster this process runs in,
        else the default kubeconfig.
    type: raw
  context:
    description:
      - The context in the kubeconfig. Also by the environment variable E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description:
      - The address of the API server. Also by the environment variable E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - A bearer token. Also by the environment variable E(K8S_AUTH_API_KEY).
    type: str
  username:
    description:
      - The user of an API server with basic authentication. Also by the environment variable E(K8S_AUTH_USERNAME).
    type: str
  password:
    description:
      - The password of O(username). Also by the environment variable E(K8S_AUTH_PASSWORD).
    type: str
  validate_certs:
    description:
      - Whether the API server's certificate is verified. Also by the environment variable E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description:
      - The file with the certificates to trust. Also by the environment variable E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description:
      - The file with the certificate of the client. Also by the environment variable E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - The file with the key of O(client_cert). Also by the environment variable E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  proxy:
    description:
      - The URL of an HTTP proxy. Also by the environment variable E(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description:
      - Hosts that are reached without O(proxy), with commas between. Also by the environment variable
        E(K8S_AUTH_NO_PROXY).
    type: str
  timeout:
    description: Seconds an answer of the API server may take.
    type: float
    default: 10.0
requirements:
  - The Python package C(kubernetes), where the module or action runs
"""

    ISTIO = r"""
options:
  namespace:
    description: The namespace of the object.
    type: str
    required: true
  cluster:
    description:
      - The name of the cluster in the identity of the traffic object, the key of lock and journal. By default it is the
        address of the API server. Give it where one cluster is reached by several addresses.
    type: str
  virtual_service:
    description: The VirtualService.
    type: str
    required: true
  route:
    description:
      - The name of the HTTP route whose weights are moved. By default the only route that leads to both slots.
    type: str
  protocol:
    description: The kind of route.
    type: str
    choices: [http, tls, tcp]
    default: http
  destination_rule:
    description: The DestinationRule with the subsets. By default the one with the name of the destination's host.
    type: str
  slots:
    description: The subset of each slot, or the host where the destinations have no subset.
    type: dict
    default: {blue: blue, green: green}
    suboptions:
      blue:
        description: The subset or host of blue.
        type: str
        required: true
      green:
        description: The subset or host of green.
        type: str
        required: true
"""

    GATEWAY = r"""
options:
  namespace:
    description: The namespace of the object.
    type: str
    required: true
  cluster:
    description:
      - The name of the cluster in the identity of the traffic object, the key of lock and journal. By default it is the
        address of the API server. Give it where one cluster is reached by several addresses.
    type: str
  route:
    description: The HTTPRoute or GRPCRoute.
    type: str
    required: true
  kind:
    description: The kind of O(route).
    type: str
    choices: [HTTPRoute, GRPCRoute]
    default: HTTPRoute
  rule:
    description: The name of the rule whose weights are moved. By default the only rule that leads to both slots.
    type: str
  slots:
    description: The Service of each slot.
    type: dict
    required: true
    suboptions:
      blue:
        description: The Service of blue.
        type: str
        required: true
      green:
        description: The Service of green.
        type: str
        required: true
  settle:
    description: Seconds within which the cluster must have followed a move.
    type: float
    default: 10.0
"""

    SERVICE = r"""
options:
  namespace:
    description: The namespace of the object.
    type: str
    required: true
  cluster:
    description:
      - The name of the cluster in the identity of the traffic object, the key of lock and journal. By default it is the
        address of the API server. Give it where one cluster is reached by several addresses.
    type: str
  service:
    description: The Service.
    type: str
    required: true
  label:
    description: The label in the Service's selector that tells the pods of the slots apart.
    type: str
    default: version
  slots:
    description: The value of O(label) for each slot.
    type: dict
    default: {blue: blue, green: green}
    suboptions:
      blue:
        description: The value of blue.
        type: str
        required: true
      green:
        description: The value of green.
        type: str
        required: true
  settle:
    description: Seconds within which the cluster must have followed a move.
    type: float
    default: 10.0
"""
