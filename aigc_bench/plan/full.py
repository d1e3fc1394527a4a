"""The full plan: from a demand to ranked options over the whole catalogue. Same inputs, same bytes: the day of prices is an input.

1 candidates   every way to run each load on every accelerator, as arrays                            search/
2 choice       per host and load the cheapest that fits and is in time
3 options      fleet, six factors, room and money of every host, owned, colocated and rented          options
4 mixed        each load on the host that serves it cheapest
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.plan.apis import api_options, excluded
from aigc_bench.plan.assumptions import assumptions_of
from aigc_bench.plan.demand import Demand, Job, Service
from aigc_bench.plan.hosts import Host, allowed, hosts, specs_of
from aigc_bench.plan.interval import bounded, named, plus, scaled
from aigc_bench.plan.measured import Measured, best_measured, measured_options
from aigc_bench.plan.mixed import combined
from aigc_bench.plan.money.offers import Offer, purchases, rents
from aigc_bench.plan.options import Way, make_option, ranked
from aigc_bench.plan.records import Capability, Load, Machine, Option, Plan, Refusal, Rules, Unplanned
from aigc_bench.plan.room_of import room_maker
from aigc_bench.plan.rules import rules_from
from aigc_bench.plan.search.candidates import Candidates
from aigc_bench.plan.search.choose import cheapest_usd_per_year, choose
from aigc_bench.plan.search.loads import Models, candidates_for, capability_of
from aigc_bench.plan.server import rest_of_node_w
from aigc_bench.plan.sizing import job_load, service_load
from aigc_bench.predict.calibration import shipped_calibration

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

METHOD = (
    "Every accelerator of the catalogue, in every server that holds it, bought, colocated and rented; per load every engine, "
    "number format, parallelism, batch and power limit that the model answers, of which the cheapest that fits and is in time "
    "is taken. Queues by M/G/c (Allen-Cunneen), spares by binomial availability, intervals to first order. Whole numbers come "
    "from the middle of the intervals."
)
MIXED_HOSTS = 12
"""Hosts that are looked at for each part of a mixed option: those whose accelerators carry the load cheapest."""
SPOT_AVAILABILITY = 0.99
"""Above this, services are not put on capacity that the provider may take back (assumed)."""
NOT_INCLUDED = ("software licences", "taxes and duties", "internet transit")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A load's candidates over all accelerators."""

    wish: Service | Job
    candidates: Candidates | None


def plan_demand(
    demand: Demand,
    *,
    catalogue: Catalogue,
    on: date | None = None,
    accelerators: Sequence[str] = (),
    measured: Sequence[Measured] = (),
    floors: Mapping[str, int] | None = None,
) -> Plan:
    """The plan of a demand; ``accelerators`` (ids) narrows the search, ``on`` is the day of prices (the catalogue's newest).

    ``measured`` runs stand where predictions would, and are machines of their own where they have no accelerator. ``floors`` are
    accelerators that loads have at least, by ``Load.case``.
    """
    day = on or newest_day(catalogue)
    models = Models(catalogue=catalogue, calibration=shipped_calibration(), measured=tuple(measured), floors=floors or {})
    rules = rules_from(catalogue)
    known = [host for host in hosts(catalogue) if not accelerators or host.spec.id in accelerators]
    searched = [host for host in known if allowed(host.spec, demand.constraints) is None]
    refused = [Refusal(accelerator=host.spec.id, reason=why) for host in known if (why := allowed(host.spec, demand.constraints))]
    wishes: list[Service | Job] = [*demand.services, *demand.jobs]
    found = [Found(wish=wish, candidates=candidates_for(wish, specs_of(searched), models)) for wish in wishes]
    options: list[Option] = []
    for host in searched:
        made, reasons = _host_options(host, found, demand=demand, rules=rules, models=models, day=day)
        options += made
        refused += [Refusal(accelerator=host.spec.id, reason=reason) for reason in reasons]
    options += _mixed(searched, found, demand=demand, rules=rules, models=models, day=day)
    options += measured_options(demand, measured=measured, rules=rules)
    options += api_options(demand, catalogue=catalogue, on=day)
    final = ranked(options)
    accepted = [option.rank for option in final if option.accepted]
    best = final[min(accepted, default=1) - 1] if final else None
    return Plan(
        demand=demand,
        rules=rules,
        options=final,
        recommendation=min(accepted, default=None),
        assumptions=assumptions_of(demand, rules=rules, machine=best.machine if best else None),
        unplanned=tuple(
            Unplanned(name=one.wish.name, reason="the performance model answers for no accelerator that is allowed")
            for one in found
            if one.candidates is None
        ),
        num_candidates=sum(len(one.candidates) for one in found if one.candidates is not None),
        refused=tuple(dict.fromkeys(refused)),
        not_included=NOT_INCLUDED,
        method=METHOD,
    )


