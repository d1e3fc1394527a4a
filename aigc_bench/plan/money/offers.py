"""Every procurement of an accelerator: owned, colocated, or rented, each with a dated price or the reason it has none.

A new row of a provider is its price, and one above the median of its market, too. An old low one says less the older it is, and
what others take today says the rest::

    ln price   = w ln row + (1 - w) ln median      w = s^2 / (s^2 + d^2 t),  t years after ``HELD_YEARS`` with a drift of d
    spread     = 1 / sqrt(1 / s^2 + 1 / (d^2 t))   s: deviation of the logarithms of the providers' rents on the same terms

This is the mean of two independent normal views of one number, each weighted by its precision (Gelman and others, Bayesian Data
Analysis, 2.5).

Of each provider only rows of its newest months count: prices rose through 2026, and a list of last year stays in tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from aigc_bench.catalog.cloud_price import CloudPrice, CloudTerm
from aigc_bench.catalog.records import AcceleratorSpec, ServerSpec
from aigc_bench.core.messages import joined, message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.hardware.datasheet import host_usd, usual_counts
from aigc_bench.plan.stats.distributions import Z_P90, age_years, aged, hardware_price
from aigc_bench.plan.stats.estimates import estimate, named, plus, scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


OfferKind = Literal["owned", "colocated", "cloud"]
Term = Literal["purchase", "kept", "on_demand", "spot", "reserved_1y", "reserved_3y"]
CLOUD_TERMS: tuple[CloudTerm, ...] = ("on_demand", "spot", "reserved_1y", "reserved_3y")
RentKey = tuple[str, str | None, str | None, float, CloudTerm]
"""Provider, region, instance, accelerators and term of a rent."""
IS_ELASTIC: dict[CloudTerm, bool] = {"on_demand": True, "spot": True, "reserved_1y": False, "reserved_3y": False}
"""Whether only the hours used are paid."""
AN_INDEX = message("the index of")
"""Prefix of the name of a rent that is a market index."""


class RentMarket(Record):
    """USD that ``count`` providers take for an accelerator-hour on the same terms: 10th percentile, median and 90th percentile."""

    p10: float = Field(gt=0)
    median: float = Field(gt=0)
    p90: float = Field(gt=0)
    count: int = Field(ge=1)

    @property
    def deviation(self) -> float:
        """Standard deviation of the logarithm, from the distance of the two outer percentiles."""
        return math.log(self.p90 / self.p10) / (2 * Z_P90)


class Offer(Record):
    """One procurement of ``num_accelerators`` of an accelerator.

    ``instance`` is the provider's name of it. ``price`` is in ``unit``: ``usd`` for a server that is bought, ``usd/accelerator-h``
    for one that is rented. An unknown price is ``None`` with ``why_no_price``. ``space_usd_per_kw_month`` is what a colocation
    charges in addition to the purchase. ``is_index`` says that the rent is a market index, not the price of an instance;
    ``is_marketplace`` that hosts of others rent it out, who may leave. ``interconnect`` is the fabric between instances, ``None``
    where the provider does not say, ``market`` what others take for the accelerator on the same terms, ``listed_usd`` the
    provider's own figure at ``as_of``.
    """

    kind: OfferKind
    term: Term
    name: Sentence
    accelerator: str
    num_accelerators: float = Field(gt=0)
    server: str | None = None
    provider: Sentence | None = None
    region: str | None = None
    instance: str | None = None
    price: Estimate | None = None
    unit: str
    why_no_price: Sentence | None = None
    space_usd_per_kw_month: Estimate | None = None
    as_of: str | None = None
    note: Sentence | None = None
    is_index: bool = False
    is_marketplace: bool = False
    interconnect: str | None = None
    market: RentMarket | None = None
    listed_usd: float | None = None


_SUPERSEDED_YEARS = 0.4
"""A row that is older than its provider's newest of the accelerator by more is taken as replaced (assumed)."""
HELD_YEARS = 0.25
"""Providers hold a list price for about a quarter (assumed)."""
_LEAST_PROVIDERS = 4
"""Fewer make no percentile: then the catalogue's constant is the spread."""


def rents(
    spec: AcceleratorSpec, *, catalogue: Catalogue, on: date, region: str | None = None, is_in_china: bool = False
) -> tuple[Offer, ...]:
    """Return current rents by provider, region and term, only the newest of each, the cheapest first.

    A market index stands in for a term that no provider lists; a term with neither is one offer without a price. Providers in China
    and elsewhere serve the sites of their side only.
    """
    rows = [row for row in catalogue.rents(spec.id) if row.kind != "from" and catalogue.is_in_china(row.region) == is_in_china]
    current = _current(rows, on=on)
    newest = _newest([row for row in current if _is_in(row, region)])
    priced = sorted(
        newest.items(), key=lambda pair: (CLOUD_TERMS.index(pair[0][-1]), _rent(pair[1], pair[0][-1]) or 0.0, pair[1].id)
    )
    markets = {term: market_of(current, term) for term in CLOUD_TERMS}
    found = [_rented(row, term=key[-1], market=markets[key[-1]], catalogue=catalogue, on=on) for key, row in priced]
    known = {key[-1] for key in newest}
    return (*found, *(_without_price(spec, term, region=region) for term in CLOUD_TERMS if term not in known))


