"""Each factor on hand-made options: what it says when it knows, and that it says unknown when it does not."""

from __future__ import annotations

import pytest

from aigc_bench.core import registry
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.base import Factor, all_factors, judge, scarcest
from aigc_bench.plan.records.demand import Demand, Slo
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import Assessment, Option
from aigc_bench.plan.stats.estimates import estimate
from tests.plan.build import (
    exact,
    make_capability,
    make_demand,
    make_job,
    make_machine,
    make_rules,
    make_service,
    make_site,
    plan_on,
)


def option_of(machine: Machine | None = None, demand: Demand | None = None, placement: str = "pooled") -> Option:
    plan = plan_on(demand or make_demand(), machine=machine or make_machine(), rules=make_rules())
    return next(option for option in plan.options if option.placement == placement)


def interval(low: float, value: float, high: float) -> Estimate:
    return estimate(value, low=low, high=high, unit="W", basis="assumed")


@pytest.mark.parametrize(
    ("required", "available", "headroom", "verdict"),
    [
        (exact(60, "W"), exact(100, "W"), 0.4, "ok"),
        (exact(97, "W"), exact(100, "W"), 0.03, "tight"),
        (exact(91, "W"), exact(100, "W"), 0.09, "tight"),
        (exact(89, "W"), exact(100, "W"), 0.11, "ok"),
        (exact(100, "W"), exact(100, "W"), 0.0, "tight"),
        (interval(50, 60, 110), exact(100, "W"), 0.4, "ok"),
        (exact(120, "W"), exact(100, "W"), -0.2, "short"),
        (exact(1, "W"), exact(0, "W"), None, "short"),
        (exact(0, "W"), exact(0, "W"), None, "ok"),
        (None, exact(100, "W"), None, "unknown"),
        (exact(1, "W"), None, None, "unknown"),
    ],
)
def test_headroom_is_a_plain_fraction_and_decides_the_verdict(
    required: Estimate | None, available: Estimate | None, headroom: float | None, verdict: str
) -> None:
    found = judge(required, available)
    assert found[0] == pytest.approx(headroom) if headroom is not None else found[0] is None
    assert found[1] == verdict


def test_the_scarcest_of_several_pairs_speaks() -> None:
    pairs = {"host": (exact(1, "B"), exact(10, "B")), "device": (exact(9, "B"), exact(10, "B"))}
    assert scarcest(pairs) == "device"
    assert scarcest({}) is None


def test_factors_are_found_by_their_file_names_in_order_and_explain_themselves() -> None:
    found = all_factors()
    assert sorted(found) == sorted(registry.names("factors"))
    assert list(found)[:6] == ["compute", "memory", "network", "storage", "cooling", "power"]
    for name, factor in found.items():
        assert isinstance(factor, Factor)
        assert factor.name == name
        assert all((factor.title, factor.unit, factor.formula, factor.source))


@pytest.mark.parametrize(
    ("factor", "machine", "settled_by"),
    [
        ("network", {"network_bits_per_s": None}, "ethtool"),
        ("storage", {"disk_bytes": None}, "df"),
        ("memory", {"host_memory_bytes": None}, "memory counters"),
    ],
)
def test_what_the_machine_does_not_tell_is_unknown_with_what_would_settle_it(
    factor: str, machine: dict[str, None], settled_by: str
) -> None:
    option = option_of(make_machine(**machine))
    found = option.factors[factor]
    assert (found.verdict, found.available, found.headroom) == ("unknown", None, None)
    assert settled_by in found.why
    assert option.accepted
    assert any(reason.startswith(f"{factor} is unknown") for reason in option.reasons)
    assert factor not in (option.bottleneck, option.next_bottleneck)


@pytest.mark.parametrize(("factor", "site"), [("cooling", {"rack_cooling_w": None}), ("power", {"rack_power_w": None})])
def test_what_the_site_does_not_tell_is_unknown(factor: str, site: dict[str, None]) -> None:
    found = option_of(demand=make_demand(site=make_site(**site))).factors[factor]
    assert found.verdict == "unknown"
    assert found.required is not None


def test_memory_holds_all_services_and_one_job_at_a_time() -> None:
    jobs = (make_job(), make_job(name="second"))
    services = (make_service(), make_service(name="other"))
    found = option_of(demand=make_demand(services=services, jobs=jobs)).factors["memory"]
    assert found.required is not None
    assert found.required.value == pytest.approx(3 * 2e9)
    assert "3 models" in found.why


def test_device_memory_speaks_where_it_is_scarcer_than_the_hosts() -> None:
    peak = exact(15e9, "B")
    capabilities = tuple(make_capability(mode=mode, device_memory_bytes=peak) for mode in ("infer", "train"))
    machine = make_machine(capabilities=capabilities, device_memory_bytes=exact(24e9, "B"))
    pooled, dedicated = (option_of(machine, placement=name) for name in ("pooled", "dedicated"))
    assert pooled.factors["memory"].verdict == "short"
    assert not pooled.accepted
    assert dedicated.factors["memory"].why.startswith("device memory")
    assert dedicated.accepted
    assert dedicated.rank < pooled.rank


def test_a_model_whose_peak_is_not_known_makes_memory_unknown() -> None:
    machine = make_machine(capabilities=(make_capability(host_memory_bytes=None), make_capability(mode="train")))
    assert option_of(machine).factors["memory"].verdict == "unknown"


def test_the_sites_uplink_speaks_where_it_is_the_scarcer() -> None:
    site = make_site(egress_bits_per_s=exact(60_000, "bit/s"))
    found = option_of(demand=make_demand(site=site)).factors["network"]
    assert "uplink" in found.why
    assert found.headroom == pytest.approx(1 - 1000 * 0.05 / 60 * 2 * 4000 * 8 / 60_000)


@pytest.mark.parametrize(("factor", "key"), [("cooling", "rack_cooling_w"), ("power", "rack_power_w")])
def test_a_rack_that_cannot_carry_one_server_is_short(factor: str, key: str) -> None:
    option = option_of(demand=make_demand(site=make_site(**{key: exact(1000, "W")})))
    found: Assessment = option.factors[factor]
    assert found.verdict == "short"
    assert "1 server" in found.why
    assert (option.accepted, option.num_racks, option.bottleneck) == (False, None, factor)


def test_a_service_that_one_request_makes_too_slow_is_refused_and_says_so() -> None:
    plan = plan_on(make_demand(services=(make_service(slo=Slo(latency_s=1.0)),)), machine=make_machine(), rules=make_rules())
    assert plan.recommendation is None
    assert all("more machines do not change that" in option.reasons[0] for option in plan.options)


def test_slices_of_a_server_are_bought_in_whole_servers() -> None:
    machine = make_machine(machines_per_server=exact(96.0, "machines/server"))
    option = option_of(machine)
    assert option.num_machines.value == 6
    assert (option.num_servers, option.num_spares) == (2, 1)
    assert option.factors["compute"].available is not None
    assert option.factors["compute"].available.value == 96


def test_inputs_of_every_factor_are_named_estimates() -> None:
    for found in option_of().factors.values():
        assert found.inputs
        assert all(isinstance(value, Estimate) and name for name, value in found.inputs.items())
