# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(release_report): what happened, as a table on the screen, a JSON file and stats of the job."""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import text
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.exposition import exposition
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._files import replace
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._action import ReleaseAction
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._journal_port import open_journal
from ansible_collections.zerodowntime.bluegreen.plugins.plugin_utils._transcript import Transcript

# What a certificate says of the requests of a release, as load_test counted them.
CERTIFICATE = (
    "requests",
    "dropped",
    "dropped_by_kind",
    "first_dropped",
    "errors",
    "longest_gap_seconds",
    "upper_bound_95",
    "throttled",
    "unsent",
    "revisions",
)


class ActionModule(ReleaseAction):
    """Reports the release that ended; writes the report's file and removes that of the load."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "settings": {"type": "dict", "required": True},
        "plan": {"type": "dict", "required": True},
        "certificate": {"type": "dict"},
        "failure": {"type": "str", "default": ""},
        "fleet": {"type": "dict"},
    }

    def here(self, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the report, and as C(ansible_stats) for AWX."""
        settings, plan = params["settings"], params["plan"]
        known = open_journal(self, settings["journal"], task_vars)("read", key=plan["key"])
        release = next((r for r in known["releases"] if r["id"] == plan["release"]), None)
        if release is None:
            raise ReleaseError(f"the journal of {plan['key']} does not know release {plan['release']}")
        report = summary(release, params["certificate"], params["failure"])
        where = self._write(report, settings["report"], params["fleet"])
        for line in table(report, where):
            self.say(line)
        if params["certificate"]:
            # What the load wrote for itself is in the report now.
            with contextlib.suppress(OSError):
                os.unlink(plan["certificate"]["report"])
        return {
            "changed": False,
            "report": report,
            "path": where,
            "ansible_stats": {
                "data": {"zerodowntime": {self.environment: report}},
                "aggregate": True,
                "per_host": False,
            },
        }

    def _write(self, report: dict[str, t.Any], folder: str | None, fleet: dict[str, t.Any] | None) -> str:
        """Write the files of the report and return the path of the first; complete C(report) by what stood there."""
        if not folder:
            return ""
        stem = os.path.join(folder, f"{report['environment']}-{report['release']}")
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise ReleaseError(f"cannot make the folder of reports {folder}: {error.strerror}") from error
        if fleet and report["failure"]:
            replace(f"{stem}.log", _last_words(fleet).encode("utf-8", "replace"), 0o600)
        report["diagnosis"] = f"{stem}.log" if os.path.exists(f"{stem}.log") else ""
        # Whoever ends a release later, by rollback or resume, counted no requests: those of the run itself stay.
        earlier = _read(f"{stem}.json")
        report.update({name: earlier[name] for name in CERTIFICATE if name in earlier and name not in report})
        replace(f"{stem}.json", json.dumps(report, indent=2).encode() + b"\n")
        figures = os.path.join(folder, f"{report['environment']}.prom")
        replace(figures, exposition(report, time.time(), _text(figures)).encode())
        return f"{stem}.json"


def _read(path: str) -> dict[str, t.Any]:
    with contextlib.suppress(ValueError):
        return t.cast("dict[str, t.Any]", json.loads(_text(path)))
    return {}


def _text(path: str) -> str:
    with contextlib.suppress(OSError, UnicodeError), open(path, encoding="utf-8") as file:
        return file.read()
    return ""


def _last_words(fleet: dict[str, t.Any]) -> str:
    """Return what each instance of a slot is and what it wrote last, as a fleet's info module shows them."""
    transcript = Transcript()
    for instance in fleet.get("instances") or []:
        what = f"{instance['revision']} {instance['state']}: {instance['why']}"
        transcript.add(instance["name"], what, "\n".join(instance.get("logs") or []))
    return transcript.text()


def summary(release: dict[str, t.Any], certificate: dict[str, t.Any] | None, failure: str) -> dict[str, t.Any]:
    """Return the report of a release: names of DESIGN section 6, states and identities only."""
    names = (
        "app",
        "environment",
        "platform",
        "revision",
        "stable",
        "canary",
        "phase",
        "outcome",
        "recorded",
        "confirmed",
    )
    return {
        "release": release["id"],
        **{name: release[name] for name in names},
        "seconds": release["updated"] - release["started"],
        "steps": [entry["weights"] for entry in release["entries"] if entry["kind"] == "done"],
        "verdicts": [entry["msg"] for entry in release["entries"] if entry["kind"] == "verdict"],
        "failure": failure,
        "restore_seconds": next((e.get("seconds") for e in release["entries"][::-1] if e["kind"] == "restored"), None),
        # Requests that were open when their slot was taken down, because release_cut asked for it.
        "cut": sum(int(entry.get("cut") or 0) for entry in release["entries"]),
        **{name: certificate[name] for name in CERTIFICATE if certificate and name in certificate},
    }


def table(report: dict[str, t.Any], where: str) -> list[str]:
    """Return the lines an operator reads at the end."""
    rows = [
        ("revision", f"{report['revision']} in {report['canary']}: {report['outcome'] or report['phase']}"),
        ("traffic", f"blue {report['confirmed']['blue']} / green {report['confirmed']['green']}"),
        ("steps", ", ".join(str(step[report["canary"]]) for step in report["steps"]) or "none"),
        ("time", text(report["seconds"])),
    ]
    if "requests" in report:
        rows += [
            (
                "requests",
                f"{report['requests']} sent, {report['dropped']} dropped, {report['errors']} answered with an error",
            ),
            ("longest gap", f"{report['longest_gap_seconds']:.3f} s"),
        ]
    if report["cut"]:
        rows.append(("cut", f"{report['cut']} requests were open when their slot was taken down"))
    if report["failure"]:
        rows.append(("failure", report["failure"]))
    if report.get("diagnosis"):
        rows.append(("diagnosis", report["diagnosis"]))
    if where:
        rows.append(("report", where))
    return [f"{name:<12} {value}" for name, value in rows]
