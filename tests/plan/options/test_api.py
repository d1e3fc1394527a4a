"""APIs: no latency is sold, and the option says whose price it is."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import OwnModel
from aigc_bench.plan.money.apis import api_offers
from aigc_bench.plan.options.api import api_options, price_per_request
from aigc_bench.plan.options.published_latency import published
from aigc_bench.plan.records.demand import Slo
from aigc_bench.plan.records.plan import Option
from tests.plan.build import exact, make_demand, make_service

CATALOGUE = load_catalogue(with_user_files=False)
TODAY = date(2026, 10, 21)


def options_of(**changes: Any) -> list[Option]:
    service = make_service(input_tokens=exact(800.0, "tokens/request"), **changes)
    return api_options(make_demand(services=(service,), jobs=()), catalogue=CATALOGUE, on=TODAY)


IMAGES = {
    "slo": Slo(), "workload": "latent_diffusion", "preset": "sdxl", "item": "image", "items_per_request": exact(1.0, "images"),
}  # fmt: skip
VIDEO = {"slo": Slo(), "workload": "video", "preset": "small", "item": "video-second", "items_per_request": exact(5.0, "s")}


def option_of(**changes: Any) -> Option:
    (option,) = options_of(**changes)
    return option


@pytest.mark.parametrize(
    ("slo", "named"), [(Slo(ttft_s=0.001), "TTFT SLO is 1.00 ms"), (Slo(latency_s=0.03), "latency SLO is 30.0 ms")]
)
def test_what_is_asked_below_the_round_trip_refuses_an_api(slo: Slo, named: str) -> None:
    option = option_of(slo=slo)
    assert not option.accepted
    assert any(named in reason and "20.0 ms to 100 ms" in reason for reason in option.reasons)


def test_a_stated_slo_is_an_open_question_since_no_latency_is_sold() -> None:
    option = option_of(slo=Slo(ttft_s=2.0, tpot_s=0.05))
    assert option.accepted
    assert "chat: no API guarantees the required TTFT of 2.00 s and TPOT of 50.0 ms" in option.reasons


def test_without_an_slo_nothing_is_open() -> None:
    assert option_of(slo=Slo(), preset="llama-3.1-8b").reasons == ()


def test_the_named_model_is_priced_and_named() -> None:
    option = option_of(slo=Slo(), api_model="claude-opus-5")
    assert option.provider == "claude-opus-5 of anthropic"
    assert option.usd_per_unit["chat"].value == pytest.approx((800 * 5e-6 + 100 * 25e-6) / 100)


@pytest.mark.parametrize("preset", ["llama-3.1-8b", "llama-3.1-70b"])
def test_an_open_model_is_priced_as_its_hosts_sell_it(preset: str) -> None:
    option = option_of(slo=Slo(), preset=preset)
    assert option.provider is not None and option.provider.endswith(f", {preset}") and "median of" in option.provider
    market = option_of(slo=Slo(), preset="small")
    assert option.tco_usd.value < market.tco_usd.value


def test_an_open_model_that_nobody_hosts_is_priced_as_those_of_its_size() -> None:
    option = option_of(slo=Slo(), preset="llama-2-70b")
    assert option.provider is not None and "open models of its size" in option.provider and "llama-3.1-70b" in option.provider


def test_a_model_of_no_size_is_priced_as_the_market_and_says_that_it_is_another() -> None:
    option = option_of(slo=Slo(), preset="small")
    assert option.provider is not None and option.provider.endswith("any of their models, not small")


def test_a_model_of_the_users_own_is_served_by_no_api_unless_another_is_named_for_it() -> None:
    own = OwnModel(path="/models/mine", sha256="0" * 64)
    assert options_of(slo=Slo(), preset=None, model=own) == []
    assert option_of(slo=Slo(), preset=None, model=own, api_model="claude-opus-5").accepted


def test_the_only_host_of_a_model_is_named() -> None:
    option = options_of(**IMAGES)[0]
    assert option.provider == "bedrock, sdxl"


def test_a_smaller_open_model_costs_less() -> None:
    small, large = (
        price_per_request(make_service(preset=preset, input_tokens=exact(800.0, "tokens")), catalogue=CATALOGUE, on=TODAY)
        for preset in ("llama-3.1-8b", "llama-3.1-70b")
    )
    assert small is not None and large is not None and small.usd.value < large.usd.value


def test_every_open_model_of_the_catalogue_is_a_model_that_the_planner_knows() -> None:
    from aigc_bench.predict.published.name_resolution import language_models

    chat = {row.open_model for row in CATALOGUE.api_prices.values() if row.modality == "chat" and row.open_model}
    assert len(chat) >= 4 and chat <= set(language_models())


def test_a_named_model_whose_published_latency_meets_the_slo_may_be_recommended() -> None:
    option = option_of(slo=Slo(ttft_s=2.0), api_model="gpt-4o")
    assert option.accepted and not option.misses_confidence
    (reason,) = option.reasons
    # 0.45 s and 0.758 s are published: the slower one, twice.
    assert "TTFT of gpt-4o at openai is 1.52 s" in reason and "modelstats.ai, 2026-04-03" in reason and "no contract" in reason


@pytest.mark.parametrize(
    ("slo", "model"),
    [(Slo(ttft_s=1.0), "gpt-4o"), (Slo(ttft_s=2.0, tpot_s=0.01), "gpt-4o"), (Slo(ttft_s=9.0), "claude-opus-5")],
)
def test_a_latency_that_is_too_long_or_not_published_is_compared_and_not_recommended(slo: Slo, model: str) -> None:
    option = option_of(slo=slo, api_model=model)
    assert option.accepted and option.misses_confidence and not option.other_model


def test_what_is_published_of_a_model_at_one_provider_says_nothing_of_another() -> None:
    offers = {(one.provider, one.model): one for one in api_offers("token", catalogue=CATALOGUE, on=TODAY)}
    assert {row.provider for row in published(offers["openai", "gpt-5"], catalogue=CATALOGUE)} == {"openai"}
    hosts = [one for (_, model), one in offers.items() if model.endswith("gpt-oss-120b")]
    assert hosts and not any(published(one, catalogue=CATALOGUE) for one in hosts), "OpenRouter measured it, and is none of them"


def test_the_api_of_another_model_is_never_recommended_not_even_without_an_slo() -> None:
    option = option_of(slo=Slo(), preset="llama-2-70b")
    assert option.misses_confidence and option.other_model
    assert "chat: another model than llama-2-70b; where its results do, name it with api_model" in option.reasons


def test_services_by_credit_by_seat_and_for_avatars_compete_for_video() -> None:
    options = {option.provider or "": option for option in options_of(**VIDEO)}
    words = " ".join(options)
    assert "of runwayml" in words or "of fal_ai" in words
    assert "of heygen" in words and "kling/" in words and "a seat with its month used up" in words
    assert all(option.other_model and option.misses_confidence for option in options.values())
    seats = [option for name, option in options.items() if "seat" in name]
    assert all(any("by the month, not to a program" in reason for reason in option.reasons) for option in seats)


def test_a_seat_of_midjourney_competes_for_images_and_an_avatar_can_be_named() -> None:
    assert any("midjourney/" in (option.provider or "") for option in options_of(**IMAGES))
    named = option_of(**VIDEO | {"api_model": "heygen/Avatar III"})
    assert named.provider == "heygen/Avatar III of heygen" and not named.misses_confidence
    assert named.usd_per_unit["chat"].value == pytest.approx(0.03)
