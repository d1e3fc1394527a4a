"""The record of an offer: one procurement of an accelerator at a dated price, bought, colocated or rented."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from aigc_bench.catalog.cloud_price import CloudTerm
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.distributions import Z_P90

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
