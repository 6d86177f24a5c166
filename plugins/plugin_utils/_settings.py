# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user writes about an environment, read once: text from surveys becomes values, or one sentence says why not.

Role validation runs before any code of ours and would refuse the empty text a survey sends, so every variable is raw
there and gets its type here.
"""

from __future__ import annotations

import difflib
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import SLOTS, parse_ramp
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._journal.options import STORE
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.settings import parse as parse_gate
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._traffic_module import VERIFY_SPEC

HOOKS = ("before_stage", "after_stage", "before_shift", "after_promote", "after_rollback")
HOOKS += ("after_rollback_window", "after_report")
PLATFORMS = ("hosts", "compose", "aws", "kubernetes")
# What a platform cannot do without, whatever is asked of it.
NEEDED_BY = {
    "compose": ("release_compose_project_src",),
    "aws": ("release_aws_groups",),
    "kubernetes": ("release_kubernetes_namespace",),
}
# What release_certificate may say: options of load_test. By default probes of what verify names, five a second.
CERTIFICATE = (
    "url",
    "rate",
    "connections",
    "timeout",
    "post_path",
    "post_share",
    "slow_path",
    "slow_share",
    "headers",
    "max_duration",
)


@dataclass(frozen=True)
class Setting:
    """One variable: how it is read, and its default; a required one has the default None."""

    read: Callable[[t.Any], t.Any]
    default: t.Any = None
    required: bool = False


def word(value: t.Any) -> str:
    """Return a text. Raises ValueError for anything else: 1.10 without quotes is the number 1.1."""
    if not isinstance(value, str):
        raise ValueError(
            f"is {value!r}, {_kind(value)}: write it in quotes, as YAML changes what it takes for a number"
        )
    return value


def words(value: t.Any) -> list[str]:
    """Return a list of texts; surveys send them separated by commas. Raises ValueError."""
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not all(isinstance(item, str) and item.strip() for item in found):
        raise ValueError(f"is {value!r}, not a list of names")
    return [item.strip() for item in found]


def number(value: t.Any) -> int:
    """Return a whole number from 1 on; surveys send it as text. Raises ValueError."""
    if isinstance(value, bool) or not str(value).strip().isdigit() or int(value) < 1:
        raise ValueError(f"is {value!r}; it may be a whole number from 1 on")
    return int(value)


def mapping(value: t.Any) -> dict[str, t.Any]:
    """Return a mapping. Raises ValueError for a JSON string, which would lose its keys on the way."""
    if not isinstance(value, Mapping):
        raise ValueError(f"is {_kind(value)}, not a mapping: write it as YAML in the inventory")
    return dict(value)


def choice(*choices: str) -> Callable[[t.Any], str]:
    """Return a reader that takes one of C(choices)."""

    def read(value: t.Any) -> str:
        if value not in choices:
            raise ValueError(f"is {value!r}; it may be {', '.join(choices)}")
        return t.cast(str, value)

    return read


def span(value: t.Any) -> float:
    """Return a duration in seconds. Raises ValueError."""
    return seconds(value)


def truth(value: t.Any) -> bool:
    """Return a boolean; surveys send it as text. Raises ValueError."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).strip().lower() not in known:
        raise ValueError(f"is {value!r}; it may be true or false")
    return known[str(value).strip().lower()]


def one_traffic(value: t.Any) -> dict[str, t.Any]:
    """Return the traffic system: one name with its options. Raises ValueError."""
    found = mapping(value)
    if len(found) != 1 or not isinstance(next(iter(found.values())), Mapping):
        raise ValueError(
            "takes one traffic system with its options, such as {haproxy_traffic: {socket: ..., slots: ...}}"
        )
    return found


def per_slot(value: t.Any) -> dict[str, t.Any]:
    """Return a mapping with both slots. Raises ValueError."""
    found = mapping(value)
    if set(found) != set(SLOTS):
        raise ValueError(f"names {', '.join(map(str, found)) or 'no slot'}; it takes blue and green")
    return found


def gate(value: t.Any) -> dict[str, t.Any]:
    """Return the gate as it was written, seen to be right but for what its source answers. Raises SourceError."""
    parse_gate(value)
    return mapping(value)


def verify(value: t.Any) -> dict[str, t.Any]:
    """Return the options by which traffic is proven, as they were written. Raises ValueError for a wrong one."""
    found = mapping(value)
    unknown = [name for name in found if name not in VERIFY_SPEC["options"]]
    if unknown:
        raise ValueError(f"has no option {unknown[0]!r}; there are {', '.join(VERIFY_SPEC['options'])}")
    result = ArgumentSpecValidator(VERIFY_SPEC["options"]).validate(found)
    if result.error_messages:
        raise ValueError(result.error_messages[0])
    seconds(result.validated_parameters["patience"])
    return found


def hooks(value: t.Any) -> dict[str, str]:
    """Return the task files by the moment they run at. Raises ValueError."""
    found = mapping(value)
    unknown = [name for name in found if name not in HOOKS]
    if unknown:
        raise ValueError(f"has no moment {unknown[0]!r}; there are {', '.join(HOOKS)}")
    return {name: word(item) for name, item in found.items() if item}


def certificate(value: t.Any) -> dict[str, t.Any]:
    """Return the options of the requests that are counted beside a release. Raises ValueError."""
    found = mapping(value)
    unknown = [name for name in found if name not in CERTIFICATE]
    if unknown:
        raise ValueError(f"has no option {unknown[0]!r}; there are {', '.join(CERTIFICATE)}")
    return found


