# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What C(http_probe) and C(load_test) do: the same in the controller's process and on another machine."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core import certificate, duration
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load import detached, options, report
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.client import mix, run
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.probe import Probe, probe
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.process import identify
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.revision import revision_source
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.tally import Tally
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._load.wait import LINE_EVERY, QUIET, wait

Params = t.Mapping[str, t.Any]
Result = dict[str, t.Any]
Say = t.Callable[[str], None]
Start = t.Callable[[detached.Order], int]


def probe_until_good(params: Params, say: Say) -> Result:
    """Return the result of C(http_probe): C(failed) with one sentence when the answers were not good in time.

    Raises ReleaseError for options that make no sense.
    """
    source = revision_source(params["header"], params["json_path"])
    expect, tls, headers = options.expected(params), options.tls_of(params), options.headers_of(params)
    timeout = options.span(params, "timeout")

    def ask(left: float) -> Probe:
        return probe(params["url"], revision=source, headers=headers, timeout=min(timeout, left), tls=tls)

    waited = wait(
        ask,
        lambda seen: seen.fault(source, expect, params["status"]),
        consecutive=options.consecutive_of(params),
        interval=options.span(params, "interval"),
        deadline=options.span(params, "deadline"),
        clock=time.monotonic,
        sleep=time.sleep,
        say=say,
    )
    result: Result = {
        "changed": False,
        "status": waited.last.status,
        "revision": waited.last.revision,
        "slot": waited.last.slot,
        "attempts": waited.attempts,
        "seconds": round(waited.seconds, 3),
    }
    return {**result, "failed": True, "msg": waited.fault} if waited.fault else result


def load_test(params: Params, say: Say, start: Start, beside: int, check_mode: bool) -> Result:
    """Return the result of C(load_test); C(start) starts a detached load, C(beside) is whom it runs beside by default.

    Raises ReleaseError for what makes no sense or cannot be done.
    """
    if params["state"] == "run":
        return _run(params, say, beside, check_mode)
    if params["state"] == "started":
        return _started(params, start, beside, check_mode)
    return _finished(params, say, check_mode)


def _run(params: Params, say: Say, beside: int, check_mode: bool) -> Result:
    load, seconds = options.load_of(params), options.span(params, "duration")
    thresholds = _thresholds(params)
    mix(load)
    if check_mode:
        return {"changed": False, "msg": "check mode sends no load"}
    controller = identify(beside) if beside else None
    tally = Tally(time.monotonic())
    told = QUIET - LINE_EVERY

    def watch(elapsed: float) -> t.Optional[float]:
        nonlocal told
        if controller and not controller.alive():
            return 0.0  # nobody reads the result: a worker whose controller was killed is not to go on sending
        if elapsed >= seconds:
            return load.timeout
        if elapsed - told >= LINE_EVERY:
            told = elapsed
            so_far = certificate.sentence(certificate.certificate(tally.counts(time.monotonic())))
            say(f"load test: {so_far.rstrip('.')}, {duration.text(seconds - elapsed)} left")
        return None

    run(load, tally, watch)
    found = certificate.certificate(tally.counts(time.monotonic()))
    if params["report"]:
        report.write(params["report"], {"state": "finished", **found})
    return _judged({**found, "complete": True}, params, thresholds, default_fail=True)


def _started(params: Params, start: Start, beside: int, check_mode: bool) -> Result:
    load = options.load_of(params)
    chosen = params["beside"] if params["beside"] is not None else beside
    what = detached.order(load, params["report"], options.span(params, "max_duration"), chosen)
    pid = detached.already_running(what.report, load)
    if pid is not None or check_mode:
        return {"changed": pid is None, "report": what.report, "pid": pid}
    return {"changed": True, "report": what.report, "pid": start(what)}


def _finished(params: Params, say: Say, check_mode: bool) -> Result:
    thresholds = _thresholds(params)
    content = report.read(params["report"])
    was_running = report.running(content)
    if check_mode:
        return {"changed": was_running, "report": params["report"]}
    content = detached.finish(params["report"], say)
    found = {key: value for key, value in content.items() if key not in _NOT_IN_A_CERTIFICATE}
    return {**_judged(found, params, thresholds, default_fail=False), "changed": was_running}


_NOT_IN_A_CERTIFICATE = ("state", "pid", "pid_started", "timeout", "started_at", "url")


def _thresholds(params: Params) -> tuple[t.Optional[float], t.Optional[float]]:
    rate = params["max_error_rate"]
    if rate is not None and not 0 <= rate <= 1:
        raise ReleaseError(f"max_error_rate is {rate:g}: a share from 0 to 1, such as 0.05 for 5 %")
    return rate, options.span(params, "max_p95") if params["max_p95"] else None


def _judged(
    found: Result, params: Params, thresholds: tuple[t.Optional[float], t.Optional[float]], default_fail: bool
) -> Result:
    """Return the result with summary and alarms, C(failed) where the options ask for it."""
    alarms = certificate.alarms(found, *thresholds)
    summary = certificate.summary(found)
    result = {"changed": False, **found, "alarms": alarms, "summary": summary, "msg": summary[-1]}
    fail_on_dropped = default_fail if params["fail_on_dropped"] is None else params["fail_on_dropped"]
    if not found["requests"] and default_fail:
        return {**result, "failed": True, "msg": f"the load test counted no request: {summary[-1]}"}
    if fail_on_dropped and found["dropped"]:
        first = found["first_dropped"][0]
        words = f"{summary[-1]} The first: {first['kind']} after {first['at']:g} s, {first['detail']}."
        return {**result, "failed": True, "msg": words}
    if params["fail_on_alarm"] and alarms:
        return {**result, "failed": True, "msg": "; ".join(alarms)}
    if not found["complete"]:
        result["msg"] = f"the load test was killed; counts up to its last report: {summary[-1]}"
    return result
