# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says where a role's defaults/main.yml and its meta/argument_specs.yml tell different things.

Usage: check_argument_specs.py COLLECTION; one line for each drift, exit status 1 when there is one.
"""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml

_NONE = object()


def drifts(role: str, defaults: t.Mapping[str, t.Any], entry_points: t.Mapping[str, t.Any]) -> Iterator[str]:
    """Yield a sentence for each drift between C(defaults) and the options of all C(entry_points) of C(role)."""
    options: dict[str, t.Any] = {}
    for entry_point, spec in entry_points.items():
        for name, option in (spec.get("options") or {}).items():
            known = options.setdefault(name, option)
            if (known.get("default"), known.get("type")) != (option.get("default"), option.get("type")):
                yield f"{name} has another type or default in entry point {entry_point} than before it"
    for name in sorted({*defaults, *options}):
        yield from _drift(role, name, defaults.get(name, _NONE), options.get(name))


def _drift(role: str, name: str, default: t.Any, option: t.Mapping[str, t.Any] | None) -> Iterator[str]:
    internal = name.startswith("__")
    if not name.removeprefix("__").startswith(f"{role}_"):
        yield f"{name} does not begin with {role}_"
    if option is None:
        if not internal:
            yield f"{name} has a default, but argument_specs.yml does not name it"
        return
    if internal:
        yield f"{name} is internal, but argument_specs.yml shows it to users"
    specified = option.get("default", _NONE)
    if default is _NONE:
        if specified is not _NONE:
            yield f"{name} has the default {specified!r} in argument_specs.yml only"
    elif option.get("required"):
        yield f"{name} is required, but has the default {default!r}"
    elif _computed(default):
        if specified is not _NONE:
            yield f"{name} is computed in defaults, but argument_specs.yml says {specified!r}"
    elif (None if specified is _NONE else specified) != default:
        yield f"{name} is {default!r} in defaults, but argument_specs.yml says {option.get('default')!r}"


def _computed(default: t.Any) -> bool:
    return isinstance(default, str) and "{{" in default


def _read(path: Path) -> dict[str, t.Any]:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def main() -> int:
    """Return the exit status."""
    found = 0
    for tasks in sorted(Path(sys.argv[1]).glob("roles/*/tasks")):
        role = tasks.parent
        specs = _read(role / "meta/argument_specs.yml").get("argument_specs") or {}
        if not specs:
            print(f"roles/{role.name}: meta/argument_specs.yml is missing or empty")
            found += 1
        for sentence in drifts(role.name, _read(role / "defaults/main.yml"), specs):
            print(f"roles/{role.name}: {sentence}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
