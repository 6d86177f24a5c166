# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers of Kubernetes: what they read from objects, which patch they send, and what conflicts make of it."""

from __future__ import annotations

import copy
import re
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils import _traffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._core.weights import Weights
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._errors import Lost, Refused, ReleaseError
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.client import Unanswered
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.gateway import GatewayTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.istio import IstioTraffic, service_of
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.service import ServiceTraffic
from ansible_collections.zerodowntime.bluegreen.plugins.module_utils._kubernetes.traffic import (
    fence_key,
    fighter,
    owners,
    proportions,
)

from tests.lab.kubernetes.memory import MemoryApi

Object = dict[str, t.Any]

SHOP = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/shop"
RULE = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules/shop"
ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/shop"
SERVICE = "/api/v1/namespaces/shop/services/shop"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
PODS = "/api/v1/namespaces/shop/pods"

FENCE = "zerodowntime.bluegreen/fence"
BLUE, GREEN, SPLIT = Weights(100, 0), Weights(0, 100), Weights(60, 40)


def metadata(name: str = "shop", **more: t.Any) -> Object:
    return {"name": name, "namespace": "shop", "resourceVersion": "7", "generation": 3, **more}


def to(slot: str, weight: int | None = None) -> Object:
    entry: Object = {"destination": {"host": "shop", "subset": slot, "port": {"number": 80}}}
    return entry if weight is None else {**entry, "weight": weight}


def virtual_service(*routes: Object, **main: t.Any) -> Object:
    preview = {
        "name": "preview",
        "match": [{"headers": {"x-canary": {"exact": "always"}}}],
        "route": [to("green")],
        "timeout": "2s",
    }
    rule = {
        "route": list(routes) or [to("blue", 100), to("green", 0)],
        "retries": {"attempts": 3},
        "mirror": {"host": "m"},
        **main,
    }
    return {"metadata": metadata(), "spec": {"hosts": ["shop.example.com"], "http": [preview, rule]}}


def destination_rule(*subsets: str) -> Object:
    there = [{"name": name, "labels": {"version": name}} for name in subsets]
    return {"metadata": metadata(), "spec": {"host": "shop", "subsets": there}}


def pod(name: str, slot: str, ready: bool = True, **more: t.Any) -> Object:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    labels = {"app": "shop", "version": slot}
    return {"metadata": {"name": name, "labels": labels, **more}, "status": {"conditions": [condition]}}


def endpoint(name: str, ready: bool | None = True) -> Object:
    return {
        "addresses": ["10.1.0.2"],
        "conditions": {} if ready is None else {"ready": ready},
        "targetRef": {"kind": "Pod", "name": name},
    }


def slices(*endpoints: Object, service: str = "shop") -> list[Object]:
    labels = {"kubernetes.io/service-name": service}
    return [{"metadata": {"name": f"{service}-x1", "labels": labels}, "endpoints": list(endpoints)}]


def istio_api(*routes: Object, **main: t.Any) -> MemoryApi:
    return MemoryApi(
        {
            SHOP: virtual_service(*routes, **main),
            RULE: destination_rule("blue", "green"),
            SLICES: slices(endpoint("b1"), endpoint("b2", None), endpoint("g1"), endpoint("g2", False)),
            PODS: [pod("b1", "blue"), pod("b2", "blue"), pod("g1", "green"), pod("g2", "green", False)],
        }
    )


def options(driver: type[_traffic.Driver], **given: t.Any) -> Object:
    checked = ArgumentSpecValidator(driver.spec).validate({"namespace": "shop", "cluster": "prod", **given})
    assert not checked.error_messages, checked.error_messages
    return t.cast(Object, checked.validated_parameters)


def istio(api: MemoryApi, **given: t.Any) -> IstioTraffic:
    return IstioTraffic(options(IstioTraffic, virtual_service="shop", **given), api.client())


def move(driver: _traffic.Driver, weights: Weights, check_mode: bool = False, **params: t.Any) -> Object:
    return _traffic.move(driver, {"weights": weights.plain(), **params}, check_mode)


