"""Parts that can be bought on a day: a plan must not buy parts that are not sold.

    announced   not available before its year of release, nor while the catalogue lists it as announced only
    old         released more than ``SOLD_FOR_YEARS`` ago, counted from the middle of its year, and no price as new of the part or
                of a server with it within the last ``PRICE_HOLDS_YEARS``: release and second-hand prices do not count

Either refuses purchases only: clouds keep renting out old parts. A machine that the user has measured counts as available.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.plan.stats.price_aging import age_years

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec, Price

SOLD_FOR_YEARS = 4.0
"""Accelerators are followed by the next generation after about two years and sold for about two more (assumed)."""
PRICE_HOLDS_YEARS = 1.0


def is_announced(spec: AcceleratorSpec, *, on: date) -> bool:
    """Return whether it is not yet available on that day."""
    return "announced" in spec.id or (spec.release_year or 0) > on.year


def why_not_sold(spec: AcceleratorSpec, *, catalogue: Catalogue, on: date, owned: Sequence[str] = ()) -> str | None:
    """Return why it cannot be bought on that day, ``None`` where it can; ``owned`` are accelerators that the user has measured."""
    if spec.id in owned:
        return None
    if is_announced(spec, on=on):
        return f"for sale: {spec.name} is only announced and not available on {on.isoformat()}"
    if spec.release_year is None or age_years(str(spec.release_year), on=on) <= SOLD_FOR_YEARS or _is_quoted(spec, catalogue, on):
        return None
    return (
        f"for sale: {spec.name} was released in {spec.release_year}, more than {SOLD_FOR_YEARS:g} years before {on.isoformat()}, "
        "and the catalogue has no price for it as new within a year; rent it, or add your quote as a row of your own"
    )


def _is_quoted(spec: AcceleratorSpec, catalogue: Catalogue, on: date) -> bool:
    """Return whether the catalogue has a price for it as new, alone or in a server, within the last year."""
    prices = (spec.price, *(server.price for server in catalogue.servers_with(spec.id)))
    return any(_is_current(price, on) for price in prices if price is not None)


def _is_current(price: Price, on: date) -> bool:
    return price.kind == "new" and age_years(price.as_of, on=on) <= PRICE_HOLDS_YEARS
