"""Plan a demand on vendors' quotes, and compare each with the market, the recommendation and the other quotes.

    total     capex x (1 - residual) + (opex + support) x (years - delivery) + bridge       over the life of the servers
    bridge    yearly cost of the cheapest accepted rent on demand / mean growth x delivery   capacity until then

A purchase at the prices of the catalogue has no delivery time. A quote is a firm price: its interval is that of the exchange rate.
What a quote is compared with is in ``options.compared_quotes``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from aigc_bench.core.derivation import restated
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.catalogue_search import HostSearch, newest_day, search_of
from aigc_bench.plan.hardware.hosts import Host, allowed, host_of_cards, hosts, why_not_there
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine
from aigc_bench.plan.money.offers import Offer, rents
from aigc_bench.plan.money.ownership import residual_of_option
from aigc_bench.plan.options.assemble import Procurement, ranked
from aigc_bench.plan.options.compared_quotes import PricedQuote, compared, slope_of, weeks_of
from aigc_bench.plan.options.procurement import OF_A_FORM, in_instances, no_cluster, procurements_of, unwanted
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.records.demand import Finance
from aigc_bench.plan.records.machine import Load, Machine
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.quote import Quote, QuotedPlan
from aigc_bench.plan.risk.probabilities import sampled_option, with_probabilities
from aigc_bench.plan.search.selection import SelectionTerms
from aigc_bench.plan.sizing.fleets import grown
from aigc_bench.plan.stats.distributions import hardware_price
from aigc_bench.plan.stats.estimates import complement, estimate, named, plus, scaled, times, zero

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

TOTAL = message("capex x (1 - residual) + (opex + support) x (years - delivery) + bridge")


def with_quotes(
    plan: Plan, *, catalogue: Catalogue, on: date | None = None, measured: Sequence[MeasuredMachine] = (), seed: int = 0
) -> Plan:
    """Return the plan with its demand's quotes, each planned and compared, in the order of the demand."""
    if not plan.demand.quotes:
        return plan
    day = on or newest_day(catalogue)
    search = search_of(plan.demand, catalogue=catalogue, rules=plan.rules, on=day, measured=measured, seed=seed)
    # The rent is of the mean year of the horizon, the bridge carries today's load.
    bridge = _bridge(plan, grown_by=grown(plan.demand.growth)[1].value)
    priced = [_priced(quote, search, bridge=bridge) for quote in plan.demand.quotes]
    return plan.model_copy(update={"quotes": tuple(compared(one, priced, plan) for one in priced)})


@dataclass(frozen=True, kw_only=True)
class _Bridge:
    """What is rented until delivery, and USD a year of it at today's load."""

    option: Option
    usd_per_year: Estimate

    @property
    def what(self) -> str:
        """Return it in words, without a number of instances: they follow the load hour by hour."""
        return message(
            "{accelerator} on demand from {provider}",
            accelerator=self.option.accelerator,
            provider=self.option.provider or message("its provider"),
        )


def _bridge(plan: Plan, *, grown_by: float) -> _Bridge | None:
    """Return the cheapest accepted rent that starts now and can be given back: one on demand."""
    rented = [one for one in plan.options if one.accepted and one.kind == "cloud" and one.term == "on_demand" and not one.parts]
    best = min(rented, key=lambda one: one.opex_usd_per_year.value, default=None)
    if best is None:
        return None
    # Named as the option's own number: the bridge is another fleet than the quote's.
    running = restated(
        best.opex_usd_per_year,
        key=f"options.{best.rank}.opex_usd_per_year",
        title=message("running cost per year of option {rank}", rank=best.rank),
    )
    return _Bridge(option=best, usd_per_year=scaled(running, 1 / grown_by))


def _priced(quote: Quote, search: HostSearch, *, bridge: _Bridge | None) -> PricedQuote:
    catalogue, day = search.models.catalogue, search.market.day
    spec = catalogue.accelerators[quote.accelerator]
    host = _host_of(quote, catalogue)
    market = _market_price(quote, host, search)
    questions = tuple(_questions(quote, on=day))
    limits = search.demand.constraints
    refusals = [why for why in (allowed(spec, limits), why_not_there(spec, catalogue=catalogue, place=search.market.place)) if why]
    made = _options(quote, host, search, refusals=refusals)
    if not made:
        words = message("the performance model does not support {name} for every load of the demand", name=spec.name)
        row = QuotedPlan(quote=quote, what=_offered(quote), accepted=False, reasons=(*refusals, words), questions=questions)
        return PricedQuote(row=row.model_copy(update=_of_market(market)))
    best = ranked(made)[0]
    option = with_probabilities(sampled_option(best, search.context), search.context)
    return _costed(quote, option, bridge=bridge, finance=search.demand.finance, market=market, questions=questions)


