"""Compute the cost of an option in every scenario: each line's central value times its ratio, and the sums.

The ratio of a line is that of its inputs to their central values::

    hardware      the annuity of the purchase                       electricity   mean draw x tariff
    cooling       mean draw x (PUE - 1) x tariff                    demand        peak x PUE x charge
    space         peak x rent of space                              staff         its own interval
    rent          rent x its drift x paid instances                 API           price of a request x its drift x requests

A line of any other kind is sampled from its own interval.

The sums::

    purchase   servers x price + every other line of the bill, each with its own price draw
    ancillary  share x (hardware + electricity + cooling + space)
    TCO        purchase x (1 - residual share) + (sum of the lines except hardware) x years

At the central values of all inputs the sums are those of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aigc_bench.core.messages import message
from aigc_bench.plan.money.offers import IS_ELASTIC
from aigc_bench.plan.money.ownership import ADDER_BASE, annuities, annuity, residual_of_option
from aigc_bench.plan.placement.room_around import other_mean_w
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import CostLine, Option
from aigc_bench.plan.risk.load_samples import load_samples
from aigc_bench.plan.risk.paid_samples import paid_samples
from aigc_bench.plan.risk.scenarios import LoadSamples, ScenarioContext, Scenarios, price_factor
from aigc_bench.plan.risk.service_rate import demand_samples, items_per_year, mean_growth
from aigc_bench.plan.sizing.fleets import grown
from aigc_bench.plan.stats.distributions import Array

ELASTIC = frozenset(term for term, is_elastic in IS_ELASTIC.items() if is_elastic)


def ratio_of(line: CostSamples) -> Array:
    """Return the line's cost over its central value in every scenario."""
    # Lines of factors (water, third parties') are not known here.
    return RATIOS.get(line.line.key, own_interval)(line)


@dataclass(frozen=True, kw_only=True)
class CostSamples:
    """A cost line of an option in all scenarios."""

    option: Option
    line: CostLine
    context: ScenarioContext
    loads: Sequence[LoadSamples]
    capex: Array

    @property
    def scenarios(self) -> Scenarios:
        """Return the scenarios of its context."""
        return self.context.scenarios

    @property
    def machine(self) -> Machine:
        """Return the machine that the line pays for."""
        assert self.option.machine is not None, "only machines have such a line"
        return self.option.machine


def _hardware(at: CostSamples) -> Array:
    finance = at.context.demand.finance
    rate = at.scenarios.of(message("discount rate"), finance.discount_rate)
    residual = _residual(at.option, at.context)
    capex, share = at.option.capex_usd.value, residual_of_option(at.option, finance).value
    # The plan's own annuity: a ratio of 1 at central values.
    middle = annuity(capex, rate=finance.discount_rate.value, years=finance.life_years, residual=share * capex)
    return annuities(at.capex, rate, residual, years=finance.life_years) / middle if middle else np.ones(at.scenarios.num)


def _residual(option: Option, context: ScenarioContext) -> Array:
    """Return the share of the purchase that is left: the servers' is drawn, the plant's follows from its life."""
    finance = context.demand.finance
    drawn = context.scenarios.of(message("residual value"), finance.residual_share)
    # The blend is linear in the servers' share, so the plant's part is what the central values leave.
    central, servers = residual_of_option(option, finance).value, finance.residual_share.value
    left = finance.plant_left_share.value if finance.plant_left_share is not None else servers
    part = (central - servers) / (left - servers) if left != servers else 0.0
    return np.asarray(drawn * (1 - part) + left * part)


def _electricity(at: CostSamples) -> Array:
    return _mean_watts(at) * at.scenarios.ratio(message("price of electricity"), at.context.demand.site.electricity_usd_per_kwh)


def _cooling(at: CostSamples) -> Array:
    pue = at.context.demand.site.pue
    # A ratio of (PUE - 1), which moves much more than the PUE.
    beyond = np.maximum(at.scenarios.of("PUE", pue) - 1, 0.0) / (pue.value - 1) if pue.value > 1 else np.ones(at.scenarios.num)
    return _electricity(at) * beyond