class TestIstio:
    """C(istio_traffic)."""

    def test_the_rule_that_leads_to_both_slots_is_ours_and_ready_endpoints_are_counted_by_subset(self) -> None:
        view = istio(istio_api(to("blue", 90), to("green", 10))).observe()
        assert (view.weights, view.fence, view.trouble) == (Weights(90, 10), 0, "")
        assert (view.slots["blue"].ready, view.slots["green"].ready) == (2, 1)

    def test_the_identity_names_cluster_object_and_route_and_no_credentials(self) -> None:
        assert istio(istio_api(), api_key="secret").identity() == "VirtualService:prod:shop/shop/http"

    def test_only_weights_and_fence_change_in_one_patch(self) -> None:
        api = istio_api(name="main")
        before = copy.deepcopy(api.objects[SHOP])
        assert move(istio(api), SPLIT, fence=4)["changed"] is True
        (patch,) = api.patches
        assert patch == [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "test", "path": "/spec/http/1/name", "value": "main"},
            {"op": "test", "path": "/spec/http/1/route/0/destination", "value": to("blue")["destination"]},
            {"op": "add", "path": "/spec/http/1/route/0/weight", "value": 60},
            {"op": "test", "path": "/spec/http/1/route/1/destination", "value": to("green")["destination"]},
            {"op": "add", "path": "/spec/http/1/route/1/weight", "value": 40},
            {"op": "add", "path": "/metadata/annotations", "value": {}},
            {"op": "add", "path": "/metadata/annotations/zerodowntime.bluegreen~1fence.main", "value": "4"},
        ]
        before["spec"]["http"][1]["route"] = [to("blue", 60), to("green", 40)]
        before["metadata"].update(annotations={f"{FENCE}.main": "4"}, resourceVersion="8")
        assert api.objects[SHOP] == before

    def test_check_mode_is_a_dry_run_of_the_server_and_keeps_nothing(self) -> None:
        api = istio_api()
        before = copy.deepcopy(api.objects)
        result = move(istio(api), SPLIT, check_mode=True)
        assert api.objects == before
        assert [asked for asked in api.asked if "PATCH" in asked and "dryRun=All" in asked]
        assert result["diff"][0]["before"] == f"blue: weight 100\ngreen: weight 0\n{FENCE}: 0\n"
        assert result["diff"][0]["after"] == f"blue: weight 60\ngreen: weight 40\n{FENCE}: 0\n"

    @pytest.mark.parametrize(
        ("routes", "trouble"),
        [
            ([to("blue", 50), to("green", 40)], "the weights are blue 50 / green 40"),
            ([to("blue", 0), to("green", 0)], "the weights are blue 0 / green 0"),
            ([to("blue", 110), to("green", -10)], "the weights are blue 110 / green -10"),
            ([to("blue", 50), to("green", 40), to("red", 10)], "also leads to red, which is neither slot"),
        ],
    )
    def test_weights_that_envoy_would_refuse_are_no_state_of_ours(self, routes: list[Object], trouble: str) -> None:
        api = istio_api(*routes)
        view = istio(api).observe()
        assert view.weights is None
        assert trouble in view.trouble
        with pytest.raises(Refused, match="nothing was written"):
            move(istio(api), BLUE)
        assert not api.patches

    def test_a_route_to_one_slot_serves_it_and_names_adopt_which_adds_the_other(self) -> None:
        api = istio_api(to("blue"))
        api.objects[SHOP]["spec"]["http"].pop(0)
        view = istio(api).observe()
        assert (view.weights, view.trouble) == (BLUE, "the route does not lead to green yet; run adopt")
        move(istio(api), BLUE, force=True)
        assert api.objects[SHOP]["spec"]["http"][0]["route"] == [to("blue", 100), to("green", 0)]

    def test_several_routes_that_fit_have_to_be_named(self) -> None:
        api = istio_api(name="main")
        api.objects[SHOP]["spec"]["http"].append({"name": "other", "route": [to("blue", 0), to("green", 100)]})
        with pytest.raises(ReleaseError, match=r"has 2 http routes .* name one .*there are: preview, main, other"):
            istio(api).observe()
        assert istio(api, route="other").observe().weights == GREEN

    @pytest.mark.parametrize("given", [{"route": "absent"}, {"slots": {"blue": "a", "green": "b"}}])
    def test_no_route_that_fits_names_those_there_are(self, given: Object) -> None:
        with pytest.raises(ReleaseError, match=r"has no http route .*\(there are: preview, main\)"):
            istio(istio_api(name="main"), **given).observe()

    def test_its_fence_is_all_that_it_leaves_in_an_object(self) -> None:
        api = istio_api(name="main")
        assert istio(api).owned() == []
        move(istio(api), SPLIT, fence=4)
        (thing,) = istio(api).owned()
        assert (thing.kind, thing.name) == ("annotation", "VirtualService shop/shop/http")
        assert thing.about == f"{FENCE}.main: 4"

    def test_two_apps_in_one_object_have_a_fence_each(self) -> None:
        api = istio_api(name="main")
        api.objects[SHOP]["spec"]["http"].append({"name": "other", "route": [to("blue", 0), to("green", 100)]})
        move(istio(api, route="main"), SPLIT, fence=9)
        assert istio(api, route="other").observe().fence == 0
        assert fence_key("main") != fence_key("a name with spaces") != fence_key("x" * 80)
        assert all(len(fence_key(name).partition("/")[2]) <= 63 for name in ("x" * 80, "x" * 57))

    def test_a_subset_that_does_not_exist_is_named_and_gets_nothing(self) -> None:
        api = istio_api()
        api.objects[RULE] = destination_rule("blue")
        with pytest.raises(Refused, match="the DestinationRule shop has no subset green; it has blue"):
            move(istio(api), SPLIT)
        with pytest.raises(Refused, match="green has no healthy server and would get 40 %"):
            move(istio(api), SPLIT, expect=BLUE.plain())
        del api.objects[RULE]
        assert "there is no DestinationRule shop with the subset blue" in istio(api).observe().trouble

    def test_a_subset_without_ready_endpoints_gets_nothing(self) -> None:
        api = istio_api()
        api.objects[SLICES] = slices(endpoint("b1"), endpoint("g1", False))
        with pytest.raises(Refused, match="green has no healthy server"):
            move(istio(api), SPLIT)
        assert not api.patches

    def test_endpoints_that_are_no_pods_are_unknown_and_do_not_hinder(self) -> None:
        api = istio_api()
        api.objects[SLICES] = slices({"addresses": ["192.0.2.1"], "conditions": {"ready": True}})
        assert istio(api).observe().slots["green"].up is None
        assert move(istio(api), SPLIT)["weights"] == SPLIT.plain()

    def test_slots_may_be_hosts_without_a_destination_rule(self) -> None:
        api = istio_api(
            {"destination": {"host": "shop-blue"}, "weight": 100}, {"destination": {"host": "shop-green"}, "weight": 0}
        )
        del api.objects[RULE]
        api.objects[SLICES] = slices(endpoint("b1"), service="shop-blue") + slices(service="shop-green")
        view = istio(api, slots={"blue": "shop-blue", "green": "shop-green"}).observe()
        assert (view.weights, view.slots["blue"].up, view.slots["green"].up) == (BLUE, True, False)

    @pytest.mark.parametrize(
        ("host", "service"),
        [
            ("shop", ("ns", "shop")),
            ("shop.prod.svc", ("prod", "shop")),
            ("shop.prod.svc.cluster.local", ("prod", "shop")),
            ("shop.prod", None),
            ("shop.example.com", None),
        ],
    )
    def test_a_host_is_the_service_that_istio_takes_it_for(self, host: str, service: tuple[str, str] | None) -> None:
        assert service_of(host, "ns") == service

    def test_tcp_routes_have_no_name(self) -> None:
        api = istio_api()
        api.objects[SHOP]["spec"]["tcp"] = [{"route": [to("blue", 60), to("green", 40)]}]
        assert istio(api, protocol="tcp").observe().weights == SPLIT
        with pytest.raises(ReleaseError, match="a tcp route has no name"):
            istio(api, protocol="tcp", route="main")


