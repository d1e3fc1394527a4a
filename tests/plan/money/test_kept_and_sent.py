"""What a provider bills for data kept with it and sent from it, against its published tiers."""

from __future__ import annotations

import pytest

from aigc_bench.plan.money.kept_and_sent import lines_of, sent_bytes_per_month, transfers_of
from aigc_bench.plan.records.plan import CostLine
from tests.plan.build import exact, make_demand, make_job, make_service
from tests.plan.demands import catalogue, plan_of, text_of

YEAR_S = 365.25 * 86_400


def billed(provider: str, *, kept: float, response_bytes: float) -> dict[str, CostLine]:
    demand = make_demand(services=(make_service(response_bytes=exact(response_bytes, "B")),), jobs=())
    found = lines_of(transfers_of(provider, catalogue=catalogue()), demand, kept=exact(kept, "B"), loads=["chat"])
    return {line.key: line for line in found}


def test_bytes_sent_are_those_of_responses_at_the_mean_rate_and_of_results() -> None:
    job = make_job(kind="batch", mode="infer", response_bytes=exact(10.0, "B/token"), kept_days=exact(7.0, "day"))
    demand = make_demand(jobs=(job,))
    requests_per_s = 1000 * 0.05 / 60 * 2 * 0.25
    chat, both = (sent_bytes_per_month(demand, loads=loads).value for loads in (["chat"], ["chat", "training"]))
    assert chat == pytest.approx(requests_per_s * 3000 * YEAR_S / 12)
    assert both - chat == pytest.approx(1_440_000 * 10 * YEAR_S / 86_400 / 12)


def test_storage_is_the_providers_price_of_a_gigabyte_and_month() -> None:
    """50 TB on S3 Standard at $0.023, and hot at CoreWeave for $0.06."""
    assert billed("aws", kept=50e12, response_bytes=1.0)["storage"].usd_per_year.value == pytest.approx(50_000 * 0.023 * 12)
    assert billed("coreweave", kept=50e12, response_bytes=1.0)["storage"].usd_per_year.value == pytest.approx(50_000 * 0.06 * 12)


def test_egress_follows_the_tiers_beyond_what_is_free() -> None:
    """Pictures of 20 MB: 21.9 TB a month, of which 100 GB are free, 10 TB at $0.09 and the rest at $0.085."""
    sent_gb = 1000 * 0.05 / 60 * 2 * 0.25 * 20e6 * YEAR_S / 12 / 1e9
    expected = 12 * (10_000 * 0.09 + (sent_gb - 100 - 10_000) * 0.085)
    assert billed("aws", kept=1.0, response_bytes=20e6)["egress"].usd_per_year.value == pytest.approx(expected)
    assert "egress" not in billed("coreweave", kept=1.0, response_bytes=20e6), "CoreWeave takes no fee"


def test_a_provider_without_a_published_price_takes_what_the_others_take() -> None:
    line = billed("verda", kept=50e12, response_bytes=1.0)["storage"]
    assert line.usd_per_year.basis == "assumed"
    assert line.usd_per_year.low < line.usd_per_year.value < line.usd_per_year.high
    assert "median" in str(transfers_of("verda", catalogue=catalogue()).kept_usd_per_byte_month.source)


def test_every_rent_of_a_training_plan_pays_for_its_data_beside_its_instances() -> None:
    plan = plan_of(text_of("tuning", amount=50.0, rest="[site]\nrack_kw = 24\n"), accelerators=("h100_sxm_80gb",))
    for option in (one for one in plan.options if not one.parts and one.kind != "api"):
        keys = [line.key for line in option.costs]
        assert ("storage" in keys) is (option.kind == "cloud"), option.server
        assert option.opex_usd_per_year.value <= sum(line.usd_per_year.value for line in option.costs) * (1 + 1e-9)


def test_the_files_of_a_run_that_comes_once_are_paid_for_its_window() -> None:
    """Thirty days of three years for one run, all days for a run that comes back."""

    def stored_usd(every: str) -> float:
        text = (
            'name = "run"\navailability = 0.99\n[[training]]\nname = "run"\nworkload = "gpt"\npreset = "llama-2-7b"\n'
            f'method = "pretraining"\ntokens = 1e11\ndeadline = "30d"\n{every}'
        )
        rents = [one for one in plan_of(text, accelerators=("h100_sxm_80gb",)).options if one.kind == "cloud" and not one.parts]
        return max(line.usd_per_year.value for one in rents for line in one.costs if line.key == "storage")

    assert stored_usd("") == pytest.approx(stored_usd('every = "60d"\n') * 30 / (3 * 365.25), rel=1e-6)
