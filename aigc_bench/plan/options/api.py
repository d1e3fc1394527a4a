"""Make the options of calling commercial APIs for all services; refused where the demand needs something that no API sells.

No API sells a user's own model, unless the demand names a commercial model in its place.

    usd a year   requests a year x (input units x input price + output units x output price)

The price is the named model's; for an open model that of its hosts, else of hosts of open models of its size; else the median of
the models sold. The option names the source of the price. No API guarantees a latency: an SLO is an open question unless latency of
that model at that provider is published and meets it, and an SLO below the network round trip refuses the option. A provider with
published latency is an option of its own. Another model than the one asked for is compared and never recommended; images, video and
speech are compared with each service that sells them, by the call, the credit or the seat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.core.messages import filled, joined, message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_YEAR, quantity
from aigc_bench.plan.factors.base import Limits, all_factors, shortages
from aigc_bench.plan.money.apis import (
    MODALITY_OF,
    SEATS,
    SERVICES_OF,
    UNIT_OF,
    ApiOffer,
    Consumption,
    api_offers,
    market_price,
    usd_per_request,
)
from aigc_bench.plan.money.ownership import life_of
from aigc_bench.plan.options.assemble import by_headroom
from aigc_bench.plan.options.published_latency import judged, published
from aigc_bench.plan.placement.residency import why_not_called
from aigc_bench.plan.placement.site_limits import table_of
from aigc_bench.plan.records.demand import Constraints, Demand, OptionKind, Service
from aigc_bench.plan.records.plan import Assessment, CostLine, Option
from aigc_bench.plan.sizing.fleets import grown
from aigc_bench.plan.stats.estimates import counted, named, over, scaled, times, total, zero
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.language.of_case import language_model
from aigc_bench.predict.published.name_resolution import language_models

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

CHEAPER = message("a higher limit, fewer or shorter requests, or a cheaper model (api_model) would change that")
SELLS: Mapping[str, str] = {"image": "image", "token": "token", "audio-second": "audio-second", "video-second": "video-second"}
"""Item of a model family -> item that APIs bill."""
UNCOUNTED = message("the provider's machines are not counted")
NONE = ("num_servers", "num_spares", "num_margin", "num_accelerators")
NAMED = message("{model} of {provider}")
NUM_SERVICES = 8
"""Services for images, video or speech that are compared next to the market's price."""
SAME_SIZE = 1.5
"""Largest ratio of parameters between open models of the same size class (assumed)."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """USD per request, and the source of that price in words.

    ``offer`` is the one model at one provider whose price it is; ``None`` where several providers make the price. ``asked`` says
    that it is the price of the model that the demand asks for.
    """

    usd: Estimate
    whose: Sentence
    offer: ApiOffer | None = None
    asked: bool = True


def api_options(demand: Demand, *, catalogue: Catalogue, on: date) -> list[Option]:
    """Return the options of calling APIs for every service, at the market's price first; none if the demand has no service."""
    whole = _at_market_prices(demand, catalogue=catalogue, on=on)
    if not whole:
        return []
    others = [*_hosts_with_latency(demand, catalogue=catalogue, on=on), *_media_services(demand, catalogue=catalogue, on=on)]
    jobs = _of_jobs(demand)
    made = [_option(demand, quotes, reasons=jobs, catalogue=catalogue) for quotes in others]
    # The cheapest host may be the market: the same words twice say nothing new.
    return [*whole, *(one for one in made if one.provider not in {other.provider for other in whole})]


def _of_jobs(demand: Demand) -> list[str]:
    # Jobs train or run the user's own model on the user's own data.
    reasons = [message("{name}: no API offers {kind} of your own model", name=job.name, kind=job.kind) for job in demand.jobs]
    return reasons + ([excluded("api")] if "api" in demand.constraints.without else [])


def _at_market_prices(demand: Demand, *, catalogue: Catalogue, on: date) -> list[Option]:
    """Return the option at the price of the named model, of the hosts of the open one, or of the market."""
    reasons = _of_jobs(demand)
    quotes: dict[str, Quote] = {}
    for service in demand.services:
        reasons += too_far(service, round_trip=catalogue.constant("api_round_trip_s"))
        is_own = service.model is not None and service.api_model is None
        quote = None if is_own else price_per_request(service, catalogue=catalogue, on=on, limits=demand.constraints)
        if is_own:
            reasons.append(message("{name}: no API sells your own model; name a commercial one with api_model", name=service.name))
        elif quote is None:
            reasons.append(message("{name}: no API in the catalogue sells {item}s", name=service.name, item=service.item))
        else:
            quotes[service.name] = quote
    # Refused options stay in the plan, so that the reader sees what an API would cost.
    return [_option(demand, quotes, reasons=reasons, catalogue=catalogue)] if quotes else []


