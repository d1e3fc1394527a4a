"""The ways to meet a demand with one kind of machine, judged by every factor and ranked by what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.core import registry
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.cost import carbon, money
from aigc_bench.plan.demand import Demand
from aigc_bench.plan.factors.base import Context, Factor
from aigc_bench.plan.interval import named, total, whole
from aigc_bench.plan.rack import num_racks, rack_fill
from aigc_bench.plan.records import Assessment, Load, Machine, Option, Placement, Pool, Rules
from aigc_bench.plan.sizing import make_fleet

FACTORS = ("compute", "memory", "network", "storage", "cooling", "power")
"""The six, in the order in which they are told; a third party's factors follow."""


def make_options(loads: Sequence[Load], *, demand: Demand, rules: Rules, machine: Machine) -> tuple[Option, ...]:
    """Shared machines, and machines of their own for each load; accepted ones first, then the cheapest."""
    placements: tuple[Placement, ...] = ("pooled", "dedicated") if len(loads) > 1 else ("pooled",)
    options = [_option(placement, loads, demand=demand, rules=rules, machine=machine) for placement in placements]
    ranked = sorted(options, key=lambda option: (not option.accepted, option.tco_usd.value, placements.index(option.placement)))
    return tuple(option.model_copy(update={"rank": rank}) for rank, option in enumerate(ranked, start=1))


def _option(placement: Placement, loads: Sequence[Load], *, demand: Demand, rules: Rules, machine: Machine) -> Option:
    fleet = make_fleet(loads, placement, demand=demand, rules=rules, machine=machine)
    fill = rack_fill(machine, demand.site)
    servers_per_rack = fill.servers if fill else None
    context = Context(
        demand=demand, rules=rules, machine=machine, loads=tuple(loads), fleet=fleet, servers_per_rack=servers_per_rack
    )
    factors = assess(context)
    costs = money(loads, num_servers=context.num_servers, machine=machine, site=demand.site, finance=demand.finance)
    gases = carbon(loads, num_servers=context.num_servers, machine=machine, site=demand.site, finance=demand.finance)
    refusals = (*_short(factors), *_too_slow(loads))
    tightest = by_headroom(factors)
    return Option(
        rank=0,
        placement=placement,
        accelerator=machine.accelerator,
        server=machine.server,
        num_machines=_count(fleet.pools),
        num_servers=context.num_servers,
        num_spares=fleet.spares,
        num_accelerators=context.num_servers * machine.devices_per_server,
        num_racks=num_racks(servers_per_rack, num_servers=context.num_servers),
        pools=fleet.pools,
        accepted=not refusals,
        reasons=(*refusals, *_open_questions(factors)),
        factors=factors,
        bottleneck=tightest[0] if tightest else None,
        next_bottleneck=tightest[1] if len(tightest) > 1 else None,
        capex_usd=costs.capex_usd,
        opex_usd_per_year=costs.opex_usd_per_year,
        tco_usd=costs.tco_usd,
        costs=costs.lines,
        usd_per_unit=costs.usd_per_unit,
        energy_kwh_per_year=gases.energy_kwh_per_year,
        carbon_kg=gases.carbon_kg,
        carbon_kg_per_unit=gases.carbon_kg_per_unit,
    )


def assess(context: Context) -> dict[str, Assessment]:
    """What every registered factor says, the six first."""
    others = [name for name in registry.names("factors") if name not in FACTORS]
    found: dict[str, Assessment] = {}
    for name in (*FACTORS, *others):
        factor: Factor = registry.load("factors", name)
        found[name] = factor.assess(context).model_copy(update={"factor": name})
    return found


def by_headroom(factors: Mapping[str, Assessment]) -> list[str]:
    """The factors whose head-room is known, the least first; equal ones in the order they are told."""
    known = {name: found.headroom for name, found in factors.items() if found.headroom is not None}
    return sorted(known, key=lambda name: known[name])


def _count(pools: Sequence[Pool]) -> Estimate:
    """Machines like the measured one that carry the loads, spares left out."""
    counts = [whole(pool.required_machines, unit="machines") for pool in pools]
    return named(total(counts, unit="machines"), "sum over pools of the required machines, rounded up")


def _short(factors: Mapping[str, Assessment]) -> tuple[str, ...]:
    return tuple(
        f"{name}: {quantity(found.required.value, found.unit)} required, {quantity(found.available.value, found.unit)} available"
        for name, found in factors.items()
        if found.verdict == "short" and found.required is not None and found.available is not None
    )


def _too_slow(loads: Sequence[Load]) -> tuple[str, ...]:
    """Services that no number of such machines answers in time: one request alone takes longer than asked."""
    return tuple(
        f"{load.name}: a request alone takes {quantity(load.latency_s.value, 's')}, {quantity(load.latency_slo_s, 's')} is asked; "
        "more machines do not change that, a faster one or a smaller request does"
        for load in loads
        if load.latency_s is not None and load.latency_slo_s is not None and load.latency_s.value > load.latency_slo_s
    )


def _open_questions(factors: Mapping[str, Assessment]) -> tuple[str, ...]:
    return tuple(f"{name} is unknown: {found.why}" for name, found in factors.items() if found.verdict == "unknown")