class TestConflicts:
    """One object, many writers: what the frame of all three drivers makes of it."""

    @staticmethod
    def label(api: MemoryApi) -> None:
        api.touch(
            SHOP, lambda found: found["metadata"].update(labels={"touched": found["metadata"]["resourceVersion"]})
        )

    @staticmethod
    def weigh(api: MemoryApi) -> None:
        api.touch(SHOP, lambda found: found["spec"]["http"][1]["route"][1].update(weight=5))

    def test_a_change_of_another_part_is_no_reason_to_give_up(self) -> None:
        api = istio_api()
        api.faults += [self.label]
        assert move(istio(api), SPLIT)["changed"] is True
        assert api.objects[SHOP]["metadata"]["labels"] == {"touched": "7"}
        assert len(api.patches) == 2

    def test_a_storm_of_changes_ends_after_eight_attempts_with_nothing_written(self) -> None:
        api = istio_api()
        api.faults += [409] * 20
        with pytest.raises(Refused, match="409"):
            move(istio(api), SPLIT)
        assert len(api.faults) == 12

    def test_a_rule_that_moved_to_another_place_is_found_again(self) -> None:
        api = istio_api(name="main")

        def insert(api: MemoryApi) -> None:
            api.touch(SHOP, lambda found: found["spec"]["http"].insert(0, {"name": "new", "redirect": {}}))

        driver = istio(api)
        view = driver.observe()
        insert(api)
        driver.write(view, SPLIT, 2)
        assert [rule["name"] for rule in api.objects[SHOP]["spec"]["http"]] == ["new", "preview", "main"]
        assert driver.observe().weights == SPLIT

    def test_somebody_else_s_weights_are_never_overwritten(self) -> None:
        api = istio_api()
        driver = istio(api)
        view = driver.observe()
        self.weigh(api)
        with pytest.raises(Refused, match="somebody else changed the weights to the weights are blue 100 / green 5"):
            driver.write(view, SPLIT, 2)

    def test_an_answer_that_was_lost_after_the_write_is_found_in_the_object(self) -> None:
        api = istio_api()
        api.faults += [Unanswered]
        assert move(istio(api), SPLIT, fence=3)["after"]["weights"] == SPLIT.plain()
        assert len(api.patches) == 1

    def test_a_5xx_before_the_write_leads_to_a_second_one(self) -> None:
        api = istio_api()
        api.faults += [500]
        assert move(istio(api), SPLIT, fence=3)["changed"] is True
        assert len(api.patches) == 1  # the first one never reached the object

    def test_a_lost_answer_of_an_object_that_cannot_be_read_is_unknown(self) -> None:
        api = istio_api()
        driver = istio(api)
        view = driver.observe()
        api.faults += [Unanswered]
        api.outages += [503] * 4
        with pytest.raises(Lost, match="and it cannot be read"):
            driver.write(view, SPLIT, 3)

    def test_two_tools_on_one_object_are_told_apart(self) -> None:
        fields = {"f:spec": {"f:http": {}}}
        ours = {"manager": "zerodowntime.bluegreen", "operation": "Update", "time": "2026-11-24T10:00:00Z"}
        argo = {"manager": "argocd-controller", "operation": "Apply", "time": "2026-11-24T10:00:05Z"}
        other = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {}}}
        managed = [{**one, "fieldsV1": fields} for one in (ours, argo)] + [other]
        api = istio_api()
        api.objects[SHOP]["metadata"]["managedFields"] = managed
        assert [one.name for one in owners(api.objects[SHOP], "http")] == [
            "argocd-controller",
            "zerodowntime.bluegreen",
        ]
        assert fighter(owners(api.objects[SHOP], "http")) == "argocd-controller"
        facts = istio(api).observe().facts
        assert (facts["changed_by"], facts["fought_by"]) == ("argocd-controller", "argocd-controller")
        assert re.match("argocd-controller applies spec.http of VirtualService shop/shop.* and will", facts["warning"])
        with pytest.raises(Refused, match="expected blue 90 / green 10; argocd-controller changed them"):
            move(istio(api), SPLIT, expect=Weights(90, 10).plain())


