# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments as slots: what is ready, what failed, which patch is sent, and whose the replicas are."""

from __future__ import annotations

import copy
import json
import typing as t
import urllib.parse

import pytest
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _fleet
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes import autoscalers, deployments, pods
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import (
    Answer,
    Client,
    Unanswered,
)
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.fleet import DeploymentFleet

Object = dict[str, t.Any]
REGISTRY = "registry.example.com:5000/shop"
BEFORE_PATH = "/metadata/annotations/zerodowntime.bluegreen~1before"


def deployment(slot: str, image: str = f"{REGISTRY}:1", replicas: int = 0, **status: t.Any) -> Object:
    """Return a Deployment as a kube-apiserver sends it, rolled out unless C(status) says otherwise."""
    settled = {name: replicas for name in ("replicas", "updatedReplicas", "availableReplicas") if replicas}
    return {
        "metadata": {
            "name": f"shop-{slot}",
            "uid": f"d-{slot}",
            "generation": 1,
            "annotations": {deployments.REVISION: "1"},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "shop", "slot": slot}},
            "template": {
                "metadata": {"labels": {"app": "shop", "slot": slot}},
                "spec": {"containers": [{"name": "proxy", "image": "envoy:1"}, {"name": "shop", "image": image}]},
            },
        },
        "status": {"observedGeneration": 1, **settled, **status},
    }


def pod(slot: str, name: str, made: str = "h1", ready: bool = True, **more: t.Any) -> Object:
    """Return a pod of the ReplicaSet C(made)."""
    condition = {"type": "Ready", "status": "True" if ready else "False", "message": "containers not ready: [shop]"}
    return {
        "metadata": {
            "name": f"shop-{slot}-{name}",
            "labels": {deployments.HASH: made},
            "ownerReferences": [{"kind": "ReplicaSet", "uid": f"r-{slot}-{made}"}],
        },
        "spec": {"containers": [{"name": "proxy", "image": "envoy:1"}, {"name": "shop", "image": f"{REGISTRY}:1"}]},
        "status": {"phase": "Running", "podIP": "10.1.0.2", "conditions": [condition], **more},
    }


def replica_set(slot: str, made: str = "h1", revision: str = "1") -> Object:
    return {
        "metadata": {
            "name": f"shop-{slot}-{made}",
            "uid": f"r-{slot}-{made}",
            "labels": {deployments.HASH: made},
            "annotations": {deployments.REVISION: revision},
            "ownerReferences": [{"kind": "Deployment", "uid": f"d-{slot}"}],
        }
    }


def autoscaler(slot: str, least: int = 1, most: int = 10, desired: int = 0, **metadata: t.Any) -> Object:
    return {
        "metadata": {"name": f"scale-{slot}", "resourceVersion": "1", **metadata},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": f"shop-{slot}"},
            "minReplicas": least,
            "maxReplicas": most,
        },
        "status": {"desiredReplicas": desired},
    }