def market_of(rows: Sequence[CloudPrice], term: CloudTerm) -> RentMarket | None:
    """Return the spread of the providers' rents (each its median), ``None`` where there are fewer than ``_LEAST_PROVIDERS``."""
    by_provider: dict[str, list[float]] = {}
    for row in rows:
        rent = _rent(row, term)
        if rent is not None:
            by_provider.setdefault(row.provider, []).append(rent)
    if len(by_provider) < _LEAST_PROVIDERS:
        return None
    p10, median, p90 = np.percentile([float(np.median(every)) for every in by_provider.values()], (10, 50, 90))
    return RentMarket(p10=float(p10), median=float(median), p90=float(p90), count=len(by_provider))


def _current(rows: Sequence[CloudPrice], *, on: date) -> list[CloudPrice]:
    """Return the rows that no newer ones of their provider have replaced."""
    ages = [age_years(row.as_of, on=on) for row in rows]
    newest: dict[str, float] = {}
    for row, age in zip(rows, ages, strict=True):
        newest[row.provider] = min(age, newest.get(row.provider, age))
    return [row for row, age in zip(rows, ages, strict=True) if age - newest[row.provider] <= _SUPERSEDED_YEARS]


def _newest(rows: Sequence[CloudPrice]) -> dict[RentKey, CloudPrice]:
    """Return the newest row of each instance and term; an index only of a term that no provider lists."""
    priced = [(row, term) for row in rows for term in CLOUD_TERMS if _rent(row, term) is not None]
    listed = {term for row, term in priced if row.kind != "index"}
    found: dict[RentKey, CloudPrice] = {}
    for row, term in priced:
        if row.kind != "index" or term not in listed:
            # The catalogue lists the newest rows first.
            # setdefault keeps the first, that is the newest, row.
            found.setdefault((row.provider, row.region, row.instance, row.gpu_count, term), row)
    return found


def _without_price(spec: AcceleratorSpec, term: CloudTerm, *, region: str | None) -> Offer:
    words, where = term.replace("_", " "), message(" in {region}", region=region) if region else ""
    return Offer(
        kind="cloud",
        term=term,
        name=joined(", ", (spec.name, words)),
        accelerator=spec.id,
        num_accelerators=1,
        region=region,
        unit="usd/accelerator-h",
        why_no_price=message("the catalogue has no {words} rent of {name}{where}", words=words, name=spec.name, where=where),
    )


def _is_in(row: CloudPrice, region: str | None) -> bool:
    # A price without a region holds everywhere. Prefixes: "us" takes us-east-1.
    return region is None or (row.region or "global").lower().startswith((region.lower(), "global"))


def _rent(row: CloudPrice, term: CloudTerm) -> float | None:
    """Return USD of one accelerator-hour, ``None`` where the term is not offered."""
    return row.per_gpu_usd_per_h(term)


def _rented(row: CloudPrice, *, term: CloudTerm, market: RentMarket | None, catalogue: Catalogue, on: date) -> Offer:
    rent = _rent(row, term)
    assert rent is not None, "only terms with a price become offers"
    return Offer(
        kind="cloud",
        term=term,
        name=_name(row),
        accelerator=row.gpu_id,
        num_accelerators=row.gpu_count,
        provider=row.provider,
        region=row.region,
        instance=row.instance,
        price=_price_today(row, rent, market=market, catalogue=catalogue, on=on),
        listed_usd=rent,
        unit="usd/accelerator-h",
        as_of=row.as_of,
        note=row.note,
        is_index=row.kind == "index",
        is_marketplace=row.kind == "marketplace",
        interconnect=row.interconnect,
        market=market,
    )


