"""Build the steps of cost and emissions: cost lines, totals, unit cost, energy, carbon."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.bill import add_purchase
from aigc_bench.plan.explain.named_inputs import add_input
from aigc_bench.plan.explain.place import Below
from aigc_bench.plan.explain.step import slug
from aigc_bench.plan.money.option_cost import HOURS_PER_YEAR
from aigc_bench.plan.records.cost_line import CostLine
from aigc_bench.plan.stats.estimates import scaled, times

YEARS, RATE, RESIDUAL = "demand.finance.life_years", "demand.finance.discount_rate", "demand.finance.residual_share"
ADDERS = "demand.finance.adders_share"
FOOTPRINT = (
    ("carbon_operation_kg", "operational greenhouse gases over the life"),
    ("carbon_making_kg", "embodied greenhouse gases of the servers"),
)
ENERGY = "(running servers x (idle + utilisation x (full - idle)) + mean power of switches and storage) x hours"
LINES: Mapping[str, str] = {
    "electricity": "{0} * {1}",
    "cooling": "{0} * {1}",
    "demand_charge": "{0} * {1} * {2} * 12 / 1000",
    "space": "{0} * {1} * 12 / 1000",
    "water": "{0} * {1} / 1000",
    "maintenance": "{0} * {1}",
    "egress": "{0} * {1}",
    "storage": "{0} * {1} * 12",
    "rent": f"{{0}} * {{1}} * {{2}} * {HOURS_PER_YEAR:g}",
    "api": "{0} * {1}",
}
"""Arithmetic of a cost line over its inputs in their order (``money.opex``, ``cost``, ``apis``)."""


def add_money(below: Below) -> None:
    """Add the steps of energy and cost, then of carbon."""
    is_rented = below.option.kind == "cloud"
    if not is_rented:
        _add_energy(below, at_work=below.key("num_servers"))
    add_purchase(below)
    lines = line_keys(below)
    for key, line in zip(lines, below.option.costs, strict=True):
        _add_line(below, line, key=key)
    if is_rented:
        _add_energy(below, at_work=_servers_at_work(below))
    _add_totals(below, lines)
    _add_units(below, lines)
    _add_carbon(below)


def line_keys(below: Below) -> list[str]:
    """Return the keys of the cost lines; a repeated key takes the number of its line."""
    found: list[str] = []
    for number, line in enumerate(below.option.costs):
        key = below.key("costs", line.key)
        found.append(f"{key}.{number}" if key in found else key)
    return found


def _add_line(below: Below, line: CostLine, *, key: str) -> None:
    if line.key == "hardware":
        _add_hardware(below, line, key=key)
        return
    if line.key == "adders":
        _add_adders(below, line, key=key)
        return
    if line.key == "staff" and not line.inputs:
        below.trail.same(key, line.name, line.usd_per_year, as_="demand.finance.staff_usd_per_year")
        return
    owner = line.name.rpartition(", ")[2]
    inputs = [add_input(below, f"{key}.{slug(name)}", name, value, of=owner) for name, value in line.inputs.items()]
    arithmetic = line.arithmetic or LINES.get(line.key)
    below.trail.computed(key, line.name, line.usd_per_year, formula=line.formula, inputs=inputs, arithmetic=arithmetic)


def _add_hardware(below: Below, line: CostLine, *, key: str) -> None:
    """Add the annuity of the purchase; without interest an equal share of every year."""
    plain = below.demand.finance.discount_rate.value == 0
    annuity = "{0} * (1 - {2} / (1 + {1}) ** {3}) * {1} / (1 - (1 + {1}) ** -{3})"
    below.trail.computed(
        key,
        line.name,
        line.usd_per_year,
        formula=line.formula,
        inputs=(below.key("capex_usd"), RATE, RESIDUAL, YEARS),
        arithmetic="{0} * (1 - {2}) / {3}" if plain else annuity,
    )


def _add_adders(below: Below, line: CostLine, *, key: str) -> None:
    """Add a share of the lines that this line names as its inputs."""
    names = {one.name: found for found, one in zip(line_keys(below), below.option.costs, strict=True)}
    of = Inputs()
    base = of.plus(names[name] for name in line.inputs if name in names)
    below.trail.computed(
        key,
        line.name,
        line.usd_per_year,
        formula=line.formula,
        inputs=(*of.keys, ADDERS),
        arithmetic=f"{base} * {{{len(of.keys)}}}",
    )


def _add_totals(below: Below, lines: list[str]) -> None:
    option, trail, of = below.option, below.trail, Inputs()
    running = [key for key, line in zip(lines, option.costs, strict=True) if line.key != "hardware"]
    opex = option.opex_usd_per_year
    words = of.plus(running)
    yearly = trail.computed(
        below.key("opex_usd_per_year"),
        "running cost per year",
        opex,
        formula=opex.source or "sum of the lines",
        inputs=of.keys,
        arithmetic=words,
    )
    is_bought = option.kind not in ("cloud", "api")
    trail.computed(
        below.key("tco_usd"),
        "total cost over the life",
        option.tco_usd,
        formula=option.tco_usd.source or "capex x (1 - residual) + opex x years",
        inputs=(below.key("capex_usd"), RESIDUAL, yearly, YEARS) if is_bought else (yearly, YEARS),
        arithmetic="{0} * (1 - {1}) + {2} * {3}" if is_bought else "{0} * {1}",
    )


def _add_units(below: Below, lines: list[str]) -> None:
    for name, value in below.option.usd_per_unit.items():
        key, title = below.key("usd_per_unit", name), f"cost per {value.unit.partition('/')[2]}, {name}"
        if below.option.kind == "api":
            line = next(key for key, line in zip(lines, below.option.costs, strict=True) if line.name == f"API calls, {name}")
            price = next(one for one in below.trail[line].inputs if not one.endswith("requests_a_year"))
            inputs = (price, *below.demanded(name, "items_per_request"))
            words = "price per request / items per request"
            below.trail.computed(key, title, value, formula=words, inputs=inputs, arithmetic="{0} / {1}")
        else:
            of = Inputs()
            arithmetic = _share(below, of, of.plus(lines), name=name)
            words = "cost per year x share of the busy machine-time / units per year"
            below.trail.computed(key, title, value, formula=words, inputs=of.keys, arithmetic=arithmetic)


def _share(below: Below, of: Inputs, yearly: str, *, name: str) -> str:
    """Return a yearly total per unit of a load, by its share of the busy machine-time, as arithmetic."""
    mine, units = of(below.load(name, "mean_machines")), of(below.load(name, "items_per_year"))
    return f"{yearly} * {mine} / {below.mean_busy(of)} / {units}"


def _servers_at_work(below: Below) -> str:
    """Return the key of the mean number of running servers: of a rent the instances that are paid."""
    return below.key("costs", "rent", "instances_at_work") if below.option.kind == "cloud" else below.key("num_servers")


def _add_energy(below: Below, *, at_work: str) -> None:
    energy = below.option.energy_kwh_per_year
    if energy is None:
        return
    of = Inputs()
    idle, full = of(below.key("machine", "idle_power_w")), of(below.key("machine", "full_power_w"))
    servers, others = of(at_work), of(below.key("mean_beside_servers_w"))
    size = of(below.key("machine", "machines_per_server"))
    busy = f"min(1, {below.mean_busy(of)} / ({servers} * {size}))" if below.trail[at_work].value.value else "0"
    words = f"({servers} * ({idle} + {busy} * max(0, {full} - {idle})) + {others}) * {HOURS_PER_YEAR:g} / 1000"
    below.trail.computed(
        below.key("energy_kwh_per_year"),
        "IT energy per year",
        energy,
        formula=ENERGY,
        inputs=of.keys,
        arithmetic=words,
    )


def _add_carbon(below: Below) -> None:
    option, trail = below.option, below.trail
    if option.carbon_kg is None:
        return
    _add_footprint(below)
    whole = trail.computed(
        below.key("carbon_kg"),
        "greenhouse gases over the life",
        option.carbon_kg,
        formula="operational over the life + embodied",
        inputs=[below.key(name) for name, _ in FOOTPRINT],
        arithmetic="{0} + {1}",
    )
    for name, value in option.carbon_kg_per_unit.items():
        of = Inputs()
        words = _share(below, of, f"{of(whole)} / {of(YEARS)}", name=name)
        trail.computed(
            below.key("carbon_kg_per_unit", name),
            f"greenhouse gases per {value.unit.partition('/')[2]}, {name}",
            value,
            formula="total per year x share of the busy machine-time / units per year",
            inputs=of.keys,
            arithmetic=words,
        )


def _add_footprint(below: Below) -> None:
    """Add operational greenhouse gases over the life, and embodied ones."""
    option, site, years = below.option, below.demand.site, below.demand.finance.life_years
    energy, machine, servers = option.energy_kwh_per_year, option.machine, _servers_at_work(below)
    if energy is None or machine is None:
        return
    running = scaled(times(energy, site.pue, site.grid_g_per_kwh, unit="kgCO2e"), years / 1000)
    below.trail.computed(
        below.key(FOOTPRINT[0][0]),
        FOOTPRINT[0][1],
        running,
        formula="kWh of IT per year x PUE x grid g/kWh / 1000 x years",
        inputs=(below.key("energy_kwh_per_year"), "demand.site.pue", "demand.site.grid_g_per_kwh", YEARS),
        arithmetic="{0} * {1} * {2} / 1000 * {3}",
    )
    below.trail.computed(
        below.key(FOOTPRINT[1][0]),
        FOOTPRINT[1][1],
        scaled(machine.embodied_kg, below.trail[servers].value.value, unit="kgCO2e"),
        formula="running servers x embodied carbon per server",
        inputs=(servers, below.key("machine", "embodied_kg")),
        arithmetic="{0} * {1}",
    )
