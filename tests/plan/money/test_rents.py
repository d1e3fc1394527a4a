"""Which rows of the catalogue are rents that can be booked, and what the market around them says."""

from __future__ import annotations

from datetime import date

import pytest

from aigc_bench.catalog.cloud_price import CloudPrice
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.money.offers import Offer, market_of, rents
from aigc_bench.plan.options.procurement import is_fabric

CATALOGUE = load_catalogue(with_user_files=False)
DAY = date(2026, 11, 20)


def rents_of(accelerator: str, *, is_in_china: bool = False) -> list[Offer]:
    found = rents(CATALOGUE.accelerators[accelerator], catalogue=CATALOGUE, on=DAY, is_in_china=is_in_china)
    return [offer for offer in found if offer.price is not None]


def row(provider: str, usd: float) -> CloudPrice:
    return CloudPrice(
        id=provider, kind="provider", provider=provider, gpu_id="x", gpu_label="X", gpu_count=2, on_demand_usd_per_h=2 * usd,
        source="a page", as_of="2026-11",
    )  # fmt: skip


@pytest.mark.parametrize("provider", ["vultr", "sesterce", "fluidstack"])
def test_a_from_price_is_no_offer(provider: str) -> None:
    rows = [price for price in CATALOGUE.rents("h200_sxm_141gb") if price.provider == provider]
    assert rows and all(price.kind == "from" for price in rows)
    assert provider not in {offer.provider for offer in rents_of("h200_sxm_141gb")}


def test_the_newest_list_of_a_provider_replaces_its_older_ones() -> None:
    nebius = [offer for offer in rents_of("h200_sxm_141gb") if offer.provider == "nebius" and offer.term == "on_demand"]
    assert nebius and all((offer.as_of or "") >= "2026-09" for offer in nebius)
    assert min(offer.price.value for offer in nebius if offer.price) > 4


def test_no_h200_is_rented_below_two_dollars_fifty_on_demand() -> None:
    on_demand = [offer for offer in rents_of("h200_sxm_141gb") if offer.term == "on_demand" and not offer.is_marketplace]
    assert on_demand and min(offer.price.value for offer in on_demand if offer.price) > 2.5


def test_providers_in_china_serve_sites_in_china_only() -> None:
    inside, outside = rents_of("rtx_4090", is_in_china=True), rents_of("rtx_4090")
    assert inside and outside
    assert not {offer.provider for offer in inside} & {offer.provider for offer in outside}


def test_the_market_is_the_spread_of_providers_each_counted_once() -> None:
    rows = [row(name, usd) for name, usd in (("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0), ("e", 5.0))]
    market = market_of([*rows, row("a", 1.0)], "on_demand")
    assert market is not None
    assert (market.count, market.median) == (5, 3.0)
    assert market.p10 == pytest.approx(1.4) and market.p90 == pytest.approx(4.6)


def test_three_providers_are_no_market() -> None:
    assert market_of([row("a", 1.0), row("b", 2.0), row("c", 3.0)], "on_demand") is None


def aged_offer(as_of: str) -> Offer:
    """The rent of a provider at 1 USD among others at 2 to 5, of that day."""
    others = {f"o{usd}": row(f"o{usd}", usd).model_copy(update={"gpu_id": "mi300x"}) for usd in (2.0, 3.0, 4.0, 5.0)}
    mine = row("mine", 1.0).model_copy(update={"gpu_id": "mi300x", "as_of": as_of})
    catalogue = load_catalogue(with_user_files=False)
    catalogue.__dict__["cloud_prices"] = {**others, "mine": mine}
    found = rents(catalogue.accelerators["mi300x"], catalogue=catalogue, on=DAY)
    (offer,) = (one for one in found if one.provider == "mine")
    return offer


def test_a_price_of_the_day_is_the_providers_own() -> None:
    offer = aged_offer("2026-11-20")
    assert offer.price is not None and offer.price.value == offer.listed_usd == 1.0


def test_an_old_low_price_moves_towards_its_market_and_never_past_it() -> None:
    offers = [aged_offer(day) for day in ("2026-10-20", "2026-05-20", "2025-11-20", "2023-11-20")]
    values = [offer.price.value for offer in offers if offer.price]
    assert values == sorted(values)
    assert 1.0 == values[0] < values[1]
    assert values[-1] < 3.0


def test_an_old_high_price_stays_what_it_is() -> None:
    others = {f"o{usd}": row(f"o{usd}", usd).model_copy(update={"gpu_id": "mi300x"}) for usd in (1.0, 2.0, 3.0, 4.0)}
    dear = row("dear", 9.0).model_copy(update={"gpu_id": "mi300x", "as_of": "2025-11-20"})
    catalogue = load_catalogue(with_user_files=False)
    catalogue.__dict__["cloud_prices"] = {**others, "dear": dear}
    (offer,) = (one for one in rents(catalogue.accelerators["mi300x"], catalogue=catalogue, on=DAY) if one.provider == "dear")
    assert offer.price is not None and offer.price.value == 9.0


@pytest.mark.parametrize(
    ("interconnect", "is_one"),
    [
        ("infiniband_400", True),
        ("roce_3200", True),
        ("ici", True),
        ("nvlink_rack", True),
        ("nvlink", False),
        ("none", False),
        (None, False),
    ],
)
def test_nvlink_ends_at_the_server_and_a_fabric_joins_instances(interconnect: str | None, is_one: bool) -> None:
    assert is_fabric(interconnect) == is_one
