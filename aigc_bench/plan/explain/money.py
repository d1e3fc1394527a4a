"""The steps of what an option costs and emits: bill, cost lines, purchase, total, a unit, energy, carbon, probabilities."""

from __future__ import annotations

from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand import Demand
from aigc_bench.plan.explain.named_inputs import computed_of, spread
from aigc_bench.plan.explain.step import Trail, counted, slug
from aigc_bench.plan.money.opex import CostLine
from aigc_bench.plan.records import Option

NOTHING_BOUGHT = "nothing is bought"
OUT_OF_MEMORY = "that a lognormal peak within its interval lies above the usable memory, of any load"
COUNT_WORDS = {
    "node": "servers of the option",
    "nic": "servers x NICs of one",
    "switch": "ports of all servers over the ports of a switch, in leaves and spines",
    "cable": "links of the networks, two ends each",
    "spare": "share of what is bought",
    "rack": "racks of the layout",
    "power": "racks x feeds, or load over the size of a module with its redundancy",
    "cooling": "heat over the size of a unit, with its redundancy",
    "storage": "bytes that are kept over those of a node",
}


def add_money(trail: Trail, option: Option, demand: Demand, *, at: str) -> None:
    """Steps of money, then of energy and carbon, below the option ``at``."""
    _add_energy(trail, option, at=at)
    bill = _add_bill(trail, option, at=at)
    _add_purchase(trail, option, at=at, bill=bill)
    lines = _add_lines(trail, option, at=at)
    _add_totals(trail, option, at=at, lines=lines)
    _add_units(trail, option, demand, at=at, lines=lines)
    _add_carbon(trail, option, at=at)
    add_chances(trail, option, at=at)


def _add_bill(trail: Trail, option: Option, *, at: str) -> list[str]:
    """Count, price of one and price of all of each line; the keys of those that are paid beside the servers."""
    paid = []
    for line in option.room.bill.lines if option.room else ():
        key = f"{at}.bill.{line.key}"
        words = line.note or COUNT_WORDS[line.category]
        count = trail.computed(
            f"{key}.count",
            f"count: {line.name}",
            counted(line.count, "pieces", words),
            formula=words,
            inputs=(f"{at}.num_servers",),
        )
        if line.unit_usd is not None and line.usd is not None:
            each = trail.leaf(
                f"{key}.unit_usd", f"price of one: {line.name}", line.unit_usd, source=line.unit_usd.source or line.source
            )
            total = trail.computed(f"{key}.usd", line.name, line.usd, formula="count x price of one", inputs=(count, each))
            paid += [total] if line.category != "node" and line.count else []
    return paid


def _add_purchase(trail: Trail, option: Option, *, at: str, bill: list[str]) -> None:
    capex, key = option.capex_usd, f"{at}.capex_usd"
    if option.kind in ("cloud", "api"):
        trail.leaf(key, "purchase", capex, source=NOTHING_BOUGHT)
        return
    inputs = (f"{at}.num_servers", f"{at}.machine.price_usd", *bill)
    trail.computed(key, "purchase", capex, formula=capex.source or "servers x price", inputs=inputs)


def _add_lines(trail: Trail, option: Option, *, at: str) -> list[str]:
    found = []
    for number, line in enumerate(option.costs):
        key = f"{at}.costs.{line.key}"
        if key in trail:
            key = f"{key}.{number}"
        inputs = _fed(trail, line, key=key, at=at)
        found.append(trail.computed(key, line.name, line.usd_per_year, formula=line.formula, inputs=inputs))
    return found


def _fed(trail: Trail, line: CostLine, *, key: str, at: str) -> list[str]:
    """The keys of what a cost line was fed with; ``of`` a service where its name ends with one."""
    found: list[str] = []
    for name, value in line.inputs.items():
        how = computed_of(name)
        if how is None or trail.known(value) is not None:
            found += trail.fed(key, {name: value})
        else:
            inputs = spread(trail, how[0].keys(at, line.name.rpartition(", ")[2]))
            found.append(trail.computed(f"{key}.{slug(name)}", name, value, formula=how[0].formula, inputs=inputs))
    return found


