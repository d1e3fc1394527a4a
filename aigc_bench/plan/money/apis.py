"""Commercial APIs as an alternative to machines: by modality, quality class and unit, the cost of a request or an item."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc_bench.catalog.records import ApiPrice
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.distributions import aged
from aigc_bench.plan.stats.estimates import estimate, named, plus, scaled, times

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

Quality = Literal["small", "medium", "large"]
MODALITY_OF = {
    "token": "chat",
    "image": "image_generation",
    "video-second": "video_generation",
    "audio-second": "audio_speech",
    "transcribed-second": "audio_transcription",
}
"""The API unit that replaces an item of a plan."""
SERVICES_OF: Mapping[str, tuple[str, ...]] = {
    "image": ("image_generation", "image_subscription"),
    "video-second": ("video_generation", "video_subscription", "avatar_generation"),
    "audio-second": ("audio_speech",),
}
"""Item -> modalities of all services that make it, by the call, the credit or the seat; a plan's seats are taken as used up."""
SEATS = ("image_subscription", "video_subscription")
"""Modalities that are sold to a person by the month."""
UNIT_OF = {
    "token": "token",
    "image": "image",
    "video-second": "second",
    "audio-second": "second",
    "transcribed-second": "second",
}
"""The unit in which an item is compared; speech sold by the character is converted by characters per second."""
# Language models are priced per million; 1M is 1,000,000 in every price list.
_MILLION = re.compile(r"1M (tokens|characters|audio tokens|image tokens)")


class ApiOffer(Record):
    """One model of one provider. Prices are in USD of one unit (a token, a character, an image, a second), ``None`` if not charged.

    ``detail`` is the resolution that the price is for, empty where it is for the vendor's usual one. ``open_model`` is the open
    model that it hosts, ``None`` for one of the vendor's own. ``why_not`` is set where the
    model is withdrawn by the requested day, or is sold by another unit. ``cached_share`` is the price of an input token that the
    vendor's prompt cache holds over that of another, 1 where no discount is known.
    """

    provider: str
    model: str
    modality: str
    quality: Quality | None
    unit: str
    detail: Sentence = ""
    input_usd: Estimate | None
    output_usd: Estimate | None
    as_of: str
    retires: str | None = None
    open_model: str | None = None
    cached_share: float = Field(default=1.0, gt=0, le=1)
    why_not: Sentence | None = None


class Consumption(Record):
    """Units that one request takes in and gives out, in those of an API: tokens, characters, images or seconds.

    ``cached_share`` of the input was sent before, with the same beginning.
    """

    input_units: float = Field(default=0.0, ge=0)
    cached_share: float = Field(default=0.0, ge=0, le=1)
    output_units: float = Field(default=0.0, ge=0)


def api_offers(
    item: str,
    *,
    catalogue: Catalogue,
    on: date,
    quality: Quality | None = None,
    detail: str = "",
    modalities: Sequence[str] = (),
) -> tuple[ApiOffer, ...]:
    """Return the models that sell ``item`` (``token``, ``image``, ``video-second``, ``audio-second``, ``transcribed-second``).

    ``detail`` is a resolution such as ``720p``; without one the vendor's usual price is taken. ``modalities`` are those of the
    item's models unless others are named. Raises ``UnknownNameError`` for an item that no API sells.
    """
    # Families whose product no vendor sells (samples of a VAE, sequences) end here.
    if item not in MODALITY_OF:
        raise UnknownNameError(message("item of an API"), item, known=MODALITY_OF)
    rows = [row for row in catalogue.api_prices.values() if row.modality in (modalities or (MODALITY_OF[item],))]
    chosen = [row for row in rows if quality is None or row.quality == quality]
    found = (_offer(row, item=item, catalogue=catalogue, on=on) for row in sorted(chosen, key=lambda row: row.id))
    return tuple(offer for offer in found if offer.detail == detail)


