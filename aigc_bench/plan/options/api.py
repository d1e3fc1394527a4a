"""Make the option of calling commercial APIs for all services; it is refused where the demand needs something that no API sells.

No API sells a user's own model, unless the demand names a commercial model in its place.

    usd a year   requests a year x (input units x input price + output units x output price)

The price is the named model's; for an open model that of its hosts, else of hosts of open models of its size; else the median of
the models sold. The option names the source of the price. No API guarantees a latency: an SLO is an open question, and an SLO below
the network round trip refuses the option.
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
from aigc_bench.plan.money.apis import MODALITY_OF, ApiOffer, Consumption, api_offers, market_price, usd_per_request
from aigc_bench.plan.money.ownership import life_of
from aigc_bench.plan.options.assemble import by_headroom
from aigc_bench.plan.placement.residency import why_not_called
from aigc_bench.plan.placement.site_limits import table_of
from aigc_bench.plan.records.assessment import Assessment, CostLine
from aigc_bench.plan.records.demand import Constraints, Demand, OptionKind, Service
from aigc_bench.plan.records.plan import Option
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
SAME_SIZE = 1.5
"""Largest ratio of parameters between open models of the same size class (assumed)."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """USD per request, and the source of that price in words."""

    usd: Estimate
    whose: Sentence


def api_options(demand: Demand, *, catalogue: Catalogue, on: date) -> list[Option]:
    """Return the option of calling APIs for every service; empty if the demand has no service."""
    # Jobs train or run the user's own model on the user's own data.
    reasons = [message("{name}: no API offers {kind} of your own model", name=job.name, kind=job.kind) for job in demand.jobs]
    reasons += [excluded("api")] if "api" in demand.constraints.without else []
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
    return [_option(demand, quotes, reasons=reasons)] if quotes else []


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
    item, limits = SELLS.get(service.item), limits or Constraints()
    if item not in MODALITY_OF:
        return None
    sold = [one for one in api_offers(item, catalogue=catalogue, on=on) if why_not_called(one.provider, limits) is None]
    request = Consumption(
        input_units=service.input_tokens.value if service.input_tokens else 0.0,
        cached_share=service.engine_options.prefix_hit_rate,
        output_units=service.items_per_request.value,
    )
    if service.api_model is not None:
        found = ((offer, _of_model(offer, request)) for offer in sold if offer.model == service.api_model)
        named = message("{model} of {provider}")
        quotes = (
            Quote(usd=usd, whose=filled(named, model=one.model, provider=one.provider)) for one, usd in found if usd is not None
        )
        return next(quotes, None)
    # The first group that sells it: a host of the same model says more than the median of the market.
    for offers, whose in _nearest(service, [offer for offer in sold if offer.unit == item or item == "token"]):
        usd = market_price(offers, request)
        if usd is not None:
            hosts = sorted({offer.provider for offer in offers if _of_model(offer, request) is not None})
            host = hosts[0] if len(hosts) == 1 else message("median of {count} providers", count=len(hosts))
            return Quote(usd=usd, whose=message("{host}, {whose}", host=host, whose=whose))
    return None


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


def _option(demand: Demand, quotes: Mapping[str, Quote], *, reasons: Sequence[str]) -> Option:
    by_name = {service.name: service for service in demand.services}
    lines = [_line(by_name[name], quote, demand) for name, quote in quotes.items()]
    opex = named(total([line.usd_per_year for line in lines], unit="usd/year"), message("sum of the lines"))
    limit = demand.constraints.budget_usd_per_year
    is_over = limit is not None and opex.value > limit
    over_budget = (
        [
            message(
                "money: {opex} a year is above constraints.budget_usd_per_year = {limit}; {cheaper}",
                opex=quantity(opex.value, "usd"),
                limit=quantity(limit, "usd"),
                cheaper=CHEAPER,
            )
        ]
        if is_over
        else []
    )
    open_questions = [text for service in demand.services for text in _open_question(service)]
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
        # No latency is guaranteed, so the confidence in an SLO cannot be computed, and the option ranks behind.
        misses_confidence=bool(open_questions) and demand.constraints.confidence > 0,
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