class Api:
    """An API server that holds what a test gives it, applies patches and remembers them."""

    def __init__(self) -> None:
        self.deployments = {slot: deployment(slot) for slot in ("blue", "green")}
        self.lists: dict[str, list[Object]] = {"pods": [], "replicasets": [replica_set("blue"), replica_set("green")]}
        self.logs: dict[str, str] = {}
        self.writes: list[tuple[str, t.Any]] = []
        # What happens to the next writes: a status in their place, or "lost" once they are made.
        self.faults: list[t.Any] = []

    def fleet(self, **options: t.Any) -> DeploymentFleet:
        names = {"blue": "shop-blue", "green": "shop-green"}
        given = {"namespace": "shop", "deployments": names, "container": "shop", "image": REGISTRY, **options}
        return DeploymentFleet(given, Client({}, send=self.send, sleep=lambda seconds: None), lambda seconds: None)

    def send(self, method: str, target: str, content: bytes | None, headers: t.Mapping[str, str]) -> Answer:
        if method != "GET" and "dryRun" not in target and self.faults:
            fault = self.faults.pop(0)
            if fault == "lost":
                self.send(method, target, content, headers)
                raise Unanswered("the connection ended")
            return Answer(fault, b"{}")
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query))
        kind, *rest = url.path.split("/namespaces/shop/")[1].split("/")
        if kind == "deployments":
            found = self.deployments[rest[0].removeprefix("shop-")]
            if method == "PATCH":
                found = self._patched(found, json.loads(content or b""), query)
            return Answer(200, json.dumps(found).encode())
        if kind == "pods" and rest:
            return Answer(200, self.logs[rest[0]].encode()) if rest[0] in self.logs else Answer(400, b"{}")
        if rest:
            self.writes.append((rest[0], json.loads(content or b"")))
            return Answer(200, b"{}")
        listed = self.lists.get(kind, [])
        if "slot" in query.get("labelSelector", ""):
            slot = query["labelSelector"].split("slot=")[1]
            listed = [one for one in listed if one["metadata"]["name"].startswith(f"shop-{slot}-")]
        return Answer(200, json.dumps({"items": listed}).encode())

    def _patched(self, found: Object, operations: list[Object], query: t.Mapping[str, str]) -> Object:
        made = copy.deepcopy(found)
        for operation in operations:
            *way, last = [word.replace("~1", "/") for word in operation["path"].strip("/").split("/")]
            place: t.Any = made
            for word in way:
                place = place[int(word)] if isinstance(place, list) else place[word]
            if operation["op"] == "test":
                assert place[last] == operation["value"]
            elif operation["op"] == "remove":
                del place[last]
            else:
                place[last] = operation["value"]
        if "dryRun" not in query:
            self.writes.append((found["metadata"]["name"], operations))
            self.deployments[found["metadata"]["name"].removeprefix("shop-")] = made
        return made


@pytest.fixture
def api() -> Api:
    """Two pods of 1 in blue, nothing in green."""
    api = Api()
    api.deployments["blue"] = deployment("blue", replicas=2)
    api.lists["pods"] = [pod("blue", "a"), pod("blue", "b")]
    return api


def begin(fleet: DeploymentFleet, check_mode: bool = False, **asked: t.Any) -> dict[str, t.Any]:
    params = {"slot": "green", "state": "staged", "revision": "2", "weight": 0, **asked}
    return _fleet.begin(fleet, params, check_mode)


def judged(api: Api, capacity: int, **options: t.Any) -> _fleet.Verdict:
    seen = _fleet.observe(api.fleet(**options))["slots"]["green"]
    return _fleet.judge(seen, {"instances": None, "capacity": capacity}, "green")


# ---- what is written


def test_a_revision_is_one_guarded_patch_of_one_containers_image_and_the_stable_sides_replicas(api: Api) -> None:
    result = begin(api.fleet())
    assert (result["changed"], result["capacity"], result["instances"]) == (True, 2, None)
    at = "/spec/template/spec/containers/1"
    note = {"container": "shop", "image": f"{REGISTRY}:1", "replicas": 0}
    assert api.writes == [
        (
            "shop-green",
            [
                {"op": "add", "path": BEFORE_PATH, "value": json.dumps(note, separators=(",", ":"))},
                {"op": "test", "path": f"{at}/name", "value": "shop"},
                {"op": "test", "path": f"{at}/image", "value": f"{REGISTRY}:1"},
                {"op": "replace", "path": f"{at}/image", "value": f"{REGISTRY}:2"},
                {"op": "test", "path": "/spec/replicas", "value": 0},
                {"op": "replace", "path": "/spec/replicas", "value": 2},
            ],
        )
    ]
    assert result["diff"][0]["after"] == f"2 x envoy:1, {REGISTRY}:2\n"
    assert begin(api.fleet())["changed"] is False, "a second time nothing changes"


def test_check_mode_asks_the_server_and_writes_nothing(api: Api) -> None:
    assert begin(api.fleet(), check_mode=True)["changed"] is True
    assert api.writes == []


@pytest.mark.parametrize(
    ("repository", "revision", "image"),
    [
        (REGISTRY, "1.4.2", f"{REGISTRY}:1.4.2"),
        (REGISTRY, "sha256:" + "a" * 64, f"{REGISTRY}@sha256:" + "a" * 64),
        ("", "other:5000/shop:3", "other:5000/shop:3"),
    ],
)
def test_a_revision_is_a_tag_a_digest_or_a_whole_image_and_is_read_back_as_it_was_written(
    repository: str, revision: str, image: str
) -> None:
    assert deployments.image_of(repository, revision) == image
    assert deployments.revision_of(repository, image) == revision