def _mean_watts(at: CostSamples) -> Array:
    """Return servers x (idle + utilisation x (full - idle)) + the draw of other equipment, over its central value."""
    machine, scenarios, count = at.machine, at.scenarios, max(1, at.option.num_servers)
    idle = scenarios.of(message("idle power of {server}", server=machine.server), machine.idle_power_w)
    full = scenarios.of(message("full power of {server}", server=machine.server), machine.full_power_w)
    size = scenarios.of(message("size of {server}", server=machine.server), machine.machines_per_server)
    # Machines busy in the mean of the year, in every scenario.
    busy = sum((load.mean_machines for load in at.loads), np.zeros(scenarios.num))
    used = np.minimum(1.0, busy / (size * count))
    planned = sum(load.mean_machines.value for load in at.option.loads)
    usual = min(1.0, planned / (machine.machines_per_server.value * count))
    one = machine.idle_power_w.value + usual * max(0.0, machine.full_power_w.value - machine.idle_power_w.value)
    others = other_mean_w(at.option.room, at.context.rules)
    # W of switches and storage, which do not follow the load.
    always = others.value if others else 0.0
    middle = count * one + always
    # The stream keeps the name that its samples were first seeded by.
    load = scenarios.ratio(message("mean draw of switches and storage"), at.context.rules.beside_load, stream="draw beside servers")
    drawn = count * (idle + used * np.maximum(0.0, full - idle)) + always * load
    return np.asarray(drawn / middle) if middle else np.ones(scenarios.num)


def _peak_watts(at: CostSamples) -> Array:
    """Return the ratio of the peak draw: the servers' share is sampled, other equipment counts at its nameplate."""
    machine = at.machine
    servers = machine.peak_power_w.value * at.option.num_servers
    whole = next((one.value for one in at.line.inputs.values() if one.unit == "W"), servers)
    drawn = at.scenarios.of(message("peak power of {server}", server=machine.server), machine.peak_power_w) * at.option.num_servers
    return np.asarray((whole - servers + drawn) / whole) if whole else np.ones(at.scenarios.num)


def _demand_charge(at: CostSamples) -> Array:
    site = at.context.demand.site
    charge = site.demand_charge_usd_per_kw_month
    found = _peak_watts(at) * at.scenarios.ratio("PUE", site.pue)
    return found if charge is None else found * at.scenarios.ratio(message("demand charge"), charge)


def _space(at: CostSamples) -> Array:
    return _peak_watts(at) * at.scenarios.ratio(message("rent of space"), at.context.demand.finance.space_usd_per_kw_month)


def _staff(at: CostSamples) -> Array:
    return at.scenarios.ratio("staff", at.line.usd_per_year)


def _rent(at: CostSamples) -> Array:
    """Return price x drift x paid instances (``risk.paid_instances``); reserved terms pay for all instances."""
    price = next((one for one in at.line.inputs.values() if one.unit == "usd/accelerator-h"), at.line.usd_per_year)
    found = at.scenarios.ratio(message("today's {name}", name=at.line.name), price) * price_factor(
        message("rents of {accelerator}", accelerator=at.option.accelerator),
        drift=at.context.drifts.rent,
        term=at.option.term,
        years=at.context.demand.finance.life_years,
        scenarios=at.scenarios,
    )
    rent = at.option.rent
    if rent is None or at.option.term not in ELASTIC or rent.instances_mean.value <= 0:
        return found
    return found * paid_samples(at.option, at.loads, at.context) / rent.instances_mean.value


def _api(at: CostSamples) -> Array:
    """Return the ratio of an API's price per request.

    A request's price follows its tokens, with output tokens weighted by their price over that of input tokens; for other items it
    follows their number.
    """
    of = at.line.name.rpartition(", ")[2]
    service = at.context.service(of)
    price = at.line.inputs.get(message("price of a request"), at.line.usd_per_year)
    found = at.scenarios.ratio(message("today's price of an API, {of}", of=of), price) * price_factor(
        message("prices of APIs"),
        drift=at.context.drifts.api,
        term="per_use",
        years=at.context.demand.finance.life_years,
        scenarios=at.scenarios,
    )
    if service is None:
        return found
    samples = demand_samples(service, at.scenarios)
    prompt = service.input_tokens.value if service.input_tokens else 0.0
    # In units of input tokens: an output token costs several times as much.
    answer = service.items_per_request.value * (at.context.drifts.output_over_input if prompt else 1.0)
    size = (prompt * samples.prompt + answer * samples.answer) / (prompt + answer) if prompt + answer else 1.0
    middle = service.arrival.peak_requests_per_s.value * service.arrival.duty.value * grown(at.context.demand.growth)[1].value
    requests = samples.requests_per_s * samples.duty * mean_growth(at.context) / middle if middle else 1.0
    return found * size * requests


def own_interval(at: CostSamples) -> Array:
    """Return the ratio of a line of an unknown kind, sampled from its own interval."""
    return at.scenarios.ratio(at.line.name, at.line.usd_per_year)


RATIOS: Mapping[str, Callable[[CostSamples], Array]] = {
    "hardware": _hardware,
    "electricity": _electricity,
    "cooling": _cooling,
    "demand_charge": _demand_charge,
    "space": _space,
    "staff": _staff,
    "rent": _rent,
    "api": _api,
}
"""Function for each kind of line that returns its ratio to the central value."""


