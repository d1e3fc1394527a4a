"""Commercial APIs instead of machines: one option for all services, refused where something of the demand is not sold.

    usd a year   requests a year x (input units x input price + output units x output price)

The price is the named model's, or the median of the models sold from their 10th to their 90th percentile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.demand import Demand, OptionKind, Service
from aigc_bench.plan.factors.base import Factor
from aigc_bench.plan.interval import named, over, scaled, times, total, zero
from aigc_bench.plan.money.apis import MODALITY_OF, ApiOffer, Consumption, api_offers, market_price, usd_per_request
from aigc_bench.plan.money.opex import CostLine
from aigc_bench.plan.options import FACTORS, LEFT_TO_THE_PROVIDER
from aigc_bench.plan.records import Assessment, Option
from aigc_bench.plan.sizing import grown

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

CHEAPER = "a higher limit, fewer or shorter requests, or a cheaper model (api_model) would change that"
SELLS: Mapping[str, str] = {"image": "image", "token": "token", "audio-second": "audio-second", "video-second": "video-second"}
"""Items of our families -> items of APIs."""


def api_options(demand: Demand, *, catalogue: Catalogue, on: date) -> list[Option]:
    """The option of calling APIs for every service, or none where the demand has no service."""
    if not demand.services:
        return []
    reasons = [f"{job.name}: no API does {job.kind} of one's own model" for job in demand.jobs]
    reasons += [excluded("api")] if "api" in demand.constraints.without else []
    costs: dict[str, tuple[Estimate, Estimate]] = {}
    for service in demand.services:
        price = price_per_request(service, catalogue=catalogue, on=on)
        if price is None:
            reasons.append(f"{service.name}: no API in the catalogue sells {service.item}s")
        else:
            costs[service.name] = price, requests_per_year(service, demand)
    lines = [
        CostLine(
            key="api",
            name=f"API calls, {name}",
            usd_per_year=times(price, number, unit="usd/year"),
            formula="requests a year x price of a request",
            inputs={"requests a year": number, "price of a request": price},
        )
        for name, (price, number) in costs.items()
    ]
    return [_option(demand, lines, costs=costs, reasons=reasons, catalogue=catalogue)] if lines else []


def excluded(kind: OptionKind) -> str:
    """Why an option of a kind that the demand does not want is refused."""
    return f"constraints exclude what is {kind}; to take it out of constraints.without would change that"


def price_per_request(service: Service, *, catalogue: Catalogue, on: date) -> Estimate | None:
    """USD of one request: of the model that the demand names, else of the market; ``None`` where nobody sells it."""
    item = SELLS.get(service.item)
    if item not in MODALITY_OF:
        return None
    sold = api_offers(item, catalogue=catalogue, on=on)
    asked = Consumption(
        input_units=service.input_tokens.value if service.input_tokens else 0.0, output_units=service.items_per_request.value
    )
    if service.api_model is not None:
        sold = tuple(offer for offer in sold if offer.model == service.api_model)
        return next((cost for offer in sold if (cost := _of_model(offer, asked)) is not None), None)
    return market_price([offer for offer in sold if offer.unit == item or item == "token"], asked)


def _of_model(offer: ApiOffer, asked: Consumption) -> Estimate | None:
    return None if offer.why_not else usd_per_request(offer, asked)


def requests_per_year(service: Service, demand: Demand) -> Estimate:
    """Requests of the mean year of the horizon."""
    _, mean = grown(demand.growth)
    rate = times(service.arrival.peak_requests_per_s, service.arrival.duty, mean, unit="request/s")
    return scaled(rate, SECONDS_PER_YEAR, unit="request/year")


def _option(
    demand: Demand,
    lines: Sequence[CostLine],
    *,
    costs: Mapping[str, tuple[Estimate, Estimate]],
    reasons: Sequence[str],
    catalogue: Catalogue,
) -> Option:
    opex = named(total([line.usd_per_year for line in lines], unit="usd/year"), "sum of the lines")
    by_name = {service.name: service for service in demand.services}
    limit = demand.constraints.budget_usd_per_year
    is_over = limit is not None and opex.value > limit
    over_budget = (
        [f"money: ${opex.value:,.0f} a year is above constraints.budget_usd_per_year = ${limit:,.0f}; {CHEAPER}"] if is_over else []
    )
    return Option(
        rank=0,
        kind="api",
        term="per_use",
        provider=None,
        placement="dedicated",
        accelerator=None,
        server=None,
        num_machines=zero("machines"),
        num_servers=0,
        num_spares=0,
        num_accelerators=0,
        num_racks=None,
        pools=(),
        accepted=not reasons and not over_budget,
        reasons=(*reasons, *over_budget),
        factors={name: _provided(name) for name in FACTORS},
        bottleneck=None,
        next_bottleneck=None,
        capex_usd=zero("usd"),
        opex_usd_per_year=opex,
        tco_usd=named(scaled(opex, demand.finance.life_years, unit="usd"), "opex x years"),
        costs=tuple(lines),
        usd_per_unit={name: _per_item(by_name[name], price) for name, (price, _) in costs.items()},
        energy_kwh_per_year=None,
        carbon_kg=None,
        carbon_kg_per_unit={},
    )


def _per_item(service: Service, usd_per_request: Estimate) -> Estimate:
    return over(usd_per_request, service.items_per_request, unit=f"usd/{service.item}")


def _provided(name: str) -> Assessment:
    from aigc_bench.core import registry

    factor: Factor = registry.load("factors", name)
    plain = Assessment(
        factor=name, title=factor.title, unit=factor.unit, verdict="provider", why="", formula=factor.formula, source=factor.source
    )
    return plain.model_copy(update=dict(LEFT_TO_THE_PROVIDER))