def _price_today(row: CloudPrice, rent: float, *, market: RentMarket | None, catalogue: Catalogue, on: date) -> Estimate:
    """Return the rent on that day: the row where it is new, more and more its market where it is old."""
    drift, spread = catalogue.constant("rent_drift"), catalogue.constant("rent_price_spread").value
    listed = estimate(
        rent,
        low=rent * (1 - spread),
        high=rent * (1 + spread),
        unit="usd/accelerator-h",
        basis=row.basis,
        source=f"{row.source}, {row.as_of}",
    )
    years = age_years(row.as_of, on=on)
    # A plan picks the cheapest of many: an old low price is more often gone than an old high one.
    if market is None or rent >= market.median or years <= HELD_YEARS:
        return aged(listed, as_of=row.as_of, on=on, drift=drift)
    walked, apart = drift.value**2 * (years - HELD_YEARS), market.deviation**2
    # Two independent views of one logarithm, each weighted by its precision.
    share = apart / (apart + walked)
    value = rent**share * market.median ** (1 - share)
    left = math.sqrt(walked * apart / (walked + apart))
    wide = math.exp(math.hypot(Z_P90 * left, math.log1p(spread)))
    source = message(
        "{source}: ${rent:.2f}, {years:.1f} years old, weighted {share:.0%} against ${median:.2f}, the median of {count} providers "
        "(P10 ${tenth:.2f}, P90 ${ninetieth:.2f})",
        source=listed.source or "",
        rent=rent,
        years=years,
        share=share,
        median=market.median,
        count=market.count,
        tenth=market.p10,
        ninetieth=market.p90,
    )
    return estimate(value, low=value / wide, high=value * wide, unit="usd/accelerator-h", basis=row.basis, source=source)


def _name(row: CloudPrice) -> str:
    """Return whose instance it is and where, or which market index."""
    if row.kind == "index":
        of = joined(", ", filter(None, (row.provider.removesuffix(" index"), row.instance)))
        return joined(" ", (AN_INDEX, of))
    return " ".join(part for part in (row.provider, row.instance or row.gpu_label, row.region) if part)


def offers(accelerator_id: str, *, catalogue: Catalogue, on: date, region: str | None = None) -> tuple[Offer, ...]:
    """Return all procurements of that accelerator on that day, purchases first; rents of ``region`` only where one is named.

    Raises ``UnknownNameError`` for an accelerator that is not in the catalogue.
    """
    spec = catalogue.accelerator(accelerator_id)
    bought = purchases(spec, catalogue=catalogue, on=on)
    return (*bought, *colocated(bought, catalogue=catalogue, on=on), *rents(spec, catalogue=catalogue, on=on, region=region))


def purchases(spec: AcceleratorSpec, *, catalogue: Catalogue, on: date) -> tuple[Offer, ...]:
    """Return servers that hold the accelerator; where there is no such row, a host of cards at the card's price."""
    servers = catalogue.servers_with(spec.id)
    if not servers:
        return tuple(_cards_in_a_host(spec, count, catalogue=catalogue, on=on) for count in usual_counts(spec))
    return tuple(_purchase(server, catalogue=catalogue, on=on) for server in servers)


def _purchase(server: ServerSpec, *, catalogue: Catalogue, on: date) -> Offer:
    price = hardware_price(server, catalogue=catalogue, on=on)
    assert server.gpu_id is not None, "only servers with the accelerator were selected"
    return Offer(
        kind="owned",
        term="purchase",
        name=server.name,
        accelerator=server.gpu_id,
        num_accelerators=server.gpu_count,
        server=server.id,
        provider=server.vendor,
        price=price,
        unit="usd",
        why_no_price=None if price else message("the catalogue has no price of {name}", name=server.name),
        as_of=server.price.as_of if server.price else None,
    )


def _cards_in_a_host(spec: AcceleratorSpec, count: int, *, catalogue: Catalogue, on: date) -> Offer:
    card = hardware_price(spec, catalogue=catalogue, on=on)
    price = None
    if card is not None:
        cards, host = scaled(card, count), host_usd(spec, count, catalogue)
        price = named(
            plus(cards, host),
            message("{count} at their own price + a host like those of its form; {source}", count=count, source=card.source),
        )
    return Offer(
        kind="owned",
        term="purchase",
        name=message("{count} x {name} in a host", count=count, name=spec.name),
        accelerator=spec.id,
        num_accelerators=count,
        price=price,
        unit="usd",
        why_no_price=None
        if price
        else message("the catalogue has neither a server with {name} nor a price of the card", name=spec.name),
        as_of=spec.price.as_of if spec.price else None,
        note=message("no server row: the host is assumed to be like those of its form"),
    )


def colocated(bought: Sequence[Offer], *, catalogue: Catalogue, on: date) -> tuple[Offer, ...]:
    """Return the same servers in a provider's room, at a price per kW and month that covers space and cooling plant."""
    row = catalogue.constants["colocation_usd_per_kw_month"]
    space = aged(row.estimate(), as_of=row.as_of, on=on, drift=catalogue.constant("hardware_price_drift"))
    return tuple(
        offer.model_copy(
            update={"kind": "colocated", "space_usd_per_kw_month": space, "note": message("electricity is billed on top")}
        )
        for offer in bought
    )
