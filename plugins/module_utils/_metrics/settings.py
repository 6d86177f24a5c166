# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users write as a gate: a preset, one source, and the gate's options; checked whole before anything is asked."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, fields

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.cloudwatch import CloudWatch, behind
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.haproxy import HAProxy
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.http import Http
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.load_test import LoadTest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.prometheus import Prometheus
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import Source, SourceError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.watchers import WATCHERS
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.web import Web

SOURCES: dict[str, type[Source]] = {
    source.name: source for source in (CloudWatch, HAProxy, Http, LoadTest, Prometheus, Web)
}

# Defaults under the user's own options, nothing more.
PRESETS: dict[str, dict[str, t.Any]] = {
    "http": {},
    # All traffic at once: seconds count, and only the past can be compared with.
    "blue_green": {"interval": "2s", "initial_delay": "10s", "min_duration": "60s", "max_duration": "10m"},
    # As Argo Rollouts and Flagger judge.
    "thresholds": {"analysis": "threshold", "interval": "10s", "initial_delay": 0, "min_requests": 20},
}
DEFAULT_PRESET = "http"

OTHER_NAMES = ("preset", "source", "watch")
OPTION_NAMES = tuple(field.name for field in fields(Options))


@dataclass(frozen=True)
class Settings:
    """A gate as the user wrote it: C(given) are its options over the preset's, C(source) its name and own options."""

    given: t.Mapping[str, t.Any]
    source: str
    source_options: t.Mapping[str, t.Any]
    watch: t.Sequence[tuple[str, t.Mapping[str, t.Any]]] = ()

    @property
    def named_metrics(self) -> bool:
        return self.given.get("metrics") not in (None, "")

    def options(self, metrics: t.Optional[t.Sequence[t.Mapping[str, t.Any]]] = None) -> Options:
        """Return the options, with C(metrics) where the user named none. Raises SourceError with one sentence."""
        given = dict(self.given)
        if metrics is not None and not self.named_metrics:
            given["metrics"] = metrics
        try:
            return Options.from_dict(given)
        except ValueError as error:
            raise SourceError(str(error)) from None


def beside(gate: t.Any, traffic: t.Optional[t.Mapping[str, t.Any]]) -> t.Any:
    """Return C(gate) with what its source can take from C(traffic), a traffic name's options by its name."""
    given = gate.get("source") if isinstance(gate, t.Mapping) else None
    options = given.get(CloudWatch.name) if isinstance(given, t.Mapping) else {} if given == CloudWatch.name else None
    known = (traffic or {}).get("alb_traffic")
    if not (isinstance(options, t.Mapping) and isinstance(known, t.Mapping)):
        return gate
    return {**gate, "source": {CloudWatch.name: behind(known, options)}}


def parse(gate: t.Any) -> Settings:
    """Return the settings that C(gate) says. Raises SourceError with one sentence for whatever is wrong with it."""
    if not isinstance(gate, t.Mapping):
        kind = "text" if isinstance(gate, str) else f"a {type(gate).__name__}"
        raise SourceError(f"the gate must be a mapping of options, not {kind}: write it as YAML, not as a JSON string")
    own = {name: value for name, value in gate.items() if name not in OTHER_NAMES}
    for name in own:
        if name not in OPTION_NAMES:
            known = ", ".join((*OTHER_NAMES, *OPTION_NAMES))
            raise SourceError(f"the gate has no option {name!r}; there are {known}")
    preset = str(gate.get("preset") or DEFAULT_PRESET)
    if preset not in PRESETS:
        raise SourceError(f"the gate has no preset {preset!r}; there are {', '.join(PRESETS)}")
    given = {**PRESETS[preset], **{name: value for name, value in own.items() if value not in (None, "")}}
    source, source_options = _source(gate.get("source"))
    settings = Settings(given, source, source_options, _watch(gate.get("watch")))
    settings.options()
    return settings


def _source(given: t.Any) -> tuple[str, t.Mapping[str, t.Any]]:
    example = "such as {prometheus: {url: 'http://prometheus:9090', exporter: app}}"
    if isinstance(given, str) and given in SOURCES:
        given = {given: {}}
    if not isinstance(given, t.Mapping) or not given:
        raise SourceError(f"source of the gate takes one name and its options, {example}")
    if len(given) > 1:
        raise SourceError(f"source of the gate has {' and '.join(map(str, given))}: a gate reads one source")
    name, options = next(iter(given.items()))
    if name not in SOURCES:
        raise SourceError(f"the gate has no source {name!r}; there are {', '.join(sorted(SOURCES))}")
    if options is not None and not isinstance(options, t.Mapping):
        raise SourceError(f"the options of the source {name} must be a mapping, {example}")
    options = {key: value for key, value in (options or {}).items() if value not in (None, "")}
    if name == HAProxy.name:
        return name, options  # where balancers are reached is not this file's business
    return name, _checked(SOURCES[name].spec, options, f"source {name} of the gate")


def _watch(given: t.Any) -> list[tuple[str, t.Mapping[str, t.Any]]]:
    if given in (None, ""):
        return []
    example = "such as [{alertmanager: {url: 'http://alertmanager:9093', labels: {app: shop}}}]"
    if not isinstance(given, (list, tuple)):
        raise SourceError(f"watch of the gate is a list, {example}")
    watched = []
    for entry in given:
        if not isinstance(entry, t.Mapping) or len(entry) != 1:
            raise SourceError(f"each entry of watch takes one name and its options, {example}")
        name, options = next(iter(entry.items()))
        if name not in WATCHERS:
            raise SourceError(f"watch of the gate knows no {name!r}; there are {', '.join(sorted(WATCHERS))}")
        if not isinstance(options, t.Mapping):
            raise SourceError(f"the options of {name} in watch must be a mapping, {example}")
        options = {key: value for key, value in options.items() if value not in (None, "")}
        watched.append((str(name), _checked(WATCHERS[name].spec, options, f"{name} in watch of the gate")))
    return watched


def _checked(spec: dict[str, t.Any], options: dict[str, t.Any], what: str) -> t.Mapping[str, t.Any]:
    checked = ArgumentSpecValidator(spec).validate(options)
    if checked.error_messages:
        raise SourceError(f"{what}: {checked.error_messages[0]}")
    return t.cast("dict[str, t.Any]", checked.validated_parameters)
