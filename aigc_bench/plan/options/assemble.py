"""Assemble the options of one kind of machine, assess every factor and rank them by cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.factors.base import PROVIDED, Context, all_factors, shortages
from aigc_bench.plan.money.instances import PaidInstances, paid_instances
from aigc_bench.plan.money.kept_and_sent import Transfers
from aigc_bench.plan.money.offers import Offer
from aigc_bench.plan.money.option_cost import Carbon, Money, carbon, money, rented
from aigc_bench.plan.options.measure import is_refused, measure_of
from aigc_bench.plan.placement.desks import why_not_racked
from aigc_bench.plan.placement.rack_fill import num_racks, rack_fill
from aigc_bench.plan.placement.room_around import other_mean_w, other_peak_w
from aigc_bench.plan.placement.site_limits import no_place, site_for, table_of
from aigc_bench.plan.records.demand import Demand, OptionKind, RiskMeasure
from aigc_bench.plan.records.machine import Fleet, Load, Machine, Placement, Pool
from aigc_bench.plan.records.plan import Assessment, Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.site.room import Room
from aigc_bench.plan.sizing.fleets import make_fleet
from aigc_bench.plan.stats.estimates import counted, estimate, named, total, whole

KINDS: tuple[OptionKind, ...] = ("owned", "colocated", "cloud", "api")
"""Rank of options of equal cost: the less they depend on a provider, the earlier."""
CAPACITY_AGREEMENT = 256
"""Accelerators (32 servers of eight) from which on-demand and spot capacity is agreed on rather than found (assumed)."""
LEFT_TO_THE_PROVIDER: Mapping[str, object] = {
    "available": None,
    "headroom": None,
    "derived": {},
    "verdict": "provider",
    "why": PROVIDED,
    "inputs": {},
}


@dataclass(frozen=True, kw_only=True)
class Procurement:
    """A procurement: the machine, how loads share it, the offer, and the room around it.

    ``is_consumer`` says whether a purchase of the catalogue holds consumer cards, ``None`` of all others (rents, quotes, what is
    there already), whose form is not judged. ``questions`` are its open questions; they do not refuse it. ``transfers`` are the
    provider's prices of storage and egress.
    """

    machine: Machine
    placement: Placement
    offer: Offer | None = None
    make_room: Callable[[int], Room | None] = field(default=lambda _: None)
    questions: tuple[str, ...] = ()
    is_consumer: bool | None = None
    transfers: Transfers | None = None

    @property
    def kind(self) -> OptionKind:
        """Return the kind of its offer, else owned."""
        return self.offer.kind if self.offer else "owned"

    @property
    def term(self) -> str:
        """Return the term of its offer, else that of a purchase."""
        return self.offer.term if self.offer else "purchase"

    @property
    def is_rented(self) -> bool:
        """Return whether it is an instance of a cloud."""
        return self.kind == "cloud"


def ranked(options: Iterable[Option], *, risk: RiskMeasure = "expected") -> tuple[Option, ...]:
    """Return the options by rank: accepted, then not refused by P(SLO) or simulation, then by the measure; equal ones by kind."""
    by_cost = sorted(options, key=lambda one: standing(one, risk))
    return tuple(option.model_copy(update={"rank": rank}) for rank, option in enumerate(by_cost, start=1))


def standing(one: Option, risk: RiskMeasure) -> tuple[bool, bool, float, int, str, str, str, str]:
    """Return the key by which options are ranked."""
    return (
        not one.accepted,
        is_refused(one),
        _compared(measure_of(one, risk)),
        KINDS.index(one.kind),
        one.term,
        one.accelerator or "",
        one.server or "",
        one.placement,
    )


def is_like(one: Option, procurement: Procurement) -> bool:
    """Return whether an option is of the kind and term of a procurement."""
    return (one.kind, one.term) == (procurement.kind, procurement.term)


def least_usd(options: Iterable[Option]) -> float:
    """Return the least total cost of options that neither a limit nor P(SLO) refuses, as ranks compare it; infinite of none."""
    return min((_compared(one.tco_usd.value) for one in options if one.accepted and not is_refused(one)), default=math.inf)


def _compared(usd: float) -> float:
    # Equal costs can differ in the last digits by rounding, which must not decide a rank.
    return float(f"{usd:.9g}")


@dataclass(frozen=True, kw_only=True)
class _Priced:
    """A procurement with its fleet and what that costs: all that decides whether the rest is worth computing."""

    procurement: Procurement
    loads: Sequence[Load]
    fleet: Fleet
    room: Room | None
    context: Context
    paid: PaidInstances | None
    costs: Money


def make_option(
    procurement: Procurement, loads: Sequence[Load], *, demand: Demand, rules: Rules, reasons: Sequence[str] = (), margin: int = 0
) -> Option:
    """Return an option with its fleet, factors and cost; ``reasons`` refuse it in addition to its factors."""
    return _judged(_priced(procurement, loads, demand=demand, rules=rules, margin=margin), reasons)


def option_within(
    at_most_usd: float,
    procurement: Procurement,
    loads: Sequence[Load],
    *,
    demand: Demand,
    rules: Rules,
    reasons: Sequence[str] = (),
) -> Option | None:
    """Return the option of ``make_option``; ``None``, without a look at its factors, where it costs more than ``at_most_usd``."""
    priced = _priced(procurement, loads, demand=demand, rules=rules, margin=0)
    return None if _compared(priced.costs.tco_usd.value) > at_most_usd else _judged(priced, reasons)


def _priced(procurement: Procurement, loads: Sequence[Load], *, demand: Demand, rules: Rules, margin: int) -> _Priced:
    # The order matters: fleet, then its room, then factors and costs, which read both.
    fleet = make_fleet(loads, procurement.placement, demand=demand, rules=rules, machine=procurement.machine, margin=margin)
    # Spares stand in racks and are paid, too.
    room = procurement.make_room(fleet.num_servers)
    context = _context(procurement, loads, fleet, demand=demand, rules=rules, room=room)
    paid = _paid(procurement, context)
    costs = _money(procurement, context, paid=paid)
    return _Priced(procurement=procurement, loads=loads, fleet=fleet, room=room, context=context, paid=paid, costs=costs)


def _judged(priced: _Priced, reasons: Sequence[str]) -> Option:
    """Return the option with its factors assessed."""
    procurement, loads, fleet, room = priced.procurement, priced.loads, priced.fleet, priced.room
    context, costs, demand, machine = priced.context, priced.costs, priced.context.demand, procurement.machine
    factors = assess(context)
    gases = _carbon(context, paid=priced.paid)
    racks = None if procurement.is_rented else _racks(context, room)
    refusals = (
        *reasons,
        *shortages(factors, context.limits),
        *_too_slow(loads),
        *_too_many_racks(racks, context),
        *(() if procurement.is_rented else no_place(room, num_servers=fleet.num_servers, kind=procurement.kind)),
        *_of_another_form(procurement, context),
        *_over_budget(costs, demand),
    )
    tightest = by_headroom(factors)
    return Option(
        rank=0,
        kind=procurement.kind,
        term=procurement.term,
        # Only a rent has a provider; the offer of a purchase holds the vendor.
        provider=procurement.offer.provider if procurement.offer and procurement.is_rented else None,
        placement=procurement.placement,
        accelerator=machine.accelerator,
        server=procurement.offer.name if procurement.offer and procurement.is_rented else machine.server,
        machine=machine,
        loads=tuple(loads),
        room=room,
        num_machines=_count(fleet.pools),
        num_servers=context.num_servers,
        num_spares=fleet.spares,
        num_margin=fleet.margin,
        num_accelerators=context.num_servers * machine.devices_per_server,
        num_racks=racks,
        pools=fleet.pools,
        accepted=not refusals,
        # Open questions follow: they are shown and refuse nothing.
        reasons=(*refusals, *procurement.questions, *_capacity(procurement, context), *_open_questions(factors)),
        factors=factors,
        bottleneck=tightest[0] if tightest else None,
        next_bottleneck=tightest[1] if len(tightest) > 1 else None,
        capex_usd=costs.capex_usd,
        opex_usd_per_year=costs.opex_usd_per_year,
        tco_usd=costs.tco_usd,
        costs=costs.lines,
        rent=costs.rent,
        usd_per_unit=costs.usd_per_unit,
        energy_kwh_per_year=gases.energy_kwh_per_year,
        carbon_kg=gases.carbon_kg,
        carbon_kg_per_unit=gases.carbon_kg_per_unit,
        derived=_derived(procurement, context, racks=racks, gases=gases),
    )


def _derived(procurement: Procurement, context: Context, *, racks: int | None, gases: Carbon) -> dict[str, Estimate]:
    """Return the option's plain numbers, and others that are explained, as Estimates that know how they were computed."""
    counts, machine, room = context.fleet.derived, context.machine, context.room
    each = counted(
        machine.devices_per_server, "accelerators/server", message("as planned for {server}", server=machine.server),
        key=".machine.devices_per_server", title=message("devices per server of one server"),
    )  # fmt: skip
    words = message("servers x accelerators per server")
    number = context.num_servers * machine.devices_per_server
    found = dict(counts) | {
        "num_accelerators": counted(number, "accelerators", words, arithmetic="{0} * {1}", inputs=(counts["num_servers"], each)),
        "carbon_operation_kg": gases.operation_kg,
        "carbon_making_kg": gases.making_kg,
        **_other_equipment(context),
    }
    fill = None if procurement.is_rented or context.is_at_desks else rack_fill(machine, context.site)
    if fill is not None:
        found["servers_per_rack"] = fill.counted
    if racks is not None and fill is not None:
        inputs = (counts["num_servers"], fill.counted)
        drawn = message("racks of the layout, with switches and storage")
        filled = message("servers / servers per rack, rounded up")
        # With a layout the count also depends on switches and storage, which no formula holds.
        arithmetic = "ceil({0} / {1})" if room is None and fill.servers else None
        found["num_racks"] = counted(racks, "racks", drawn if room else filled, arithmetic=arithmetic, inputs=inputs)
    elif racks is not None:
        found["num_racks"] = counted(racks, "racks", message("no server stands in a rack"))
    return found