def journal(value: t.Any) -> dict[str, t.Any]:
    """Return where the journal is, each option with a value. Raises ValueError."""
    found = mapping(value)
    unknown = [name for name in found if name not in STORE]
    if unknown:
        raise ValueError(f"has no option {unknown[0]!r}; there are {', '.join(STORE)}")
    return {**{name: option.get("default") for name, option in STORE.items()}, **found}


# Every variable of the roles; argument_specs and defaults are held against this table by a test.
SETTINGS: dict[str, Setting] = {
    "release_app": Setting(word, required=True),
    "release_platform": Setting(choice(*PLATFORMS), required=True),
    "release_traffic": Setting(one_traffic, required=True),
    "release_revision": Setting(word),
    "release_verify": Setting(verify),
    "release_preview": Setting(mapping, {"X-Release-Slot": "$slot"}),
    "release_steps": Setting(parse_ramp, [100]),
    "release_gate": Setting(gate),
    "release_bake_time": Setting(span, "0"),
    "release_journal": Setting(journal, {"store": "file", "path": "/var/lib/zerodowntime"}),
    "release_on_busy": Setting(choice("fail", "wait", "abort_first"), "fail"),
    "release_progress_deadline": Setting(span, "600s"),
    "release_pause_timeout": Setting(span, "1h"),
    "release_drain_timeout": Setting(span, "30s"),
    "release_scale_down_delay": Setting(span, "30s"),
    "release_abort_scale_down_delay": Setting(span, "30s"),
    "release_rollback_window": Setting(span, "0"),
    "release_lease_ttl": Setting(span, "15s"),
    "release_hooks": Setting(hooks, {}),
    "release_certificate": Setting(certificate, {}),
    "release_report": Setting(word),
    "release_cut": Setting(truth, False),
    "release_force": Setting(truth, False),
    "release_reason": Setting(word),
    "release_confirm": Setting(truth, False),
    "release_owned": Setting(truth, False),
    "release_serving": Setting(choice(*SLOTS)),
    "release_hosts_machines": Setting(per_slot),
    "release_hosts_start": Setting(word),
    "release_hosts_stop": Setting(word),
    "release_hosts_diagnose": Setting(word),
    "release_hosts_variables": Setting(mapping, {}),
    "release_compose_project_src": Setting(word),
    "release_compose_services": Setting(per_slot, {"blue": "app-blue", "green": "app-green"}),
    "release_compose_project_name": Setting(word),
    "release_compose_files": Setting(words, []),
    "release_compose_env_file": Setting(word, ".env"),
    "release_compose_image": Setting(word),
    "release_compose_variables": Setting(mapping, {}),
    "release_compose_capacity": Setting(number),
    "release_compose_docker_host": Setting(word, "unix:///var/run/docker.sock"),
    "release_compose_machines": Setting(words, []),
    "release_aws_groups": Setting(per_slot),
    "release_aws_ami": Setting(word),
    "release_aws_template_data": Setting(mapping, {}),
    "release_aws_template_version": Setting(word),
    "release_aws_capacity": Setting(number),
    "release_aws_options": Setting(mapping, {}),
    "release_kubernetes_namespace": Setting(word),
    "release_kubernetes_deployments": Setting(per_slot, {"blue": "app-blue", "green": "app-green"}),
    "release_kubernetes_services": Setting(per_slot),
    "release_kubernetes_container": Setting(word),
    "release_kubernetes_image": Setting(word),
    "release_kubernetes_template": Setting(mapping),
    "release_kubernetes_capacity": Setting(number),
    "release_kubernetes_kubeconfig": Setting(word),
    "release_kubernetes_context": Setting(word),
}


def read(values: Mapping[str, t.Any], needed: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """Return all settings, without their prefix C(release_), from C(values); an empty text means the default.

    Raises ReleaseError with one sentence that names the variable. C(needed) are required beside the always required.
    """
    settings: dict[str, t.Any] = {}
    needed = (*needed, *NEEDED_BY.get(str(values.get("release_platform")), ()))
    for name, setting in SETTINGS.items():
        value = values.get(name)
        if value is None or value == "":
            if setting.required or name in needed:
                raise ReleaseError(f"{name} is not set: {_MISSING.get(name, 'an environment needs it')}")
            value = setting.default
        try:
            settings[name.removeprefix("release_")] = None if value is None else setting.read(value)
        except (ValueError, ReleaseError) as error:
            raise ReleaseError(f"{name} {_sentence(str(error))}") from error
    return settings


_MISSING = {
    "release_app": "the name of the application",
    "release_platform": " or ".join(PLATFORMS),
    "release_traffic": "the traffic system with its options",
    "release_revision": "pass it with -e release_revision=...",
    "release_serving": "the slot that serves now, blue or green",
    "release_hosts_machines": "the inventory groups of both slots",
    "release_compose_project_src": "the folder of the Compose project",
    "release_aws_groups": "the Auto Scaling group of each slot",
    "release_kubernetes_namespace": "the namespace of the Deployments",
    "release_hosts_start": "the task file that starts a revision on a machine of a slot",
}


def _kind(value: t.Any) -> str:
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"


def _sentence(text: str) -> str:
    return text if text.split(" ", 1)[0] in ("is", "has", "takes", "names") else f"is wrong: {text}"


# Variables of the playbooks, which are read where plays are made.
OTHERS = ("release_targets", "release_environments", "release_serial", "release_strategy", "release_step")


def likely(name: str) -> str:
    """Return the variable that C(name) was probably meant to be, empty for what may be a name of the user's own."""
    close = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.88)
    return close[0] if close else ""
