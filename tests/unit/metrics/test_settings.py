# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users may write as a gate, and the sentence for what they may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.zerodowntime.bluegreen.plugins.doc_fragments._gate import ModuleDocFragment
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.duration import seconds
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.gate_options import Options
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics import settings, spec
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._metrics.source import SourceError

SOURCE = {"prometheus": {"url": "http://prometheus:9090", "exporter": "app"}}


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ('{"preset": "http"}', "the gate must be a mapping of options, not text: write it as YAML"),
        (["http"], "not a list"),
        ({}, "source of the gate takes one name and its options"),
        ({"source": None}, "source of the gate takes one name and its options"),
        ({"source": {**SOURCE, "http": {}}}, "source of the gate has prometheus and http: a gate reads one source"),
        ({"source": {"graphite": {}}}, "the gate has no source 'graphite'; there are "),
        ({"source": '{"prometheus": {}}'}, "source of the gate takes one name and its options"),
        ({"source": {"prometheus": "http://prometheus"}}, "the options of the source prometheus must be a mapping"),
        ({"source": {"prometheus": {}}}, "source prometheus of the gate: missing required arguments: url"),
        ({"source": SOURCE, "preset": "best"}, "the gate has no preset 'best'; there are http, blue_green, thresholds"),
        ({"source": SOURCE, "alhpa": 0.1}, "the gate has no option 'alhpa'; there are preset, source, "),
        ({"source": SOURCE, "alpha": 2}, "alpha of the gate is 2"),
        ({"source": SOURCE, "interval": "soon"}, "interval of the gate: 'soon' is not a duration"),
        ({"source": SOURCE, "metrics": "errors"}, "metrics of the gate must be a list"),
    ],
)
def test_a_wrong_gate_is_one_sentence(gate, said):
    with pytest.raises(SourceError) as caught:
        settings.parse(gate)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_preset_is_only_defaults_under_the_users_own_options():
    gate = settings.parse({"source": SOURCE, "preset": "thresholds", "min_requests": 7, "interval": ""})
    options = gate.options()
    assert (options.analysis, options.min_requests, options.interval) == ("threshold", 7, 10.0)


def test_without_metrics_of_the_user_the_sources_own_are_judged():
    mine = settings.parse({"source": SOURCE, "metrics": ["timeouts"]})
    theirs = settings.parse({"source": SOURCE})
    found = [{"name": "errors"}, {"name": "latency", "edges": ["0.5"]}]
    assert mine.options(found).counters == ("timeouts",)
    assert theirs.options(found).counters == ("errors", "latency>0.5")


def test_every_option_of_the_gate_is_documented_with_its_default():
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    assert set(documented) == {*settings.OTHER_NAMES, *settings.OPTION_NAMES} == set(spec.GATE)
    defaults = Options()
    for name in settings.OPTION_NAMES:
        if name in ("metrics",):
            continue
        text = " ".join(documented[name]["description"] if isinstance(documented[name]["description"], list)
                        else [documented[name]["description"]])  # fmt: skip
        said = re.findall(r"[Bb]y default V\(([^)]*)\)", text)[-1]
        value = getattr(defaults, name)
        if documented[name]["type"] == "str" and isinstance(value, float):
            assert seconds(said) == value, name
        else:
            assert str(value).lower() in (said, f"{said}.0"), name


def test_presets_are_documented_as_they_are():
    text = " ".join(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["preset"]["description"])
    for preset, options in settings.PRESETS.items():
        assert f"V({preset})" in text
        for name, value in options.items():
            assert f"O({name}={value})" in text, (preset, name)


def test_what_the_argument_spec_filled_in_is_not_what_the_user_said():
    params = dict.fromkeys(spec.GATE)
    params["source"] = {"haproxy": {"map": "/etc/haproxy/zerodowntime.map", "timeout": 5.0, "machines": []}}
    assert spec.gate_of({**params, "preset": "http"}) == {"preset": "http", "source": {"haproxy": {}}}


def test_the_examples_of_the_documentation_are_gates():
    module = Path(settings.__file__).parents[2] / "modules/metric_gate.py"
    examples = yaml.safe_load(re.search(r'EXAMPLES = r"""(.*?)"""', module.read_text(), re.DOTALL).group(1))
    for task in examples:
        arguments = task["zerodowntime.bluegreen.metric_gate"]
        settings.parse({name: value for name, value in arguments.items() if name in spec.GATE})
