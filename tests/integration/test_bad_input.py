# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input through real playbooks: one sentence that names the thing and what to do, and nothing is touched."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.integration.conformance.world import BLUE, GREEN, REVISIONS, lab_folder, running
from tests.integration.conformance.worlds.nginx import NginxReload
from tests.lab.hosts.haproxy import HAProxy, demo_apps, free_port
from tests.lab.hosts.playbook import Playbook
from tests.lab.hosts.world import ENVIRONMENT, World, processes

ROOT = os.geteuid() == 0
# Root passes every mode of a file; without these capabilities it is held by them as everybody is.
PLAIN = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"] if ROOT else []
NOBODY = 65534


@dataclass(frozen=True)
class Wrong:
    """What an environment says wrongly, over what is right; and the sentence that comes of it.

    C(sentence) is a regular expression. C(traffic) changes options of the traffic system; C(left_out) are variables.
    """

    sentence: str
    variables: dict[str, t.Any] | None = None
    traffic: dict[str, t.Any] | None = None
    left_out: tuple[str, ...] = ()


WRONG: dict[str, Wrong] = {
    # What a user types.
    "steps-negative": Wrong(r"release_steps is wrong: a step is -5: .* from 0 to 100", {"release_steps": [-5, 100]}),
    "steps-text": Wrong(
        r"release_steps is wrong: a step is 'half': a weight is a whole", {"release_steps": "half,100"}
    ),
    "steps-above": Wrong(r"release_steps is wrong: a step is 150: .* from 0 to 100", {"release_steps": "50,150"}),
    "steps-falling": Wrong(r"release_steps is wrong: steps 50, 25, 100 do not rise", {"release_steps": "50,25,100"}),
    "revision-number": Wrong(r"release_revision is 1\.1, a float: write it in quotes", {"release_revision": 1.10}),
    "revision-empty": Wrong(r"release_revision is not set: pass it with -e release_rev", {"release_revision": ""}),
    "duration": Wrong(
        r"release_bake_time is wrong: '5 minutes' is not a duration; write", {"release_bake_time": "5 minutes"}
    ),
    "duration-negative": Wrong(r"release_bake_time is wrong: '-5m' is not a duration", {"release_bake_time": "-5m"}),
    "busy": Wrong(r"release_on_busy is 'never'; it may be fail, wait, abort_first", {"release_on_busy": "never"}),
    "force": Wrong(r"release_force is 'perhaps'; it may be true or false", {"release_force": "perhaps"}),
    "gate-json": Wrong(r"release_gate .*mapping.*JSON string", {"release_gate": '{"preset": "http"}'}),
    "gate-option": Wrong(
        r"release_gate is wrong: the gate has no option 'failure_limits'; there are",
        {
            "release_gate": {"preset": "http", "source": {"haproxy": {}}, "failure_limits": 3},
        },
    ),
    "gate-preset": Wrong(
        r"release_gate is wrong: the gate has no preset 'fast'; there are",
        {
            "release_gate": {"preset": "fast", "source": {"haproxy": {}}},
        },
    ),
    "traffic-json": Wrong(r"release_traffic is text, not a mapping: write it as YAML", {"release_traffic": "{}"}),
    "traffic-two": Wrong(
        r"release_traffic takes one traffic system with its options",
        {
            "release_traffic": {"haproxy_traffic": {}, "nginx_traffic": {}},
        },
    ),
    "traffic-name": Wrong(
        r"unknown traffic system 'haproxy'; there are .*haproxy_traffic",
        {
            "release_traffic": {"haproxy": {}},
        },
    ),
    "traffic-undefined": Wrong(
        r"release_traffic cannot be read: .*'nowhere' is undefined",
        {
            "release_traffic": {"haproxy_traffic": {"socket": "{{ nowhere.socket }}"}},
        },
    ),
    "journal-option": Wrong(
        r"release_journal has no option 'folder'; there are", {"release_journal": {"folder": "/x"}}
    ),
    "hook": Wrong(
        r"release_hooks has no moment 'before_start'; there are", {"release_hooks": {"before_start": "a.yml"}}
    ),
    "machines": Wrong(
        r"release_hosts_machines names blue; it takes blue and green",
        {
            "release_hosts_machines": {"blue": "shop_blue"},
        },
    ),
    "platform": Wrong(r"release_platform is 'swarm'; it may be hosts", {"release_platform": "swarm"}),
    "app-missing": Wrong(r"release_app is not set: the name of the application", left_out=("release_app",)),
    "typo": Wrong(
        r"release_step_s is not a variable of a release: did you mean release_steps\?", {"release_step_s": 5}
    ),
    # What is not there, or not as it was said to be.
    "socket-missing": Wrong(
        r"cannot reach HAProxy at /nowhere/admin.sock: no such socket; is HAProxy running",
        traffic={
            "socket": "/nowhere/admin.sock",
        },
    ),
    "socket-relative": Wrong(
        r"'admin.sock' is neither an absolute path of a socket nor host:port",
        traffic={
            "socket": "admin.sock",
        },
    ),
    "socket-nobody": Wrong(
        r"cannot reach HAProxy at 127.0.0.1:\d+: nobody listens there; is HAProxy running",
        traffic={
            "socket": "127.0.0.1:{port}",
        },
    ),
    "socket-closed": Wrong(
        r"cannot reach HAProxy at \S+closed.sock: permission denied; this user may not open",
        traffic={
            "socket": "{other}/closed.sock",
            "map": "{other}/zerodowntime.map",
        },
    ),
    "socket-operator": Wrong(
        r"the socket \S+operator.sock has level operator: it needs 'level admin'",
        traffic={
            "socket": "{other}/operator.sock",
            "map": "{other}/zerodowntime.map",
        },
    ),
    "backend": Wrong(
        r"has no backend shop_gren \(slots.green\); it has .*shop_green",
        traffic={
            "slots": {"blue": "shop_blue", "green": "shop_gren"},
        },
    ),
    "traffic-option": Wrong(
        r"haproxy_traffic has no option 'mapp'; there are socket, slots, map", traffic={"mapp": "/m"}
    ),
    "backend-left-out": Wrong(r"haproxy_traffic: .*green.* found in slots", traffic={"slots": {"blue": "shop_blue"}}),
    "map": Wrong(r"has not loaded the map /nowhere.map: its frontend must read it", traffic={"map": "/nowhere.map"}),
    "key": Wrong(r"the map \S+ has no entry 'till'; run adopt", traffic={"key": "till"}),
    "header-absent": Wrong(
        r"X-Nothing absent: verify cannot tell the slots apart",
        {
            "release_verify": {"url": "{url}/", "header": "X-Nothing"},
        },
    ),
    "verify-nothing": Wrong(r"verify names neither header nor json_path", {"release_verify": {"url": "{url}/"}}),
    "verify-url": Wrong(r"'shop' is not a URL such as https://", {"release_verify": {"url": "shop", "header": "X-V"}}),
    "verify-no-url": Wrong(r"verify names no url: nobody can be asked", {"release_verify": {"header": "X-Version"}}),
    "verify-option": Wrong(
        r"release_verify has no option 'headers'; there are url, header",
        {
            "release_verify": {"url": "{url}/", "headers": "X-Version"},
        },
    ),
    "verify-patience": Wrong(
        r"release_verify is wrong: 'a while' is not a duration; write 300",
        {
            "release_verify": {"url": "{url}/", "header": "X-Version", "patience": "a while"},
        },
    ),
    "verify-closed": Wrong(
        r"http://127.0.0.1:\d+/: .*refused.*: verify cannot see the front door",
        {
            "release_verify": {"url": "http://127.0.0.1:{port}/", "header": "X-Version"},
        },
    ),
    "journal-locked": Wrong(
        r"the journal \S+ cannot be used by user \d+, .*: give that user the folder",
        {
            "release_journal": {"path": "{other}/locked/journal"},
        },
    ),
    "journal-file": Wrong(
        r"the journal \S+ is not a folder, \S+ is a file", {"release_journal": {"path": "{other}/haproxy.cfg"}}
    ),
    "journal-full": Wrong(
        r"the journal \S+ cannot be written, the disk is full: make room",
        {
            "release_journal": {"path": "{other}/full/journal"},
        },
    ),
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A world in which v1 serves in blue."""
    with World() as made:
        for revision in ("v1", "v2"):
            made.build(revision)
        lines: list[str] = []
        assert made.run("deploy", "-e", "release_revision=v1", say=lines.append) == 0, "\n".join(lines)
        yield made


@pytest.fixture(scope="module")
def other(world: World) -> Iterator[Path]:
    """The folder of a HAProxy whose sockets do not let us in, or not let us write; and of journals that cannot be."""
    folder = world.folder / "other"
    addresses = {slot: [f"127.0.0.1:{free_port()}"] for slot in REVISIONS}
    lab = HAProxy(folder, free_port(), addresses)
    closed, operator = folder / "closed.sock", folder / "operator.sock"
    text = lab.config.read_text()
    lab.config.write_text(
        text.replace(
            "global\n",
            "global\n"
            f"    stats socket {closed} mode 000 level admin\n"
            f"    stats socket {operator} mode 600 level operator\n",
            1,
        )
    )
    (folder / "locked").mkdir(mode=0o555)
    (folder / "full").mkdir()
    full = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder / "full")]
    mounted = ROOT and subprocess.run(full, capture_output=True, check=False).returncode == 0
    lab.start()
    try:
        if ROOT:
            os.chown(closed, NOBODY, NOBODY)
            os.chown(folder / "locked", NOBODY, NOBODY)
        yield folder
    finally:
        lab.stop()
        (folder / "locked").chmod(0o755)
        if mounted:
            subprocess.run(["umount", str(folder / "full")], check=True)


@dataclass(frozen=True)
class Deploy:
    """What became of a deploy of all wrong environments at once."""

    code: int
    output: str
    sentences: dict[str, str]
    before: dict[str, t.Any]
    after: dict[str, t.Any]


@pytest.fixture(scope="module")
def deploy(world: World, other: Path) -> Deploy:
    places = {"{other}": str(other), "{url}": world.balancer.url, "{port}": str(free_port())}
    inventory = yaml.safe_load((world.folder / "inventory.yml").read_text())
    environments = inventory["all"]["children"]["release_environments"]["hosts"]
    right = environments.pop(ENVIRONMENT)
    for name, wrong in WRONG.items():
        environments[name] = wrongly(right, wrong, places)
    (world.folder / "wrong.yml").write_text(yaml.safe_dump(inventory))
    before = touched(world, other)
    code, output = play(world, "deploy", "-i", "wrong.yml")
    return Deploy(code, output, sentences(output), before, touched(world, other))


def wrongly(right: dict[str, t.Any], wrong: Wrong, places: dict[str, str]) -> dict[str, t.Any]:
    """Return the variables of an environment that is right but for what C(wrong) says."""
    traffic = {"haproxy_traffic": {**right["release_traffic"]["haproxy_traffic"], **(wrong.traffic or {})}}
    variables = {**right, "release_revision": "v2", "release_traffic": traffic, **(wrong.variables or {})}
    text = json.dumps({name: value for name, value in variables.items() if name not in wrong.left_out})
    for place, value in places.items():
        text = text.replace(place, value)
    return t.cast("dict[str, t.Any]", json.loads(text))


def play(world: World, playbook: str, *options: str) -> tuple[int, str]:
    """Run a playbook as a user does whom the modes of files hold; return its exit status and output."""
    done = subprocess.run(
        [*PLAIN, "ansible-playbook", f"zerodowntime.bluegreen.{playbook}", *options],
        cwd=world.folder,
        env=world.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def sentences(output: str) -> dict[str, str]:
    """Return the message of the first failure of each environment."""
    found: dict[str, str] = {}
    for name, result in re.findall(r"^fatal: \[([\w-]+)\]: FAILED! => (\{.*\})$", output, re.M):
        found.setdefault(name, json.loads(result)["msg"])
    return found


def touched(world: World, other: Path) -> dict[str, t.Any]:
    """Return all that a deploy could touch."""
    folders = [world.folder / name for name in ("journal", "machines", "reports")]
    paths = [path for folder in folders for path in folder.rglob("*")]
    return {
        "files": {str(path): path.read_bytes() for path in paths if path.is_file()},
        "folders": sorted(str(path) for path in paths if path.is_dir()),
        "maps": [
            (place.read_bytes(), place.stat().st_mtime_ns) for place in (world.balancer.map, other / "zerodowntime.map")
        ],
        "loaded": world.weights(),
        "processes": sorted(processes(world.folder)),
        "beside": sorted(path.name for path in (*world.balancer.map.parent.iterdir(), *other.rglob("*"))),
    }


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_environment_gets_one_sentence(deploy: Deploy, name: str) -> None:
    if name == "journal-full" and not ROOT:
        pytest.skip("needs root: to mount a disk that is full")
    assert name in deploy.sentences, deploy.output
    sentence = deploy.sentences[name]
    assert re.search(WRONG[name].sentence, sentence), sentence
    assert "\n" not in sentence
    assert len(sentence) < 1000


def test_wrong_environments_fail_and_nothing_is_touched(deploy: Deploy) -> None:
    assert deploy.code != 0
    assert "unreachable=0" in deploy.output
    assert "ok=0" not in deploy.output or "failed=1" in deploy.output
    assert deploy.after == deploy.before


def test_no_wrong_environment_shows_a_traceback(deploy: Deploy) -> None:
    assert "Traceback" not in deploy.output
    assert "site-packages" not in deploy.output


@pytest.mark.parametrize(
    ("steps", "read"), [("5,25,50,100", "5 %, 25 %, 50 %, 100 %"), ("10", "10 %, 100 %"), ("", "100 %")]
)
def test_text_from_a_survey_is_read_as_what_it_means(world: World, other: Path, steps: str, read: str) -> None:
    names = ("gate", "bake_time", "on_busy", "force", "reason", "hooks", "certificate", "rollback_window")
    survey = {"release_revision": "v2", "release_steps": steps, **{f"release_{name}": "" for name in names}}
    before = touched(world, other)
    code, output = play(world, "deploy", "-i", "inventory.yml", "--check", "-e", json.dumps(survey))
    assert code == 0, output
    assert f"blue serves; v2 goes into green, then {read}\n" in output
    assert touched(world, other) == before


def test_a_health_path_that_is_not_there_fails_the_stage_and_moves_nothing(world: World, other: Path) -> None:
    config = world.balancer.config
    right = config.read_text()
    green = right.index("\nbackend shop_green\n")
    config.write_text(right[:green] + right[green:].replace("GET /health\n", "GET /no-such-path\n", 1))
    world.balancer.reload()
    before = touched(world, other)
    try:
        extra = {"release_revision": "v2", "release_progress_deadline": "3s"}
        code, output = play(world, "deploy", "-i", "inventory.yml", "-e", json.dumps(extra))
    finally:
        config.write_text(right)
        world.balancer.reload()
    assert code != 0
    assert "Traceback" not in output
    after = touched(world, other)
    assert after["loaded"] == before["loaded"] == BLUE
    assert after["processes"] == before["processes"]
    last = re.findall(r'"msg": "(v2 was not released: .*)"\}$', output, re.M)[-1]
    assert "green has 0 of 1 servers ready (s0: its health check gets status 404) after 3" in last
    assert last.endswith("Traffic is on blue 100 / green 0.")
    assert world.report("v2")["outcome"] in ("RolledBack", "Aborted")


# Options of the traffic names themselves: what is wrong, over what is right, and the sentence that comes of it.
DIRECT: dict[str, tuple[dict[str, t.Any], str]] = {
    "sum": ({"weights": {"blue": 80, "green": 10}}, "weights blue 80 and green 10 add up to 90, not 100"),
    "negative": ({"weights": {"blue": 110, "green": -10}}, "blue is 110: a weight is a whole number from 0 to 100"),
    "text": ({"weights": {"blue": "most", "green": 0}}, "blue is 'most': a weight is a whole number from 0 to 100"),
    "slot": ({"weights": {"blue": 90, "red": 10}}, "weights name an unknown slot 'red': the slots are blue and green"),
    "one slot": ({"weights": {"blue": 100}}, "weights do not name green: give both slots, the zero too"),
    "list": ({"weights": [100, 0]}, "weights"),
    "expect": ({"expect": {"blue": 100}}, "weights do not name green: give both slots, the zero too"),
    "expect text": ({"expect": "blue"}, "weights are a mapping such as {blue: 90, green: 10}, not 'blue'"),
    "fence": ({"fence": "soon"}, "fence"),
    "backends alike": ({"slots": {"blue": "a", "green": "a"}}, "both slots are the backend a"),
    "backend words": (
        {"slots": {"blue": "shop blue", "green": "shop_b"}},
        "slots.blue 'shop blue' may hold letters, digits",
    ),
    "no key": (
        {"slots": {"blue": "blue", "green": "green"}},
        "the two backends share no beginning: name the map's 'key'",
    ),
    "verify slot": (
        {"verify": {"url": "http://127.0.0.1/", "header": "X-V", "slots": {"red": "v1"}}},
        "verify.slots names 'red': the slots are blue and green",
    ),
    "verify patience": (
        {"verify": {"url": "http://127.0.0.1/", "header": "X-V", "slots": REVISIONS, "patience": "a while"}},
        "'a while' is not a duration; write 300, 30s, 5m or 1h30m",
    ),
    "machines": ({"machines": [{"socket": "/a"}]}, "an entry of machines is a name, or a mapping with machine"),
}


@pytest.fixture(scope="module")
def direct(world: World, other: Path) -> Iterator[dict[str, str]]:
    """Call the traffic name in all wrong ways, from one playbook; return the sentences."""
    right = {
        "socket": str(other / "admin.sock"),
        "map": str(other / "zerodowntime.map"),
        "weights": GREEN,
        "force": True,
    }
    right["slots"] = {"blue": "shop_blue", "green": "shop_green"}
    before = touched(world, other)
    found = called("haproxy_traffic", {name: {**right, **wrong} for name, (wrong, _sentence) in DIRECT.items()})
    assert touched(world, other) == before
    yield found


def called(name: str, calls: dict[str, dict[str, t.Any]]) -> dict[str, str]:
    """Return the sentence of each call; none raises and none succeeds."""
    folder = lab_folder()
    tasks: list[dict[str, t.Any]] = [
        {f"zerodowntime.bluegreen.{name}": options, "register": f"call_{number}", "ignore_errors": True}
        for number, options in enumerate(calls.values())
    ]
    results = [f"{{{{ call_{number} }}}}" for number in range(len(calls))]
    run = Playbook(folder).run([*tasks, {"ansible.builtin.set_fact": {"result": {"calls": results}}}])
    shutil.rmtree(folder)
    assert run.code == 0, run.output
    assert "Traceback" not in run.output + run.lines
    assert all(result["failed"] is True for result in run.result["calls"]), run.output
    return {call: result["msg"] for call, result in zip(calls, run.result["calls"], strict=True)}


@pytest.mark.parametrize("name", DIRECT)
def test_a_wrong_option_of_a_traffic_name_gets_one_sentence(direct: dict[str, str], name: str) -> None:
    assert DIRECT[name][1] in direct[name]
    assert "\n" not in direct[name]


@pytest.mark.skipif(bool(NginxReload.missing()), reason=str(NginxReload.missing()))
def test_a_configuration_that_does_not_parse_gets_nginxs_sentence_and_is_not_touched() -> None:
    folder = lab_folder()
    ports = {slot: free_port() for slot in REVISIONS}
    addresses = {slot: f"127.0.0.1:{port}" for slot, port in ports.items()}
    with (
        demo_apps(sys.executable, {slot: [port] for slot, port in ports.items()}, REVISIONS),
        running(NginxReload(folder / "nginx", addresses)) as nginx,
        nginx.refusing() as (_options, words),
        nginx.nothing_written(),
    ):
        found = called("nginx_traffic", {"broken": {**nginx.options, "weights": GREEN, "expect": BLUE}})
    shutil.rmtree(folder)
    assert re.search(words, found["broken"])
    assert "\n" not in found["broken"]
