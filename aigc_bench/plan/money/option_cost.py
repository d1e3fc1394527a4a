"""Cost of a fleet per year, bought or rented, and per unit served; and the carbon of both.

    mean W       idle + utilisation x (full - idle),   kWh = (active servers x mean W + switches and storage) x hours
    bought       ``money.opex`` and ``money.ownership`` over servers, or over the whole bill of a room
    rented       rent of whole instances, those that are paid in the mean of the horizon (``money.instances``)
    $ per unit   total per year x the load's share of busy machine-time / units per year

Shares of busy machine-time are computed from central values, so the costs of all loads add up to the total.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aigc_bench.core.derivation import Derivation, Places, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.money.instances import PaidInstances
from aigc_bench.plan.money.offers import Offer
from aigc_bench.plan.money.opex import ResourceUse, Tariffs, opex_lines
from aigc_bench.plan.money.ownership import FinanceTerms, life_of, own, residual_of
from aigc_bench.plan.placement.room_around import other_peak_w
from aigc_bench.plan.records.demand import Finance, Site
from aigc_bench.plan.records.machine import Load, Machine
from aigc_bench.plan.records.plan import HOURS_PER_YEAR as HOURS_PER_YEAR
from aigc_bench.plan.records.plan import CostLine, Rent
from aigc_bench.plan.site.carbon import MAKING, footprint
from aigc_bench.plan.site.room import Room
from aigc_bench.plan.sizing.fleets import mean_utilisation
from aigc_bench.plan.stats.estimates import combined, counted, explained, known_as, named, over, plus, scaled, times, total, zero

AT_WORK = message("instances at work")
RENT = message("instances x accelerators of one x rent of an accelerator x hours of the year")
ENERGY = message("(running servers x (idle + utilisation x (full - idle)) + mean power of switches and storage) x hours")
PER_UNIT = message("{0} per year x share of the busy machine-time / units per year")


@dataclass(frozen=True, kw_only=True)
class Money:
    """The money of an option: upfront, per year, over the life, and per unit."""

    capex_usd: Estimate
    opex_usd_per_year: Estimate
    tco_usd: Estimate
    lines: tuple[CostLine, ...]
    usd_per_unit: dict[str, Estimate]
    rent: Rent | None = None


@dataclass(frozen=True, kw_only=True)
class Carbon:
    """Energy of the IT in a year, and greenhouse gases over the life and per unit."""

    energy_kwh_per_year: Estimate
    operation_kg: Estimate
    making_kg: Estimate
    carbon_kg: Estimate
    carbon_kg_per_unit: dict[str, Estimate]


def mean_power_w(machine: Machine, *, utilisation: Estimate) -> Estimate:
    """Return the mean wall power of one server: idle + utilisation x (full - idle), which rises in all three."""
    ends = {
        end: getattr(machine.idle_power_w, end)
        # Intervals of idle and full draw may cross at their ends; load never lowers the draw.
        + getattr(utilisation, end) * max(0.0, getattr(machine.full_power_w, end) - getattr(machine.idle_power_w, end))
        for end in ("low", "value", "high")
    }
    inputs = (machine.idle_power_w, machine.full_power_w, utilisation)
    found = Estimate(**ends, unit="W", basis=combined(inputs), source=message("idle + utilisation x (full - idle)"))
    return record(found, Derivation("{0} + {2} * max(0, {1} - {0})", inputs, found.source))


def energy_kwh_per_year(
    loads: Sequence[Load], *, num_servers: float | Estimate, machine: Machine, other_w: Estimate | None = None
) -> Estimate:
    """Return the energy of the IT in a year, without the PUE; ``other_w`` is the mean draw of switches and storage.

    ``num_servers`` run in the mean of the year and share the work: of a rent by the hour those that are paid.
    """
    power = mean_power_w(machine, utilisation=mean_utilisation(loads, num_servers=num_servers, machine=machine))
    watts = scaled(power, num_servers)
    watts = watts if other_w is None else plus(watts, other_w)
    energy = scaled(watts, HOURS_PER_YEAR / 1000, unit="kWh/year")
    record(energy, Derivation(f"{{0}} * {HOURS_PER_YEAR:g} / 1000", (watts,), ENERGY))
    return known_as(energy, ".energy_kwh_per_year", message("IT energy per year"))


def money(
    loads: Sequence[Load],
    *,
    num_servers: int,
    machine: Machine,
    site: Site,
    finance: Finance,
    room: Room | None = None,
    other_w: Estimate | None = None,
    is_colocated: bool = False,
    is_kept: bool = False,
    more: Sequence[CostLine] = (),
) -> Money:
    """Return the money of a fleet of ``num_servers`` that carries the loads and is bought.

    ``room`` is the bill of everything around it; without one only the servers are paid and space is rented by the kW.
    Machines that are kept (``is_kept``) stand in a room that is paid already.
    ``other_w`` is the mean draw of its other equipment, ``more`` are the cost lines of factors.
    """
    count = servers_of(num_servers)
    servers = named(scaled(machine.price_usd, count, unit="usd"), "servers x price")
    # A fleet without a room (measured machines) stands in rented space.
    capex = servers if room is None else with_other_lines(room, servers=servers)
    peak = scaled(machine.peak_power_w, count) if room is None else room_peak_w(room, machine, num_servers=num_servers)
    energy = energy_kwh_per_year(loads, num_servers=count, machine=machine, other_w=other_w)
    # Losses of power supplies are inside the draw at the wall; those of UPS and cooling are in the PUE.
    use = ResourceUse(
        it_kwh_per_year=energy,
        it_peak_w=peak,
        pue=site.pue,
        num_servers=num_servers,
        num_accelerators=num_servers * machine.devices_per_server,
        capex_usd=capex,
    )
    # A room of one's own has its UPS and plant on the bill instead of a rent.
    has_rent = (room is None or is_colocated) and not is_kept
    prices = Tariffs(
        electricity_usd_per_kwh=site.electricity_usd_per_kwh,
        demand_usd_per_kw_month=None if is_colocated else site.demand_charge_usd_per_kw_month,
        space_usd_per_kw_month=finance.space_usd_per_kw_month if has_rent else None,
    )
    lines = (*opex_lines(use, prices=prices), *more, *staff_lines(finance, num_servers=num_servers))
    found = own(capex, lines, terms=terms_of(finance, residual_share=residual_of(capex, room, finance)))
    return Money(
        capex_usd=capex,
        opex_usd_per_year=found.opex_usd_per_year,
        tco_usd=found.tco_usd,
        lines=found.lines,
        usd_per_unit=per_unit(found.total_usd_per_year, loads, unit="usd", what="cost"),
    )


def terms_of(finance: Finance, *, residual_share: Estimate) -> FinanceTerms:
    """Return the financial terms, as the formulae of ownership take them; the share is of the whole purchase."""
    return FinanceTerms(
        discount_rate=finance.discount_rate,
        life_years=finance.life_years,
        residual_share=residual_share,
        adders_share=finance.adders_share,
    )


def staff_lines(finance: Finance, *, num_servers: int) -> tuple[CostLine, ...]:
    """Return the staff, where the demand states them."""
    if finance.staff_usd_per_year is None or num_servers == 0:
        return ()
    return (
        CostLine(key="staff", name="staff", usd_per_year=finance.staff_usd_per_year, formula=message("as stated in the demand")),
    )


def with_other_lines(room: Room, *, servers: Estimate) -> Estimate:
    """Return the servers at the price of this option, and every other line of the bill."""
    # Servers are counted at the option's own price, so the bill's line of them is left out.
    others = [line.usd for line in room.bill.lines if line.category != "node" and line.usd is not None and line.count]
    return named(plus(servers, total(others, unit="usd")), message("servers x price + the other lines of the bill"))


def room_peak_w(room: Room, machine: Machine, *, num_servers: int) -> Estimate:
    """Return the peak of the servers and of switches and storage."""
    return plus(scaled(machine.peak_power_w, servers_of(num_servers)), other_peak_w(room))


def servers_of(num_servers: int) -> Estimate:
    """Return the number of servers of an option under its key."""
    return counted(num_servers, "servers", message("servers in service + spare servers"), key=".num_servers", title="servers")


def rented(
    loads: Sequence[Load],
    offer: Offer,
    *,
    instances: PaidInstances,
    machine: Machine,
    finance: Finance,
    num_servers: int,
    more: Sequence[CostLine] = (),
) -> Money:
    """Return the money of whole rented instances, ``num_servers`` at most; ``instances`` are those that are paid.

    ``more`` are the cost lines of factors.
    """
    assert offer.price is not None and offer.term != "purchase", "only rents with a price are rented"
    rent = _rent(offer, instances, size=machine.machines_per_server, at_most=num_servers)
    fed = {
        AT_WORK: instances.mean,
        message("accelerators of an instance"): machine.machines_per_server,
        message("rent of an accelerator"): offer.price,
    }
    own = CostLine(
        key="rent", name=message("rent: {name}", name=offer.name), usd_per_year=rent.usd_per_year, formula=RENT, inputs=fed
    )
    lines = (own, *more, *staff_lines(finance, num_servers=num_servers))
    opex = named(total([line.usd_per_year for line in lines], unit="usd/year"), message("sum of the lines"))
    return Money(
        capex_usd=zero("usd"),
        opex_usd_per_year=opex,
        tco_usd=named(scaled(opex, life_of(finance.life_years), unit="usd"), "opex x years"),
        lines=lines,
        usd_per_unit=per_unit(opex, loads, unit="usd", what="cost"),
        rent=rent,
    )


def _rent(offer: Offer, instances: PaidInstances, *, size: Estimate, at_most: int) -> Rent:
    """Return the rent of the instances that are paid; ``size`` are the accelerators of one, at most ``at_most`` instances."""
    assert offer.price is not None, "only rents with a price are rented"
    # Rents are per accelerator-hour, so the size of an instance is a factor.
    hourly = explained(times(size, offer.price, unit="usd/instance-h"), message("accelerators of an instance x rent of one"))
    yearly = named(scaled(times(instances.mean, hourly, unit="usd/year"), HOURS_PER_YEAR), RENT)
    return Rent(
        provider=offer.provider,
        region=offer.region,
        term=offer.term,
        instance=offer.instance,
        accelerators_per_instance=size,
        instances_at_most=at_most,
        instances_mean=instances.mean,
        usd_per_instance_hour=hourly,
        usd_per_accelerator_hour=offer.price,
        usd_per_year=yearly,
        instances_by_year=instances.by_year,
        years=instances.years,
    )


def shares(loads: Sequence[Load]) -> dict[str, float]:
    """Return each load's share of the busy machine-time of a year, by name; they add up to 1 where there is any."""
    busy = sum(load.mean_machines.value for load in loads)
    # By machine-time, since requests of different services have no common unit.
    return {load.name: load.mean_machines.value / busy for load in loads} if busy > 0 else {}