ADDERS = "adders"
LEAST = 1e-300


@dataclass(frozen=True, kw_only=True)
class Cost:
    """USD in every scenario; ``yearly`` is the sum of all lines, ``opex`` of those except hardware. ``per_unit`` is by load."""

    capex: Array
    yearly: Array
    opex: Array
    tco: Array
    per_unit: Mapping[str, Array]


def cost_of(option: Option, context: ScenarioContext) -> Cost:
    """Return the cost of an option; of a mixed one the sum over its parts."""
    if option.parts:
        return _added([cost_of(part, context) for part in option.parts])
    loads = load_samples(option, context) if option.machine else ()
    capex = purchase(option, context.scenarios)
    lines = _lines(option, context, loads=loads, capex=capex)
    nothing = np.zeros(context.scenarios.num)
    yearly = sum((usd for _, usd in lines), nothing)
    opex = sum((usd for key, usd in lines if key != "hardware"), nothing)
    finance = context.demand.finance
    lost = 1 - _residual(option, context) if option.capex_usd.value else 1.0
    return Cost(
        capex=capex,
        yearly=yearly,
        opex=opex,
        tco=np.asarray(capex * lost + opex * finance.life_years),
        per_unit=_per_unit(option, context, loads=loads, lines=lines, yearly=yearly),
    )


def _added(parts: Sequence[Cost]) -> Cost:
    return Cost(
        capex=np.sum([part.capex for part in parts], axis=0),
        yearly=np.sum([part.yearly for part in parts], axis=0),
        opex=np.sum([part.opex for part in parts], axis=0),
        tco=np.sum([part.tco for part in parts], axis=0),
        per_unit={name: usd for part in parts for name, usd in part.per_unit.items()},
    )


def purchase(option: Option, scenarios: Scenarios) -> Array:
    """Return the purchase cost: the servers at one price draw, and every other line of the bill at its own."""
    if not option.capex_usd.value or option.machine is None:
        return np.zeros(scenarios.num)
    lines = option.room.bill.lines if option.room else ()
    others = [line for line in lines if line.category != "node" and line.unit_usd is not None and line.count]
    others_usd = sum(line.count * line.unit_usd.value for line in others if line.unit_usd)
    # Of measured machines without a room the whole purchase.
    servers = option.capex_usd.value - others_usd
    found = servers * scenarios.ratio(message("price of {server}", server=option.machine.server), option.machine.price_usd)
    for line in others:
        assert line.unit_usd is not None, "lines without a price were left out"
        found = found + line.count * scenarios.of(message("price of {name}", name=line.name), line.unit_usd)
    return np.asarray(found)


def _lines(option: Option, context: ScenarioContext, *, loads: Sequence[LoadSamples], capex: Array) -> list[tuple[str, Array]]:
    """Return key and USD per year of every line; ancillary costs last, as they are a share of others."""
    found = [
        (
            line.key,
            line.usd_per_year.value * ratio_of(CostSamples(option=option, line=line, context=context, loads=loads, capex=capex)),
        )
        for line in option.costs
        if line.key != ADDERS
    ]
    base = sum((usd for key, usd in found if key in ADDER_BASE), np.zeros(context.scenarios.num))
    middle = sum(line.usd_per_year.value for line in option.costs if line.key in ADDER_BASE)
    for line in option.costs:
        if line.key == ADDERS and middle:
            share = context.scenarios.ratio(message("ancillary costs"), context.demand.finance.adders_share, stream=ADDERS)
            found.append((line.key, line.usd_per_year.value * share * base / middle))
    return found


def _per_unit(
    option: Option, context: ScenarioContext, *, loads: Sequence[LoadSamples], lines: Sequence[tuple[str, Array]], yearly: Array
) -> dict[str, Array]:
    """Return USD per item of each load whose unit cost the option states; a load pays for its share of busy machine-time."""
    if option.kind == "api":
        return _per_called_unit(option, context, lines=lines)
    # A scenario without load must not divide by zero.
    busy = np.maximum(sum((load.mean_machines for load in loads), np.zeros(context.scenarios.num)), LEAST)
    return {
        load.name: yearly * load.mean_machines / busy / np.maximum(load.items_per_year, LEAST)
        for load in loads
        if load.name in option.usd_per_unit
    }


def _per_called_unit(option: Option, context: ScenarioContext, *, lines: Sequence[tuple[str, Array]]) -> dict[str, Array]:
    """Return the per-unit cost of an API option, which has one line of calls for each service."""
    found = {}
    for line, (_, usd) in zip(option.costs, lines, strict=True):
        service = context.service(line.name.rpartition(", ")[2])
        if line.key == "api" and service is not None:
            found[service.name] = usd / np.maximum(items_per_year(service, context), LEAST)
    return found
