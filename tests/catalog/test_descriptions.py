"""The rows that ``list`` and ``show`` print."""

from __future__ import annotations

import json

import pytest

from aigc_bench.catalog.descriptions import accelerator_rows, describe_accelerator, price_rows, server_rows
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.cli import main
from aigc_bench.core.errors import UnknownNameError

CATALOGUE = load_catalogue(with_user_files=False)


@pytest.mark.parametrize("rows", [accelerator_rows(CATALOGUE), server_rows(CATALOGUE), price_rows(CATALOGUE)])
def test_rows_are_plain_with_one_set_of_keys_and_provenance(rows: list[dict[str, object]]) -> None:
    assert json.loads(json.dumps(rows)) == rows
    assert len({tuple(row) for row in rows}) == 1
    assert all(row["source"] and row["as_of"] and row["basis"] and row["confidence"] for row in rows)


def test_a_missing_figure_is_none_and_never_zero() -> None:
    t4 = next(row for row in accelerator_rows(CATALOGUE) if row["id"] == "t4")
    assert t4["bf16_flop_per_s"] is None
    assert t4["fp16_flop_per_s"] == 65e12
    for row in accelerator_rows(CATALOGUE):
        assert 0 not in [value for key, value in row.items() if key.endswith(("_s", "_w", "_usd", "_bytes"))]


def test_prices_are_per_gpu_current_and_sorted_from_the_cheapest() -> None:
    rows = [row for row in price_rows(CATALOGUE) if row["gpu_id"] == "h100_sxm_80gb"]
    known = [row["on_demand_usd_per_gpu_h"] for row in rows if row["on_demand_usd_per_gpu_h"] is not None]
    assert known == sorted(known)
    assert 1 < known[0] < known[-1] < 15
    historic = sum(price.is_historic for price in CATALOGUE.cloud_prices.values())
    assert len(price_rows(CATALOGUE, with_historic=True)) - len(price_rows(CATALOGUE)) == historic > 0


@pytest.mark.parametrize("name", CATALOGUE.accelerators)
def test_every_accelerator_can_be_described_with_a_source_on_every_line(name: str) -> None:
    lines = describe_accelerator(CATALOGUE, name)
    assert all(field and value and source for field, value, source in lines)
    assert len({field for field, _, _ in lines}) == len(lines)


def test_a_description_carries_units_and_what_sources_disagree_on() -> None:
    lines = {field: value for field, value, _ in describe_accelerator(CATALOGUE, "B300")}
    assert lines["bf16 peak, dense"] == "2.250 PFLOP/s"
    assert "13.5 PFLOP/s to 14.0 PFLOP/s" in lines["fp4 peak, dense"]
    assert "270 GiB to 288 GiB" in lines["memory, nominal"]
    assert lines["link to peers (NVLink5)"] == "900 GB/s per direction"
    assert lines["idle power"] == "–"


def test_an_unknown_accelerator_cannot_be_described() -> None:
    with pytest.raises(UnknownNameError):
        describe_accelerator(CATALOGUE, "h9000")


def test_rents_say_in_their_heading_what_an_hour_is_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "prices"]) == 0
    assert "ON DEMAND $/GPU-H" in capsys.readouterr().out.splitlines()[0]
