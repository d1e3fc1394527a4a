"""Cost intervals hold 80 % of scenarios sampled independently and computed with the plain formulae of owning and renting."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.demand.arrival_rates import from_users
from aigc_bench.plan.money.instances import paid_instances
from aigc_bench.plan.money.offers import Offer
from aigc_bench.plan.money.option_cost import Money, money, rented
from aigc_bench.plan.options.assemble import Procurement, make_option
from aigc_bench.plan.placement.room_around import other_mean_w
from aigc_bench.plan.records.demand import Arrival, Demand, Site
from aigc_bench.plan.records.machine import Fleet, Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.analysis import context_of
from aigc_bench.plan.risk.costs import cost_of
from aigc_bench.plan.risk.probabilities import interval, sampled_option
from aigc_bench.plan.risk.scenarios import Middle
from aigc_bench.plan.site.room import Room, RoomNeed, make_room
from aigc_bench.plan.stats.estimates import estimate
from tests.plan.risk.cases import (
    DRIFTS,
    a_ground,
    an_option,
    loads_of,
    rent_offer,
    uncertain_demand,
    uncertain_machine,
    uncertain_rules,
)  # fmt: skip

SCENARIOS = 1000
SEED = 20_261_128
Z_P90 = 1.2815515655446004


def one_draw(value: Estimate, random: np.random.Generator) -> Estimate:
    """A figure of one scenario: its interval is P10 to P90, each side lognormal."""
    z = float(random.standard_normal())
    side = value.high / value.value if z > 0 else value.value / value.low
    drawn = value.value * math.exp(z / Z_P90 * math.log(side))
    return estimate(min(drawn, 1.0) if value.unit == "fraction" else drawn, unit=value.unit, basis="assumed", source="a scenario")


def at_least_one(pue: Estimate) -> Estimate:
    """No room draws less than its machines."""
    return pue.model_copy(update=dict.fromkeys(("low", "value", "high"), max(1.0, pue.value)))


def a_scenario(record: Any, random: np.random.Generator) -> Any:
    """The record with every figure in it sampled independently."""
    if isinstance(record, Estimate):
        return one_draw(record, random)
    if isinstance(record, Arrival):
        parts = {name.replace(" ", "_"): one_draw(part, random) for name, part in record.parts.items()}
        return from_users(
            users=parts["users"],
            active_share=parts["active_share"],
            requests_per_minute=parts["requests_a_minute"],
            peak_factor=parts["peak_factor"],
            duty=one_draw(record.duty, random),
        )
    if isinstance(record, Site):
        site = {name: a_scenario(getattr(record, name), random) for name in Site.model_fields}
        return record.model_copy(update={**site, "pue": at_least_one(site["pue"])})
    if isinstance(record, Record):
        return record.model_copy(update={name: a_scenario(getattr(record, name), random) for name in type(record).model_fields})
    return tuple(a_scenario(one, random) for one in record) if isinstance(record, tuple) else record


def drawn(random: np.random.Generator) -> tuple[Demand, Machine, Rules]:
    return a_scenario(uncertain_demand(), random), a_scenario(uncertain_machine(), random), a_scenario(uncertain_rules(), random)


def bought(option: Option, random: np.random.Generator) -> Money:
    demand, machine, rules = drawn(random)
    loads = loads_of(demand, machine, rules)
    room = option.room.model_copy(update={"bill": a_scenario(option.room.bill, random)}) if option.room else None
    return money(
        loads,
        num_servers=option.num_servers,
        machine=machine,
        site=demand.site,
        finance=demand.finance,
        room=room,
        other_w=other_mean_w(room, rules),
    )


def mean_of_a_walk(sigma: float, random: np.random.Generator, *, years: float, locked_years: float) -> float:
    """Mean price over today's, renegotiated at the start of every term."""
    log, prices = 0.0, []
    for _ in range(round(years / locked_years)):
        prices.append(math.exp(log))
        log += sigma * math.sqrt(locked_years) * float(random.standard_normal())
    return sum(prices) / len(prices)


def rent(option: Option, random: np.random.Generator, *, offer: Offer, locked_years: float) -> Money:
    demand, machine, rules = drawn(random)
    assert offer.price is not None
    factor = mean_of_a_walk(one_draw(DRIFTS.rent, random).value, random, years=3.0, locked_years=locked_years)
    price = estimate(one_draw(offer.price, random).value * factor, unit=offer.price.unit, basis="assumed", source="a scenario")
    loads = loads_of(demand, machine, rules)
    fleet = Fleet(pools=option.pools, serving=option.num_servers - option.num_spares, spares=option.num_spares)
    size = machine.machines_per_server.value
    return rented(
        loads,
        offer.model_copy(update={"price": price}),
        instances=paid_instances(loads, fleet, size=size, term=offer.term, demand=demand, rules=rules),
        num_servers=option.num_servers,
        machine=machine,
        finance=demand.finance,
    )


