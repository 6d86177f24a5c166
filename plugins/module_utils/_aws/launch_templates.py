# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of a launch template a slot gets: one that stands already, or a new one."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.groups import Group
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._aws.session import Service
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Refused, ReleaseError

Data = dict[str, t.Any]

# How the description of a version of ours begins.
MARK = "zerodowntime"


def override(revision: str, ami: t.Optional[str], template_data: t.Mapping[str, t.Any]) -> Data:
    """Return what of the launch template a revision decides; all of it with C(template_data). Raises ReleaseError."""
    image = ami or (revision if revision.startswith("ami-") else "")
    data = {**template_data, **({"ImageId": image} if image else {})}
    if not data.get("ImageId"):
        raise ReleaseError(f"the revision {revision!r} is no AMI: name its AMI in 'ami', or give 'template_data'")
    return data


def mark(group: Group, data: Data, whole: bool) -> str:
    """Return the identity of what is asked for, for the tag of the group that gets it."""
    return _digest([group.template, whole, data])


def refuse_latest(group: Group) -> None:
    """Raise Refused when a new version would reach C(group), which has instances of another slot, by itself."""
    if group.version == "$Latest":
        raise Refused(
            f"the group {group.name} follows $Latest of {group.template}: a replaced instance would run the new "
            f"revision. Pin it: aws autoscaling update-auto-scaling-group --auto-scaling-group-name {group.name} "
            f"--launch-template LaunchTemplateId={group.template},Version=N"
        )


def version(ec2: Service, group: Group, source: str, data: Data, whole: bool, what: str) -> str:
    """Return the number of the version with C(data): a standing one where nothing differs, else a new one.

    C(whole): C(data) is all of it; else it is laid over the version C(source), a number, C($Latest) or C($Default).
    Raises what C(Service.call) raises.
    """
    versions = list(dict.fromkeys([source, group.version]))
    found = ec2.call("describe_launch_template_versions", LaunchTemplateId=group.template, Versions=versions)
    standing = {str(one["VersionNumber"]): one["LaunchTemplateData"] for one in found["LaunchTemplateVersions"]}
    defaults = [str(one["VersionNumber"]) for one in found["LaunchTemplateVersions"] if one.get("DefaultVersion")]
    base = {"$Latest": max(standing, key=int), "$Default": (defaults or [source])[0]}.get(source, source)
    wanted = data if whole else {**standing[base], **data}
    for number, its in standing.items():
        if its == wanted:
            return number
    made = ec2.call(
        "create_launch_template_version",
        LaunchTemplateId=group.template,
        VersionDescription=what[:255],
        LaunchTemplateData=data,
        ClientToken=f"zerodowntime-{_digest([group.template, base, whole, data])}",
        **({} if whole else {"SourceVersion": base}),
    )
    return str(made["LaunchTemplateVersion"]["VersionNumber"])


def ours(ec2: Service, template: str) -> list[tuple[str, str]]:
    """Return number and description of each version of the template that a release has made."""
    found = ec2.call("describe_launch_template_versions", LaunchTemplateId=template)["LaunchTemplateVersions"]
    about = [(int(one["VersionNumber"]), str(one.get("VersionDescription") or "")) for one in found]
    return [(str(number), text) for number, text in sorted(about) if text.startswith(MARK)]


def _digest(what: t.Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
