# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where moto 5.2.5 is kinder than AWS: each gap is one patch here and one test in C(tests/unit/aws/test_lab_gaps.py).

Messages are AWS's own as far as they are documented.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import re
import typing as t
import uuid
from unittest import mock

from moto.autoscaling import models as autoscaling
from moto.autoscaling import responses as autoscaling_responses
from moto.autoscaling.exceptions import ValidationError
from moto.cloudwatch import models as cloudwatch
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.dynamodb.models import table as dynamodb
from moto.ec2.exceptions import InvalidLaunchTemplateVersionNotFound
from moto.ec2.models import launch_templates
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.elbv2 import models as elbv2
from moto.elbv2.exceptions import ELBClientError, TargetGroupNotFoundError

STANDING = ("Pending", "InService")


class Lab(t.Protocol):
    """What the patches ask of the lab that they belong to."""

    def described(self, group: t.Any, wanted: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
        """Return C(TargetHealthDescriptions) of a target group."""

    def drain(self, instances: t.Sequence[t.Any]) -> None:
        """Take instances out of every target group they are registered with."""

    def launch_problem(self) -> str | None:
        """Return why AWS cannot launch an instance now, None when it can."""

    activities: list[dict[str, t.Any]]


def closed(lab: Lab) -> contextlib.ExitStack:
    """Return the patches, which hold until the stack is closed."""
    stack = contextlib.ExitStack()
    for close in (_health, _actions, _sizes, _launches, _templates, _metrics, _tables):
        for target, name, value in close(lab):
            stack.enter_context(mock.patch.object(target, name, value))
    return stack


Patches = t.Iterable[tuple[t.Any, str, t.Any]]


def _health(lab: Lab) -> Patches:
    """moto: every target is healthy at once and for ever."""

    def describe_target_health(backend: t.Any, target_group_arn: str, targets: list[dict[str, t.Any]]) -> t.Any:
        group = backend.target_groups.get(target_group_arn)
        if group is None:
            raise TargetGroupNotFoundError()
        return lab.described(group, targets or [])

    yield elbv2.ELBv2Backend, "describe_target_health", describe_target_health


def _actions(lab: Lab) -> Patches:
    """moto: ModifyListener checks nothing; weights, numbers of groups and unknown groups pass."""
    validate = elbv2.ELBv2Backend._validate_actions
    modify = elbv2.ELBv2Backend.modify_listener

    def _validate_actions(backend: t.Any, actions: list[t.Any]) -> None:
        for action in actions:
            if action.type == "forward":
                _check_forward(backend, action.data)
        validate(backend, actions)
        if actions and actions[-1].type not in ("forward", "redirect", "fixed-response"):
            raise ELBClientError("InvalidLoadBalancerAction", "The last action must be a routing action")

    def modify_listener(backend: t.Any, arn: str, *more: t.Any, **named: t.Any) -> t.Any:
        actions = named.get("actions", more[4] if len(more) > 4 else None) or []
        backend._validate_actions([elbv2.FakeAction(copy.deepcopy(action)) for action in actions])
        return modify(backend, arn, *more, **named)

    yield elbv2.ELBv2Backend, "_validate_actions", _validate_actions
    yield elbv2.ELBv2Backend, "modify_listener", modify_listener


def _check_forward(backend: t.Any, data: t.Mapping[str, t.Any]) -> None:
    groups = (data.get("ForwardConfig") or {}).get("TargetGroups") or []
    if data.get("TargetGroupArn") and len(groups) > 1:
        raise ELBClientError(
            "ValidationError", "A forward action has either a target group ARN or several target groups, not both"
        )
    if not groups and not data.get("TargetGroupArn"):
        raise ELBClientError("ValidationError", "A forward action needs a target group")
    if len(groups) > 5:
        raise ELBClientError("TooManyTargetGroups", "A forward action can have at most 5 target groups")
    for group in groups:
        weight = int(group.get("Weight", 1))
        if not 0 <= weight <= 999:
            raise ELBClientError("ValidationError", f"Target group weight '{weight}' must be between 0 and 999")
    for arn in [*(group["TargetGroupArn"] for group in groups), *filter(None, [data.get("TargetGroupArn")])]:
        if arn not in backend.target_groups:
            raise ELBClientError("TargetGroupNotFound", f"Target groups '{arn}' not found")


def _sizes(lab: Lab) -> Patches:
    """moto: any desired size passes, and a scaled-in instance is gone at once."""
    update = autoscaling.FakeAutoScalingGroup.update
    set_api = autoscaling.AutoScalingBackend.set_desired_capacity

    def set_desired_capacity_api(backend: t.Any, group_name: str, desired_capacity: int | None) -> None:
        group = backend.autoscaling_groups.get(group_name)
        if group is None:
            raise ValidationError("AutoScalingGroup name not found - null")
        wanted = int(desired_capacity or 0)
        for bound, value, wrong in (
            ("min", group.min_size, wanted < group.min_size),
            ("max", group.max_size, wanted > group.max_size),
        ):
            if wrong:
                side = "below min" if bound == "min" else "above max"
                raise ValidationError(
                    f"New SetDesiredCapacity value {wanted} is {side} value {value} for the AutoScalingGroup."
                )
        set_api(backend, group_name, desired_capacity)

    def updated(group: t.Any, *more: t.Any, **named: t.Any) -> None:
        low = group.min_size if named.get("min_size") is None else int(named["min_size"])
        high = group.max_size if named.get("max_size") is None else int(named["max_size"])
        wanted = named.get("desired_capacity")
        if low > high:
            raise ValidationError(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
        if wanted is None:
            named["desired_capacity"] = min(max(group.desired_capacity, low), high)
        elif not low <= int(wanted) <= high:
            raise ValidationError(
                f"Desired capacity:{wanted} must be between the specified min size:{low} and max size:{high}"
            )
        _check_template(group, named.get("launch_template") or {})
        update(group, *more, **named)

    def active_instances(group: t.Any) -> list[t.Any]:
        return [state for state in group.instance_states if state.lifecycle_state in STANDING]

    def set_desired_capacity(group: t.Any, new_capacity: int | None) -> None:
        group.desired_capacity = group.min_size if new_capacity is None else int(new_capacity)
        standing = group.active_instances()
        missing = group.desired_capacity - len(standing)
        if missing > 0:
            if "Launch" not in group._suspended_processes:
                group.replace_autoscaling_group_instances(missing, group.get_propagated_tags())
        elif missing < 0 and "Terminate" not in group._suspended_processes:
            free = [state for state in standing if not state.protected_from_scale_in]
            leaving = free[:-missing]
            for state in leaving:
                state.lifecycle_state = "Terminating"
            lab.drain([state.instance for state in leaving])
        if group.name in group.autoscaling_backend.autoscaling_groups:
            _register_standing(group)

    def update_attached_target_groups(backend: t.Any, group_name: str) -> None:
        _register_standing(backend.autoscaling_groups[group_name])

    yield autoscaling.AutoScalingBackend, "set_desired_capacity", set_desired_capacity_api
    yield autoscaling.AutoScalingBackend, "update_attached_target_groups", update_attached_target_groups
    yield autoscaling.FakeAutoScalingGroup, "update", updated
    yield autoscaling.FakeAutoScalingGroup, "active_instances", active_instances
    yield autoscaling.FakeAutoScalingGroup, "set_desired_capacity", set_desired_capacity


def _register_standing(group: t.Any) -> None:
    for arn in group.target_group_arns:
        target_group = group.autoscaling_backend.elbv2_backend.target_groups[arn]
        missing = [state.instance.id for state in group.active_instances()]
        targets = [{"Id": id, "Port": target_group.port} for id in missing if id not in target_group.targets]
        if targets:
            target_group.register(targets)


def _launches(lab: Lab) -> Patches:
    """moto: instances are in service at once, under the template's default version, and no launch ever fails."""
    replace = autoscaling.FakeAutoScalingGroup.replace_autoscaling_group_instances
    create = autoscaling.AutoScalingBackend.create_auto_scaling_group

    def replaced(group: t.Any, count_needed: int, propagated_tags: dict[str, str]) -> None:
        problem = lab.launch_problem()
        if problem:
            what = f"Launching a new EC2 instance.  Status Reason: {problem}"
            lab.activities.append(_activity(group, "Failed", what, problem))
            return
        known = {id(state) for state in group.instance_states}
        replace(group, count_needed, propagated_tags)
        for state in group.instance_states:
            if id(state) not in known:
                state.lifecycle_state = "Pending"
                template = group.ec2_launch_template
                if template is not None:
                    state.instance.launched_version = template.get_version(group.launch_template_version).number
                what = f"Launching a new EC2 instance: {state.instance.id}"
                lab.activities.append(_activity(group, "Successful", what, ""))

    def launch_template(state: t.Any) -> dict[str, t.Any] | None:
        template = state.auto_scaling_group.ec2_launch_template if state.auto_scaling_group else None
        if template is None:
            return None
        version = getattr(state.instance, "launched_version", template.default_version_number)
        return {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": str(version)}

    def create_auto_scaling_group(backend: t.Any, *more: t.Any, **named: t.Any) -> t.Any:
        low, high = int(named["min_size"]), int(named["max_size"])
        wanted = named.get("desired_capacity")
        if low > high:
            raise ValidationError(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
        if wanted is not None and not low <= int(wanted) <= high:
            raise ValidationError(
                f"Desired capacity:{wanted} must be between the specified min size:{low} and max size:{high}"
            )
        return create(backend, *more, **named)

    def describe_scaling_activities(response: t.Any) -> t.Any:
        name = response._get_param("AutoScalingGroupName")
        found = [one for one in lab.activities if name in (None, one["AutoScalingGroupName"])]
        return ActionResult({"Activities": found[::-1]})

    yield autoscaling.FakeAutoScalingGroup, "replace_autoscaling_group_instances", replaced
    yield autoscaling.InstanceState, "launch_template", property(launch_template)
    yield autoscaling.AutoScalingBackend, "create_auto_scaling_group", create_auto_scaling_group
    yield autoscaling_responses.AutoScalingResponse, "describe_scaling_activities", describe_scaling_activities


def _activity(group: t.Any, status: str, description: str, message: str) -> dict[str, t.Any]:
    from moto.core.utils import utcnow
    from moto.moto_api._internal import mock_random

    now = utcnow()
    return {
        "ActivityId": str(mock_random.uuid4()),
        "AutoScalingGroupName": group.name,
        "Description": description,
        "Cause": "The group's desired capacity changed.",
        "StartTime": now,
        "EndTime": now,
        "StatusCode": status,
        "StatusMessage": message,
        "Progress": 100,
        "Details": "{}",
    }


def _check_template(group: t.Any, named: t.Mapping[str, t.Any]) -> None:
    backend = group.ec2_backend
    template_id, name = named.get("LaunchTemplateId"), named.get("LaunchTemplateName")
    if not (template_id or name):
        return
    start = "You must use a valid fully-formed launch template. "
    template = backend.get_launch_template(template_id) if template_id else backend.get_launch_template_by_name(name)
    version = str(named.get("Version") or "$Default")
    try:
        found = template.get_version(version)
    except (InvalidLaunchTemplateVersionNotFound, ValueError):
        raise ValidationError(
            f"{start}The specified launch template, with template ID {template.id}, and version {version} does not "
            "exist."
        ) from None
    if found.image_id and found.image_id not in backend.amis:
        raise ValidationError(f"{start}The image id '[{found.image_id}]' does not exist")


def _templates(lab: Lab) -> Patches:
    """moto: ClientToken and SourceVersion are ignored, and version 0 is the newest one."""
    get_version = launch_templates.LaunchTemplate.get_version
    create = LaunchTemplates.create_launch_template_version

    def checked(template: t.Any, num: t.Any) -> t.Any:
        if not str(num).startswith("$") and not (str(num).isdigit() and int(num) > 0):
            raise InvalidLaunchTemplateVersionNotFound(template_id=template.id, version=num)
        return get_version(template, num)

    def create_launch_template_version(response: t.Any) -> t.Any:
        backend = response.ec2_backend
        name, template_id = response._get_param("LaunchTemplateName"), response._get_param("LaunchTemplateId")
        template = backend.get_launch_template_by_name(name) if name else backend.get_launch_template(template_id)
        token = response._get_param("ClientToken")
        tokens = template.__dict__.setdefault("tokens", {})
        if token and token in tokens:
            return tokens[token]
        source = response._get_param("SourceVersion")
        make = template.create_version

        def merged(data: dict[str, t.Any], description: str) -> t.Any:
            base = copy.deepcopy(template.get_version(source).data) if source else {}
            return make({**base, **data}, description)

        with mock.patch.object(template, "create_version", merged):
            answer = create(response)
        if token:
            tokens[token] = answer
        return answer

    yield launch_templates.LaunchTemplate, "get_version", checked
    yield LaunchTemplates, "create_launch_template_version", create_launch_template_version


def _metrics(lab: Lab) -> Patches:
    """moto: a query with fewer dimensions than the metric has, or of another namespace, finds it all the same."""
    statistics = cloudwatch.CloudWatchBackend.get_metric_statistics
    every = cloudwatch.CloudWatchBackend.get_all_metrics

    def get_metric_statistics(backend: t.Any, *more: t.Any, **named: t.Any) -> t.Any:
        wanted = _dimensions(named.get("dimensions") or [])
        namespace = named.get("namespace") or more[0]
        found = _exactly(every(backend), wanted, namespace)
        with mock.patch.object(backend, "get_all_metrics", lambda: found):
            return statistics(backend, *more, **named)

    def get_metric_data(
        backend: t.Any,
        queries: list[dict[str, t.Any]],
        start_time: datetime.datetime,
        end_time: datetime.datetime,
        scan_by: str = "TimestampAscending",
    ) -> t.Any:
        metrics = every(backend)
        results = []
        for query in queries:
            if "MetricStat" not in query:
                raise ServiceException("InvalidParameterValue", "the lab has no metric math")
            wanted = query["MetricStat"]
            metric, stat, period = wanted["Metric"], wanted["Stat"], int(wanted["Period"])
            # moto looks at every period of the window, which for a short one takes seconds.
            points: dict[t.Any, list[t.Any]] = {}
            for one in _exactly(metrics, _dimensions(metric.get("Dimensions") or []), metric["Namespace"]):
                if one.name == metric["MetricName"] and start_time <= one.timestamp < end_time:
                    number = (one.timestamp - start_time).total_seconds() // period
                    points.setdefault(start_time + datetime.timedelta(seconds=number * period), []).append(one)
            times = sorted(points, reverse=scan_by == "TimestampDescending")
            values = []
            for moment in times:
                statistics_of = cloudwatch.Statistics([stat], moment)
                statistics_of.metric_data = points[moment]
                values.append(statistics_of.get_statistics_for_type(stat))
            label = f"{metric['MetricName']} {stat}"
            answer = {"label": label, "values": values, "timestamps": times, "status_code": "Complete"}
            results.append({"id": query["Id"], **answer})
        return results

    value_of = cloudwatch.Statistics.get_statistics_for_type

    def get_statistics_for_type(statistics: t.Any, stat: str) -> t.Any:
        """moto: of the statistics of a distribution there is none; here the trimmed count beyond a value, TC(0.5:)."""
        above = re.fullmatch(r"TC\(([\d.]+):\)", stat)
        if above is None:
            return value_of(statistics, stat)
        return float(sum(value > float(above.group(1)) for value in statistics.metric_single_values_list))

    yield cloudwatch.Statistics, "get_statistics_for_type", get_statistics_for_type
    yield cloudwatch.CloudWatchBackend, "get_metric_statistics", get_metric_statistics
    yield cloudwatch.CloudWatchBackend, "get_metric_data", get_metric_data


def _tables(lab: Lab) -> Patches:
    """moto: a table has no id."""
    describe = dynamodb.Table.describe

    def described(table: t.Any, *more: t.Any, **named: t.Any) -> t.Any:
        answer = describe(table, *more, **named)
        for part in answer.values():
            part.setdefault("TableId", str(uuid.uuid5(uuid.NAMESPACE_URL, part["TableArn"])))
        return answer

    yield dynamodb.Table, "describe", described


def _dimensions(given: t.Sequence[t.Mapping[str, str]]) -> set[tuple[str, str]]:
    return {(one["Name"], one["Value"]) for one in given}


def _exactly(metrics: list[t.Any], wanted: set[tuple[str, str]], namespace: str) -> list[t.Any]:
    return [
        one for one in metrics if one.namespace == namespace and {(d.name, d.value) for d in one.dimensions} == wanted
    ]
