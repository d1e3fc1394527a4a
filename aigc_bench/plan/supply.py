"""The whole supply side of one option: so many servers of one kind, in a room, with what they cost, emit and compete with.

This is where ``site`` and ``money`` meet. The search over options needs none of it for the many; a shortlist is worked out here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from pydantic import Field

from aigc_bench.catalog.records import ServerSpec
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.draws import Array, interval_of
from aigc_bench.plan.interval import estimate, named, plus, scaled
from aigc_bench.plan.money.break_even import BreakEven, against_rent
from aigc_bench.plan.money.offers import CLOUD_TERMS, CloudTerm, Offer, market_rent, offers
from aigc_bench.plan.money.opex import Tariffs, Use, opex_lines, tariffs
from aigc_bench.plan.money.ownership import Ownership, Terms, default_terms, own
from aigc_bench.plan.money.per_unit import usd_per_accelerator_hour, usd_per_unit
from aigc_bench.plan.money.ways import Call, Purchase, Rent, Way, WayCost, compare_ways
from aigc_bench.plan.money.worlds import cost_worlds, tco_interval
from aigc_bench.plan.site.carbon import Footprint, footprint, kg_per_unit, making_kg
from aigc_bench.plan.site.cooling_fit import PUE_OF, water_l_per_year
from aigc_bench.plan.site.power_chain import PowerChain, power_chain
from aigc_bench.plan.site.room import Room, RoomNeed, make_room

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

RUNNING = ("electricity", "cooling")
"""Lines that rise with use; all others are paid anyway."""
TYPICAL, TYPICAL_LOW = 0.6, 0.4
TYPICAL_SOURCE = "switches and storage at 0.4-1.0 of their highest draw; QM9700 747 of 1,720 W, SN5600 940 of 2,167 W"


class SupplyNeed(Record):
    """One option to work out. ``mean_w`` and ``idle_w`` are of one server at the wall over the year and when it does nothing.

    ``utilisation`` is the busy share of the accelerators, ``units_per_year`` what they make, by unit (``token``, ``image``). What
    is ``None`` of site and money comes from the catalogue. ``calls`` are APIs that could do the same work.
    """

    server: str
    room: RoomNeed
    mean_w: Estimate
    idle_w: Estimate
    utilisation: Estimate
    units_per_year: Mapping[str, Estimate] = Field(default_factory=dict)
    region: str | None = None
    pue: Estimate | None = None
    grid_g_per_kwh: Estimate | None = None
    prices: Tariffs | None = None
    terms: Terms | None = None
    egress_bytes_per_year: Estimate | None = None
    is_colocated: bool = False
    budget_usd: float | None = Field(default=None, gt=0)
    calls: tuple[Call, ...] = ()


class Supply(Record):
    """What the option needs and costs. ``tco_usd`` and ``p_budget`` are over drawn worlds, ``ownership`` is plain arithmetic.

    ``usd_per_unit`` and ``kg_per_unit`` charge the whole fleet to each unit as if it alone were made: with several units the
    planner shares the cost among them.
    """

    room: Room
    chain: PowerChain
    use: Use
    ownership: Ownership
    tco_usd: Estimate
    p_budget: float | None
    usd_per_accelerator_h: Estimate | None
    usd_per_unit: Mapping[str, Estimate]
    footprint: Footprint
    kg_per_unit: Mapping[str, Estimate]
    water_l_per_year: Estimate
    ways: tuple[WayCost, ...]
    break_even: tuple[BreakEven, ...]
    offers: tuple[Offer, ...]


def work_out(need: SupplyNeed, *, catalogue: Catalogue, on: date, seed: int = 0) -> Supply:
    """Everything about an option on that day. Raises ``UnknownNameError`` for a server or region that is not in the catalogue."""
    server = catalogue.get("servers", need.server)
    assert isinstance(server, ServerSpec), "the table of servers holds servers"
    room = make_room(server, need.room, catalogue=catalogue, on=on)
    pue = need.pue or catalogue.pue(PUE_OF[need.room.room])
    prices = need.prices or tariffs(catalogue=catalogue, region=need.region, is_colocated=need.is_colocated)
    terms = need.terms or default_terms(catalogue=catalogue)
    use = _use(need, server=server, room=room, pue=pue)
    ownership = own(use.capex_usd, opex_lines(use, prices=prices), terms=terms)
    worlds = cost_worlds(use, prices=prices, terms=terms, seed=seed)
    carbon = footprint(
        it_kwh_per_year=use.it_kwh_per_year,
        pue=pue,
        grid_g_per_kwh=need.grid_g_per_kwh or catalogue.grid_intensity(need.region),
        making=scaled(making_kg(server, catalogue=catalogue), need.room.num_servers),
        life_years=terms.life_years,
    )
    found = offers(server.gpu_id, catalogue=catalogue, on=on) if server.gpu_id else ()
    rents = {term: rent for term in CLOUD_TERMS if (rent := market_rent(found, term=term)) is not None}
    purchase = Purchase(
        name="colocated" if need.is_colocated else "owned",
        kind="colocated" if need.is_colocated else "owned",
        use=use,
        prices=prices,
        terms=terms,
    )
    return Supply(
        room=room,
        chain=_chain(use, need=need, catalogue=catalogue),
        use=use,
        ownership=ownership,
        tco_usd=tco_interval(worlds, use=use, prices=prices, terms=terms),
        p_budget=None if need.budget_usd is None else worlds.within(need.budget_usd),
        usd_per_accelerator_h=_per_hour(ownership, use=use, utilisation=need.utilisation),
        usd_per_unit=_each(need, lambda units, unit: usd_per_unit(ownership.total_usd_per_year, units_per_year=units, unit=unit)),
        footprint=carbon,
        kg_per_unit=_each(need, lambda units, unit: kg_per_unit(carbon, units_per_year=units, unit=unit)),
        water_l_per_year=water_l_per_year(use.it_kwh_per_year, wue=catalogue.constant("wue_default")),
        ways=compare_ways((purchase, *_rented(need, use=use, rents=rents), *need.calls), seed=seed),
        break_even=_break_even(need, worlds.total_usd_per_year, ownership=ownership, use=use, rents=rents, seed=seed),
        offers=found,
    )


def _use(need: SupplyNeed, *, server: ServerSpec, room: Room, pue: Estimate) -> Use:
    """The servers and everything beside them; switches and storage are taken as always on."""
    number = need.room.num_servers
    beside_w = room.it_peak_w - room.bill.peak_w("node")
    always = estimate(
        beside_w * TYPICAL, low=beside_w * TYPICAL_LOW, high=beside_w, unit="W", basis="assumed", source=TYPICAL_SOURCE
    )
    mean = named(plus(scaled(need.mean_w, number, unit="W"), always), "servers x mean + switches and storage")
    peak = estimate(room.it_peak_w, unit="W", basis="modelled", source="sum of the bill's highest draws")
    return Use(
        it_mean_w=mean,
        it_peak_w=peak,
        pue=pue,
        num_servers=number,
        num_accelerators=number * server.gpu_count,
        capex_usd=room.bill.capex_usd,
        egress_bytes_per_year=need.egress_bytes_per_year,
    )


def _chain(use: Use, *, need: SupplyNeed, catalogue: Catalogue) -> PowerChain:
    return power_chain(
        it_peak_w=use.it_peak_w,
        it_mean_w=use.it_mean_w,
        pue=use.pue,
        ups_efficiency=catalogue.constant("ups_efficiency"),
        distribution_efficiency=catalogue.constant("distribution_efficiency"),
        redundancy=need.room.redundancy,
    )


def _per_hour(ownership: Ownership, *, use: Use, utilisation: Estimate) -> Estimate | None:
    """Cost of a busy accelerator-hour; none without accelerators or where perhaps nothing is done."""
    if not use.num_accelerators or utilisation.low <= 0:
        return None
    return usd_per_accelerator_hour(ownership.total_usd_per_year, num_accelerators=use.num_accelerators, utilisation=utilisation)


def _each(need: SupplyNeed, figure: Callable[[Estimate, str], Estimate | None]) -> dict[str, Estimate]:
    """A figure for every unit that is made for sure."""
    made = {unit: units for unit, units in need.units_per_year.items() if units.low > 0}
    found = {unit: figure(units, unit) for unit, units in made.items()}
    return {unit: value for unit, value in found.items() if value is not None}


def _rented(need: SupplyNeed, *, use: Use, rents: Mapping[CloudTerm, Estimate]) -> list[Way]:
    if not use.num_accelerators:
        return []
    return [
        Rent(
            name=f"cloud, {term.replace('_', ' ')}",
            term=term,
            usd_per_accelerator_h=rent,
            num_accelerators=use.num_accelerators,
            utilisation=need.utilisation,
        )
        for term, rent in rents.items()
    ]


def _break_even(
    need: SupplyNeed, yearly: Array, *, ownership: Ownership, use: Use, rents: Mapping[CloudTerm, Estimate], seed: int
) -> tuple[BreakEven, ...]:
    """Against every rent: what is paid anyway, and what use adds (mean = idle + utilisation x (full - idle))."""
    if not use.num_accelerators or not 0 < need.utilisation.value <= 1:
        return ()
    energy = plus(*(line.usd_per_year for line in ownership.lines if line.key in RUNNING))
    moved_w = max(0.0, need.mean_w.value - need.idle_w.value) * use.num_servers
    moved = moved_w / use.it_mean_w.value
    whole = interval_of(yearly, unit="usd/year", basis=ownership.total_usd_per_year.basis, source=f"{yearly.size} drawn worlds")
    return tuple(
        against_rent(
            rent,
            term=term,
            num_accelerators=use.num_accelerators,
            fixed_usd_per_year=scaled(whole, 1 - moved * energy.value / whole.value),
            running_usd_per_year=scaled(energy, moved / need.utilisation.value),
            planned_utilisation=need.utilisation.value,
            name=f"cloud, {term.replace('_', ' ')}",
            seed=seed,
        )
        for term, rent in rents.items()
    )
