# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a gate: what is measured, and how it is judged."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of all who judge measurements."""

    DOCUMENTATION = r"""
options:
  preset:
    description:
      - Defaults under the options below. V(http) compares the failed requests of both slots (and slow ones, when the
        source has a histogram) with the defaults that are named here.
      - V(blue_green) is for a switch of all traffic at once, O(interval=2s), O(initial_delay=10s), O(min_duration=60s),
        O(max_duration=10m). The canary is then compared with the past, so the source needs one.
      - V(thresholds) judges the canary's rates alone, as Argo Rollouts and Flagger do, O(analysis=threshold),
        O(interval=10s), O(initial_delay=0), O(min_requests=20).
    type: str
    choices: [http, blue_green, thresholds]
    default: http
  source:
    description:
      - Where the counts of requests and bad requests come from, exactly one.
      - In texts of a source, C($slot), C($name) and C($revision) stand for the slot, for what the traffic system calls
        it (O(slots)) and for its revision (O(revisions)).
    type: dict
    required: true
    suboptions:
      cloudwatch:
        description:
          - What an Application Load Balancer counts for each target group, from CloudWatch, its requests, the 5xx
            answers of its targets, and those that the load balancer had to give itself because no target answered.
            Needs the right C(cloudwatch:GetMetricData).
          - CloudWatch has a minute one to three minutes after its end. So a verdict takes at least four minutes, and
            each step of a release three or four. O(interval) is never shorter than O(source.cloudwatch.period).
          - It counts C(errors), and its two parts, C(target_errors) and C(elb_errors), for those who name them in
            O(metrics).
          - The slots are the target groups, by ARN or by name (O(slots)). Where a release moves traffic by
            M(zerodowntime.bluegreen.alb_traffic) V({}) is enough; account and load balancer are those of the traffic.
        type: dict
        suboptions:
          load_balancer:
            description:
              - The load balancer, by name or ARN, or the ARN of a listener or rule of it. By default the one that both
                target groups are behind, which needs the right C(elasticloadbalancing:DescribeTargetGroups).
            type: str
          edges:
            description: An answer of a target that takes longer than one of these, in seconds, is slow.
            type: list
            elements: float
            default: []
          delay:
            description:
              - How long after its end a minute is believed to be whole. It grows by itself, up to ten minutes, when a
                minute turns out to have been read too early.
            type: str
            default: 2m
          period:
            description: Seconds of one count. An ALB reports every 60 seconds; shorter ones are for a lab.
            type: int
            default: 60
          profile:
            description: The named profile of the AWS configuration files, instead of keys.
            type: str
            aliases: [aws_profile]
          region:
            description: The region.
            type: str
            aliases: [aws_region, ec2_region]
          access_key:
            description: The access key id; without any, what boto3 finds, such as the role of an instance.
            type: str
            aliases: [aws_access_key_id, aws_access_key, ec2_access_key]
          secret_key:
            description: The secret access key.
            type: str
            aliases: [aws_secret_access_key, aws_secret_key, ec2_secret_key]
          session_token:
            description: The token of temporary keys.
            type: str
            aliases: [aws_session_token, security_token, aws_security_token, access_token]
          assume_role_arn:
            description: A role to work in. Its keys are renewed by themselves.
            type: str
            aliases: [iam_role_arn]
          assume_role_session_name:
            description: The session name that CloudTrail shows for the assumed role.
            type: str
            default: zerodowntime
          endpoint_url:
            description: Another address than AWS's own for every call.
            type: str
            aliases: [aws_endpoint_url, ec2_url, s3_url]
          aws_ca_bundle:
            description: File with the certificates to trust.
            type: path
          validate_certs:
            description: Whether the certificate of AWS is verified.
            type: bool
            default: true
          aws_config:
            description: Settings of botocore's client configuration, laid over our own.
            type: dict
          debug_botocore_endpoint_logs:
            description: Taken so that C(module_defaults) of amazon.aws fit; it does nothing here.
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
      haproxy:
        description:
          - The balancers' own counters of requests and 5xx answers of each backend. They see what a crashed process
            cannot count, so they are the best source there is.
          - Inside of M(zerodowntime.bluegreen.traffic_shift) V({}) is enough and costs nothing. Elsewhere the options
            are those of M(zerodowntime.bluegreen.haproxy_traffic).
        type: dict
        suboptions:
          socket:
            description: The stats socket of HAProxy. An absolute path, or C(host:port).
            type: str
          slots:
            description: The backend of each slot. By default the O(slots) of the gate.
            type: dict
            suboptions:
              blue:
                description: The backend of blue.
                type: str
                required: true
              green:
                description: The backend of green.
                type: str
                required: true
          map:
            description: The map file from which the frontend reads the weights.
            type: path
            default: /etc/haproxy/zerodowntime.map
          key:
            description: The entry of this app in the map. By default what the names of the two backends begin with.
            type: str
          persist:
            description: Whether the map file is read too.
            type: bool
            default: true
          timeout:
            description: Seconds an answer of the socket may take.
            type: float
            default: 5.0
          machines:
            description: Inventory names of the machines the balancers run on.
            type: list
            elements: str
            default: []
      http:
        description:
          - Our own probes of each slot by its preview route. It measures probes, not users. A failure status (400 or
            above) or no answer is bad.
        type: dict
        suboptions:
          url:
            description: What to ask for, by GET.
            type: str
            required: true
          headers:
            description: "Headers of each probe, such as C({X-Release-Slot: $slot})."
            type: dict
            default: {}
          probes:
            description: Probes to each slot and reading.
            type: int
            default: 10
          edges:
            description: A probe that takes longer than one of these, in seconds, is slow.
            type: list
            elements: float
            default: []
          timeout:
            description: Seconds one probe may take.
            type: float
            default: 2.0
          validate_certs:
            description: Whether the server's certificate is verified.
            type: bool
            default: true
          ca_path:
            description: File with the certificates to trust.
            type: path
      load_test:
        description:
          - What a running M(zerodowntime.bluegreen.load_test) counts per revision, its errors and its dropped requests.
            It measures probes, not users. The report has to be on the controller.
        type: dict
        suboptions:
          report:
            description: The file of the load's counts.
            type: path
            required: true
      prometheus:
        description:
          - Cumulative counters from Prometheus, or whatever speaks its HTTP API (Thanos, Mimir, VictoriaMetrics).
          - The queries name counters, never C(rate) or C(increase). They may return many series; the restart of each
            one is seen, so give plain selectors rather than sums.
        type: dict
        suboptions:
          url:
            description: The address of the API, without C(/api/v1).
            type: str
            required: true
          exporter:
            description:
              - Ready-made queries. V(app) is C(http_requests_total{version="$revision",status=...}) with its histogram
                C(http_request_duration_seconds), V(nginx) the module nginx-module-vts, V(nginx_ingress) the Kubernetes
                ingress controller, the others are the exporters of their names.
            type: str
            choices: [app, envoy, haproxy, istio, nginx, nginx_ingress, traefik]
          match:
            description: "Label values that every query must match too, such as C({job: shop, namespace: prod})."
            type: dict
            default: {}
          requests:
            description: The query of all requests of a slot.
            type: str
          bad:
            description: By the name of a metric, such as C(errors), the query of a slot's bad requests.
            type: dict
            default: {}
          latency:
            description:
              - By an edge, such as C("0.25"), the query of a slot's requests slower than that. They make the metric
                C(latency).
            type: dict
            default: {}
          edges:
            description:
              - Edges of the exporter's histogram to judge, in its own unit. By default those that between 0.05 % and
                10 % of the requests in O(lookback) exceeded.
            type: list
            elements: str
          max_age:
            description:
              - Data older than this is no data. V(auto) is three times what lies between two scrapes.
            type: str
            default: auto
          username:
            description: User of the basic authentication.
            type: str
          password:
            description: Password of the basic authentication.
            type: str
          bearer_token:
            description: A token, instead of user and password.
            type: str
          headers:
            description: "More headers, such as the tenant's C({X-Scope-OrgID: shop})."
            type: dict
          validate_certs:
            description: Whether the server's certificate is verified.
            type: bool
            default: true
          ca_path:
            description: File with the certificates to trust.
            type: path
          client_cert:
            description: File with the certificate to show.
            type: path
          client_key:
            description: File with the key of O(source.prometheus.client_cert).
            type: path
          use_proxy:
            description: Whether the proxies of the environment are used.
            type: bool
            default: true
          timeout:
            description: Seconds an answer may take. A release does not stand still meanwhile.
            type: float
            default: 5.0
      web:
        description:
          - Cumulative counters in any JSON answer, found by JMESPath. Each slot has its own URL, or the expressions
            tell the slots apart. Needs the Python package C(jmespath) in the controller's Python.
          - A number is one counter. A mapping is a counter for each key, so that the restart of one instance is seen.
        type: dict
        suboptions:
          url:
            description: What to ask for, by GET.
            type: str
            required: true
          requests:
            description: The expression for all requests of a slot, such as C(slots.$slot.requests).
            type: str
            required: true
          bad:
            description: By the name of a metric, such as C(errors), the expression for a slot's bad requests.
            type: dict
            required: true
          username:
            description: User of the basic authentication.
            type: str
          password:
            description: Password of the basic authentication.
            type: str
          bearer_token:
            description: A token, instead of user and password.
            type: str
          headers:
            description: More headers of each request.
            type: dict
          validate_certs:
            description: Whether the server's certificate is verified.
            type: bool
            default: true
          ca_path:
            description: File with the certificates to trust.
            type: path
          client_cert:
            description: File with the certificate to show.
            type: path
          client_key:
            description: File with the key of O(source.web.client_cert).
            type: path
          use_proxy:
            description: Whether the proxies of the environment are used.
            type: bool
            default: true
          timeout:
            description: Seconds an answer may take.
            type: float
            default: 5.0
  watch:
    description:
      - What must hold beside the counts, a list of mappings with one name each. Nothing that cannot be read passes.
      - C(prometheus) and C(web) take C(url) and the other options of a connection as in O(source), and C(gauges), by
        their names mappings with C(query) (PromQL that gives one number, or JMESPath; C($slot), C($name) and
        C($revision) are put in), any of C(max), C(min), C(max_ratio), C(min_ratio) (the latter two compared with the
        stable slot) and C(failure_limit) (failures tolerated, 0). A gauge out of its limits fails the release once
        O(initial_delay) is over.
      - C(alertmanager) takes C(url), C(labels) that an alert must carry, and C(on_firing), C(fail) or C(hold). Silenced
        and inhibited alerts do not count. With C(silence), a mapping of labels too, alerts that carry them are silenced
        from before the first request moves until the shift or the judgement ends, by a silence of five minutes that is
        renewed; of a run that was killed no more than that is left.
    type: list
    elements: dict
  analysis:
    description:
      - V(sequential) compares the canary with the stable slot by evidence that is valid at every look; V(threshold)
        holds the canary's rate against each metric's limit. By default V(sequential).
    type: str
    choices: [sequential, threshold]
  metrics:
    description:
      - What is judged, a list of names or of mappings with C(name) and any of C(share) (its part of O(alpha)),
        C(margin) (how much worse a canary may be and still pass, by default 0.005), C(tolerance) (the smallest ratio
        worth a rollback, 1.25), C(floor) (the smallest rate worth one, 0.001), C(limit) (the hard limit, 0.05), and
        C(edges) for latency.
      - By default whatever the source counts.
    type: list
    elements: raw
  alpha:
    description: The chance that a release which is no worse is taken back, over the whole rollout. By default V(0.01).
    type: float
  beta:
    description: The chance that a release which is worse than the margin passes. By default V(0.05).
    type: float
  null_ratio:
    description: How many times worse still counts as no worse, for hosts that differ. By default V(1.0).
    type: float
  interval:
    description: How often the source is read. By default V(5s).
    type: str
  initial_delay:
    description: How long the canary warms up; until then only half of the requests failing counts. By default V(60s).
    type: str
  failure_limit:
    description: Failed judgements that are tolerated, for O(analysis=threshold). By default V(0).
    type: int
  consecutive_error_limit:
    description: Errors of the source in a row that are tolerated, for O(analysis=threshold). By default V(4).
    type: int
  intervals:
    description: The least number of readings that may decide that the canary is worse. By default V(2).
    type: int
  min_duration:
    description: How long the canary is judged at least before it passes. By default V(60s).
    type: str
  min_step_duration:
    description: How long each step lasts at least. By default V(30s).
    type: str
  min_requests:
    description: Requests of the canary in a step before it passes. By default V(50).
    type: int
  max_duration:
    description: How long a step may last; then the verdict is inconclusive. By default V(30m).
    type: str
  no_data_limit:
    description: Readings in a row without data after which the verdict is inconclusive. By default V(6).
    type: int
  lookback:
    description: How much of the stable slot's past is read, where the source has one. By default V(30m).
    type: str
  dispersion:
    description:
      - How much more than chance failures cluster; V(auto) learns it from two halves of the stable fleet in
        O(lookback), and goes on during the rollout where the source tells the stable instances apart. By default
        V(auto).
    type: raw
  dispersion_prior:
    description: The guess of it while the past has few failures. By default V(2).
    type: float
  impact_budget:
    description:
      - The share of all requests that a step may cost, from which the margin of each step follows. By default V(0.005).
    type: float
  on_inconclusive:
    description: What a shift does when there is no verdict. By default V(hold).
    type: str
    choices: [hold, promote, rollback]
  dry_run:
    description: Judge and report, but decide nothing. By default V(false).
    type: bool
"""

    WHERE = r"""
options:
  canary:
    description: The slot with the new revision; the other one is stable.
    type: str
    required: true
    choices: [blue, green]
  slots:
    description: What the traffic system calls each slot.
    type: dict
    default: {}
  revisions:
    description: The revision in each slot.
    type: dict
    default: {}
  picture:
    description: The file for a picture (SVG) of the two error rates and the odds.
    type: path
"""