def newest_day(catalogue: Catalogue) -> date:
    """The last day that a rent of the catalogue is known of."""
    days = [row.as_of for row in catalogue.cloud_prices.values() if len(row.as_of) == len("2026-11-23")]
    return date.fromisoformat(max(days))


def _host_options(
    host: Host, found: Iterable[Found], *, demand: Demand, rules: Rules, models: Models, day: date
) -> tuple[list[Option], list[str]]:
    """Every way to have this host, or the reasons why there is none."""
    capabilities: list[Capability] = []
    refusals: list[str] = []
    for one in found:
        chosen = choose(one.wish, one.candidates, host=host, demand=demand) if one.candidates is not None else None
        if chosen is None or one.candidates is None:
            return [], [f"{one.wish.name}: the performance model does not answer for this accelerator"]
        refusals += [chosen.refusal] if chosen.refusal else []
        predicted = capability_of(one.wish, one.candidates, chosen.row, spec=host.spec, models=models)
        capability = best_measured(one.wish, host.spec.id, measured=models.measured, predicted=predicted)
        capabilities.append(capability.model_copy(update={"case": f"{one.wish.name}: {capability.case}"}))
    machine = with_capabilities(host, capabilities, catalogue=models.catalogue)
    loads = loads_of(demand, capabilities=capabilities, rules=rules)
    options = [
        make_option(way, loads, demand=demand, rules=rules, reasons=(*refusals, *_unwanted(way, demand)))
        for way in ways_to_have(host, machine, demand=demand, catalogue=models.catalogue, day=day)
    ]
    return options, []


def _mixed(
    searched: Sequence[Host], found: Sequence[Found], *, demand: Demand, rules: Rules, models: Models, day: date
) -> list[Option]:
    """One option with each load on its own cheapest host, bought or rented; none where one host carries all cheapest."""
    if len(found) < 2 or any(one.candidates is None for one in found):
        return []
    parts: list[Option] = []
    for one in found:
        alone = only(demand, one.wish)
        costs = [cheapest_usd_per_year(one.wish, one.candidates, host=host, demand=demand) for host in searched]
        near = [searched[index] for index in sorted(range(len(searched)), key=costs.__getitem__)]
        made = [_host_options(host, [one], demand=alone, rules=rules, models=models, day=day)[0] for host in near[:MIXED_HOSTS]]
        accepted = [option for options in made for option in options if option.accepted]
        if not accepted:
            return []
        parts.append(ranked(accepted)[0])
    if len({part.server for part in parts}) == 1:
        return []
    return [combined(parts)]


def only(demand: Demand, wish: Service | Job) -> Demand:
    """The demand with one service or job alone; data sets stay with the first load."""
    wishes: tuple[Service | Job, ...] = (*demand.services, *demand.jobs)
    is_first = wish.name == wishes[0].name
    return demand.model_copy(
        update={
            "services": (wish,) if isinstance(wish, Service) else (),
            "jobs": (wish,) if isinstance(wish, Job) else (),
            "datasets": demand.datasets if is_first else (),
        }
    )


def _unwanted(way: Way, demand: Demand) -> tuple[str, ...]:
    found = [excluded(way.kind)] if way.kind in demand.constraints.without else []
    if way.offer and way.offer.term == "spot" and demand.services and demand.availability > SPOT_AVAILABILITY:
        found.append(
            f"availability: a spot instance may be taken back at any time; {100 * demand.availability:g} % is asked. "
            "Services need on demand or reserved; jobs alone may run on spot"
        )
    if way.offer and way.offer.kind == "cloud" and not _holds_a_replica(way.offer, way.machine):
        found.append(
            f"compute: a replica is spread over {_ranks(way.machine)} accelerators that must stand in one machine; "
            f"{way.offer.name} has {way.offer.num_accelerators:g}; an instance with as many would change that"
        )
    return tuple(found)