def http_route(blue: int | None = 1, green: int | None = 0, seen: int = 3, **conditions: str) -> Object:
    refs = [
        {"name": f"shop-{slot}", "port": 80, **({} if weight is None else {"weight": weight})}
        for slot, weight in (("blue", blue), ("green", green))
    ]
    told = [
        {"type": name, "status": status, "observedGeneration": seen, "reason": "BackendNotFound", "message": "who?"}
        for name, status in {"Accepted": "True", "ResolvedRefs": "True", **conditions}.items()
    ]
    return {
        "metadata": metadata(),
        "spec": {"rules": [{"matches": [{"path": {"value": "/"}}], "backendRefs": refs}]},
        "status": {"parents": [{"parentRef": {"name": "public"}, "conditions": told}]},
    }


class TestGateway:
    """C(gateway_traffic)."""

    @staticmethod
    def api(route: Object) -> MemoryApi:
        there = slices(endpoint("b1"), service="shop-blue") + slices(endpoint("g1"), service="shop-green")
        return MemoryApi({ROUTE: route, SLICES: there})

    @staticmethod
    def driver(api: MemoryApi, **given: t.Any) -> GatewayTraffic:
        clock = iter(range(1000))
        slots = {"blue": "shop-blue", "green": "shop-green"}
        checked = options(GatewayTraffic, route="shop", slots=slots, **given)
        return GatewayTraffic(checked, api.client(), lambda: float(next(clock)), lambda _seconds: None)

    @pytest.mark.parametrize(
        ("blue", "green", "weights"),
        [(1, 0, BLUE), (None, 0, BLUE), (None, None, Weights(50, 50)), (9, 1, Weights(90, 10)), (60, 40, SPLIT)],
    )
    def test_weights_are_proportions_and_an_absent_one_means_1(
        self, blue: int | None, green: int | None, weights: Weights
    ) -> None:
        assert self.driver(self.api(http_route(blue, green))).observe().weights == weights

    @pytest.mark.parametrize(("blue", "green"), [(0, 0), (2, 1)])
    def test_what_is_no_percent_is_no_state_of_ours(self, blue: int, green: int) -> None:
        view = self.driver(self.api(http_route(blue, green))).observe()
        assert view.weights is None
        assert f"the weights are blue {blue} / green {green}" in view.trouble

    def test_only_weights_and_fence_change(self) -> None:
        api = self.api(http_route())
        before = copy.deepcopy(api.objects[ROUTE])
        move(self.driver(api), SPLIT, fence=2)
        for ref, weight in zip(before["spec"]["rules"][0]["backendRefs"], (60, 40), strict=True):
            ref["weight"] = weight
        before["metadata"].update(annotations={FENCE: "2"}, resourceVersion="8")
        assert api.objects[ROUTE] == before

    @pytest.mark.parametrize(
        ("route", "trouble"),
        [
            (http_route(ResolvedRefs="False"), "Gateway public says ResolvedRefs=False: BackendNotFound who?"),
            (http_route(Programmed="Unknown"), "Gateway public says Programmed=Unknown"),
            (http_route(seen=2), "Gateway public has not seen the route's generation 3 yet"),
            ({**http_route(), "status": {}}, "no Gateway has answered for the route"),
        ],
    )
    def test_what_a_gateway_says_against_the_route_is_trouble(self, route: Object, trouble: str) -> None:
        assert trouble in self.driver(self.api(route)).observe().trouble

    def test_a_move_that_no_gateway_has_seen_in_time_fails_with_its_reason(self) -> None:
        api = self.api(http_route())
        driver = self.driver(api)
        view = driver.observe()
        api.touch(ROUTE, lambda found: found["metadata"].update(generation=4))
        with pytest.raises(ReleaseError, match="wrote blue 60 / green 40, and after 10 s Gateway public has not seen"):
            driver.write(view, SPLIT, 1)

    def test_a_move_waits_until_the_gateway_has_seen_it(self) -> None:
        api = self.api(http_route())
        driver = self.driver(api)
        view = driver.observe()
        api.touch(ROUTE, lambda found: found["metadata"].update(generation=4))
        turns: list[float] = []

        def later(seconds: float) -> None:
            turns.append(seconds)
            if len(turns) == 3:
                api.touch(ROUTE, lambda found: found.update(status=http_route(seen=4)["status"]))

        driver._sleep = later
        driver.write(view, SPLIT, 1)
        assert len(turns) == 3

    def test_a_service_without_ready_endpoints_gets_nothing(self) -> None:
        api = self.api(http_route())
        api.objects[SLICES] = slices(endpoint("b1"), service="shop-blue")
        with pytest.raises(Refused, match="green has no healthy server"):
            move(self.driver(api), SPLIT)

    def test_whole_percents_only(self) -> None:
        assert proportions({"blue": 1, "green": 2}) is None
        assert proportions({"blue": -1, "green": 2}) is None
        assert proportions({"blue": 3, "green": 1}) == Weights(75, 25)


