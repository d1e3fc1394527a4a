"""When and where an accelerator is sold: its last day, parts made for one market, export rules, the end of software support."""

from __future__ import annotations

from typing import Literal

from aigc_bench.catalog.fact import Date, Fact, Positive


class Sale(Fact):
    """Whether one accelerator is sold: first and last day, the market it is made for, and what exports to China need.

    ``sold_only_in`` names the one market of parts made for it. ``china`` is our reading of the rules, never legal advice:
    ``denied`` is a licence with a presumption of denial, ``licence`` one case by case, ``not_sold`` a maker that sells another part
    there, ``check`` a part near a threshold. ``tpp`` is the total processing performance of the US rules (TOP/s times bits).
    """

    status: Literal["on_sale", "ended", "cloud_only", "announced", "never"]
    first_sale: Date | None = None
    last_sale: Date | None = None
    sold_only_in: Literal["china"] | None = None
    china: Literal["denied", "licence", "not_sold", "check"] | None = None
    tpp: Positive | None = None
    licence_note: str | None = None
    software_note: str | None = None
