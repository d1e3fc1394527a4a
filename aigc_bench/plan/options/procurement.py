"""List the procurements of a host: bought for an own room or a colocation, or rented in whole instances.

Rented instances have a fixed number of accelerators and are paid whole. A price index is of no instance: it is paid per
accelerator, and the option says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.core.identity import Same
from aigc_bench.core.messages import joined, message
from aigc_bench.plan.hardware.datasheet import usual_counts
from aigc_bench.plan.hardware.hosts import ANYWHERE, Host, Place, cautions_of, why_no_framework, why_not_sold
from aigc_bench.plan.money.kept_and_sent import transfers_of
from aigc_bench.plan.money.offers import Offer, rents
from aigc_bench.plan.money.ownership import annuity
from aigc_bench.plan.options.api import excluded
from aigc_bench.plan.options.assemble import Procurement, ranked
from aigc_bench.plan.placement.desks import circuit_question
from aigc_bench.plan.placement.residency import country_of_grid, why_not_at_site, why_not_rented
from aigc_bench.plan.placement.room_around import room_maker
from aigc_bench.plan.records.demand import Constraints, Demand, OptionKind
from aigc_bench.plan.records.machine import Load, Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.search.selection import WHOLE_SERVER, SelectionTerms
from aigc_bench.plan.stats.distributions import age_years, hardware_price
from aigc_bench.plan.stats.estimates import ceil, estimate, scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

MARKETPLACE_AVAILABILITY = 0.99
"""From this availability on services do not run on hosts of a marketplace, whose owners may leave (assumed)."""
OLD_RENT_YEARS = 0.5
"""Rents of one accelerator moved by a factor of two within half of 2026, so an older one asks for a quote (assumed)."""
FABRICS = ("infiniband", "roce", "efa", "ici", "tcpx", "nvlink_rack")
SPOT_AVAILABILITY = 0.99
"""Highest availability that services may require of spot capacity, which the provider may take back (assumed)."""
GEFORCE_LICENCE = message(
    "the licence of the GeForce driver excludes data centres (NVIDIA, GeForce software licence 2.1.3): check your use"
)
OF_A_FORM = message("no data sheet of this host: height, weight, NICs and price are assumed from its form factor; request a quote")
OF_AN_INDEX = message("the rent is a price index per accelerator, not an instance: single accelerators are counted")


NO_LIMITS = Constraints()


@dataclass(frozen=True, kw_only=True)
class Market:
    """Hold the catalogue, the date of its prices, the accelerators that the user has measured, and the limits of the demand."""

    catalogue: Catalogue
    day: date
    measured: tuple[str, ...] = ()
    place: Place = ANYWHERE
    limits: Constraints = NO_LIMITS
    known: dict[Same[Host], list[Offer]] = field(default_factory=dict, repr=False, compare=False)
    """Rents by host: every size of instance asks for them."""

    def why_not_sold(self, host: Host) -> str | None:
        """Return why a host cannot be bought on that date; ``None`` if it can."""
        return why_not_sold(host.spec, catalogue=self.catalogue, on=self.day, owned=self.measured, place=self.place)

    def rents_of(self, host: Host) -> list[Offer]:
        """Return the lowest rent of an accelerator for each term and size of instance.

        Only for the first host of an accelerator, because a rent does not belong to a server row.
        """
        key = Same(host)
        if key not in self.known:
            self.known[key] = self._rents_of(host)
        return self.known[key]

    def _rents_of(self, host: Host) -> list[Offer]:
        # The same rule as for hosts: only a row with a price and a nameplate becomes one.
        rows = self.catalogue.servers_with(host.spec.id)
        first = next((row.id for row in rows if row.price and row.max_power_w), None)
        if first != (host.server.id if host.server else None):
            return []
        if host.server is None and host.machine.devices_per_server != usual_counts(host.spec)[-1]:
            return []
        found: dict[tuple[str, float, bool], Offer] = {}
        for offer in rents(host.spec, catalogue=self.catalogue, on=self.day, is_in_china=self.place.is_in_china):
            if offer.price is not None and why_not_rented(offer.provider, offer.region, self.limits) is None:
                # An index and an instance of one accelerator are kept apart: only the latter can be rented.
                best = found.setdefault((offer.term, offer.num_accelerators, offer.is_index), offer)
                if best.price is not None and offer.price.value < best.price.value:
                    found[offer.term, offer.num_accelerators, offer.is_index] = offer
        return list(found.values())

    def terms_of(self, host: Host, *, demand: Demand, is_alone: bool) -> list[SelectionTerms]:
        """Return the terms for which settings are chosen: owned, colocated, and each size of instance."""
        # None: an index is of no instance, so a replica of any size may use it.
        sizes = {None if one.is_index else max(1, round(one.num_accelerators)) for one in self.rents_of(host)}
        rented = [SelectionTerms(kind="cloud", instance=size) for size in sorted(sizes, key=lambda size: size or 0)]
        if not host.is_for_sale:
            return rented
        bought = self.purchase_terms(demand, is_alone=is_alone)
        # Providers of colocation rent racks: no desktop goes there.
        return [*(terms for terms in bought if host.machine.needs_rack or terms.kind == "owned"), *rented]

    def purchase_terms(self, demand: Demand, *, is_alone: bool) -> list[SelectionTerms]:
        """Return the terms of a purchase for an own room and for a colocation."""
        prices = {"owned": self._watt_usd_per_year(demand), "colocated": _space_usd_per_year(demand)}
        kinds: tuple[OptionKind, ...] = ("owned", "colocated")
        return [SelectionTerms(kind=kind, watt_usd_per_year=prices[kind], is_alone=is_alone) for kind in kinds]

    def _watt_usd_per_year(self, demand: Demand) -> float:
        """Return USD per year of a peak watt in an own room: UPS and cooling plant as an annuity, and the demand charge."""
        finance, charge = demand.finance, demand.site.demand_charge_usd_per_kw_month
        # USD per kW of UPS and of air cooling, whatever the site has: it only weighs settings against each other.
        plant = self.catalogue.constant("ups_usd_per_kw").value + self.catalogue.cooling["capex_crah"].estimate().value
        yearly = annuity(
            plant,
            rate=finance.discount_rate.value,
            years=finance.life_years,
            residual=plant * (finance.plant_left_share or finance.residual_share).value,
        )
        # A demand charge is per kW and month at the meter, so cooling is in it by the PUE.
        return (yearly + (charge.value * 12 * demand.site.pue.value if charge else 0.0)) / 1000

    def has(self, host: Host) -> bool:
        """Return whether the host can be bought or rented at all."""
        return (host.is_for_sale and self.why_not_sold(host) is None) or bool(self.rents_of(host))


def _space_usd_per_year(demand: Demand) -> float:
    """Return USD per year of a watt of peak power in a colocation."""
    return demand.finance.space_usd_per_kw_month.value * 12 / 1000


def procurements_of(host: Host, machine: Machine, *, demand: Demand, market: Market, terms: SelectionTerms) -> list[Procurement]:
    """Return the procurements on those terms: owned or colocated, or every rent of that size of instance."""
    if terms.kind != "cloud":
        return [_purchase(host, machine, demand=demand, market=market, kind=terms.kind)]
    # The site's country does not bind a provider's machines, the end of software support does.
    cautions = cautions_of(host.spec, catalogue=market.catalogue)
    return [
        Procurement(
            machine=in_instances(machine, offer),
            placement="shared",
            offer=offer,
            transfers=transfers_of(offer.provider or "", catalogue=market.catalogue),
            questions=tuple(joined(": ", (offer.name, text)) for text in (*_doubts_of_rent(offer, on=market.day), *cautions)),
        )
        for offer in market.rents_of(host)
        if (None if offer.is_index else max(1, round(offer.num_accelerators))) == terms.instance
    ]


def _doubts_of_rent(offer: Offer, *, on: date) -> Iterator[str]:
    """Yield what has to be settled with a provider before a rent is relied on."""
    if offer.is_index:
        yield OF_AN_INDEX
    if offer.is_marketplace:
        yield message("a marketplace: hosts of others, who may raise the price or leave; check who runs the machine")
    age = age_years(offer.as_of, on=on) if offer.as_of else 0.0
    if age > OLD_RENT_YEARS:
        yield message("its list price is of {as_of}, {months:.0f} months old; request a quote", as_of=offer.as_of, months=12 * age)
    market = offer.market
    if market is not None and offer.listed_usd is not None and offer.listed_usd < market.p10:
        yield message(
            "its list price of ${rent:.2f} per accelerator-hour is below that of nine in ten of {count} providers "
            "(P10 ${tenth:.2f}, median ${median:.2f}); request a quote in writing",
            rent=offer.listed_usd,
            count=market.count,
            tenth=market.p10,
            median=market.median,
        )


def _purchase(host: Host, machine: Machine, *, demand: Demand, market: Market, kind: OptionKind) -> Procurement:
    # The sheet's price as of the plan's day; a host without a dated price keeps the one it was built with.
    price = hardware_price(host.sheet, catalogue=market.catalogue, on=market.day) or machine.price_usd
    priced = machine.model_copy(update={"price_usd": price})
    offer = Offer(
        kind=kind,
        term="purchase",
        name=machine.server,
        accelerator=host.spec.id,
        num_accelerators=machine.devices_per_server,
        server=host.server.id if host.server else None,
        provider=host.server.vendor if host.server else None,
        price=price,
        unit="usd",
    )
    is_consumer = "GeForce" in host.spec.name
    # Questions do not refuse: a buyer can settle them with a quote or a licence.
    open_ones = ((OF_A_FORM, host.server is None), (GEFORCE_LICENCE, is_consumer))
    cautions = cautions_of(host.spec, catalogue=market.catalogue, place=market.place)
    circuit = circuit_question(priced, demand.site)
    texts = (*(text for text, is_open in open_ones if is_open), *cautions, *((circuit,) if circuit else ()))
    questions = tuple(joined(": ", (machine.server, text)) for text in texts)
    racked = replace(host, machine=priced)
    return Procurement(
        machine=priced,
        # Loads keep replicas of their own, jobs take what services leave by night.
        placement="shared",
        offer=offer,
        make_room=room_maker(racked, demand, catalogue=market.catalogue, on=market.day, is_built=kind == "owned"),
        questions=questions,
        is_consumer=is_consumer,
    )


def in_instances(machine: Machine, offer: Offer) -> Machine:
    """Return the machine as an instance of an offer: power and embodied carbon in proportion to its accelerators."""
    size = max(1, round(offer.num_accelerators))
    # An instance may be larger or smaller than the server whose watts are known.
    share = size / machine.machines_per_server.value
    of = message("a price index is per accelerator") if offer.is_index else message("accelerators of one {name}", name=offer.name)
    source = message("{of}, {as_of}", of=of, as_of=offer.as_of)
    of_one = ("peak_power_w", "full_power_w", "idle_power_w", "design_heat_w", "embodied_kg", "price_usd")
    return machine.model_copy(
        update={
            **{name: scaled(getattr(machine, name), share) for name in of_one},
            "server": offer.name,
            "machines_per_server": estimate(size, unit="machines/server", basis="datasheet", source=source),
            "devices_per_server": size,
            # Data lie on the provider's storage, and its rack is none of the plan's limits.
            "disk_bytes": None,
            "rack_units": None,
            "weight_kg": None,
        }
    )


def unwanted(procurement: Procurement, host: Host, *, demand: Demand, market: Market) -> tuple[str, ...]:
    """Return why a procurement is refused, independent of its factors."""
    found = [excluded(procurement.kind)] if procurement.kind in demand.constraints.without else []
    if procurement.kind in ("owned", "colocated"):
        country = country_of_grid(market.catalogue.grid_row(demand.site.region))
        found += [why for why in (market.why_not_sold(host), why_not_at_site(country, demand.constraints)) if why is not None]
    if (reason := why_no_framework(host.spec, named=(*demand.constraints.accelerators, *market.measured))) is not None:
        found.append(reason)
    if procurement.offer is None:
        return tuple(found)
    found += _unwanted_terms(procurement.offer, demand)
    return (*found, *(unwanted_rent(procurement.offer, procurement.machine) if procurement.is_rented else ()))


def _unwanted_terms(offer: Offer, demand: Demand) -> Iterator[str]:
    """Yield why the terms of an offer are refused: it may be taken back, or it cannot be booked."""
    # Jobs alone restart from a checkpoint, services lose the requests in flight.
    if offer.term == "spot" and demand.services and demand.availability > SPOT_AVAILABILITY:
        yield message(
            "availability: a spot instance may be taken back at any time; {availability:g} % is required. "
            "Services need on demand or reserved; jobs alone may run on spot",
            availability=100 * demand.availability,
        )
    if offer.is_index:
        yield message("money: {name} is a mean over offers and cannot be booked; request quotes", name=offer.name)
    if offer.is_marketplace and demand.services and demand.availability >= MARKETPLACE_AVAILABILITY:
        yield message(
            "availability: hosts of a marketplace may leave at any time; {availability:g} % is required",
            availability=100 * demand.availability,
        )


def is_fabric(interconnect: str | None) -> bool:
    """Return whether it joins instances; NVLink and Infinity Fabric end at the server, ``none`` is an ordinary network."""
    return (interconnect or "none").startswith(FABRICS)


def no_cluster(offer: Offer | None, loads: Sequence[Load], *, demand: Demand) -> Iterator[str]:
    """Yield why rented instances are no training cluster: one that spans several needs a stated fabric, and all of them together.

    A spot instance that is taken back stops the job on all others until the provider has capacity again.
    """
    if offer is None or offer.kind != "cloud":
        return
    trained = {job.name for job in demand.jobs if job.mode == "train"}
    for load in loads:
        machines = ceil(load.busy_machines.value / load.machines_per_replica) * load.machines_per_replica
        instances = ceil(machines / offer.num_accelerators)
        if load.name not in trained or instances <= 1:
            continue
        if not is_fabric(offer.interconnect):
            yield message(
                "network: training {name} spans {instances} instances, and {provider} states no fabric between instances of "
                "{size:g} accelerators; ask for InfiniBand, RoCE or EFA in writing, or rent where one is stated",
                name=load.name,
                instances=instances,
                provider=offer.provider or message("the provider"),
                size=offer.num_accelerators,
            )
        if offer.term == "spot":
            yield message(
                "availability: training {name} needs {instances} instances together, and spot instances may be taken back "
                "one by one; rent on demand or reserved",
                name=load.name,
                instances=instances,
            )


def unwanted_rent(offer: Offer, machine: Machine) -> tuple[str, ...]:
    """Return why an instance cannot hold the largest replica, whose accelerators share one machine's links.

    A price index is of no particular instance, so it is never refused.
    """
    # Between instances there is no scale-up link, so a replica stays within one; only shards of training cross whole servers.
    spans = offer.num_accelerators >= WHOLE_SERVER
    held = [one for one in machine.capabilities if not (spans and one.mode == "train")]
    ranks = max((one.machines_per_replica for one in held), default=1)
    if offer.is_index or offer.num_accelerators >= ranks:
        return ()
    return (
        message(
            "compute: a replica spans {ranks} accelerators of one machine; {name} has "
            "{num_accelerators:.2g}; a larger instance would change that",
            ranks=ranks,
            name=offer.name,
            num_accelerators=offer.num_accelerators,
        ),
    )


def best_of_each_term(options: Iterable[Option]) -> list[Option]:
    """Return the best option of one host for each kind and term: of several sizes of instance the cheapest."""
    found: dict[tuple[str, str], Option] = {}
    for option in ranked(options):
        found.setdefault((option.kind, option.term), option)
    return list(found.values())
