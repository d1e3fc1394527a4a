"""What a provider bills besides machines: traffic that leaves it, traffic between its regions, objects and volumes kept there."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

from aigc_bench.catalog.fact import Fact, NonNegative, Positive, Text
from aigc_bench.core.messages import message

_TIER = re.compile(r"([\d.]*):([\d.]+)")
Tier = tuple[float | None, float]
"""Bytes a month up to which a rate holds (``None``: without end), and the rate in USD per byte."""


def _tiers(text: object) -> object:
    """Read ``10:0.09; 50:0.085; :0.05``: TB a month up to which USD/GB holds, rising; the last tier may have no end."""
    if not isinstance(text, str):
        return text
    parts = [part.strip() for part in text.split(";")]
    found = [_TIER.fullmatch(part) for part in parts]
    if not all(found):
        raise ValueError(message("must be tiers such as 10:0.09; 50:0.085; :0.05 (TB a month up to which USD/GB holds)"))
    tiers = [(float(one[1]) * 1e12 if one[1] else None, float(one[2]) / 1e9) for one in found if one]
    ends = [end for end, _ in tiers[:-1]]
    if None in ends or ends != sorted(ends, key=lambda end: end or 0.0):
        raise ValueError(message("must be tiers whose ends rise; the last alone may have none"))
    return tuple(tiers)


class EgressAndStorage(Fact):
    """Traffic and storage of one provider in USD per byte; ``None`` is not known, never free.

    ``free_egress_bytes_per_month`` and the share ``free_egress_of_stored`` of what is stored there leave it without a fee each
    month. ``egress`` holds the tiers of what leaves beyond that; one of rate 0 means that egress has no fee.
    """

    provider: Text
    region: str | None = None
    free_egress_bytes_per_month: NonNegative = 0.0
    free_egress_of_stored: NonNegative = 0.0
    egress: Annotated[tuple[Tier, ...], BeforeValidator(_tiers)] | None = None
    inter_region_usd_per_byte: Positive | None = None
    object_usd_per_byte_month: Positive | None = None
    object_class: str | None = None
    block_usd_per_byte_month: Positive | None = None
    block_class: str | None = None

    def egress_usd(self, bytes_per_month: float, *, stored_bytes: float = 0.0) -> float | None:
        """Return USD for the bytes that leave the provider in a month, tier by tier; ``None`` where its rates are not known."""
        free = self.free_egress_bytes_per_month + self.free_egress_of_stored * stored_bytes
        paid = max(0.0, bytes_per_month - free)
        if paid == 0 and bytes_per_month > 0 and free > 0:
            return 0.0
        if self.egress is None:
            return None
        usd, begin = 0.0, 0.0
        for end, rate in self.egress:
            # The free part comes on top of the tiers: the first tier begins at the first byte that is paid.
            usd += rate * max(0.0, (paid if end is None else min(paid, end)) - begin)
            begin = end or begin
        return usd
