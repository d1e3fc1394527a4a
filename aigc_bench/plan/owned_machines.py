"""Plan a demand with machines that are there already: what they carry, what to add, what to retire.

    needed      servers of that kind that would carry the loads they support, with the safety margin, without spares
    share       servers there / needed, in whole replicas; the rest of every rate is planned as a demand of its own
    running     kWh of the IT a year at that share x PUE x tariff
    keep        running x years - resale at the end of the life + total cost of what is added
    anew        share x total cost of new machines for the whole demand - resale today

A kind is kept where keeping it costs less than ``anew``. What it draws and the racks it fills are taken off the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Protocol

from aigc_bench.core.derivation import Derivation, changed, record, restated
from aigc_bench.core.messages import joined, message, plural
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.catalogue_search import HostSearch, newest_day, search_of
from aigc_bench.plan.hardware.hosts import Host, host_of_cards, hosts, why_no_framework
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine
from aigc_bench.plan.money.offers import Offer
from aigc_bench.plan.money.option_cost import energy_kwh_per_year
from aigc_bench.plan.money.ownership import residual_share
from aigc_bench.plan.options.assemble import Procurement
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.placement.rack_fill import num_racks, rack_fill
from aigc_bench.plan.records.demand import Demand, Job, Service, Site
from aigc_bench.plan.records.machine import Load, Machine
from aigc_bench.plan.records.owned import Owned, OwnedFleet, OwnedPlan
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.rules import rules_from
from aigc_bench.plan.search.loads_on_hosts import loads_of, only
from aigc_bench.plan.search.selection import SelectionTerms
from aigc_bench.plan.stats.estimates import estimate, named, plus, scaled, times, total

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

ENERGY = message("kWh of the IT a year x PUE x tariff")
WITHOUT_SPARES = 0.9
"""Largest share of machines without spares of their own: the rest is added, whose spares stand in for both (assumed)."""
NUM_RIVALS = 6
"""Kinds of accelerators that are tried for a replacement: those that carry the rest of the demand at the least cost."""


class Planner(Protocol):
    """Function that returns the plan of a demand, with further options; a brief one without replay and risk."""

    def __call__(
        self, wanted: Demand, /, *, accelerators: Sequence[str] = (), extra: Sequence[Option] = (), is_brief: bool = False
    ) -> Plan: ...


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """One kind of owned machines as it would be used: its row, the option that carries its loads, and what it draws."""

    row: OwnedFleet
    host: Host
    option: Option | None = None


def examine_owned(
    demand: Demand, *, catalogue: Catalogue, on: date | None = None, measured: Sequence[MeasuredMachine] = (), seed: int = 0
) -> list[_Kept]:
    """Return every kind of owned machines with the share of the demand that it can carry; nothing is decided yet."""
    day, rules = on or newest_day(catalogue), rules_from(catalogue)
    # Site and budgets limit what is added, not what stands there already.
    free = demand.site.model_copy(update={"power_w": None, "num_racks": None, "rack_power_w": None, "rack_cooling_w": None})
    limits = demand.constraints.model_copy(update={"budget_usd": None, "budget_usd_per_year": None})
    unlimited = demand.model_copy(update={"site": free, "constraints": limits, "quotes": (), "owned": ()})
    search = search_of(unlimited, catalogue=catalogue, rules=rules, on=day, measured=measured, seed=seed)
    return [_examined(one, search, site=demand.site) for one in demand.owned]


def _carried(host: Host, search: HostSearch, *, terms: SelectionTerms) -> tuple[list[Service | Job], list[str]]:
    """Return the workloads that the machines carry each by itself, and why they do not carry the others."""
    carried, reasons = list[Service | Job](), list[str]()
    every: list[Service | Job] = [*search.demand.services, *search.demand.jobs]
    for workload in every:
        alone = replace(search, demand=only(search.demand, workload))
        made = alone.options_by(host, alone.candidates_on([host]), terms=terms, procure=_as_they_stand)
        refusals = [why for option in made for why in option.reasons if not option.accepted]
        if made and not refusals:
            carried.append(workload)
        else:
            unknown = message("{name}: the performance model does not support it", name=workload.name)
            reasons.append(refusals[0] if refusals else unknown)
    return carried, reasons


def _examined(owned: Owned, search: HostSearch, *, site: Site) -> _Kept:
    catalogue, demand = search.models.catalogue, search.demand
    spec, host = catalogue.accelerators[owned.accelerator], host_of(owned, catalogue)
    value = _resale(owned, host, catalogue=catalogue, on=search.market.day, life=demand.finance.life_years)
    row = OwnedFleet(
        owned=owned,
        decision="retire",
        what=plural("{count} x {accelerator}", "{count} x {accelerator}", count=owned.num_accelerators, accelerator=spec.name),
        resale_usd=value[0],
        later_usd=value[1],
    )
    reason = why_no_framework(spec)
    if reason is not None:
        return _Kept(row=row.model_copy(update={"reasons": (reason,)}), host=host)
    terms = search.market.purchase_terms(demand, is_alone=False)[0]
    carried, reasons = _carried(host, search, terms=terms)
    if not carried:
        return _Kept(row=row.model_copy(update={"reasons": tuple(reasons)}), host=host)
    part = _with_loads(demand, {one.name: 1.0 for one in carried})
    search = replace(search, demand=part, context=replace(search.context, demand=part))
    option = search.options_by(host, search.candidates_on([host]), terms=terms, procure=_as_they_stand)[0]
    share = _share(owned, option)
    if share <= 0:
        few = message("{what} holds no whole replica of {names}", what=row.what, names=joined(", ", [one.name for one in carried]))
        return _Kept(row=row.model_copy(update={"reasons": (*reasons, few)}), host=host)
    running = _running(owned, option, search, site=site, share=share)
    found = {
        "loads": tuple(one.name for one in carried),
        "share": share,
        "needed_servers": option.num_servers - option.num_spares,
        "setting": joined(", ", [one.case for one in option.machine.capabilities]) if option.machine else None,
        "running_usd_per_year": running,
        "reasons": tuple(reasons),
    }
    return _Kept(row=row.model_copy(update=found), host=host, option=option)


def _as_they_stand(machine: Machine, loads: Sequence[Load]) -> list[tuple[Procurement, tuple[str, ...]]]:
    """Return the procurement of machines that are there: for nothing, in a room that stands."""
    free = machine.model_copy(update={"price_usd": estimate(0.0, unit="usd", basis="assumed", source=message("bought already"))})
    offer = Offer(
        kind="owned",
        term="kept",
        name=machine.server,
        accelerator=machine.accelerator or "",
        num_accelerators=machine.devices_per_server,
        price=free.price_usd,
        unit="usd",
    )
    return [(Procurement(machine=free, placement="shared", offer=offer), ())]


def host_of(owned: Owned, catalogue: Catalogue) -> Host:
    """Return the host of owned machines: the named server, else one of that size, else a host of that many cards."""
    listed = [host for host in hosts(catalogue) if host.spec.id == owned.accelerator]
    named_one = [host for host in listed if host.server is not None and host.server.id == owned.server]
    same = named_one or [host for host in listed if host.machine.devices_per_server == owned.per_server]
    return same[0] if same else host_of_cards(catalogue.accelerators[owned.accelerator], catalogue, count=owned.per_server)


def _resale(owned: Owned, host: Host, *, catalogue: Catalogue, on: date, life: float) -> tuple[Estimate, Estimate]:
    """Return what the machines bring today, and at the end of the life: their price as new x the residual share of their age."""
    # Bought in the middle of their year.
    age = max(0.0, on.year + on.timetuple().tm_yday / 365.25 - owned.year - 0.5)
    new = scaled(host.machine.price_usd, owned.num_servers)
    ends = (residual_share(age, catalogue=catalogue), residual_share(age + life, catalogue=catalogue))
    now, later = (named(times(new, share, unit="usd"), message("price as new x residual share at its age")) for share in ends)
    return now, later


def _share(owned: Owned, option: Option) -> float:
    """Return the share of their loads that the machines there carry, in whole replicas."""
    if option.num_servers <= owned.num_servers:
        return 1.0
    size = max((load.machines_per_replica for load in option.loads), default=1)
    serving = (option.num_servers - option.num_spares) * owned.per_server
    there = owned.num_accelerators // size * size
    return min(WITHOUT_SPARES, there / serving) if serving else 1.0


def _running(owned: Owned, option: Option, search: HostSearch, *, site: Site, share: float) -> Estimate:
    """Return the electricity of the machines there in USD a year, at their share of the loads."""
    assert option.machine is not None, "an option of one kind has a machine"
    part = scaled_demand(search.demand, dict.fromkeys((load.name for load in option.loads), share))
    loads = loads_of(part, capabilities=option.machine.capabilities, rules=search.rules)
    energy = energy_kwh_per_year(loads, num_servers=owned.num_servers, machine=option.machine)
    return named(times(energy, site.pue, site.electricity_usd_per_kwh, unit="usd/year"), ENERGY)


def _with_loads(demand: Demand, shares: dict[str, float]) -> Demand:
    """Return the demand with the named loads alone."""
    return demand.model_copy(
        update={
            "services": tuple(one for one in demand.services if one.name in shares),
            "jobs": tuple(one for one in demand.jobs if one.name in shares),
        }
    )


def scaled_demand(demand: Demand, shares: dict[str, float]) -> Demand:
    """Return the demand with a share of each load; a load of no share is left out, one without a share stays."""
    services = [_part_of_service(one, shares.get(one.name, 1.0)) for one in demand.services if shares.get(one.name, 1.0) > 0]
    jobs = [
        one.model_copy(update={"items": scaled(one.items, shares.get(one.name, 1.0))})
        for one in demand.jobs
        if shares.get(one.name, 1.0) > 0
    ]
    return demand.model_copy(update={"services": tuple(services), "jobs": tuple(jobs)})


def _part_of_service(service: Service, share: float) -> Service:
    peak = scaled(service.arrival.peak_requests_per_s, share)
    return service.model_copy(update={"arrival": service.arrival.model_copy(update={"peak_requests_per_s": peak})})


def plan_with_owned(
    demand: Demand, *, planner: Planner, catalogue: Catalogue, on: date | None, measured: Sequence[MeasuredMachine], seed: int
) -> Plan:
    """Return the plan of what to add to the machines there, or to replace them by, whichever costs less over the life."""
    found = examine_owned(demand, catalogue=catalogue, on=on, measured=measured, seed=seed)
    useful = [one for one in found if one.option is not None and one.row.share > 0]
    plain = demand.model_copy(update={"owned": ()})
    if not useful:
        return _recorded(planner(plain), found, kept=[], replaced=None, demand=demand)
    complete = next((one for one in useful if _carries_all(one, demand)), None)
    if complete is None:
        return _plan_with_rest(demand, found, useful, planner=planner)
    plan = planner(plain, extra=(_standing(complete, plain, catalogue=catalogue, on=on, measured=measured, seed=seed),))
    is_kept = plan.recommended is not None and plan.recommended.term == "kept"
    replaced = next((one for one in plan.options if one.accepted and one.term != "kept"), None)
    return _recorded(plan, found, kept=[complete] if is_kept else [], replaced=replaced, demand=demand)


def _carries_all(one: _Kept, demand: Demand) -> bool:
    return one.row.share == 1.0 and len(one.row.loads) == len((*demand.services, *demand.jobs))


def _plan_with_rest(demand: Demand, found: Sequence[_Kept], useful: Sequence[_Kept], *, planner: Planner) -> Plan:
    """Return the plan of keeping the kinds that are worth it and adding for the rest, or of new machines for everything."""
    plain = demand.model_copy(update={"owned": ()})
    rest = planner(_rest(demand, useful))
    replaced = _replacement(plain, planner=planner, rest=rest)
    kept = _worth_keeping(useful, replaced, demand=demand)
    if kept:
        if len(kept) < len(useful):
            rest = planner(_rest(demand, kept))
        keeping = _recorded(rest, found, kept=kept, replaced=replaced, demand=demand)
        if not _costs_more(keeping):
            return keeping
    return _recorded(planner(plain), found, kept=[], replaced=replaced, demand=demand)


def _replacement(plain: Demand, *, planner: Planner, rest: Plan) -> Option | None:
    """Return the cheapest new machines for everything, of the kinds that carry the rest: they judge what each share costs anew."""
    accepted = [one.accelerator or "" for one in rest.options if one.accepted]
    names = tuple(dict.fromkeys(name for one in accepted for name in one.split(" + ") if name))
    whole = planner(plain, accelerators=names[:NUM_RIVALS], is_brief=True)
    return next((one for one in whole.options if one.accepted), None)


def _worth_keeping(useful: Sequence[_Kept], replaced: Option | None, *, demand: Demand) -> list[_Kept]:
    """Return the kinds that cost less over the life than new machines for their share, the cheapest first."""
    kept, left = list[_Kept](), 1.0
    for one in sorted(useful, key=lambda one: _keeping_usd(one, demand) / one.row.share):
        share = min(left, one.row.share)
        if replaced is None or _keeping_usd(one, demand) < share * replaced.tco_usd.value:
            kept.append(one)
            left -= share
    return kept


def _costs_more(keeping: Plan) -> bool:
    """Whether keeping costs more than new machines: each kind was judged alone, and what is added comes on top."""
    owned = keeping.owned
    if owned is None or owned.keep_usd is None or owned.replace_usd is None or keeping.recommended is None:
        return False
    return owned.keep_usd.value > owned.replace_usd.value


def _standing(
    one: _Kept, demand: Demand, *, catalogue: Catalogue, on: date | None, measured: Sequence[MeasuredMachine], seed: int
) -> Option:
    """Return the option of using what is there and adding nothing, on the site of the demand."""
    day, rules = on or newest_day(catalogue), rules_from(catalogue)
    search = search_of(demand, catalogue=catalogue, rules=rules, on=day, measured=measured, seed=seed)
    terms = search.market.purchase_terms(demand, is_alone=False)[0]
    (option,) = search.options_by(one.host, search.candidates_on([one.host]), terms=terms, procure=_as_they_stand)
    return option


def _keeping_usd(one: _Kept, demand: Demand) -> float:
    """Return USD over the life of keeping machines: their electricity, and what they lose in value."""
    row, years = one.row, demand.finance.life_years
    running = row.running_usd_per_year.value * years if row.running_usd_per_year else 0.0
    return running + max(0.0, row.resale_usd.value - row.later_usd.value)


def shares_of(demand: Demand, kept: Sequence[_Kept]) -> dict[str, float]:
    """Return the share of each load that the kept machines carry, at most all of it."""
    carried: dict[str, float] = {}
    for one in kept:
        for name in one.row.loads:
            carried[name] = min(1.0, carried.get(name, 0.0) + one.row.share)
    return carried


def _rest(demand: Demand, kept: Sequence[_Kept]) -> Demand:
    """Return the demand that is left, on a site less what the kept machines draw and the racks that they fill."""
    carried = shares_of(demand, kept)
    # Without any load left there is nothing to plan; a tenth stays, whose spares stand in for the machines there.
    left = {name: max(0.0, 1 - share) for name, share in carried.items()}
    every: list[Service | Job] = [*demand.services, *demand.jobs]
    if not any(left.get(one.name, 1.0) > 0 for one in every):
        left = dict.fromkeys(left, 1 - WITHOUT_SPARES)
    site, watts, racks = demand.site, 0.0, 0
    for one in kept:
        machine = one.host.machine
        watts += machine.peak_power_w.value * one.row.owned.num_servers
        fill = rack_fill(machine, demand.site)
        racks += num_racks(fill.servers if fill else None, num_servers=one.row.owned.num_servers) or 0
    power = site.amount("power_w")
    if power is not None:
        lower = {end: max(0.0, getattr(power, end) - watts) for end in ("low", "value", "high")}
        site = site.with_amounts({"power_w": power.model_copy(update=lower)})
    if site.num_racks is not None:
        site = site.model_copy(update={"num_racks": max(0, site.num_racks - racks)})
    return scaled_demand(demand.model_copy(update={"owned": (), "site": site}), left)


def _keep_usd(kept: Sequence[_Kept], *, added: Option | None, years: float) -> Estimate | None:
    """Return the cost over the life of what is kept and ``added``, less the resale at its end; ``None`` where nothing is kept."""
    terms = [scaled(one.row.running_usd_per_year, years, unit="usd") for one in kept if one.row.running_usd_per_year]
    if added is not None:
        # Under the option's own key: its servers are others than those there.
        terms.append(restated(added.tco_usd, key=f"options.{added.rank}.tco_usd", title=message("total cost over the life")))
    return _less(plus(*terms), total([one.row.later_usd for one in kept], unit="usd")) if kept and terms else None


def _recorded(plan: Plan, found: Sequence[_Kept], *, kept: Sequence[_Kept], replaced: Option | None, demand: Demand) -> Plan:
    """Return the plan with what is done with the owned machines."""
    best, years = plan.recommended, demand.finance.life_years
    is_complete = best is not None and best.term == "kept"
    rows = [_decided(one, kept=kept, replaced=replaced) for one in found]
    resale = total([one.row.resale_usd for one in found], unit="usd")
    keep = _keep_usd(kept, added=None if is_complete else best, years=years)
    anew = _less(replaced.tco_usd, resale) if replaced is not None else None
    return plan.model_copy(
        update={
            "owned": OwnedPlan(
                fleets=tuple(rows),
                is_complete=is_complete,
                num_kept=sum(one.row.owned.num_servers for one in kept),
                kept=shares_of(demand, kept),
                keep_usd=keep,
                replace_usd=anew,
                new_usd=replaced.tco_usd if replaced is not None else None,
                replace_by=describe(replaced) if replaced is not None else None,
                verdict=_verdict(plan, kept, keep=keep, anew=anew),
                questions=tuple(_questions(plan, kept)),
            )
        }
    )


def _less(cost: Estimate, sale: Estimate) -> Estimate:
    """Return a cost less what a sale brings, at least nothing; the interval is that of the cost."""
    ends = {end: max(0.0, getattr(cost, end) - sale.value) for end in ("low", "value", "high")}
    found = record(changed(cost, **ends), Derivation("max(0, {0} - {1})", (cost, sale)))
    return named(found, message("cost less {resale} of resale", resale=quantity(sale.value, "usd")))


def _decided(one: _Kept, *, kept: Sequence[_Kept], replaced: Option | None) -> OwnedFleet:
    row, is_kept = one.row, any(one is other for other in kept)
    anew = scaled(replaced.tco_usd, row.share) if replaced is not None and row.share > 0 else None
    book = row.owned.book_value_usd
    loss = None if is_kept or book is None else max(0.0, book - row.resale_usd.value)
    return row.model_copy(update={"decision": "keep" if is_kept else "retire", "anew_usd": anew, "write_off_usd": loss})


def _verdict(plan: Plan, kept: Sequence[_Kept], *, keep: Estimate | None, anew: Estimate | None) -> str:
    """Return what to do with the machines there, with both costs."""
    if not kept:
        return message("Retire what is there: new machines cost less, or what is there carries nothing of the demand.")
    names = joined(" and ", [one.row.what for one in kept])
    if plan.recommended is None:
        return message("Keep {names}; no option carries the rest of the demand.", names=names)
    now, new = quantity(keep.value if keep else None, "usd"), quantity(anew.value if anew else None, "usd")
    if plan.recommended.term == "kept":
        return message(
            "Keep {names} and add nothing: {now} over the life, against {new} for new machines.", names=names, now=now, new=new
        )
    share = min(shares_of(plan.demand, kept).values(), default=0.0)
    return message(
        "Keep {names}, which carry {percent:.0f} % of the demand, and {add}: {now} over the life, against {new} for new machines "
        "alone.",
        names=names,
        percent=100 * share,
        add=describe(plan.recommended),
        now=now,
        new=new,
    )


def _questions(plan: Plan, kept: Sequence[_Kept]) -> list[str]:
    """Return what is to be settled about kept machines: whether something stands in where one fails."""
    best = plan.recommended
    if not kept or best is None or best.term == "kept" or best.kind == "api" or best.num_spares:
        return []
    if best.kind == "cloud" and best.term == "on_demand":
        return [
            message("while a kept server is repaired, its share is rented on demand in addition; check that the provider has it")
        ]
    return [message("no spare stands in where a kept server fails; keep its share on other machines, or accept less until repair")]