def _offered(quote: Quote) -> str:
    return message("{count} x {accelerator}", count=quote.num_accelerators, accelerator=quote.accelerator)


def _costed(
    quote: Quote, option: Option, *, bridge: _Bridge | None, finance: Finance, market: _Market | None, questions: Sequence[str]
) -> PricedQuote:
    """Return the row of a quote with its total over the life."""
    waits = min(quote.delivery_years, finance.life_years)
    served = finance.life_years - waits
    support = scaled(quote.support_usd_per_year, option.num_servers) if quote.support_usd_per_year else zero("usd/year")
    running = plus(option.opex_usd_per_year, support)
    lost = times(option.capex_usd, complement(residual_of_option(option, finance)), unit="usd")
    rented = bridge if waits > 0 else None
    bridged = scaled(rented.usd_per_year, waits, unit="usd") if rented else zero("usd")
    total = named(plus(lost, scaled(running, served, unit="usd"), bridged), TOTAL)
    # Per unit of each load the bridge and the support count, too; shares of the loads are those of the option.
    plain = plus(lost, scaled(option.opex_usd_per_year, finance.life_years, unit="usd")).value
    share = total.value / plain if plain > 0 else 1.0
    row = QuotedPlan(
        quote=quote,
        what=describe(option),
        accepted=option.accepted,
        num_units=option.num_servers,
        total_usd=total,
        capex_usd=option.capex_usd,
        opex_usd_per_year=running,
        support_usd_per_year=support if quote.support_usd_per_year else None,
        bridge_usd=bridged if rented else None,
        bridge=rented.what if rented else None,
        p_slo=option.p_slo,
        usd_per_unit={name: scaled(cost, share) for name, cost in option.usd_per_unit.items()},
        reasons=() if option.accepted else option.reasons,
        questions=(
            *questions,
            *_of_supply(quote, option, waits=waits, bridge=rented),
            *(option.reasons if option.accepted else ()),
        ),
    )
    row = row.model_copy(update=_of_market(market))
    rate = running.value - (bridge.usd_per_year.value if bridge else 0.0)
    return PricedQuote(row=row, slope=slope_of(quote, option, finance=finance), saved_per_year=-rate)


def _of_market(market: _Market | None) -> dict[str, object]:
    return {} if market is None else {"market_usd": market.usd, "market": market.of}


