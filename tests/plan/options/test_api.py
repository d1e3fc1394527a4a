"""APIs: no latency is sold, and the option says whose price it is."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import OwnModel
from aigc_bench.plan.options.api import api_options, price_per_request
from aigc_bench.plan.records.demand import Slo
from aigc_bench.plan.records.plan import Option
from tests.plan.build import exact, make_demand, make_service

CATALOGUE = load_catalogue(with_user_files=False)
TODAY = date(2026, 10, 21)


def options_of(**changes: Any) -> list[Option]:
    service = make_service(input_tokens=exact(800.0, "tokens/request"), **changes)
    return api_options(make_demand(services=(service,), jobs=()), catalogue=CATALOGUE, on=TODAY)


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
    assert option_of(slo=Slo()).reasons == ()


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
    option = option_of(slo=Slo(), workload="latent_diffusion", preset="sdxl", item="image", items_per_request=exact(1.0, "images"))
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
