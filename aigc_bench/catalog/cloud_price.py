"""The rent of an instance: whose price it is, on which terms, and what it can be relied on for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aigc_bench.catalog.fact import Count, Fact, Positive, Text

CloudTerm = Literal["on_demand", "spot", "reserved_1y", "reserved_3y"]


class CloudPrice(Fact):
    """Rent of one instance in USD per hour. ``gpu_count`` is a fraction where a slice of a GPU is rented.

    ``provider`` and ``broker`` rows can be booked at their price, and so can hosts of a ``marketplace``, which come and go.
    ``from`` is the lowest price a provider names (prepaid, committed, or of a part of the machine) and is no offer, an ``index``
    is a mean over offers. ``min_count`` accelerators are rented at least, ``interconnect`` is the fabric between instances.
    """

    kind: Literal["provider", "broker", "index", "marketplace", "from"]
    provider: Text
    region: str | None = None
    instance: str | None = None
    gpu_id: Text
    gpu_label: Text
    gpu_count: Annotated[float, Field(gt=0, le=10_000)]
    on_demand_usd_per_h: Positive | None = None
    spot_usd_per_h: Positive | None = None
    reserved_1y_usd_per_h: Positive | None = None
    reserved_3y_usd_per_h: Positive | None = None
    min_count: Count | None = None
    interconnect: str | None = None
    is_historic: bool = False

    def per_gpu_usd_per_h(self, term: CloudTerm = "on_demand") -> float | None:
        """Rent of one GPU for an hour on those terms, ``None`` where they are not offered."""
        prices: dict[CloudTerm, float | None] = {
            "on_demand": self.on_demand_usd_per_h,
            "spot": self.spot_usd_per_h,
            "reserved_1y": self.reserved_1y_usd_per_h,
            "reserved_3y": self.reserved_3y_usd_per_h,
        }
        price = prices[term]
        # Fractions too: a half of a card at half the price has the rent of a card.
        return None if price is None else price / self.gpu_count
