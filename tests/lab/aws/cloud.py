# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS on loopback: moto with its gaps closed, real targets behind a real data plane, faults on demand.

Usable as a context manager, once at a time in a process, as moto's state is the process's::

    with Cloud() as cloud:
        shop = Shop(cloud)
        cloud.faults.plan("ModifyListener", "reset", when="after")
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
import traceback
import typing as t
from pathlib import Path

# The lab must reach nobody: not a real account, and no service for the credentials of an instance.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import boto3
from moto.autoscaling.models import autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.lab.aws import gaps
from tests.lab.aws.edge import FAMILIES, Edge, Route
from tests.lab.aws.faults import Faults
from tests.lab.aws.targets import REASONS, Health, Processes, program

REGION = "eu-central-1"
TICK = 0.05
# Read-only calls change nothing that the data plane would have to follow.
READS = ("Describe", "Get", "List", "Query", "Scan", "BatchGet")


class Cloud:
    """The lab. C(pace) is how long a second between two health checks lasts; C(lag) how late the data plane follows.

    With C(latencies) CloudWatch gets the response time of each request, too.
    """

    def __init__(self, pace: float = 0.02, lag: float = 0.0, port: int = 0, latencies: bool = False) -> None:
        self.health = Health(pace)
        self.lag, self._latencies = lag, latencies
        self.problem_of_launches: str | None = None
        self.activities: list[dict[str, t.Any]] = []
        # The access key of what is tested; the tests' own hands keep theirs, which may do everything.
        self.key = "lab"
        # Told of each API call that has changed something, as soon as it has.
        self.heard: t.Callable[[str], None] = lambda operation: None
        self._port = port
        self._processes = Processes()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._problems: list[str] = []
        self._counted: dict[str, dict[str, int]] = {}
        self._published = 0.0
        self._changed: float | None = None
        self._clients: dict[str, t.Any] = {}

    def __enter__(self) -> Cloud:
        self.folder = Path(tempfile.mkdtemp(prefix="zdt-aws-", dir="/tmp"))
        moto_api_backend.reset()
        self._gaps = gaps.closed(self)
        self.edge = Edge(self.folder, self._latencies)
        self.faults = Faults(self._locked(DomainDispatcherApplication(create_backend_app)))
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("127.0.0.1", self._port, self.faults, threaded=True, request_handler=_Quiet)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.port}"
        for work in (self._server.serve_forever, self._live):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            self.edge.close()
            self._processes.close()
            self.health.close()
            self._gaps.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._problems and not any(_error):
            raise RuntimeError(self._problems[0])

    @property
    def options(self) -> dict[str, t.Any]:
        """The options by which our names reach the lab."""
        return {"region": REGION, "access_key": self.key, "secret_key": self.key, "endpoint_url": self.endpoint}

    @property
    def environment(self) -> dict[str, str]:
        """The environment by which any SDK, the aws CLI, and Ansible's modules reach the lab."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> t.Any:
        """Return a boto3 client of the lab, for a test's own hands; making one costs more than its calls."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self.endpoint,
                aws_access_key_id="lab",
                aws_secret_access_key="lab",
            )
        return self._clients[service]

    def url(self, listener: str) -> str:
        """Return the front door of a listener, without a path. Raises KeyError before the data plane knows it."""
        return self.edge.url(listener)

    def enforce(self, actions: t.Iterable[str]) -> None:
        """Let what is tested from now on do nothing but these actions, such as C(ec2:RunInstances)."""
        self.key = "role"
        self.faults.policies[self.key] = set(actions)

    def weights(self, listener: str) -> dict[str, int]:
        """Return the weight of each target group in a listener's default action, without an API call."""
        with self._lock:
            (found,) = (
                one
                for backend in elbv2_backends[DEFAULT_ACCOUNT_ID].values()
                for balancer in backend.load_balancers.values()
                for one in balancer.listeners.values()
                if one.arn == listener
            )
            default = next(rule for rule in found.rules.values() if rule.priority == "default")
            return dict(_forward(default.actions[-1]))

    def healthy(self, group: str) -> int:
        """Return how many targets of a group are healthy, without an API call."""
        with self._lock:
            return sum(target.state == "healthy" for target in self.health.targets.get(group, {}).values())

    def wait(self, what: str, true: t.Callable[[], bool], seconds: float = 15.0) -> None:
        """Wait until something is C(true). Raises TimeoutError."""
        give_up = time.monotonic() + seconds
        while not true():
            if time.monotonic() > give_up:
                raise TimeoutError(f"after {seconds} s still not: {what}")
            time.sleep(0.02)

    # What the patches of gaps.py ask

    def described(self, group: t.Any, wanted: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
        """Return the health of a group's targets, or of those that are wanted, as DescribeTargetHealth does."""
        self.health.sync(group, group.arn in self._used())
        known = self.health.targets.get(group.arn, {})
        answers = []
        for name in [one["Id"] for one in wanted] or list(known):
            target = known.get(name)
            port = target.port if target else group.port
            state: dict[str, t.Any] = {"State": target.state if target else "unused"}
            reason = (target.reason, target.description) if target else REASONS["gone"]
            if reason[0]:
                state.update(Reason=reason[0], Description=reason[1])
            answers.append({"Target": {"Id": name, "Port": port}, "HealthCheckPort": str(port), "TargetHealth": state})
        return answers

    def drain(self, instances: t.Sequence[t.Any]) -> None:
        """Take instances out of every target group they are registered with."""
        for group in self._groups():
            for instance in instances:
                if group.targets.pop(instance.id, None):
                    self.health.drain(group, instance.id)

    def launch_problem(self) -> str | None:
        """Return why no instance can be launched now; a test sets C(problem_of_launches)."""
        return self.problem_of_launches

    # Life

    def _locked(self, app: t.Any) -> t.Any:
        """Return C(app) behind one lock: moto is not made for threads."""

        def call(environ: dict[str, t.Any], start_response: t.Any) -> t.Iterable[bytes]:
            if environ["PATH_INFO"] == "/lab":
                start_response("200 OK", [("Content-Type", "application/json")])
                return [self._about()]
            answers: list[t.Any] = []
            with self._lock:
                body = b"".join(app(environ, lambda *answer: answers.append(answer[:2])))
                if not environ["lab.operation"].startswith(READS):
                    self._follow_soon()
                    self.heard(environ["lab.operation"])
            start_response(*answers[0])
            return [body]

        return call

    def _about(self) -> bytes:
        """Return, as JSON, what a reader in another process cannot ask AWS's API for."""
        with self._lock:
            return json.dumps({"listeners": self.edge.urls()}).encode()

    def _follow_soon(self) -> None:
        if self.lag:
            self._changed = self._changed or time.monotonic()
        else:
            self._follow()

    def _live(self) -> None:
        while not self._over.wait(TICK):
            try:
                self._tick()
            except Exception:  # a broken lab must fail its test, and say why
                if not self._over.is_set():
                    self._problems.append(traceback.format_exc())
                    return

    def _tick(self) -> None:
        with self._lock:
            self._instances()
            checks = []
            used = self._used()
            for group in self._groups():
                self.health.sync(group, group.arn in used)
                path = group.health_check_path or "/"
                for target in self.health.due(group):
                    address = self._address(target.id)
                    if address:
                        checks.append((group, target, address, int(target.port), path))
        answers = self.health.check([check[1:] for check in checks], timeout=max(0.5, 5 * self.health.pace))
        with self._lock:
            if self._over.is_set():
                return
            for (group, target, *_where), answer in zip(checks, answers, strict=True):
                if target.until is None:
                    self.health.judge(group, target, answer)
            if self._changed is None or time.monotonic() - self._changed >= self.lag:
                self._changed = None
                self._follow()
            self._publish()

    def _instances(self) -> None:
        """Move instances of Auto Scaling groups on, and run the application of those that are registered."""
        for backend in list(autoscaling_backends[DEFAULT_ACCOUNT_ID].values()):
            for group in list(backend.autoscaling_groups.values()):
                leaving = []
                for state in group.instance_states:
                    if state.lifecycle_state == "Pending":
                        state.lifecycle_state = "InService"
                    elif state.lifecycle_state == "Terminating" and not self._registered(state.instance.id):
                        leaving.append(state.instance.id)
                if leaving:
                    backend.ec2_backend.terminate_instances(leaving)
                    backend.notify_terminate_instances(leaving)
        wanted = {}
        for group in self._groups():
            for target in {**group.targets, **dict.fromkeys(self.health.targets.get(group.arn, {}))}:
                instance = self._instance(target)
                if instance is not None and instance.state == "running":
                    image = ec2_backends[DEFAULT_ACCOUNT_ID][group.region_name].amis.get(instance.image_id)
                    options = program(image.name or "?", image.description or "") if image else ["--revision", "?"]
                    wanted[(instance.private_ip, int(group.port))] = options
        self._processes.want(wanted)

    def _follow(self) -> None:
        """Let the data plane do what the listeners say now."""
        listeners: dict[str, list[Route]] = {}
        weights: dict[str, list[int]] = {}
        for backend in list(elbv2_backends[DEFAULT_ACCOUNT_ID].values()):
            for balancer in backend.load_balancers.values():
                for listener in balancer.listeners.values():
                    listeners[listener.arn] = _routes(listener, weights)
        servers = {}
        for group in self._groups():
            self.health.sync(group, group.arn in self._used())
            servers[_word(group.arn)] = {
                (address, target.port): target.state
                for target in self.health.targets.get(group.arn, {}).values()
                if (address := self._address(target.id))
            }
        self.edge.show(listeners, weights, servers)

    def _publish(self) -> None:
        """Put what the data plane has counted into CloudWatch, about once a second."""
        if time.monotonic() - self._published < 1:
            return
        self._published = time.monotonic()
        counted, latencies = self.edge.counters(), self.edge.latencies()
        for group in self._groups():
            new = self._rise(counted, _word(group.arn))
            for balancer in dict.fromkeys(group.load_balancer_arns):
                # As at AWS there is no data point, not a zero, where nothing failed or nobody asked.
                whole, here = {"LoadBalancer": dimension(balancer)}, {"TargetGroup": dimension(group.arn)}
                self._put(group, "RequestCount", [new["requests"]], {**whole, **here})
                for family in FAMILIES:
                    self._put(group, f"HTTPCode_Target_{family.upper()}_Count", [new[family]], {**whole, **here})
                # Which target group its own answers belong to, an ALB does not count.
                self._put(group, "HTTPCode_ELB_5XX_Count", [new["edge_5xx"]], whole)
                times = latencies.get(_word(group.arn), [])
                self._put(group, "TargetResponseTime", times, {**whole, **here}, "Seconds")
        self._counted = counted

    def _rise(self, counted: dict[str, dict[str, int]], name: str) -> dict[str, int]:
        now, before = counted.get(name, {}), self._counted.get(name, {})
        return {key: max(0, now.get(key, 0) - before.get(key, 0)) for key in ("requests", *FAMILIES, "edge_5xx")}

    def _put(
        self, group: t.Any, name: str, values: list[t.Any], dimensions: dict[str, str], unit: str = "Count"
    ) -> None:
        data = [
            {
                "MetricName": name,
                "Value": value,
                "Timestamp": datetime.datetime.now(datetime.UTC).replace(tzinfo=None),  # as moto keeps its own
                "Unit": unit,
                "Dimensions": [{"Name": key, "Value": each} for key, each in dimensions.items()],
            }
            for value in values
            if value or unit != "Count"
        ]
        if data:
            cloudwatch_backends[DEFAULT_ACCOUNT_ID][group.region_name].put_metric_data("AWS/ApplicationELB", data)

    def _groups(self) -> list[t.Any]:
        return [
            group
            for backend in list(elbv2_backends[DEFAULT_ACCOUNT_ID].values())
            for group in backend.target_groups.values()
        ]

    def _used(self) -> set[str]:
        """Return the target groups that a listener or a rule names: only those are health-checked."""
        used: set[str] = set()
        for backend in list(elbv2_backends[DEFAULT_ACCOUNT_ID].values()):
            for balancer in backend.load_balancers.values():
                for listener in balancer.listeners.values():
                    for rule in listener.rules.values():
                        used.update(arn for action in rule.actions for arn, _weight in _forward(action))
        return used

    def _registered(self, instance: str) -> bool:
        return any(instance in targets for targets in self.health.targets.values())

    def _instance(self, target: str) -> t.Any:
        for backend in list(ec2_backends[DEFAULT_ACCOUNT_ID].values()):
            found = backend.get_instance_by_id(target)
            if found is not None:
                return found
        return None

    def _address(self, target: str) -> str | None:
        """Return the address of a target, an instance or an address itself."""
        if not target.startswith("i-"):
            return target
        instance = self._instance(target)
        return t.cast("str | None", instance.private_ip) if instance is not None else None


def dimension(arn: str) -> str:
    """Return what CloudWatch calls a load balancer (C(app/NAME/ID)) or a target group (C(targetgroup/NAME/ID))."""
    end = arn.rpartition(":")[2]
    return end.removeprefix("loadbalancer/")


def _routes(listener: t.Any, weights: dict[str, list[int]]) -> list[Route]:
    """Return the routes of a listener in the order in which they are tried, and put down their weights."""
    rules = sorted(listener.rules.values(), key=lambda rule: (rule.priority == "default", int_or(rule.priority)))
    routes = []
    for rule in rules:
        name = "r-" + rule.arn.rpartition("/")[2]
        conditions = () if rule.priority == "default" else tuple(_condition(one) for one in rule.conditions)
        last = rule.actions[-1]
        groups = _forward(last)
        status = "" if groups else _status(last)
        routes.append(Route(name, conditions, tuple(_word(arn) for arn, _weight in groups), status))
        weights[name] = [weight for _arn, weight in groups]
    return routes


def int_or(priority: t.Any) -> int:
    """Return a priority as a number; the default rule's is none."""
    return int(priority) if str(priority).isdigit() else 0


def _forward(action: t.Any) -> list[tuple[str, int]]:
    if action.type != "forward":
        return []
    groups = (action.data.get("ForwardConfig") or {}).get("TargetGroups") or []
    if groups:
        return [(group["TargetGroupArn"], int(group.get("Weight", 1))) for group in groups]
    return [(action.data["TargetGroupArn"], 1)]


def _status(action: t.Any) -> str:
    if action.type == "fixed-response":
        return str(action.data["FixedResponseConfig"]["StatusCode"])
    return "501"


def _condition(one: t.Mapping[str, t.Any]) -> tuple[str, str, tuple[str, ...]]:
    config: t.Mapping[str, t.Any] = next((value for key, value in one.items() if key.endswith("Config")), {})
    values = tuple(config.get("Values") or one.get("Values") or ())
    return one["Field"], str(config.get("HttpHeaderName") or ""), values


def _word(arn: str) -> str:
    return "g-" + arn.rpartition("/")[2]


class _Quiet(MotoRequestHandler):  # type: ignore[misc]
    def connection_dropped(self, _error: BaseException, _environ: object = None) -> None:
        """Reset the connection, which werkzeug would keep open: its client would wait for as long as it may."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log(self, *_words: object, **_more: object) -> None:
        """Say nothing: the tests' own words are enough."""