def _add_totals(trail: Trail, option: Option, *, at: str, lines: list[str]) -> None:
    running = [key for key in lines if not key.endswith(".hardware")]
    opex = option.opex_usd_per_year
    yearly = trail.computed(
        f"{at}.opex_usd_per_year", "running cost a year", opex, formula=opex.source or "sum of the lines", inputs=running
    )
    years = "demand.finance.life_years"
    inputs = (
        (yearly, years) if option.kind in ("cloud", "api") else (f"{at}.capex_usd", "demand.finance.residual_share", yearly, years)
    )
    formula = option.tco_usd.source or "capex x (1 - residual) + opex x years"
    trail.computed(f"{at}.tco_usd", "total cost over the life", option.tco_usd, formula=formula, inputs=inputs)


def _add_units(trail: Trail, option: Option, demand: Demand, *, at: str, lines: list[str]) -> None:
    busy = [f"{at}.loads.{load.name}.mean_machines" for load in option.loads]
    for name, value in option.usd_per_unit.items():
        key, title = f"{at}.usd_per_unit.{name}", f"cost of one {value.unit.partition('/')[2]}, {name}"
        if option.kind == "api":
            price = next(line for line in option.costs if line.key == "api" and line.name.endswith(f", {name}"))
            keys = (trail.known(price.inputs["price of a request"]) or "", f"demand.services.{name}.items_per_request")
            trail.computed(key, title, value, formula="price of a request / items of a request", inputs=keys)
        else:
            words = "a year's total x share of the busy machine-time / units a year"
            trail.computed(key, title, value, formula=words, inputs=(*lines, *busy, f"{at}.loads.{name}.items_per_year"))


def _add_energy(trail: Trail, option: Option, *, at: str) -> None:
    if option.energy_kwh_per_year is None:
        return
    busy = [f"{at}.loads.{load.name}.mean_machines" for load in option.loads]
    trail.computed(
        f"{at}.energy_kwh_per_year",
        "energy of the IT a year",
        option.energy_kwh_per_year,
        formula="servers x (idle + utilisation x (full - idle)) x hours",
        inputs=(f"{at}.num_servers", f"{at}.machine.idle_power_w", f"{at}.machine.full_power_w", *busy),
    )


def _add_carbon(trail: Trail, option: Option, *, at: str) -> None:
    if option.carbon_kg is None:
        return
    site = ("demand.site.pue", "demand.site.grid_g_per_kwh", "demand.finance.life_years")
    inputs = (f"{at}.energy_kwh_per_year", *site, f"{at}.num_servers", f"{at}.machine.embodied_kg")
    words = "kWh of IT x PUE x grid g/kWh / 1000 x years + servers x making of one"
    whole = trail.computed(f"{at}.carbon_kg", "greenhouse gases over the life", option.carbon_kg, formula=words, inputs=inputs)
    busy = [f"{at}.loads.{load.name}.mean_machines" for load in option.loads]
    for name, value in option.carbon_kg_per_unit.items():
        trail.computed(
            f"{at}.carbon_kg_per_unit.{name}",
            f"greenhouse gases of one {value.unit.partition('/')[2]}, {name}",
            value,
            formula="total a year x share of the busy machine-time / units a year",
            inputs=(whole, "demand.finance.life_years", *busy, f"{at}.loads.{name}.items_per_year"),
        )


def add_chances(trail: Trail, option: Option, *, at: str) -> None:
    """Probabilities, where the plan has them."""
    memory = [key for key in trail.starting(f"{at}.factors.memory.inputs.") if "memory" in key]
    latencies = [key for key in trail.starting(f"{at}.loads.") if key.endswith((".latency_s", ".accelerators_busy_at_peak"))]
    chances = (
        ("p_slo", "probability that the SLO is met", latencies),
        ("p_budget", "probability that it stays within the budget", [f"{at}.capex_usd", f"{at}.opex_usd_per_year"]),
        ("p_oom", "probability of running out of memory", memory),
    )
    for name, title, inputs in chances:
        words = OUT_OF_MEMORY if name == "p_oom" else "share of the drawn worlds in which it holds"
        share = getattr(option, name)
        if share is not None:
            value = Estimate(value=share, low=share, high=share, unit="fraction", basis="modelled")
            trail.computed(f"{at}.{name}", title, value, formula=words, inputs=inputs)