def _other_equipment(context: Context) -> dict[str, Estimate]:
    """Return peak and mean power of switches and storage; zero if no room is planned."""
    mean = other_mean_w(context.room, context.rules)
    if context.room is None or mean is None:
        nothing = estimate(0.0, unit="W", basis="modelled", source=message("no room is planned around the servers"))
        return {"peak_beside_servers_w": nothing, "mean_beside_servers_w": nothing}
    return {"peak_beside_servers_w": other_peak_w(context.room), "mean_beside_servers_w": mean}


def _racks(context: Context, room: Room | None) -> int | None:
    """Return the racks of the layout, with switches and storage; at least those that the servers fill; none at desks."""
    if context.is_at_desks:
        return 0
    filled = num_racks(context.servers_per_rack, num_servers=context.num_servers)
    # Servers that found no place are missing from the layout, so it alone could show too few racks.
    return filled if room is None or filled is None else max(filled, len(room.layout.racks))


def _context(
    procurement: Procurement, loads: Sequence[Load], fleet: Fleet, *, demand: Demand, rules: Rules, room: Room | None
) -> Context:
    """Return what the factors assess."""
    is_racked = not procurement.is_rented and not (room is not None and room.is_at_desks)
    fill = rack_fill(procurement.machine, site_for(procurement.kind, procurement.machine, demand)) if is_racked else None
    return Context(
        demand=demand,
        rules=rules,
        machine=procurement.machine,
        loads=tuple(loads),
        fleet=fleet,
        placement=procurement.placement,
        kind=procurement.kind,
        servers_per_rack=fill.servers if fill else None,
        room=room,
        transfers=procurement.transfers,
    )


