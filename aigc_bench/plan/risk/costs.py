"""Cost of an option in every scenario: each line's central value times its ratio (``cost_lines``), and the sums.

    purchase   servers x price + every other line of the bill, each with its own price draw
    adders     share x (hardware + electricity + cooling + space)
    TCO        purchase x (1 - residual share) + (sum of the lines except hardware) x years

At the central values of all inputs the sums are those of the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aigc_bench.plan.money.ownership import ADDER_BASE
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.cost_lines import Line, ratio_of
from aigc_bench.plan.risk.demand_samples import items_per_year
from aigc_bench.plan.risk.load_samples import load_samples
from aigc_bench.plan.risk.scenario_context import LoadSamples, ScenarioContext
from aigc_bench.plan.risk.scenarios import Scenarios
from aigc_bench.plan.stats.distributions import Array

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
    lost = 1 - context.scenarios.of("residual value", finance.residual_share) if option.capex_usd.value else 1.0
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
    servers = option.capex_usd.value - others_usd
    found = servers * scenarios.ratio(f"price of {option.machine.server}", option.machine.price_usd)
    for line in others:
        assert line.unit_usd is not None, "lines without a price were left out"
        found = found + line.count * scenarios.of(f"price of {line.name}", line.unit_usd)
    return np.asarray(found)


def _lines(option: Option, context: ScenarioContext, *, loads: Sequence[LoadSamples], capex: Array) -> list[tuple[str, Array]]:
    """Return key and USD per year of every line; adders last, as they are a share of others."""
    found = [
        (line.key, line.usd_per_year.value * ratio_of(Line(option=option, line=line, context=context, loads=loads, capex=capex)))
        for line in option.costs
        if line.key != ADDERS
    ]
    base = sum((usd for key, usd in found if key in ADDER_BASE), np.zeros(context.scenarios.num))
    middle = sum(line.usd_per_year.value for line in option.costs if line.key in ADDER_BASE)
    for line in option.costs:
        if line.key == ADDERS and middle:
            share = context.scenarios.ratio("adders", context.demand.finance.adders_share)
            found.append((line.key, line.usd_per_year.value * share * base / middle))
    return found


def _per_unit(
    option: Option, context: ScenarioContext, *, loads: Sequence[LoadSamples], lines: Sequence[tuple[str, Array]], yearly: Array
) -> dict[str, Array]:
    """Return USD per item of each load whose unit cost the option states; a load pays for its share of busy machine-time."""
    if option.kind == "api":
        return _per_called_unit(option, context, lines=lines)
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
