#!/usr/bin/python
# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict load test."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_test
short_description: Send paced requests, retry none of them, and count what becomes of each, per revision
version_added: 0.1.0
author:
  - The zerodowntime.bluegreen project (@zerodowntime)
description:
  - Sends requests at a fixed rate, whatever the answers do, over keep-alive connections. No request is ever sent twice,
    so that each one that fails is seen. A connection that the server closed before anything was written on it costs no
    request.
  - What comes out keeps two things apart. RV(dropped) are requests without an answer of the application, because the
    connection was refused, reset or cut off, the time was up, or the balancer made the answer itself (a failure status,
    400 or above, without the revision that O(header) or O(json_path) names). RV(errors) are answers of the application
    with such a status.
  - O(state=run) sends for O(duration). O(state=started) starts a process that sends beside a release and ends with it,
    also when the run dies; O(state=finished) ends it and returns what it counted.
  - Without O(header) and O(json_path) nothing tells the balancer's failures from the application's, and all of them are
    RV(errors) of the revision V(unknown).
options:
  state:
    description:
      - V(run) sends for O(duration) and returns the counts.
      - V(started) makes sure that a process sends and writes its counts so far to O(report) each second. It is left
        alone when it runs already.
      - V(finished) asks that process to end, waits for the requests in flight and returns the counts.
    type: str
    choices: [run, started, finished]
    default: run
  url:
    description:
      - What to ask for. Needed unless O(state=finished).
    type: str
  rate:
    description:
      - Requests per second; 0 sends the next one as soon as an answer is there, on each of O(connections).
    type: float
    default: 5.0
  connections:
    description:
      - How many keep-alive connections the requests are spread over. More are opened while all of them wait for an
        answer.
    type: int
    default: 10
  max_connections:
    description:
      - Connections at most; a request that would need one more is not sent, and counted as RV(unsent).
    type: int
    default: 1000
  timeout:
    description:
      - How long one answer may take, the opening of its connection included.
    type: str
    default: 10s
  post_path:
    description:
      - A path that takes POST requests without harm. Without it only GET is sent.
    type: str
  post_share:
    description:
      - Percent of the requests that are POST requests to O(post_path).
    type: int
    default: 50
  post_body:
    description:
      - What the POST requests carry.
    type: str
    default: zerodowntime
  slow_path:
    description:
      - A path whose answers take time, so that requests are in flight at every moment. Their latency is not counted.
    type: str
  slow_share:
    description:
      - Percent of the requests that go to O(slow_path).
    type: int
    default: 1
  backoff:
    description:
      - Hold the load when an answer has status 429, as long as its C(Retry-After) says or twice as long as last time,
        up to a minute. Such answers count as RV(throttled). Without it they are errors.
    type: bool
    default: false
  duration:
    description:
      - How long O(state=run) sends, such as V(30s) or V(5m).
    type: str
    default: 30s
  report:
    description:
      - The file for the counts, JSON with the names of the return values. Needed for V(started) and V(finished).
      - It is on the machine that sends.
    type: path
  max_duration:
    description:
      - How long a started load lasts at most.
    type: str
    default: 2h
  beside:
    description:
      - The number of the process that a started load ends with, two seconds later at most; 0 for none.
      - By default the process of C(ansible-playbook); none when O(machine) sends.
    type: int
  max_error_rate:
    description:
      - Share of errors, 0 to 1, above which a revision is named in RV(alarms).
    type: float
  max_p95:
    description:
      - The latency, such as V(500ms), above whose 95th percentile a revision is named in RV(alarms).
    type: str
  fail_on_alarm:
    description:
      - Whether an alarm fails the task.
    type: bool
    default: false
  fail_on_dropped:
    description:
      - Whether a dropped request fails the task. By default it does for O(state=run) only.
    type: bool
attributes:
  check_mode:
    support: full
    description: Options are checked and nothing is sent, started or ended.
  diff_mode:
    support: none
  idempotent:
    support: partial
    description: Yes for V(started) and V(finished); V(run) sends its load each time.