@pytest.mark.parametrize(
    ("repository", "revision", "sentence"),
    [
        (f"{REGISTRY}:1", "2", "has a tag or digest of its own"),
        (REGISTRY, "no tag", "neither a tag nor a digest"),
        (REGISTRY, "x/y:1", "neither a tag nor a digest"),
    ],
)
def test_what_would_be_no_image_is_a_sentence(repository: str, revision: str, sentence: str) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        deployments.image_of(repository, revision)


def test_a_template_replaces_the_whole_and_keeps_what_finds_the_pods_of_its_slot(api: Api) -> None:
    template = {"spec": {"containers": [{"name": "shop", "image": "any", "env": [{"name": "A", "value": "1"}]}]}}
    begin(api.fleet(template=template))
    made = api.deployments["green"]["spec"]["template"]
    assert made["metadata"]["labels"] == {"app": "shop", "slot": "green"}
    assert made["spec"]["containers"] == [
        {"name": "shop", "image": f"{REGISTRY}:2", "env": [{"name": "A", "value": "1"}]}
    ]
    assert begin(api.fleet(template=template))["changed"] is False
    with pytest.raises(Refused, match="the template has no container 'shop'"):
        begin(api.fleet(template={"spec": {"containers": []}}))


def test_what_cannot_be_released_is_refused_before_anything_is_written(api: Api) -> None:
    with pytest.raises(Refused, match="has several containers: name one of proxy, shop"):
        begin(api.fleet(container=None))
    api.deployments["green"]["spec"]["paused"] = True
    with pytest.raises(Refused, match="is paused, so nothing would roll out: kubectl rollout resume"):
        begin(api.fleet())
    with pytest.raises(Refused, match="blue gets 100 % of the requests and has 2 instances"):
        begin(api.fleet(), slot="blue", state="retired", weight=100)
    assert api.writes == []


TEMPLATE = {"spec": {"containers": [{"name": "shop", "image": "any", "env": [{"name": "A", "value": "1"}]}]}}


@pytest.mark.parametrize("template", [None, TEMPLATE], ids=["image", "template"])
@pytest.mark.parametrize("replicas", [0, 2], ids=["asleep", "warm"])
def test_a_stage_that_came_to_nothing_is_undone_to_the_last_byte(
    api: Api, template: Object | None, replicas: int
) -> None:
    api.deployments["green"] = deployment("green", replicas=replicas)
    before = copy.deepcopy(api.deployments["green"])
    begin(api.fleet(template=template))
    begin(api.fleet(template=template), revision="3")
    (thing,) = _fleet.observe(api.fleet(), owned=True)["owned"]
    assert (thing["kind"], thing["name"]) == ("annotation", "Deployment shop/shop-green")
    assert begin(api.fleet(), state="retired")["changed"] is True
    assert api.deployments["green"] == before


def test_what_ran_before_a_slot_served_is_no_way_back_once_the_other_one_is_staged(api: Api) -> None:
    begin(api.fleet())
    begin(api.fleet(), slot="blue", revision="3")
    assert deployments.BEFORE not in api.deployments["green"]["metadata"]["annotations"]
    begin(api.fleet(), state="retired")
    assert deployments.revision_of(REGISTRY, running(api, "green")) == "2"
    assert api.deployments["green"]["spec"]["replicas"] == 0


@pytest.mark.parametrize("faults", [[409], [500, 503], ["lost"], [500, "lost"], [429, 500, 409]])
def test_a_patch_of_which_nobody_knows_what_became_is_made_once(api: Api, faults: list[t.Any]) -> None:
    api.faults = faults
    begin(api.fleet())
    assert not api.faults
    assert [name for name, _patch in api.writes] == ["shop-green"]
    assert (running(api, "green"), api.deployments["green"]["spec"]["replicas"]) == (f"{REGISTRY}:2", 2)


def test_a_server_that_fails_every_patch_is_given_up(api: Api) -> None:
    api.faults = [500] * 4
    with pytest.raises(Lost, match="answered 500 to PATCH"):
        begin(api.fleet())
    assert api.writes == []


def running(api: Api, slot: str) -> str:
    return str(api.deployments[slot]["spec"]["template"]["spec"]["containers"][1]["image"])