def _ranks(machine: Machine) -> int:
    """Accelerators of the largest replica, which share one machine's links."""
    return max((math.ceil(one.machines_per_replica) for one in machine.capabilities), default=1)


def _holds_a_replica(offer: Offer, machine: Machine) -> bool:
    """Whether an instance has the accelerators of a replica; an index of prices is of no instance in particular."""
    return offer.region == "global" or offer.num_accelerators >= _ranks(machine)


def loads_of(demand: Demand, *, capabilities: Sequence[Capability], rules: Rules) -> tuple[Load, ...]:
    """What every service and job asks; capabilities stand in the demand's order."""
    services = capabilities[: len(demand.services)]
    jobs = capabilities[len(demand.services) :]
    served = [service_load(one, can, growth=demand.growth) for one, can in zip(demand.services, services, strict=True)]
    worked = [job_load(one, can, goodput=rules.job_goodput) for one, can in zip(demand.jobs, jobs, strict=True)]
    return (*served, *worked)


def with_capabilities(host: Host, capabilities: Sequence[Capability], *, catalogue: Catalogue) -> Machine:
    """The host's machine with what it can do, its draw at that work, and its highest draw under the power limits."""
    machine, known = host.machine, [one.power_w for one in capabilities if one.power_w is not None]
    changes: dict[str, object] = {"capabilities": tuple(capabilities)}
    if known:
        busiest = max(known, key=lambda power: power.value)
        boards = scaled(busiest, machine.devices_per_server)
        full = named(
            plus(boards, rest_of_node_w(machine.devices_per_server, catalogue)), "accelerators at this work + rest of node"
        )
        changes["full_power_w"] = bounded(full, ceiling=machine.peak_power_w.high)
        changes["idle_power_w"] = bounded(machine.idle_power_w, ceiling=full.low)
    cap = max((one.power_cap for one in capabilities), default=1.0)
    if cap < 1 and host.spec.tdp_w:
        saved = (1 - cap) * host.spec.tdp_w * machine.devices_per_server
        peak = machine.peak_power_w
        lower = {end: max(getattr(peak, end) - saved, 0.0) for end in ("value", "low", "high")}
        words = f"{peak.source}, less {saved:,.0f} W by the power limit"
        changes["peak_power_w"] = peak.model_copy(update={**lower, "source": words})
    return machine.model_copy(update=changes)


def ways_to_have(host: Host, machine: Machine, *, demand: Demand, catalogue: Catalogue, day: date) -> list[Way]:
    """Owned, colocated, and the cheapest rent of each term."""
    bought = next((one for one in purchases(host.spec, catalogue=catalogue, on=day) if one.server == _server_id(host)), None)
    price = bought.price if bought and bought.price and host.server else machine.price_usd
    priced = machine.model_copy(update={"price_usd": price})
    own, shared = (room_maker(host, demand, catalogue=catalogue, on=day, is_built=is_built) for is_built in (True, False))
    base = bought or _card_offer(host)
    ways = [
        Way(machine=priced, placement="shared", offer=base, make_room=own),
        Way(machine=priced, placement="shared", offer=base.model_copy(update={"kind": "colocated"}), make_room=shared),
    ]
    if not host.is_for_sale:
        ways = []
    return [
        *ways,
        *(Way(machine=machine, placement="shared", offer=offer) for offer in _cheapest_rents(host, machine, catalogue, day)),
    ]


def _server_id(host: Host) -> str | None:
    return host.server.id if host.server else None


def _card_offer(host: Host) -> Offer:
    count = host.machine.devices_per_server
    return Offer(
        kind="owned", term="purchase", name=host.machine.server, accelerator=host.spec.id, num_accelerators=count, unit="usd"
    )


def _cheapest_rents(host: Host, machine: Machine, catalogue: Catalogue, day: date) -> list[Offer]:
    """One offer a term, of instances that hold a replica where there are such.

    Only for the first host of an accelerator, since a rent is not of a server row.
    """
    first = next((server.id for server in catalogue.servers_with(host.spec.id) if server.price and server.max_power_w), None)
    if first != _server_id(host):
        return []
    found: dict[str, tuple[bool, float, Offer]] = {}
    for offer in rents(host.spec, catalogue=catalogue, on=day):
        if offer.price is not None:
            standing = (not _holds_a_replica(offer, machine), offer.price.value, offer)
            found[offer.term] = min(found.get(offer.term, standing), standing, key=lambda one: one[:2])
    return [offer for _, _, offer in found.values()]