extends_documentation_fragment:
  - zerodowntime.bluegreen._probe
seealso:
  - module: zerodowntime.bluegreen.http_probe
"""

EXAMPLES = r"""
- name: Load the preview of the new revision before anybody sees it
  zerodowntime.bluegreen.load_test:
    url: https://preview.shop.example.com/
    header: X-Version
    rate: 50
    duration: 1m
    max_error_rate: 0.01
    max_p95: 500ms
    fail_on_alarm: true

- name: Count every request while the balancers are updated
  block:
    - name: Start the load
      zerodowntime.bluegreen.load_test:
        state: started
        url: https://shop.example.com/
        header: X-Version
        report: /tmp/update.json
    - name: Update the balancers
      ansible.builtin.import_tasks: update.yml
  always:
    - name: See what it cost
      zerodowntime.bluegreen.load_test:
        state: finished
        report: /tmp/update.json
        fail_on_dropped: true
"""

RETURN = r"""
requests:
  description: Requests whose end is known.
  returned: when counted
  type: int
  sample: 3000
dropped:
  description: Requests without an answer of the application.
  returned: when counted
  type: int
  sample: 2
dropped_by_kind:
  description: The same by kind.
  returned: when counted
  type: dict
  sample: {refused: 0, reset: 2, cut: 0, timeout: 0, balancer: 0}
first_dropped:
  description: The first ten of them, with the second since the start, the kind and what was seen.
  returned: when counted
  type: list
  elements: dict
  sample: [{at: 12.307, kind: reset, detail: connection reset by peer}]
upper_bound_95:
  description: The share of dropped requests, 0 to 1, that these counts leave possible with 95 % confidence.
  returned: when counted
  type: float
  sample: 0.0021
errors:
  description: Answers of the application with a status of 400 or above.
  returned: when counted
  type: int
  sample: 9
longest_gap_seconds:
  description: The longest time between two successful answers.
  returned: when counted
  type: float
  sample: 0.213
revisions:
  description: Counts, share of errors and latency (milliseconds) of each revision.
  returned: when counted
  type: dict
  sample:
    v1:
      requests: 2998
      dropped: 0
      errors: 9
      errors_by_status: {"500": 9}
      error_rate: 0.003002
      p50_ms: 1.1
      p95_ms: 2.4
      p99_ms: 4.0
seconds:
  description: How long requests were sent.
  returned: when counted
  type: float
  sample: 60.0
throttled:
  description: Answers with status 429 that O(backoff) obeyed.
  returned: when counted
  type: int
  sample: 0
unsent:
  description: Requests that were not sent because this machine could not keep up.
  returned: when counted
  type: int
  sample: 0
unfinished:
  description: Requests in flight when the load had to end at once.
  returned: when counted
  type: int
  sample: 0
complete:
  description: False when the process was killed before it could write its last counts.
  returned: when counted
  type: bool
  sample: true
alarms:
  description: A sentence for each threshold that a revision passed.
  returned: when counted
  type: list
  elements: str
  sample: ["v2: error rate 3.1 % (31 of 1,000) is above 1 %"]
summary:
  description: The counts as lines for one screen.
  returned: when counted
  type: list
  elements: str
report:
  description: The file of a started load.
  returned: when O(state=started)
  type: str
  sample: /tmp/update.json
pid:
  description: The number of its process.
  returned: when O(state=started)
  type: int
  sample: 4711
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.detached import start_by_fork
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.options import LOAD_RULES, LOAD_SPEC
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.verbs import load_test


def main() -> None:
    """Send the load from this machine. Nothing here knows the controller's process: a started load ends by its time."""
    module = AnsibleModule(argument_spec=LOAD_SPEC, supports_check_mode=True, **LOAD_RULES)
    try:
        result = load_test(module.params, lambda _line: None, start_by_fork, 0, module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