def _hosts_with_latency(demand: Demand, *, catalogue: Catalogue, on: date) -> list[dict[str, Quote]]:
    """Return the quotes of each provider that sells the asked model of every service and whose latency of it is published."""
    by_provider: dict[str, dict[str, Quote]] = {}
    for service in demand.services:
        name = _open_name(service)
        for offer in _allowed(service, demand.constraints, catalogue=catalogue, on=on):
            if name is None or service.api_model is not None or offer.open_model != name:
                continue
            usd = _of_model(offer, _request(service)) if published(offer, catalogue=catalogue) else None
            if usd is not None:
                by_provider.setdefault(offer.provider, {}).setdefault(service.name, _of_offer(offer, usd, asked=True))
    return [quotes for quotes in by_provider.values() if len(quotes) == len(demand.services)]


def _media_services(demand: Demand, *, catalogue: Catalogue, on: date) -> list[dict[str, Quote]]:
    """Return the quotes of the cheapest services for images, video or speech, each provider's cheapest model or plan."""
    if len(demand.services) != 1 or demand.services[0].api_model is not None:
        return []
    (service,) = demand.services
    asked, cheapest = _open_name(service), dict[str, tuple[ApiOffer, Estimate]]()
    for offer in _allowed(service, demand.constraints, catalogue=catalogue, on=on, modalities=SERVICES_OF.get(service.item, ("",))):
        usd = _of_model(offer, _request(service))
        if usd is not None and (offer.provider not in cheapest or usd.value < cheapest[offer.provider][1].value):
            cheapest[offer.provider] = offer, usd
    order = sorted(cheapest.values(), key=lambda pair: (pair[1].value, pair[0].provider))
    # Services that are sold by the seat or for avatars have no place in a price per call, so they are shown in any case.
    named = [pair for place, pair in enumerate(order) if place < NUM_SERVICES or pair[0].modality != MODALITY_OF.get(service.item)]
    return [{service.name: _of_offer(offer, usd, asked=offer.open_model == asked is not None)} for offer, usd in named]


def _of_offer(offer: ApiOffer, usd: Estimate, *, asked: bool) -> Quote:
    words = message("{model} of {provider}, a seat with its month used up") if offer.modality in SEATS else NAMED
    return Quote(usd=usd, whose=filled(words, model=offer.model, provider=offer.provider), offer=offer, asked=asked)


def _request(service: Service) -> Consumption:
    return Consumption(
        input_units=service.input_tokens.value if service.input_tokens else 0.0,
        cached_share=service.engine_options.prefix_hit_rate,
        output_units=service.items_per_request.value,
    )


def _allowed(
    service: Service, limits: Constraints, *, catalogue: Catalogue, on: date, modalities: Sequence[str] = ()
) -> list[ApiOffer]:
    """Return what APIs sell of the service's item, of the providers that the demand allows."""
    item = SELLS.get(service.item)
    if item not in MODALITY_OF:
        return []
    found = api_offers(item, catalogue=catalogue, on=on, modalities=modalities)
    return [one for one in found if why_not_called(one.provider, limits) is None]


def too_far(service: Service, *, round_trip: Estimate) -> list[str]:
    """Return the SLOs that no API can meet, because the network round trip alone takes longer."""
    limits = (("TTFT", service.slo.ttft_s), ("latency", service.slo.latency_s))
    ends = " to ".join(quantity(end, "s") for end in (round_trip.low, round_trip.high))
    return [
        message(
            "{name}: the {bound} SLO is {limit}, the network round trip to an API alone takes {round_trip} ({ends}, {basis})",
            name=service.name,
            bound=name,
            limit=quantity(limit, "s"),
            round_trip=quantity(round_trip.value, "s"),
            ends=ends,
            basis=round_trip.basis,
        )
        for name, limit in limits
        # TPOT is not checked: once the stream runs, tokens follow each other without a round trip.
        if limit is not None and limit < round_trip.value
    ]


