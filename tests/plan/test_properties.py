"""What must hold of every plan, whatever the demand."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.stats.estimates import estimate, scaled
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

quick = settings(deadline=None, max_examples=40)
RATES = st.floats(1, 1e5)


def plan_of(demand: Demand, machine: Machine | None = None) -> Plan:
    return plan_on(demand, machine=machine or make_machine(), rules=make_rules())


def best(demand: Demand, machine: Machine | None = None) -> Option:
    return plan_of(demand, machine).options[0]


@quick
@given(RATES, st.floats(1.0, 10.0), st.floats(1e4, 1e8), st.sampled_from([1.0, 0.5, 8.0, 96.0]))
def test_more_demand_never_needs_fewer_machines(users: float, factor: float, items: float, size: float) -> None:
    machine = make_machine(machines_per_server=exact(size, "machines/server"))
    demands = (
        make_demand(services=(make_service(users=users * f),), jobs=(make_job(items=exact(items * f, "tokens")),))
        for f in (1.0, factor)
    )
    fewer, more = ({option.placement: option for option in plan_of(demand, machine).options} for demand in demands)
    for placement in ("pooled", "dedicated"):
        assert more[placement].num_servers >= fewer[placement].num_servers
        assert more[placement].num_machines.value >= fewer[placement].num_machines.value


@quick
@given(RATES, st.floats(1.0, 3.0))
def test_a_higher_price_pue_or_tariff_never_lowers_any_cost(users: float, factor: float) -> None:
    base = make_demand(services=(make_service(users=users),))
    site = base.site
    hot, costly = (
        base.model_copy(update={"site": site.model_copy(update={name: scaled(getattr(site, name), factor)})})
        for name in ("pue", "electricity_usd_per_kwh")
    )
    dearer = [(hot, make_machine()), (costly, make_machine()), (base, make_machine(price_usd=exact(10_000 * factor, "usd")))]
    cheap = best(base)
    for demand, machine in dearer:
        dear = best(demand, machine)
        assert dear.tco_usd.value >= cheap.tco_usd.value * (1 - 1e-12)
        assert all(dear.usd_per_unit[name].value >= unit.value * (1 - 1e-12) for name, unit in cheap.usd_per_unit.items())


@quick
@given(RATES, st.floats(1e8, 1e12), st.floats(100.0, 20_000.0), st.floats(1e6, 1e11))
def test_headroom_is_never_negative_in_an_accepted_option(users: float, memory: float, rack_w: float, link: float) -> None:
    machine = make_machine(host_memory_bytes=exact(memory, "B"), network_bits_per_s=exact(link, "bit/s"))
    site = make_site(rack_power_w=exact(rack_w, "W"), rack_cooling_w=exact(rack_w, "W"))
    for option in plan_of(make_demand(services=(make_service(users=users),), site=site), machine).options:
        short = [name for name, factor in option.factors.items() if factor.headroom is not None and factor.headroom < 0]
        assert option.accepted == (not short)
        assert all(any(reason.startswith(name) for reason in option.reasons) for name in short)


@quick
@given(st.lists(RATES, min_size=1, max_size=5), st.floats(1e3, 1e8))
def test_the_costs_of_all_loads_add_up_to_the_years_total(rates: list[float], items: float) -> None:
    services = tuple(make_service(users=rate, name=f"s{i}") for i, rate in enumerate(rates))
    plan = plan_of(make_demand(services=services, jobs=(make_job(items=exact(items, "tokens")),)))
    for option in plan.options:
        yearly = math.fsum(line.usd_per_year.value for line in option.costs)
        paid = math.fsum(option.usd_per_unit[load.name].value * load.items_per_year.value for load in plan.loads)
        assert paid == pytest.approx(yearly)
        assert option.opex_usd_per_year.value == pytest.approx(yearly - option.costs[0].usd_per_year.value)


@quick
@given(RATES)
def test_a_faster_machine_never_needs_more_of_them(users: float) -> None:
    demand = make_demand(services=(make_service(users=users),), jobs=())
    slow, fast = (
        best(demand, make_machine(capabilities=(make_capability(throughput=exact(rate, "tokens/s")),))) for rate in (40.0, 80.0)
    )
    assert fast.num_servers <= slow.num_servers


def test_no_demand_costs_nothing() -> None:
    plan = plan_of(make_demand(services=(make_service(users=0.0),), jobs=()))
    option = plan.options[0]
    assert (option.num_servers, option.num_racks, option.capex_usd.value, option.tco_usd.value) == (0, 0, 0.0, 0.0)
    assert option.accepted
    assert option.usd_per_unit == {}
    assert {name: factor.verdict for name, factor in option.factors.items()} == dict.fromkeys(option.factors, "ok")


def test_an_empty_demand_and_an_unmeasured_one_are_answered() -> None:
    assert plan_of(make_demand(services=(), jobs=())).options[0].num_servers == 0
    plan = plan_of(make_demand(services=(make_service(workload="vae"),), jobs=()))
    assert plan.loads == ()
    assert "no finished case of vae in mode infer" in plan.unplanned[0].reason


def test_an_enormous_demand_is_counted_and_stays_finite() -> None:
    plan = plan_of(make_demand(services=(make_service(users=1e18),)))
    text = plan.model_dump_json()
    assert plan.options[0].num_servers > 1e15
    assert "Infinity" not in text
    assert "NaN" not in text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@quick
@given(RATES, st.floats(0.3, 1.0), st.floats(1.0, 3.0))
def test_every_estimate_of_a_plan_holds_its_value_and_names_its_basis(users: float, down: float, up: float) -> None:
    wide = estimate(40.0, low=40 * down, high=40 * up, unit="tokens/s", basis="measured")
    machine = make_machine(capabilities=(make_capability(throughput=wide), make_capability(mode="train", throughput=wide)))
    for found in walk(plan_of(make_demand(services=(make_service(users=users),)), machine).model_dump()):
        assert found["low"] <= found["value"] <= found["high"]
        assert found["unit"]
        assert found["basis"] in Estimate.model_fields["basis"].annotation.__args__  # type: ignore[union-attr]


def walk(node: object) -> list[dict[str, float]]:
    if isinstance(node, dict):
        if "value" in node and "basis" in node:
            return [node]
        return [found for value in node.values() for found in walk(value)]
    return [found for value in node for found in walk(value)] if isinstance(node, list | tuple) else []


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert plan_of(make_demand()).model_dump_json() == plan_of(make_demand()).model_dump_json()