def _paid(procurement: Procurement, context: Context) -> PaidInstances | None:
    """Return the paid instances of a rent; ``None`` of a fleet that is bought."""
    if not procurement.is_rented or procurement.offer is None:
        return None
    # Rented machines are instances: machines_per_server is the size of one.
    size = procurement.machine.machines_per_server.value
    return paid_instances(
        context.loads, context.fleet, size=size, term=procurement.offer.term, demand=context.demand, rules=context.rules
    )


def _money(procurement: Procurement, context: Context, *, paid: PaidInstances | None) -> Money:
    demand, loads = context.demand, context.loads
    # Factors of third parties can add lines to the bill.
    of_factors = [line for factor in all_factors().values() for line in factor.cost_lines(context)]
    if paid is not None and procurement.offer is not None:
        return rented(
            loads,
            procurement.offer,
            instances=paid,
            machine=procurement.machine,
            finance=demand.finance,
            num_servers=context.num_servers,
            more=of_factors,
        )
    return money(
        loads,
        num_servers=context.num_servers,
        machine=procurement.machine,
        site=demand.site,
        finance=demand.finance,
        room=context.room,
        other_w=other_mean_w(context.room, context.rules),
        is_colocated=procurement.kind == "colocated",
        is_kept=procurement.offer is not None and procurement.offer.term == "kept",
        more=of_factors,
    )


def _carbon(context: Context, *, paid: PaidInstances | None) -> Carbon:
    demand = context.demand
    return carbon(
        context.loads,
        # Servers that run in the mean: all that are bought, of a rent those that are paid.
        num_servers=paid.mean if paid else context.fleet.derived["num_servers"],
        machine=context.machine,
        site=demand.site,
        finance=demand.finance,
        other_w=other_mean_w(context.room, context.rules),
    )