def _offer(row: ApiPrice, *, item: str, catalogue: Catalogue, on: date) -> ApiOffer:
    unit, divisor, detail = _unit(row.unit)
    input_usd = _price(row.input_usd, row=row, divisor=divisor, unit=unit, catalogue=catalogue, on=on)
    output_usd = _price(row.output_usd, row=row, divisor=divisor, unit=unit, catalogue=catalogue, on=on)
    if item == "audio-second" and unit == "character" and input_usd is not None:
        rate = catalogue.constant("speech_characters_per_s")
        source = message("{source} x {rate:g} characters a second", source=input_usd.source, rate=rate.value)
        output_usd = named(times(input_usd, rate, unit="usd/second"), source)
        # Text goes in and speech comes out: its characters are paid once, as seconds of the product.
        unit, input_usd = "second", None
    why_not = (
        None if unit == UNIT_OF[item] else message("sold by the {unit}, not by the {unit_of}", unit=unit, unit_of=UNIT_OF[item])
    )
    # ISO dates compare as texts.
    gone = row.deprecation_date is not None and row.deprecation_date <= on.isoformat()
    return ApiOffer(
        provider=row.provider,
        model=row.model,
        modality=row.modality,
        quality=row.quality,
        unit=unit,
        detail=detail,
        input_usd=input_usd,
        output_usd=output_usd,
        as_of=row.as_of,
        retires=row.deprecation_date,
        open_model=row.open_model,
        cached_share=_cached_share(row, catalogue),
        why_not=message("withdrawn on {deprecation_date}", deprecation_date=row.deprecation_date) if gone else why_not,
    )


def _cached_share(row: ApiPrice, catalogue: Catalogue) -> float:
    """Return the price of cached input over the list price; 1 where the vendor is not known to give a discount."""
    found = (
        one.of_list
        for one in catalogue.api_discounts.values()
        if one.kind == "cached_input" and (one.provider, one.model) == (row.provider, row.model)
    )
    return next(found, 1.0)


def _unit(text: str) -> tuple[str, float, str]:
    """Return the singular unit, the quantity of the price, and the rest of the words: ``second 720p`` is a second in 720p."""
    if found := _MILLION.fullmatch(text):
        return found[1].removesuffix("s"), 1e6, ""
    word, _, detail = text.partition(" ")
    return ("second", 1.0, "") if text == "video second" else (word, 1.0, detail)


def _price(usd: float | None, *, row: ApiPrice, divisor: float, unit: str, catalogue: Catalogue, on: date) -> Estimate | None:
    if usd is None:
        return None
    spread, value = catalogue.constant("api_price_spread").value, usd / divisor
    # A list price is one figure; the half-width around it is assumed.
    listed = estimate(
        value,
        low=value * (1 - spread),
        high=value * (1 + spread),
        unit=f"usd/{unit}",
        basis=row.basis,
        source=f"{row.source}, {row.as_of}",
    )
    return aged(listed, as_of=row.as_of, on=on, drift=catalogue.constant("api_price_drift"))


def usd_per_request(offer: ApiOffer, consumption: Consumption) -> Estimate | None:
    """Return the cost of one request; ``None`` where the model has no price for a part of the request."""
    parts = [
        scaled(price, units, unit="usd/request")
        for price, units in ((offer.input_usd, _paid_units(offer, consumption)), (offer.output_usd, consumption.output_units))
        # A price that a vendor does not charge is left out, not taken as 0.
        if price is not None and units > 0
    ]
    return named(plus(*parts), f"{offer.provider} {offer.model}, {offer.as_of}") if parts else None


def _paid_units(offer: ApiOffer, consumption: Consumption) -> float:
    """Return the input of a request at the list price: of what the vendor's cache holds only the discounted share."""
    return consumption.input_units * (1 - consumption.cached_share * (1 - offer.cached_share))


def market_price(found: Sequence[ApiOffer], consumption: Consumption) -> Estimate | None:
    """Return the median provider's median model among those on sale, with P10 and P90 over providers.

    Each provider counts once, however many models and resolutions it lists. ``None`` where none sells it.
    """
    # Vendors with dozens of models would otherwise decide the median.
    by_provider: dict[str, list[Estimate]] = {}
    for offer in found:
        cost = usd_per_request(offer, consumption) if offer.why_not is None else None
        if cost is not None:
            by_provider.setdefault(offer.provider, []).append(cost)
    costs = sorted((_quantile(models, 0.5) for models in by_provider.values()), key=lambda cost: cost.value)
    if not costs:
        return None
    low, middle, high = (_quantile(costs, share) for share in (0.1, 0.5, 0.9))
    # The wider of both: between providers, and around the middle one's own price.
    ends = {"low": min(low.value, middle.low), "high": max(high.value, middle.high)}
    return middle.model_copy(
        update={**ends, "source": message("median of {num_costs} providers; {source}", num_costs=len(costs), source=middle.source)}
    )


def _quantile(costs: Sequence[Estimate], share: float) -> Estimate:
    ranked = sorted(costs, key=lambda cost: cost.value)
    # The nearest rank rather than an interpolation: a price that someone really asks, with its source.
    return ranked[round(share * (len(ranked) - 1))]
