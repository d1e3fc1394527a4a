"""All procurements of an accelerator: dated prices, ageing, terms without a price, APIs and add-ons."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.plan.money.apis import MODALITY_OF, ApiOffer, Consumption, api_offers, market_price, usd_per_request
from aigc_bench.plan.money.offers import AN_INDEX, Offer, offers
from aigc_bench.plan.stats.distributions import age_years, aged
from aigc_bench.plan.stats.estimates import estimate

CATALOGUE = load_catalogue(with_user_files=False)
TODAY = date(2026, 11, 25)
DRIFT = CATALOGUE.constant("rent_drift")


@pytest.fixture(scope="module")
def of_h100() -> tuple[Offer, ...]:
    """Every offer of one accelerator."""
    return offers("h100_sxm_80gb", catalogue=CATALOGUE, on=TODAY)


@pytest.mark.parametrize(
    ("as_of", "years"),
    [("2026-11-25", 0.0), ("2025-11-25", 1.0), ("2026-05", 0.53), ("2025", 1.40), ("2025/2026", 0.90), ("2027", 0.0)],
)
def test_the_age_of_a_price_is_counted_from_the_middle_of_its_period(as_of: str, years: float) -> None:
    assert age_years(as_of, on=TODAY) == pytest.approx(years, abs=0.01)


@given(st.floats(0.01, 1e6), st.integers(0, 3000), st.integers(0, 3000))
def test_an_older_price_has_a_wider_interval_around_the_same_value(value: float, first: int, second: int) -> None:
    price = estimate(value, low=0.9 * value, high=1.2 * value, unit="usd", basis="datasheet", source="a list")
    near, far = (
        aged(price, as_of="2018-01-01", on=date(2018, 1, 1) + timedelta(days=days), drift=DRIFT) for days in sorted((first, second))
    )
    assert near.value == far.value == value
    assert far.low <= near.low * (1 + 1e-12) and near.high <= far.high * (1 + 1e-12)
    assert near.low <= price.low * (1 + 1e-12) and near.high >= price.high * (1 - 1e-12)


def test_a_year_moves_a_rent_by_its_published_volatility() -> None:
    exact = estimate(2.0, unit="usd/accelerator-h", basis="datasheet", source="a list")
    old = aged(exact, as_of="2025-11-25", on=TODAY, drift=DRIFT)
    assert old.high / old.value == pytest.approx(math.exp(1.2816 * 0.55), rel=1e-3)
    assert old.source == "a list; 1.0 years old on 2026-11-25"


def test_every_procurement_of_an_h100_is_offered(of_h100: tuple[Offer, ...]) -> None:
    assert {(offer.kind, offer.term) for offer in of_h100} >= {
        ("owned", "purchase"),
        ("colocated", "purchase"),
        ("cloud", "on_demand"),
        ("cloud", "spot"),
        ("cloud", "reserved_1y"),
        ("cloud", "reserved_3y"),
    }
    for offer in of_h100:
        assert (offer.price is None) == (offer.why_no_price is not None)
        assert offer.price is None or (offer.price.source and offer.price.unit in ("usd", "usd/accelerator-h"))
        assert (offer.space_usd_per_kw_month is not None) == (offer.kind == "colocated")


def test_historic_rents_are_no_offers_and_the_newest_of_a_provider_counts(of_h100: tuple[Offer, ...]) -> None:
    aws = [offer for offer in of_h100 if offer.provider == "aws" and offer.term == "on_demand"]
    assert [(offer.as_of, offer.price.value if offer.price else None) for offer in aws] == [("2026-11-09", 55.04 / 8)]


def test_rents_of_a_region_are_those_of_the_region() -> None:
    found = offers("h100_sxm_80gb", catalogue=CATALOGUE, on=TODAY, region="us-east")
    regions = {offer.region for offer in found if offer.kind == "cloud" and offer.price}
    assert regions == {"us-east-1", "us-east1", "global", None}


@pytest.mark.parametrize("accelerator", sorted(CATALOGUE.accelerators))
def test_every_accelerator_has_an_offer_or_a_reason(accelerator: str) -> None:
    for offer in offers(accelerator, catalogue=CATALOGUE, on=TODAY):
        assert (offer.price is None) == (offer.why_no_price is not None)
        if offer.price is not None:
            assert 0 < offer.price.low <= offer.price.value <= offer.price.high


def test_an_unknown_accelerator_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean"):
        offers("h100_sxm_81gb", catalogue=CATALOGUE, on=TODAY)


def test_a_chat_costs_its_tokens() -> None:
    (opus,) = (offer for offer in api_offers("token", catalogue=CATALOGUE, on=TODAY) if offer.model == "claude-opus-5")
    cost = usd_per_request(opus, Consumption(input_units=1_000, output_units=300))
    assert cost is not None
    assert cost.value == pytest.approx(1_000 * 5e-6 + 300 * 25e-6)
    assert (opus.unit, opus.quality) == ("token", "large")


def test_a_better_tier_costs_more() -> None:
    used = Consumption(input_units=1_000, output_units=300)
    costs = [
        market_price(api_offers("token", catalogue=CATALOGUE, on=TODAY, quality=tier), used)  # type: ignore[arg-type]
        for tier in ("small", "medium", "large")
    ]
    values = [cost.value for cost in costs if cost is not None]
    assert len(values) == 3
    assert values == sorted(values)


def test_a_withdrawn_model_is_shown_with_the_day_and_excluded_from_the_market() -> None:
    found = api_offers("token", catalogue=CATALOGUE, on=TODAY)
    gone = [offer for offer in found if offer.why_not]
    assert gone and all(offer.why_not == f"withdrawn on {offer.retires}" for offer in gone)
    assert market_price(gone, Consumption(output_units=1)) is None


def test_speech_sold_by_the_character_is_compared_by_the_second_and_tokens_of_sound_are_not() -> None:
    found = {offer.model: offer for offer in api_offers("audio-second", catalogue=CATALOGUE, on=TODAY)}
    azure = found["azure/tts-1"]
    assert (azure.unit, azure.input_usd) == ("second", None)
    assert azure.output_usd is not None and azure.output_usd.value == pytest.approx(15e-6 * 15)
    others = {offer.why_not for offer in found.values() if offer.unit != "second"}
    assert "sold by the audio token, not by the second" in others


def test_a_resolution_has_its_own_prices() -> None:
    low, high = (api_offers("video-second", catalogue=CATALOGUE, on=TODAY, detail=detail) for detail in ("480p", "4k"))
    costs = [market_price(found, Consumption(output_units=1)) for found in (low, high)]
    assert costs[0] is not None and costs[1] is not None and costs[0].value < costs[1].value


def test_a_provider_counts_once_however_many_models_it_lists() -> None:
    found = api_offers("image", catalogue=CATALOGUE, on=TODAY)
    once = market_price(found, Consumption(output_units=1))
    many = market_price([*found, *[offer for offer in found if offer.provider == "fal_ai"] * 9], Consumption(output_units=1))
    assert once is not None and many is not None
    assert once.value == many.value
    assert (once.source or "").startswith("median of ")


@pytest.mark.parametrize("item", MODALITY_OF)
def test_every_item_has_a_provider_with_a_positive_price(item: str) -> None:
    found = api_offers(item, catalogue=CATALOGUE, on=TODAY)
    assert market_price(found, Consumption(input_units=1, output_units=1)) is not None
    for offer in found:
        for price in (offer.input_usd, offer.output_usd):
            assert price is None or price.low > 0


def test_an_item_that_no_api_sells_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown item of an API 'tokens'"):
        api_offers("tokens", catalogue=CATALOGUE, on=TODAY)


def test_a_term_without_a_listed_price_states_that_and_an_index_stands_in_where_there_is_one(of_h100: tuple[Offer, ...]) -> None:
    three_years = next(offer for offer in of_h100 if offer.term == "reserved_3y")
    assert three_years.why_no_price == "the catalogue has no reserved 3y rent of NVIDIA H100 SXM5 80GB"
    one_year = [offer for offer in of_h100 if offer.term == "reserved_1y"]
    assert [(offer.provider, offer.price.value if offer.price else None) for offer in one_year] == [("SemiAnalysis index", 2.35)]


def test_rents_say_whose_they_are_and_what_is_an_index(of_h100: tuple[Offer, ...]) -> None:
    rents = [offer for offer in of_h100 if offer.kind == "cloud" and offer.price is not None]
    indices = [offer for offer in rents if offer.is_index]
    assert indices and len(indices) < len(rents)
    assert all(offer.name.startswith(AN_INDEX) == offer.is_index for offer in rents)
    assert all(str(offer.provider) in offer.name for offer in rents if not offer.is_index)
    for offer in rents:
        assert offer.price is not None and offer.price.source and offer.as_of and offer.as_of in offer.price.source


def test_owned_and_colocated_servers_are_the_same_but_for_the_room(of_h100: tuple[Offer, ...]) -> None:
    owned, housed = ([offer for offer in of_h100 if offer.kind == kind] for kind in ("owned", "colocated"))
    assert owned and len(owned) == len(housed)
    for mine, theirs in zip(owned, housed, strict=True):
        changed = {"kind": "colocated", "space_usd_per_kw_month": theirs.space_usd_per_kw_month, "note": theirs.note}
        assert theirs == mine.model_copy(update=changed)


def test_cards_without_a_server_are_bought_with_a_host() -> None:
    """The price is that of the cards and of a host like those of its form."""
    alone = next(spec for spec in CATALOGUE.accelerators.values() if spec.price and not CATALOGUE.servers_with(spec.id))
    offer, *_ = offers(alone.id, catalogue=CATALOGUE, on=TODAY)
    assert alone.price is not None and alone.price.mid and offer.price is not None
    assert offer.num_accelerators >= 1 and offer.server is None and offer.as_of == alone.price.as_of
    assert offer.price.value > offer.num_accelerators * alone.price.mid * (1 - 1e-9)
    assert offer.name == f"{offer.num_accelerators:g} x {alone.name} in a host" and "host" in (offer.note or "")


def api(provider: str, usd: float | None, *, why_not: str | None = None) -> ApiOffer:
    listed = {"unit": "usd/token", "basis": "datasheet", "source": f"list of {provider}"}
    price = None if usd is None else estimate(usd, low=0.9 * usd, high=1.1 * usd, **listed)  # type: ignore[arg-type]
    return ApiOffer(
        provider=provider, model="m", modality="chat", quality=None, unit="token", input_usd=None, output_usd=price, as_of="2026",
        why_not=why_not,
    )  # fmt: skip


def test_the_market_is_the_median_of_providers_from_a_tenth_to_nine_tenths_of_them() -> None:
    """Providers at 1 to 11, of which one lists three models: its middle one counts; one has withdrawn, one has no price."""
    found = [api(str(place), float(place)) for place in range(1, 12)]
    found += [api("6", 1.0), api("6", 100.0), api("gone", 0.1, why_not="withdrawn"), api("free", None)]
    market = market_price(found, Consumption(output_units=1.0))
    assert market is not None
    assert (market.value, market.low, market.high) == (6.0, 2.0, 10.0)
    assert (market.source or "").startswith("median of 11 providers; 6 m, 2026")
    assert market_price([], Consumption(output_units=1.0)) is None
    two = market_price([api("a", 1.0), api("b", 3.0)], Consumption(output_units=2.0))
    assert two is not None and (two.value, two.low) == (2.0, 1.8), "of two the cheaper, down to the low end of its own price"


def test_a_listed_price_spreads_to_both_sides_and_names_its_list() -> None:
    (opus,) = (offer for offer in api_offers("token", catalogue=CATALOGUE, on=TODAY) if offer.model == "claude-opus-5")
    spread = CATALOGUE.constant("api_price_spread").value
    for price in (opus.input_usd, opus.output_usd):
        assert price is not None and price.source and opus.as_of in price.source
        assert price.low <= price.value * (1 - spread) * (1 + 1e-9) and price.high >= price.value * (1 + spread) * (1 - 1e-9)


def test_servers_are_offered_by_their_ids_and_a_term_without_a_rent_by_the_accelerator(of_h100: tuple[Offer, ...]) -> None:
    owned = [offer for offer in of_h100 if offer.kind == "owned"]
    assert [offer.server for offer in owned] == [server.id for server in CATALOGUE.servers_with("h100_sxm_80gb")]
    for offer in owned:
        server = CATALOGUE.servers[offer.server or ""]
        assert (offer.num_accelerators, offer.provider, offer.name) == (server.gpu_count, server.vendor, server.name)
    unpriced = [offer for offer in of_h100 if offer.kind == "cloud" and offer.price is None]
    assert unpriced and all(offer.num_accelerators == 1 for offer in unpriced)
