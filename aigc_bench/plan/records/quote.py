"""A vendor's quote as its file states it, and what a demand costs on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record

QuoteTerm = Literal["purchase", "on_demand", "spot", "reserved_1y", "reserved_3y"]


class Quote(Record):
    """A price that a vendor gave for one unit: a server that is bought, or an instance that is rented by the hour.

    ``price`` is what the quote says in its ``currency``, tax of ``vat`` (a fraction) included; ``unit_usd`` is the same without
    tax, in USD or USD/h, ``usd_per_currency`` the dated rate in between. ``num_units`` are offered, ``None`` where the quote does
    not say. ``delivery_years`` pass between order and service.
    """

    name: str
    vendor: str
    accelerator: str
    server: str | None = None
    num_accelerators: int = Field(ge=1)
    num_units: int | None = Field(default=None, ge=1)
    term: QuoteTerm = "purchase"
    price: float = Field(gt=0)
    currency: str = "USD"
    vat: float = Field(default=0.0, ge=0)
    unit_usd: Estimate
    usd_per_currency: Estimate
    support_usd_per_year: Estimate | None = None
    delivery_years: float = Field(default=0.0, ge=0)
    dated: date | None = None
    valid_until: date | None = None

    @property
    def is_rent(self) -> bool:
        """Return whether it is paid by the hour."""
        return self.term != "purchase"


class QuotedPlan(Record):
    """A quote next to the recommendation: the fleet that meets the demand on it, its cost, and what would change the comparison.

    ``num_units`` meet the demand. ``total_usd`` is over the life of the servers, with ``bridge_usd`` for what is rented until
    delivery (``bridge`` in words). ``over_market`` is its price over ``market_usd``, the catalogue's for the same unit (``market``
    in words), less 1; ``over_recommended`` and ``over_best`` its total over that of the recommendation and of the cheapest other
    quote, ``best`` by name, less 1. ``equal_price`` is the unit price, in the quote's currency, at which it costs as much as the
    recommendation. ``reasons`` refuse it; ``questions`` are to be settled and refuse nothing; ``changes`` would change the result.
    """

    quote: Quote
    what: Sentence
    accepted: bool
    num_units: int | None = None
    total_usd: Estimate | None = None
    capex_usd: Estimate | None = None
    opex_usd_per_year: Estimate | None = None
    support_usd_per_year: Estimate | None = None
    bridge_usd: Estimate | None = None
    bridge: Sentence | None = None
    p_slo: float | None = None
    market_usd: Estimate | None = None
    market: Sentence | None = None
    over_market: float | None = None
    over_recommended: float | None = None
    best: str | None = None
    over_best: float | None = None
    equal_price: float | None = None
    usd_per_unit: dict[str, Estimate] = Field(default_factory=dict)
    reasons: tuple[Sentence, ...] = ()
    questions: tuple[Sentence, ...] = ()
    changes: tuple[Sentence, ...] = ()
    derived: Mapping[str, Estimate] = Field(default_factory=dict, exclude=True, repr=False)
    """Plain numbers above with what they were computed from."""