def _host_of(quote: Quote, catalogue: Catalogue) -> Host:
    """Return the catalogue's host that is quoted, of several the one of median price; without a row a host of that many cards."""
    alike = _alike(quote, catalogue)
    named = [host for host in alike if host.server is not None and host.server.id == quote.server]
    if named or alike:
        return (named or alike)[0 if named else (len(alike) - 1) // 2]
    return host_of_cards(catalogue.accelerators[quote.accelerator], catalogue, count=quote.num_accelerators)


def _options(quote: Quote, host: Host, search: HostSearch, *, refusals: Sequence[str]) -> list[Option]:
    """Return the options of a quote: in an own room and in a colocation, or rented; none where a load is not supported."""
    # The vendor sells it, whatever the catalogue knows of the end of its sale.
    market = replace(search.market, measured=(*search.market.measured, quote.accelerator))
    # Without the row's own price, that of the quote holds.
    unpriced = host.sheet.model_copy(update={"price": None})
    price = quote.unit_usd if not quote.is_rent else host.machine.price_usd
    quoted = replace(host, sheet=unpriced, machine=host.machine.model_copy(update={"price_usd": price}))
    found = search.candidates_on([quoted])
    if any(one.candidates is None for one in found):
        return []
    alone = len(found) == 1
    every = (
        [SelectionTerms(kind="cloud", instance=quote.num_accelerators)]
        if quote.is_rent
        else market.purchase_terms(search.demand, is_alone=alone)
    )

    def procure(terms: SelectionTerms, machine: Machine, loads: Sequence[Load]) -> Iterator[tuple[Procurement, Sequence[str]]]:
        """Yield the procurements of the quote on some terms, each with what refuses it."""
        made = (
            [_rented(quote, machine)]
            if quote.is_rent
            else procurements_of(quoted, machine, demand=search.demand, market=market, terms=terms)
        )
        for one in made:
            # What is assumed of a host without a row is its form; its price is the quote's.
            known = replace(one, questions=tuple(text for text in one.questions if OF_A_FORM not in text))
            against = unwanted(known, quoted, demand=search.demand, market=market)
            fabric = no_cluster(known.offer, loads, demand=search.demand)
            yield known, (*refusals, *against, *fabric)

    return [option for terms in every for option in search.options_by(quoted, found, terms=terms, procure=partial(procure, terms))]


def _rented(quote: Quote, machine: Machine) -> Procurement:
    offer = Offer(
        kind="cloud",
        term=quote.term,
        name=message(
            "{vendor} {count} x {accelerator}", vendor=quote.vendor, count=quote.num_accelerators, accelerator=quote.accelerator
        ),
        accelerator=quote.accelerator,
        num_accelerators=quote.num_accelerators,
        provider=quote.vendor,
        price=scaled(quote.unit_usd, 1 / quote.num_accelerators, unit="usd/accelerator-h"),
        unit="usd/accelerator-h",
        as_of=quote.dated.isoformat() if quote.dated else None,
    )
    return Procurement(machine=in_instances(machine, offer), placement="shared", offer=offer)


@dataclass(frozen=True, kw_only=True)
class _Market:
    """What the catalogue knows for the same unit, and whose price that is in words."""

    usd: Estimate
    of: str


def _market_price(quote: Quote, host: Host, search: HostSearch) -> _Market | None:
    """Return the price of the same unit in the catalogue: the median of its servers, or of the providers' rents."""
    return _market_rent(quote, host, search) if quote.is_rent else _market_purchase(quote, host, search)


def _market_purchase(quote: Quote, host: Host, search: HostSearch) -> _Market | None:
    """Return the median price of the servers like the quoted one; a named server is compared with itself."""
    catalogue, day = search.models.catalogue, search.market.day
    like = [host] if quote.server is not None else _alike(quote, catalogue) or [host]
    known = [hardware_price(one.sheet, catalogue=catalogue, on=day) or one.machine.price_usd for one in like if one.is_for_sale]
    if not known:
        return None
    middle = sorted(known, key=lambda price: price.value)[(len(known) - 1) // 2]
    ends = {"low": min(price.low for price in known), "high": max(price.high for price in known)}
    return _Market(usd=middle.model_copy(update=ends), of=message("the market"))


def _market_rent(quote: Quote, host: Host, search: HostSearch) -> _Market | None:
    """Return the median rent of the accelerator on the quoted terms, else on demand."""
    size = quote.num_accelerators
    found = rents(host.spec, catalogue=search.models.catalogue, on=search.market.day, is_in_china=search.market.place.is_in_china)
    for term, of in ((quote.term, message("the market")), ("on_demand", message("rents on demand"))):
        listed = [one.listed_usd for one in found if one.term == term and one.listed_usd is not None and not one.is_index]
        if listed:
            source = message("median of {count} rents of the catalogue, {term}", count=len(listed), term=term.replace("_", " "))
            usd = estimate(
                median(listed) * size,
                low=min(listed) * size,
                high=max(listed) * size,
                unit="usd/h",
                basis="datasheet",
                source=source,
            )
            return _Market(usd=usd, of=of)
    return None


def _alike(quote: Quote, catalogue: Catalogue) -> list[Host]:
    """Return the hosts with as many of the accelerators, the cheapest first."""
    found = [
        one
        for one in hosts(catalogue)
        if one.spec.id == quote.accelerator and one.machine.devices_per_server == quote.num_accelerators
    ]
    return sorted(found, key=lambda one: one.machine.price_usd.value)


def _questions(quote: Quote, *, on: date) -> Iterator[str]:
    """Yield what has to be settled before the quote is relied on, independent of the demand."""
    if quote.valid_until is not None and quote.valid_until < on:
        yield message("it was valid until {until}; ask for a new one", until=quote.valid_until.isoformat())
    if quote.valid_until is None:
        yield message("it does not say how long it is valid")


def _of_supply(quote: Quote, option: Option, *, waits: float, bridge: _Bridge | None) -> Iterator[str]:
    """Yield what the number of units and the delivery leave open."""
    if quote.num_units is not None and quote.num_units < option.num_servers:
        yield message(
            "it offers {offered} of the {needed} units that the demand needs; the others are counted at the same price",
            offered=quote.num_units,
            needed=option.num_servers,
        )
    after = weeks_of(waits)
    if bridge is not None:
        yield message(
            "delivered after {after}; until then rent {bridge} ({cost} of its total)",
            after=after,
            bridge=bridge.what,
            cost=quantity(bridge.usd_per_year.value * waits, "usd"),
        )
    elif waits > 0:
        yield message("delivered after {after}, and no accepted rent on demand carries the load until then", after=after)