def excluded(kind: OptionKind) -> str:
    """Return why an option of an excluded kind is refused."""
    return message("constraints exclude the kind {kind}; removing it from constraints.without would change that", kind=kind)


def _open_question(service: Service) -> list[str]:
    """Return the open question of a latency SLO that no API guarantees."""
    slo = service.slo
    required = [
        message("{name} of {limit}", name=name, limit=quantity(limit, "s"))
        for name, limit in (("TTFT", slo.ttft_s), ("TPOT", slo.tpot_s), ("latency", slo.latency_s))
        if limit is not None
    ]
    words = joined(message(" and "), required)
    return [message("{name}: no API guarantees the required {words}", name=service.name, words=words)] if required else []


def price_per_request(service: Service, *, catalogue: Catalogue, on: date, limits: Constraints | None = None) -> Quote | None:
    """Return the cost of one request and the source of the price; ``None`` if no API sells it."""
    limits, item, request = limits or Constraints(), SELLS.get(service.item), _request(service)
    if service.api_model is not None:
        every = _allowed(service, limits, catalogue=catalogue, on=on, modalities=SERVICES_OF.get(service.item, ()))
        found = ((offer, _of_model(offer, request)) for offer in every if offer.model == service.api_model)
        return next((_of_offer(one, usd, asked=True) for one, usd in found if usd is not None), None)
    sold = _allowed(service, limits, catalogue=catalogue, on=on)
    by_unit = [offer for offer in sold if item == "token" or offer.unit == UNIT_OF.get(item or "")]
    # The first group that sells it: a host of the same model says more than the median of the market.
    groups = (_of_group(offers, whose, request, asked=_open_name(service)) for offers, whose in _nearest(service, by_unit))
    return next((quote for quote in groups if quote is not None), None)


def _of_group(offers: Sequence[ApiOffer], whose: str, request: Consumption, *, asked: str | None) -> Quote | None:
    """Return the median price of a group of offers; ``None`` where none of them sells the request."""
    usd = market_price(offers, request)
    if usd is None:
        return None
    priced = [offer for offer in offers if _of_model(offer, request) is not None]
    hosts = sorted({offer.provider for offer in priced})
    host = hosts[0] if len(hosts) == 1 else message("median of {count} providers", count=len(hosts))
    return Quote(
        usd=usd,
        whose=message("{host}, {whose}", host=host, whose=whose),
        offer=priced[0] if len(priced) == 1 else None,
        asked=all(offer.open_model == asked is not None for offer in priced),
    )


def _nearest(service: Service, sold: Sequence[ApiOffer]) -> Iterator[tuple[list[ApiOffer], str]]:
    """Yield the offers of the service's open model, of open models of its size, and of all models, each with a description."""
    name, size = _open_name(service), _num_params(_open_name(service))
    if name is not None:
        yield [one for one in sold if one.open_model == name], name
    if size is not None:
        # Cost of serving grows with the parameters, so models of like size have like prices.
        near = [one for one in sold if (other := _num_params(one.open_model)) and 1 / SAME_SIZE <= other / size <= SAME_SIZE]
        names = ", ".join(sorted({one.open_model for one in near if one.open_model}))
        yield near, message("open models of its size ({names})", names=names)
    yield (
        [one for one in sold if one.open_model is None],
        message("any of their models{more}", more=message(", not {name}", name=name) if name else ""),
    )


def _open_name(service: Service) -> str | None:
    """Return the service's model by its name among the catalogue's open models; ``None`` for the user's own."""
    if service.model is not None or service.preset is None:
        return None
    model = language_model(service.workload, service.preset) if service.item == "token" else None
    return model.name if model and model.name in language_models() else service.preset


def _num_params(name: str | None) -> float | None:
    model = language_named(name) if name else None
    return model.total_params if model else None


def _of_model(offer: ApiOffer, request: Consumption) -> Estimate | None:
    return None if offer.why_not else usd_per_request(offer, request)


def requests_per_year(service: Service, demand: Demand) -> Estimate:
    """Return requests/year, as the mean over the horizon."""
    _, mean = grown(demand.growth)
    rate = times(service.arrival.peak_requests_per_s, service.arrival.duty, mean, unit="request/s")
    return scaled(rate, SECONDS_PER_YEAR, unit="request/year")