def assess(context: Context) -> dict[str, Assessment]:
    """Return the assessment of every registered factor, in order; what the provider is responsible for is only reported."""
    found: dict[str, Assessment] = {}
    for name, factor in all_factors().items():
        # What is required stays, so that the reader sees what the provider has to supply.
        left = LEFT_TO_THE_PROVIDER if context.kind in factor.provided else {}
        found[name] = factor.assess(context).model_copy(update={"factor": name, **left})
    return found


def by_headroom(factors: Mapping[str, Assessment]) -> list[str]:
    """Return the factors with known head-room, the least first, equal ones in the order of the report.

    A factor with a requirement and nothing available comes first of all.
    """
    known = {
        # Nothing available has no ratio, and is worse than any.
        name: -math.inf if found.headroom is None else found.headroom
        for name, found in factors.items()
        if found.headroom is not None or found.verdict == "short"
    }
    return sorted(known, key=lambda name: known[name])


def _count(pools: Sequence[Pool]) -> Estimate:
    """Return the machines that serve the loads, without spares."""
    counts = [whole(pool.required_machines, unit="machines") for pool in pools]
    return named(total(counts, unit="machines"), message("sum over pools of the required machines, rounded up"))


def _too_slow(loads: Sequence[Load]) -> tuple[str, ...]:
    """Return the services that no number of such machines serves in time: one request alone exceeds its latency SLO."""
    return tuple(
        message(
            "{name}: compute: a single request takes {latency}, the SLO is {latency_slo}; more machines do "
            "not change that, a faster one or a smaller request does",
            name=load.name,
            latency=quantity(load.latency_s.value, "s"),
            latency_slo=quantity(load.latency_slo_s, "s"),
        )
        for load in loads
        # Without queueing, so that this is the least that a request can take.
        if load.latency_s is not None and load.latency_slo_s is not None and load.latency_s.value > load.latency_slo_s
    )


def _too_many_racks(racks: int | None, context: Context) -> tuple[str, ...]:
    room, table = context.site.num_racks, table_of(context.kind)
    if room is None or racks is None or racks <= room:
        return ()
    where = message("the site") if table == "site" else message("the colocation")
    more = message("site.rack_kw, site.rack_cooling_kw") if table == "site" else "colocation.rack_kw"
    return (
        message(
            "space: {racks} rack{more} required, {where} has room for {room}; {table}.racks = {racks}, racks "
            "with more power and cooling ({keys}) or renting would change that",
            racks=racks,
            more=message("s are") if racks != 1 else " is",
            where=where,
            room=room,
            table=table,
            keys=more,
        ),
    )


def _of_another_form(procurement: Procurement, context: Context) -> tuple[str, ...]:
    """Return why machines for desks, or consumer cards, are not what one would buy in that number for that place."""
    if procurement.is_consumer is None:
        return ()
    found = why_not_racked(
        context.machine,
        num_servers=context.num_servers,
        is_at_desks=context.is_at_desks,
        is_consumer=procurement.is_consumer,
        named=context.demand.constraints.accelerators,
    )
    return (found,) if found else ()


def _capacity(procurement: Procurement, context: Context) -> tuple[str, ...]:
    """Return what has to be agreed on with a provider before that many accelerators are started by the hour."""
    number = context.num_servers * context.machine.devices_per_server
    if procurement.offer is None or procurement.offer.term not in ("on_demand", "spot") or number < CAPACITY_AGREEMENT:
        return ()
    return (
        message(
            "availability: {number} accelerators by the hour are more than quotas give; agree on the capacity with {provider} in "
            "writing",
            number=number,
            provider=procurement.offer.provider or message("the provider"),
        ),
    )


def _over_budget(costs: Money, demand: Demand) -> tuple[str, ...]:
    """Return the budgets that the option exceeds, upfront and per year."""
    limits, yearly = demand.constraints, total([line.usd_per_year for line in costs.lines], unit="usd/year")
    pairs = ((limits.budget_usd, costs.capex_usd, "budget_usd"), (limits.budget_usd_per_year, yearly, "budget_usd_per_year"))
    return tuple(
        message(
            "money: {cost} is above constraints.{key} = {limit}; a higher limit, less demand or a looser SLO would change that",
            cost=quantity(cost.value, cost.unit),
            key=key,
            limit=quantity(limit, cost.unit),
        )
        for limit, cost, key in pairs
        # Central values decide here; P(within budget) says how probable it is.
        if limit is not None and cost.value > limit
    )


def _open_questions(factors: Mapping[str, Assessment]) -> tuple[str, ...]:
    return tuple(
        message("{name} is unknown: {why}", name=name, why=found.why)
        for name, found in factors.items()
        if found.verdict == "unknown"
    )