def test_retiring_takes_the_deployment_to_0_and_leaves_its_image(api: Api) -> None:
    begin(api.fleet(), slot="blue", state="retired")
    assert (api.deployments["blue"]["spec"]["replicas"], api.writes[0][0]) == (0, "shop-blue")
    assert api.deployments["blue"]["spec"]["template"]["spec"]["containers"][1]["image"] == f"{REGISTRY}:1"
    assert begin(api.fleet(), slot="blue", state="retired")["changed"] is False


# ---- when it is ready


def test_it_is_ready_when_the_rollout_is_whole_and_the_service_sends_requests_to_every_pod(api: Api) -> None:
    services = {"services": {"blue": "shop", "green": "shop"}}
    api.deployments["green"] = deployment("green", replicas=1)
    api.lists["pods"].append(pod("green", "a"))
    endpoint = {"conditions": {"ready": False}, "targetRef": {"name": "shop-green-a"}, "addresses": ["10.1.0.2"]}
    api.lists["endpointslices"] = [{"endpoints": [endpoint]}]
    assert "its Service does not send it requests yet" in judged(api, 1, **services).waiting
    endpoint["conditions"] = {"ready": True}
    assert judged(api, 1, **services) == _fleet.Verdict()
    assert "more are to start" in judged(api, 2, **services).waiting


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({"observedGeneration": 0}, "the Deployment controller has not seen the change yet"),
        ({"updatedReplicas": 1}, "1 of 2 pods of this revision are made"),
        ({"replicas": 3}, "1 pods of the revision before still run"),
        ({"availableReplicas": 1}, "1 of 2 pods are available"),
    ],
)
def test_ready_pods_of_a_rollout_that_is_not_whole_are_not_enough(
    api: Api, status: dict[str, int], sentence: str
) -> None:
    api.deployments["green"] = deployment("green", replicas=2)
    api.deployments["green"]["status"].update(status)
    api.lists["pods"] += [pod("green", "a"), pod("green", "b")]
    assert sentence in judged(api, 2).waiting


def test_a_pod_of_the_revision_before_that_fails_while_it_is_replaced_fails_nothing(api: Api) -> None:
    waiting = {"name": "shop", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    api.deployments["green"] = deployment("green", replicas=1, updatedReplicas=1)
    api.deployments["green"]["status"]["replicas"] = 2
    api.lists["pods"] += [pod("green", "a"), pod("green", "z", "h0", ready=False, containerStatuses=[waiting])]
    api.lists["replicasets"].append(replica_set("green", "h0", "0"))
    verdict = judged(api, 1)
    assert verdict.failed == ""
    assert verdict.waiting.endswith("1 pods of the revision before still run")


# ---- when it never will be


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "shop:2"'}},
            'is in ImagePullBackOff: Back-off pulling image "shop:2"',
        ),
        (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "is in CrashLoopBackOff: the container shop exited with status 7",
        ),
    ],
)
def test_a_pod_that_never_comes_up_ends_the_wait_with_its_reason_and_its_last_words(
    api: Api, status: Object, sentence: str
) -> None:
    ended = {"terminated": {"exitCode": 7, "reason": "Error"}} if "Crash" in sentence else {}
    seen = {"name": "shop", "state": status, "lastState": ended}
    api.deployments["green"] = deployment("green", replicas=1, availableReplicas=0)
    api.lists["pods"].append(pod("green", "a", ready=False, containerStatuses=[seen]))
    api.logs["shop-green-a"] = "starting\n\ncannot connect to the database\n"
    verdict = judged(api, 1)
    assert (verdict.of, sentence in verdict.failed) == ("shop-green-a", True), verdict
    fleet = api.fleet()
    fleet.observe()
    assert fleet.words("shop-green-a", 3) == ["starting", "cannot connect to the database"]
    assert fleet.words("shop-green-b", 3) == [], "a pod without a log"


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods"},
            "green: no pod can be made (FailedCreate): exceeded quota: pods",
        ),
        (
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"},
            "green: the Deployment made no progress (ProgressDeadlineExceeded): timed out",
        ),
    ],
)
def test_a_deployment_that_gives_up_ends_the_wait(api: Api, condition: Object, sentence: str) -> None:
    api.deployments["green"] = deployment("green", replicas=1, updatedReplicas=0, conditions=[condition])
    assert judged(api, 1).failed == sentence
    api.deployments["green"]["metadata"]["generation"] = 2
    assert judged(api, 1).failed == "", "what it says is of the change before"


