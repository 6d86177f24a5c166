# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says where an action takes other options than the module of its name documents.

ansible-test compares modules with their documentation, but not actions. Usage: check_action_specs.py COLLECTION, with
the collection importable; one line for each drift, exit status 1 when there is one.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml

NAME = "zerodowntime.bluegreen"


def drifts(spec: t.Mapping[str, t.Any], documented: t.Mapping[str, t.Any], place: str = "") -> Iterator[str]:
    """Yield a sentence for each drift between an argument C(spec) and the C(documented) options, nested ones too."""
    for name in sorted({*spec, *documented}):
        if name not in documented:
            yield f"{place}{name} is taken, but not documented"
        elif name not in spec:
            yield f"{place}{name} is documented, but not taken"
        else:
            ours, theirs = _plain(spec[name], "options"), _plain(documented[name], "suboptions")
            for part in ours:
                if ours[part] != theirs[part]:
                    yield f"{place}{name}: {part} is {ours[part]!r}, documented as {theirs[part]!r}"
            inner = (spec[name].get("options") or {}, documented[name].get("suboptions") or {})
            yield from drifts(*inner, place=f"{place}{name}.")


def _plain(option: t.Mapping[str, t.Any], nested: str) -> dict[str, t.Any]:
    return {
        "type": option.get("type", "str"),
        "elements": option.get("elements"),
        "required": bool(option.get("required", False)),
        "default": option.get("default"),
        "choices": sorted(map(str, option.get("choices") or [])),
        "aliases": sorted(option.get("aliases") or []),
        "has options of its own": bool(option.get(nested)),
    }


def _documentation(names: list[str]) -> dict[str, t.Any]:
    """Return module -> its options, fragments merged, as ansible-doc shows them."""
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "-t", "module", *names]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: found["doc"].get("options") or {} for name, found in json.loads(answer).items()}


def complaints(collection: Path) -> Iterator[str]:
    """Yield a line for each drift in C(collection)."""
    modules = {path.stem for path in (collection / "plugins/modules").glob("[!_]*.py")}
    actions = {path.stem for path in (collection / "plugins/action").glob("[!_]*.py")}
    for name in sorted(actions - modules):
        yield f"plugins/action/{name}.py: no module of this name documents it"
    groups = yaml.safe_load((collection / "meta/runtime.yml").read_text())["action_groups"]
    for name in sorted(modules.symmetric_difference(groups["release"])):
        yield f"meta/runtime.yml: {name} is not in both action_groups.release and plugins/modules"
    shared = sorted(actions & modules)
    documented = _documentation([f"{NAME}.{name}" for name in shared]) if shared else {}
    for name in shared:
        action = importlib.import_module(f"ansible_collections.{NAME}.plugins.action.{name}")
        for sentence in drifts(action.ActionModule.SPEC, documented[f"{NAME}.{name}"]):
            yield f"plugins/action/{name}.py: {sentence}"


def main() -> int:
    """Return the exit status."""
    found = list(complaints(Path(sys.argv[1])))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
