"""Rents are of whole instances; elastic ones follow the hours that are known, in whole replicas."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand.arrival_rates import from_hourly
from aigc_bench.plan.money.instances import paid_instances
from aigc_bench.plan.money.offers import Offer, Term
from aigc_bench.plan.options.assemble import Procurement, make_option
from aigc_bench.plan.options.procurement import best_of_each_term, in_instances, unwanted_rent
from aigc_bench.plan.records.demand import Growth
from aigc_bench.plan.records.machine import Capability, Fleet, Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.sizing.fleets import job_load, service_load
from tests.plan.build import exact, make_capability, make_demand, make_job, make_machine, make_rules, make_service

HOURS = 365.25 * 24
OFFICE = [0.0] * 8 + [600.0] * 8 + [0.0] * 8


def offer(size: float, *, term: Term = "on_demand", usd_per_h: float = 2.0, is_index: bool = False) -> Offer:
    return Offer(
        kind="cloud",
        term=term,
        name=f"a cloud {size:g}x",
        accelerator="a_gpu",
        num_accelerators=size,
        price=exact(usd_per_h, "usd/accelerator-h"),
        unit="usd/accelerator-h",
        is_index=is_index,
    )


def server(*abilities: Capability) -> Machine:
    """Eight accelerators of 40 tokens/s in a server of 8 kW."""
    machine = make_machine(machines_per_server=exact(8.0, "machines/server"), devices_per_server=8)
    return machine.model_copy(update={"capabilities": abilities or (make_capability(),), "peak_power_w": exact(8000.0, "W")})


def option_of(rent: Offer, *, machine: Machine | None = None, hourly: list[float] | None = None) -> Option:
    """166.7 tokens/s at the peak: 4.17 busy accelerators, 5.95 with head-room."""
    service = make_service()
    if hourly is not None:
        arrival = from_hourly(hourly, peak_factor=exact(10.0, "ratio"), source="test")
        service = service.model_copy(update={"arrival": arrival})
    demand = make_demand(services=(service,), jobs=())
    whole = in_instances(machine or server(), rent)
    loads = (service_load(service, whole.capabilities[0]),)
    return make_option(Procurement(machine=whole, placement="shared", offer=rent), loads, demand=demand, rules=make_rules())


@pytest.mark.parametrize(("size", "instances"), [(1, 6), (2, 3), (4, 2), (8, 1)])
def test_whole_instances_are_counted_and_paid(size: float, instances: int) -> None:
    option = option_of(offer(size, term="reserved_1y"))
    assert option.num_servers - option.num_spares == instances
    assert option.num_accelerators == option.num_servers * size
    assert option.opex_usd_per_year.value == pytest.approx(option.num_servers * size * 2.0 * HOURS)


def test_an_instance_draws_and_embodies_its_share_of_a_server() -> None:
    whole = in_instances(server(), offer(2))
    assert whole.peak_power_w.value == 2000.0
    assert whole.embodied_kg.value == 250.0
    assert (whole.devices_per_server, whole.machines_per_server.value) == (2, 2.0)


def test_reserved_instances_are_paid_at_all_hours_and_elastic_ones_by_the_day() -> None:
    reserved = option_of(offer(1, term="reserved_1y"), hourly=OFFICE)
    elastic = option_of(offer(1), hourly=OFFICE)
    usual = option_of(offer(1))
    assert reserved.num_servers == elastic.num_servers == usual.num_servers
    serving, spares = reserved.num_servers - reserved.num_spares, reserved.num_spares
    assert reserved.opex_usd_per_year.value == pytest.approx(reserved.num_servers * 2.0 * HOURS)
    assert usual.opex_usd_per_year.value < reserved.opex_usd_per_year.value
    at_work = (serving * 8 + 1 * 16) / 24 + spares
    assert elastic.opex_usd_per_year.value == pytest.approx(at_work * 2.0 * HOURS)


def test_a_job_alone_rents_its_window_only() -> None:
    demand, rules = make_demand(services=()), make_rules()
    load = job_load(make_job(), make_capability(mode="train", throughput=exact(25.0, "tokens/s")), rules=rules)
    fleet = Fleet(pools=(), serving=3, spares=0)
    assert paid_instances([load], fleet, size=1, term="spot", demand=demand, rules=rules).mean.value == pytest.approx(3 * 8 / 24)
    spared = fleet.model_copy(update={"spares": 1})
    assert paid_instances([load], spared, size=1, term="spot", demand=demand, rules=rules).mean.value == pytest.approx(4 * 8 / 24)


@given(
    st.lists(st.floats(0, 900), min_size=24, max_size=24).filter(lambda day: max(day) > 0), st.sampled_from([1.0, 2.0, 4.0, 8.0])
)
def test_following_the_day_never_costs_more_than_all_hours_nor_less_than_the_busy_machines(day: list[int], size: float) -> None:
    service = make_service().model_copy(update={"arrival": from_hourly(day, peak_factor=exact(1.0, "ratio"), source="test")})
    demand, rules = make_demand(services=(service,), jobs=()), make_rules()
    load = service_load(service, make_capability())
    peak = max(1, -(-load.busy_machines.value / 0.7 // size))
    fleet = Fleet(pools=(), serving=int(peak), spares=1)
    found = paid_instances([load], fleet, size=size, term="on_demand", demand=demand, rules=rules).mean
    assert found.value <= fleet.num_servers
    assert found.value * size >= load.mean_machines.value * (1 - 1e-9)


def test_an_index_is_paid_by_the_accelerator_and_holds_any_replica() -> None:
    capability = make_capability(machines_per_replica=4)
    assert not unwanted_rent(offer(1, is_index=True), server(capability))
    assert unwanted_rent(offer(1), server(capability))
    assert not unwanted_rent(offer(4), server(capability))


def test_a_slice_of_an_accelerator_holds_no_replica() -> None:
    (reason,) = unwanted_rent(offer(1 / 6), server())
    assert "0.17" in reason


def test_of_several_sizes_the_one_that_costs_least_is_the_option_of_its_term() -> None:
    dear_but_small, cheap_but_large = offer(2, usd_per_h=2.0), offer(8, usd_per_h=1.9)
    options = [option_of(one) for one in (dear_but_small, cheap_but_large)]
    (best,) = best_of_each_term(options)
    assert best.tco_usd.value == min(option.tco_usd.value for option in options)


def test_the_cost_line_multiplies_out() -> None:
    (line,) = option_of(offer(4)).costs
    product = 1.0
    for value in line.inputs.values():
        assert isinstance(value, Estimate)
        product *= value.value
    assert line.usd_per_year.value == pytest.approx(product * HOURS)


def test_energy_and_carbon_of_a_rent_by_the_hour_are_of_the_hours_rented() -> None:
    """Idle 8 x 0.2 / 8 kW and 1 kW at work an accelerator (25 and 125 W); 400 g/kWh x 1.5, 125 kg each over three years."""
    elastic, reserved = option_of(offer(1), hourly=OFFICE), option_of(offer(1, term="reserved_1y"), hourly=OFFICE)
    (line,) = elastic.costs
    at_work = line.inputs["instances at work"].value
    assert at_work < elastic.num_servers
    for option, count in ((elastic, at_work), (reserved, float(reserved.num_servers))):
        busy = option.loads[0].mean_machines.value
        idle_w, full_w = 200.0 / 8, 1000.0 / 8
        kwh = (count * idle_w + busy * (full_w - idle_w)) / 1000 * HOURS
        assert option.energy_kwh_per_year is not None and option.carbon_kg is not None
        assert option.energy_kwh_per_year.value == pytest.approx(kwh)
        assert option.carbon_kg.value == pytest.approx(kwh * 1.5 * 0.4 * 3 + count * 1000.0 / 8)


def test_a_job_that_rents_its_window_draws_nothing_outside_it() -> None:
    job = make_job()
    demand = make_demand(services=(), jobs=(job,))
    capability = make_capability(mode="train", throughput=exact(25.0, "tokens/s"))
    whole = in_instances(server(capability), offer(1))
    loads = (job_load(job, capability, rules=make_rules()),)
    option = make_option(Procurement(machine=whole, placement="shared", offer=offer(1)), loads, demand=demand, rules=make_rules())
    assert option.energy_kwh_per_year is not None
    assert option.energy_kwh_per_year.value <= option.num_servers * 0.125 * HOURS * 8 / 24 * (1 + 1e-9)


def test_the_mean_of_a_growing_year_is_rented_hour_by_hour() -> None:
    """Doubling once: the horizon is sized for twice today's peak, of which the mean year asks 1 / ln 2 / 2 of it."""
    growth = Growth(per_year=exact(1.0, "fraction/year"), horizon_years=1.0)
    arrival = from_hourly(OFFICE, peak_factor=exact(10.0, "ratio"), source="test")
    service = make_service().model_copy(update={"arrival": arrival})
    demand = make_demand(services=(service,), jobs=(), growth=growth)
    able = make_capability()
    load = service_load(service, able, growth=growth)
    busy, peak = load.busy_machines.value, load.busy_machines.value / 0.7
    share = [count / max(OFFICE) / math.log(2) / 2 for count in OFFICE]
    hours = [max(1, math.ceil(busy * part + (peak - busy) * math.sqrt(part) - 1e-9)) for part in share]
    fleet = Fleet(pools=(), serving=1000, spares=2)
    found = paid_instances((load,), fleet, size=1, term="on_demand", demand=demand, rules=make_rules()).mean
    assert (found.value, found.unit) == (pytest.approx(sum(hours) / 24 + 2), "instances")


@pytest.mark.parametrize(
    ("term", "rate", "asks"), [("on_demand", 1e4, True), ("on_demand", 1.0, False), ("reserved_1y", 1e4, False)]
)
def test_hundreds_of_accelerators_by_the_hour_need_a_capacity_agreement(term: Term, rate: float, asks: bool) -> None:
    option = option_of(offer(8, term=term), hourly=[60.0 * rate] * 24)
    assert any("agree on the capacity" in reason for reason in option.reasons) == asks