class TestService:
    """C(service_traffic)."""

    @staticmethod
    def api(selector: Object | None = None) -> MemoryApi:
        chosen = {"app": "shop", "version": "blue"} if selector is None else selector
        return MemoryApi(
            {
                SERVICE: {"metadata": metadata(), "spec": {"selector": chosen, "ports": [{"port": 80}]}},
                SLICES: slices(endpoint("b1")),
                PODS: [pod("b1", "blue"), pod("g1", "green"), pod("g2", "green", deletionTimestamp="2026-11-24")],
            }
        )

    @staticmethod
    def driver(api: MemoryApi, follows: bool = True) -> ServiceTraffic:
        clock = iter(range(1000))

        def controller(_seconds: float) -> None:
            if follows:
                slot = api.objects[SERVICE]["spec"]["selector"]["version"]
                api.objects[SLICES] = slices(endpoint(f"{slot[0]}1"))

        checked = options(ServiceTraffic, service="shop")
        return ServiceTraffic(checked, api.client(), lambda: float(next(clock)), controller)

    def test_the_selector_says_who_serves_and_pods_say_who_could(self) -> None:
        view = self.driver(self.api()).observe()
        assert (view.weights, view.trouble, view.slots["green"].ready) == (BLUE, "", 1)

    def test_the_label_and_the_fence_change_and_the_endpoints_are_waited_for(self) -> None:
        api = self.api()
        result = move(self.driver(api), GREEN, fence=3)
        assert (result["after"]["weights"], result["unit"]) == (GREEN.plain(), "connection")
        assert api.objects[SERVICE]["spec"]["selector"] == {"app": "shop", "version": "green"}
        assert api.patches[0][1] == {
            "op": "test",
            "path": "/spec/selector",
            "value": {"app": "shop", "version": "blue"},
        }

    def test_endpoints_that_do_not_follow_fail_the_move(self) -> None:
        with pytest.raises(ReleaseError, match="after 10 s the EndpointSlices of shop have no ready pod of green"):
            move(self.driver(self.api(), follows=False), GREEN)

    def test_a_split_is_refused_in_check_mode_too(self) -> None:
        for check_mode in (False, True):
            api = self.api()
            with pytest.raises(Refused, match="a Service sends all traffic to one slot"):
                move(self.driver(api), SPLIT, check_mode)
            assert not api.patches

    def test_a_slot_without_ready_pods_gets_nothing(self) -> None:
        api = self.api()
        api.objects[PODS][1] = pod("g1", "green", ready=False)
        with pytest.raises(Refused, match="green has no healthy server and would get 100 %"):
            move(self.driver(api), GREEN)

    @pytest.mark.parametrize(
        ("selector", "trouble"),
        [
            ({"app": "shop"}, "the selector has no label version: it takes the pods of both slots"),
            ({"app": "shop", "version": "red"}, "the selector says version=red, which is neither slot"),
        ],
    )
    def test_a_selector_of_other_hands_is_no_state_of_ours(self, selector: Object, trouble: str) -> None:
        view = self.driver(self.api(selector)).observe()
        assert (view.weights, view.trouble) == (None, trouble)


def test_two_slots_of_one_name_are_refused() -> None:
    with pytest.raises(ReleaseError, match="both slots are blue"):
        istio(istio_api(), slots={"blue": "blue", "green": "blue"})