@pytest.mark.parametrize(
    ("status", "state", "why"),
    [
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, "stopping", "is over: low on memory"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]},
            "starting",
            "has no node: 0/3 nodes",
        ),
    ],
)
def test_what_others_may_still_mend_is_no_failure(status: Object, state: str, why: str) -> None:
    seen = pods.instance(pod("green", "a", ready=False, **status), "shop", True, None)
    assert (seen.state, seen.why) == (state, why)


# ---- whose the replicas are


def test_an_autoscaled_slot_is_woken_and_floored_and_its_stable_side_keeps_what_it_has(api: Api) -> None:
    api.lists["horizontalpodautoscalers"] = [autoscaler("blue", desired=4), autoscaler("green", least=2)]
    result = begin(api.fleet())
    assert result["capacity"] == 4, "what the autoscaler wants now, not what is ready"
    floors = {name: (patch["spec"], patch["metadata"]["annotations"]) for name, patch in api.writes[:2]}
    assert floors == {
        "scale-blue": ({"minReplicas": 4}, {autoscalers.FLOOR: "1"}),
        "scale-green": ({"minReplicas": 4}, {autoscalers.FLOOR: "2"}),
    }
    assert api.writes[2][1][-1] == {"op": "replace", "path": "/spec/replicas", "value": 4}, "it sleeps at 0"


def test_replicas_that_an_autoscaler_owns_are_never_sent(api: Api) -> None:
    api.deployments["green"] = deployment("green", replicas=1)
    api.lists["horizontalpodautoscalers"] = [autoscaler("green")]
    begin(api.fleet())
    assert [name for name, _patch in api.writes] == ["scale-green", "shop-green"]
    assert all("/spec/replicas" not in operation["path"] for operation in api.writes[1][1])


def test_what_a_release_has_noted_at_an_autoscaler_is_listed_as_ours(api: Api) -> None:
    kept = {"annotations": {autoscalers.FLOOR: "2"}}
    api.lists["horizontalpodautoscalers"] = [autoscaler("blue", least=4, **kept), autoscaler("green")]
    (thing,) = _fleet.observe(api.fleet(), owned=True)["owned"]
    assert thing == {
        "kind": "annotation",
        "name": "HorizontalPodAutoscaler shop/scale-blue",
        "about": f"{autoscalers.FLOOR}: 2",
    }


@pytest.mark.parametrize("slot", ["blue", "green"])
def test_retiring_either_slot_puts_both_floors_back_as_any_run_finds_them(api: Api, slot: str) -> None:
    kept = {"annotations": {autoscalers.FLOOR: "2"}}
    api.lists["horizontalpodautoscalers"] = [autoscaler(name, least=4, desired=4, **kept) for name in ("blue", "green")]
    begin(api.fleet(), slot=slot, state="retired")
    floors = {name: patch for name, patch in api.writes if name.startswith("scale")}
    assert [floor["spec"] for floor in floors.values()] == [{"minReplicas": 2}] * 2
    assert all(floor["metadata"]["annotations"] == {autoscalers.FLOOR: None} for floor in floors.values())


def test_the_first_release_pins_no_floor_as_no_shift_follows() -> None:
    api = Api()
    api.lists["horizontalpodautoscalers"] = [autoscaler("green", least=3)]
    assert begin(api.fleet())["capacity"] == 3, "what its autoscaler keeps at least"
    assert [name for name, _patch in api.writes] == ["shop-green"]


def test_an_autoscaler_that_would_not_keep_the_capacity_is_refused(api: Api) -> None:
    api.lists["horizontalpodautoscalers"] = [autoscaler("green", most=1)]
    with pytest.raises(Refused, match="scale-green allows 1 pods and the slot needs 2: raise its maxReplicas"):
        begin(api.fleet())
    owner = [{"kind": "ScaledObject", "name": "shop"}]
    api.lists["horizontalpodautoscalers"] = [autoscaler("green", ownerReferences=owner)]
    with pytest.raises(Refused, match="belongs to KEDA's ScaledObject shop"):
        begin(api.fleet())
    assert api.writes == []
