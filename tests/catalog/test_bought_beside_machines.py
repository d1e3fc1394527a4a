"""Egress, storage, exchange rates, latency and discounts of APIs: read from the tables, by hand."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.api_facts import ApiLatency
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.transfers import EgressAndStorage
from aigc_bench.core.errors import UnknownNameError

CATALOGUE = load_catalogue(with_user_files=False)
AWS = CATALOGUE.egress_storage["aws_useast1"]


def a_provider(**fields: object) -> EgressAndStorage:
    facts = {"id": "x", "provider": "x", "source": "a price list", "as_of": "2026", **fields}
    return EgressAndStorage.model_validate(facts)


@pytest.mark.parametrize(
    ("terabytes", "usd"),
    [
        (0.0, 0.0),
        (0.1, 0.0),
        (1.1, 90.0),
        (10.1, 900.0),
        # 10 TB at 0.09, 40 TB at 0.085, 100 TB at 0.07, 50 TB at 0.05 USD/GB
        (200.1, 900.0 + 3400.0 + 7000.0 + 2500.0),
    ],
)
def test_egress_is_billed_tier_by_tier_beyond_what_is_free(terabytes: float, usd: float) -> None:
    assert AWS.egress_usd(terabytes * 1e12) == pytest.approx(usd)


def test_egress_without_a_fee_is_zero_and_unknown_egress_is_none() -> None:
    assert CATALOGUE.egress_storage["lambda_us"].egress_usd(1e15) == 0
    assert CATALOGUE.egress_storage["nebius_eu_us"].egress_usd(1e12) is None


def test_what_is_stored_leaves_once_a_month_without_a_fee_where_the_provider_says_so() -> None:
    wasabi = CATALOGUE.egress_storage["wasabi_us"]
    assert wasabi.egress_usd(1e12, stored_bytes=2e12) == 0
    assert wasabi.egress_usd(3e12, stored_bytes=2e12) is None


@pytest.mark.parametrize("text", ["cheap", "10:0.09; 5:0.08; :0.05", ":0.1; 10:0.05", ""])
def test_tiers_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be tiers"):
        a_provider(egress=text)


def test_an_exchange_rate_is_the_newest_between_the_ends_of_all() -> None:
    euro = CATALOGUE.exchange_rate("EUR")
    assert (euro.low, euro.value, euro.high, euro.unit) == (1.1133, 1.1133, 1.1761, "USD")
    assert CATALOGUE.exchange_rate("CNY").value == pytest.approx(1.1761 / 7.9989, rel=1e-4)
    assert CATALOGUE.exchange_rate("USD").value == 1
    with pytest.raises(UnknownNameError, match="EUR"):
        CATALOGUE.exchange_rate("EURO")


def test_vat_is_a_fraction() -> None:
    rates = [row for row in CATALOGUE.fx_tax.values() if row.kind == "vat"]
    assert all(0.05 < (row.value or 0) < 0.3 and row.unit == "fraction" for row in rates)


def test_a_measured_latency_is_in_seconds_and_an_artefact_of_short_answers_is_left_out() -> None:
    rows = list(CATALOGUE.api_latency.values())
    assert all(0.1 < row.ttft_s < 10 for row in rows if row.ttft_s is not None)
    assert all(row.output_tokens_per_s < 1000 for row in rows if row.output_tokens_per_s is not None)
    with pytest.raises(ValueError, match="needs ttft_s or output_tokens_per_s"):
        ApiLatency(id="x", model="x", source="a page", as_of="2026")


def test_cached_input_and_batches_cost_less_than_the_list() -> None:
    for row in CATALOGUE.api_discounts.values():
        assert (row.of_list < 1) == (row.kind in ("cached_input", "batch_input", "batch_output", "flex_input")), row.id