def share_within(ends: Estimate, values: list[float]) -> float:
    return float(np.mean([ends.low <= value <= ends.high for value in values]))


def check(option: Option, scenario: Callable[[np.random.Generator], Money]) -> None:
    random = np.random.default_rng(SEED)
    truth = [scenario(random) for _ in range(SCENARIOS)]
    cost = sampled_option(option, a_ground()).cost
    figures = (
        (option.tco_usd, cost.tco, [one.tco_usd.value for one in truth]),
        (option.opex_usd_per_year, cost.opex, [one.opex_usd_per_year.value for one in truth]),
        (option.usd_per_unit["chat"], cost.per_unit["chat"], [one.usd_per_unit["chat"].value for one in truth]),
    )
    for value, scenarios, values in figures:
        covered = share_within(interval(value, scenarios, scenarios.size), values)
        assert 0.76 <= covered <= 0.84, f"{covered:.1%} of scenarios are within the interval of {value.unit}"
        assert np.median(values) == pytest.approx(float(np.median(scenarios)), rel=0.1), (
            "within twice the error of 1,000 wide draws"
        )


def test_the_interval_of_a_purchase_holds_80_percent_of_independent_scenarios() -> None:
    option = an_option()
    check(option, lambda random: bought(option, random))


def test_the_interval_of_a_purchase_with_its_whole_room_holds_80_percent_of_independent_scenarios() -> None:
    catalogue = load_catalogue(with_user_files=False)
    server = next(one for one in catalogue.servers.values() if one.gpu_id == "h100_sxm_80gb" and one.price and one.max_power_w)

    def room(num_servers: int) -> Room:
        need = RoomNeed(num_servers=num_servers, room="air_open", is_built=True)
        return make_room(server, need, catalogue=catalogue, on=date(2026, 11, 1))

    demand, machine, rules = uncertain_demand(), uncertain_machine(), uncertain_rules()
    procurement = Procurement(machine=machine, placement="shared", make_room=room)
    option = make_option(procurement, loads_of(demand, machine, rules), demand=demand, rules=rules)
    assert option.room is not None and option.capex_usd.value > 1.5 * option.num_servers * machine.price_usd.value
    check(option, lambda random: bought(option, random))


@pytest.mark.parametrize(("term", "locked_years"), [("on_demand", 0.25), ("reserved_1y", 1.0), ("reserved_3y", 3.0)])
def test_the_interval_of_a_rent_holds_80_percent_of_independent_scenarios(term: str, locked_years: float) -> None:
    offer = rent_offer(term)
    option = an_option(offer=offer)
    check(option, lambda random: rent(option, random, offer=offer, locked_years=locked_years))


@pytest.mark.parametrize("offer", [None, rent_offer(), rent_offer("reserved_1y")])
def test_at_the_central_value_of_all_inputs_the_cost_is_the_sum_of_the_lines(offer: Offer | None) -> None:
    option = an_option(offer=offer)
    context = context_of(uncertain_demand(), uncertain_rules(), DRIFTS, num=1)
    middle = type(context)(demand=context.demand, rules=context.rules, scenarios=Middle(), drifts=DRIFTS)
    cost = cost_of(option, middle)
    assert cost.yearly[0] == pytest.approx(sum(line.usd_per_year.value for line in option.costs))
    assert cost.tco[0] == pytest.approx(option.tco_usd.value)
    assert cost.capex[0] == pytest.approx(option.capex_usd.value)
    assert cost.per_unit["chat"][0] == pytest.approx(option.usd_per_unit["chat"].value)


def test_sampled_intervals_are_narrower_than_summed_intervals() -> None:
    option = an_option()
    ends = interval(option.tco_usd, sampled_option(option, a_ground()).cost.tco, 2048)
    assert ends.value == option.tco_usd.value
    assert ends.high - ends.low < 0.8 * (option.tco_usd.high - option.tco_usd.low)


def test_a_line_of_an_unknown_kind_is_sampled_from_its_own_interval() -> None:
    option = an_option()
    odd = option.costs[-1].model_copy(update={"key": "insurance", "name": "insurance"})
    wider = option.model_copy(update={"costs": (*option.costs, odd)})
    before, after = (cost_of(one, a_ground()).opex for one in (option, wider))
    assert np.median(after - before) == pytest.approx(odd.usd_per_year.value, rel=0.05)
    assert np.quantile(after - before, 0.9) == pytest.approx(odd.usd_per_year.high, rel=0.05)