def per_unit(yearly: Estimate, loads: Sequence[Load], *, unit: str, what: str = "total") -> dict[str, Estimate]:
    """Return a year's total per unit of each load; loads whose units may be zero have no figure."""
    portions, found = shares(loads), dict[str, Estimate]()
    for load in loads:
        # Division needs an interval above 0.
        if load.name in portions and load.items_per_year.low > 0:
            of = Places()
            words = f"{of(yearly)} * {of(load.mean_machines)} / {of.plus(one.mean_machines for one in loads)}"
            words = f"{words} / {of(load.items_per_year)}"
            each = over(scaled(yearly, portions[load.name]), load.items_per_year, unit=f"{unit}/{load.item}")
            found[load.name] = record(each, Derivation(words, tuple(of.inputs), PER_UNIT.format(what)))
    return found


def carbon(
    loads: Sequence[Load],
    *,
    num_servers: float | Estimate,
    machine: Machine,
    site: Site,
    finance: Finance,
    other_w: Estimate | None = None,
) -> Carbon:
    """Return the greenhouse gases of running everything, and of manufacturing the servers for the time they are used.

    ``num_servers`` run in the mean of the year. No figures are published for manufacturing switches and storage.
    """
    energy = energy_kwh_per_year(loads, num_servers=num_servers, machine=machine, other_w=other_w)
    found = footprint(
        it_kwh_per_year=energy,
        pue=site.pue,
        grid_g_per_kwh=site.grid_g_per_kwh,
        making=explained(scaled(machine.embodied_kg, num_servers, unit="kgCO2e"), MAKING),
        life_years=finance.life_years,
    )
    return Carbon(
        energy_kwh_per_year=energy,
        operation_kg=found.operation_kg,
        making_kg=found.making_kg,
        carbon_kg=found.total_kg,
        carbon_kg_per_unit=per_unit(found.total_kg_per_year, loads, unit="kgCO2e"),
    )