def _questions(service: Service, quote: Quote, *, catalogue: Catalogue) -> tuple[bool, list[str]]:
    """Return whether the quote may be recommended for a service, and what is open or rests on figures of others."""
    judgement = judged(service, quote.offer, catalogue=catalogue) if quote.offer is not None else None
    words = _open_question(service) if judgement is None else list(judgement.words)
    is_served = judgement.is_met if judgement is not None else not words
    if quote.offer is not None and quote.offer.modality in SEATS:
        return False, [*words, message("{name}: sold to a person by the month, not to a program", name=service.name)]
    if not quote.asked:
        name = _open_name(service) or message("the model asked for")
        other = message(
            "{service}: another model than {name}; where its results do, name it with api_model", service=service.name, name=name
        )
        return False, [other, *words]
    return is_served, words


def _over_budget(opex: Estimate, limit: float | None) -> list[str]:
    """Return why the cost of a year is refused, if it is."""
    if limit is None or opex.value <= limit:
        return []
    return [
        message(
            "money: {opex} a year is above constraints.budget_usd_per_year = {limit}; {cheaper}",
            opex=quantity(opex.value, "usd"),
            limit=quantity(limit, "usd"),
            cheaper=CHEAPER,
        )
    ]


def _option(demand: Demand, quotes: Mapping[str, Quote], *, reasons: Sequence[str], catalogue: Catalogue) -> Option:
    by_name = {service.name: service for service in demand.services}
    lines = [_line(by_name[name], quote, demand) for name, quote in quotes.items()]
    opex = named(total([line.usd_per_year for line in lines], unit="usd/year"), message("sum of the lines"))
    over_budget = _over_budget(opex, demand.constraints.budget_usd_per_year)
    judged_quotes = [_questions(by_name[name], quote, catalogue=catalogue) for name, quote in quotes.items()]
    open_questions = [text for _, words in judged_quotes for text in words]
    factors = _factors(demand)
    refusals = (*reasons, *shortages(factors, Limits(site=demand.site, table=table_of("api"))), *over_budget)
    tightest = by_headroom(factors)
    whose = [quote.whose if len(quotes) == 1 else joined(": ", (name, quote.whose)) for name, quote in quotes.items()]
    return Option(
        rank=0,
        kind="api",
        term="per_use",
        provider=joined("; ", whose),
        placement="dedicated",
        accelerator=None,
        server=None,
        num_machines=zero("machines"),
        num_servers=0,
        num_spares=0,
        num_accelerators=0,
        num_racks=None,
        pools=(),
        accepted=not refusals,
        reasons=(*refusals, *open_questions),
        # Another model, or an SLO for which no figure is published: compared, and ranked behind the options that meet it.
        misses_confidence=not all(is_served for is_served, _ in judged_quotes),
        other_model=not all(quote.asked for quote in quotes.values()),
        factors=factors,
        bottleneck=tightest[0] if tightest else None,
        next_bottleneck=tightest[1] if len(tightest) > 1 else None,
        capex_usd=zero("usd"),
        opex_usd_per_year=opex,
        tco_usd=named(scaled(opex, life_of(demand.finance.life_years), unit="usd"), "opex x years"),
        costs=tuple(lines),
        usd_per_unit={name: _per_item(by_name[name], quote.usd) for name, quote in quotes.items()},
        energy_kwh_per_year=None,
        carbon_kg=None,
        carbon_kg_per_unit={},
        # Zero and not unknown: nothing is bought, and tables add these numbers up.
        derived={name: counted(0, name.removeprefix("num_"), UNCOUNTED) for name in NONE},
    )


def _line(service: Service, quote: Quote, demand: Demand) -> CostLine:
    number = requests_per_year(service, demand)
    return CostLine(
        key="api",
        name=message("API calls, {name}", name=service.name),
        usd_per_year=times(quote.usd, number, unit="usd/year"),
        formula=message("requests per year x price per request"),
        inputs={"requests a year": number, message("price of a request"): quote.usd},
    )


def _per_item(service: Service, usd_per_request: Estimate) -> Estimate:
    return over(usd_per_request, service.items_per_request, unit=f"usd/{service.item}")


def _factors(demand: Demand) -> dict[str, Assessment]:
    """Return every factor's assessment of calling APIs."""
    return {name: factor.assess_api(demand).model_copy(update={"factor": name}) for name, factor in all_factors().items()}
