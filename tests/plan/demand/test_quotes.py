"""Vendors' quotes are read from TOML and CSV, converted to USD without tax, and refused with the place of each mistake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.demand.quotes import read_quotes, with_quote_files

QUOTE = """
[[quote]]
name = "A"
vendor = "Nordrack"
accelerator = "h200"
accelerators = 8
price = 250_000
currency = "EUR"
delivery = "14w"
dated = 2026-11-16
"""
DEMAND = """
name = "chat"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = 5
input_tokens = 500
output_tokens = 200
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(with_user_files=False)


def test_a_price_is_converted_at_the_dated_rate_of_the_catalogue_and_without_its_tax(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "quotes.toml"
    file.write_text(QUOTE + "vat = 0.19\n")
    (quote,) = read_quotes(file, catalogue=catalogue)
    assert quote.unit_usd.value == pytest.approx(250_000 / 1.19 * catalogue.exchange_rate("EUR").value)
    assert quote.accelerator == "h200_sxm_141gb"
    assert quote.delivery_years == pytest.approx(14 * 7 / 365.25)
    assert quote.dated == date(2026, 11, 16)
    assert "Nordrack" in (quote.unit_usd.source or "") and "USD" in (quote.unit_usd.source or "")


def test_a_table_says_the_same_as_toml(tmp_path: Path, catalogue: Catalogue) -> None:
    toml, table = tmp_path / "quotes.toml", tmp_path / "quotes.csv"
    toml.write_text(QUOTE)
    table.write_text(
        "name;vendor;accelerator;accelerators;price;currency;delivery;dated\nA;Nordrack;h200;8;250.000,00;EUR;14w;2026-11-16\n"
    )
    assert read_quotes(table, catalogue=catalogue) == read_quotes(toml, catalogue=catalogue)


def test_quotes_may_stand_in_the_demand_and_in_files(tmp_path: Path, catalogue: Catalogue) -> None:
    demand, file = tmp_path / "demand.toml", tmp_path / "quotes.toml"
    demand.write_text(DEMAND + QUOTE)
    file.write_text(QUOTE.replace('"A"', '"B"'))
    both = with_quote_files(read_demand(demand, catalogue=catalogue), [file], catalogue=catalogue)
    assert [one.name for one in both.quotes] == ["A", "B"]
    with pytest.raises(UsageError, match="'A' is the name of 2 quotes"):
        with_quote_files(read_demand(demand, catalogue=catalogue), [demand_as_quotes(tmp_path)], catalogue=catalogue)


def demand_as_quotes(folder: Path) -> Path:
    file = folder / "again.toml"
    file.write_text(QUOTE)
    return file


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({'accelerator = "h200"': 'accelerator = "h201"'}, ("quote 1 (A): ", "h201", "h200")),
        ({'currency = "EUR"': 'currency = "XYZ"'}, ("quote 1 (A): ", "currency", "XYZ")),
        ({"price = 250_000": "price = -1"}, ("quote 1 (A), price = -1", "must be between")),
        ({"price = 250_000": "cost = 250_000"}, ("unknown key 'cost'", "price is missing")),
        ({"dated = 2026-11-16": 'dated = "16.11.2026"'}, ("dated", "write 2026-11-30")),
        ({"accelerators = 8": 'accelerators = 8\nserver = "dgx_b300"'}, ("quote 1 (A): ", "b300")),
        ({"accelerators = 8": 'accelerators = 4\nserver = "dgx_h200"'}, ("accelerators = 4", "dgx_h200", "holds 8")),
        ({"dated = 2026-11-16": "dated = 2026-11-16\nvalid_until = 2026-11-01"}, ("valid_until", "before dated")),
        ({'delivery = "14w"': "delivery = 14"}, ("delivery = 14", "14d")),
    ],
)
def test_a_mistake_of_a_file_is_named_with_its_place(
    tmp_path: Path, catalogue: Catalogue, changed: dict[str, str], told: tuple[str, ...]
) -> None:
    text = QUOTE
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "quotes.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_quotes(file, catalogue=catalogue)
    lines = "\n".join(caught.value.lines)
    for words in (str(file), *told):
        assert words in lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,vendor,accelerator,price\nA,N,h200,cheap\n", ("line 2", "price", "is not a number")),
        ("name,vendor,accelerator,price\nA,N,h200,1\nB,N,h999,1\n", ("line 3", "h999")),
        ("name,vendor,accelerator,price,colour\nA,N,h200,1,red\n", ("line 1", "colour")),
        ("name,vendor,accelerator,price\n", ("no quote below the header",)),
        ("name,vendor,price\nA,N,1\n", ("accelerator",)),
        ("name,vendor,accelerator,price\nA,N,h200,1,2,3\n", ("line 2",)),
    ],
)
def test_a_mistake_of_a_table_is_named_with_its_line(
    tmp_path: Path, catalogue: Catalogue, text: str, told: tuple[str, ...]
) -> None:
    file = tmp_path / "quotes.csv"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_quotes(file, catalogue=catalogue)
    lines = "\n".join(caught.value.lines)
    for words in (str(file), *told):
        assert words in lines


def test_a_demand_that_is_given_as_a_file_of_quotes_is_named_as_such(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(DEMAND)
    with pytest.raises(UsageError, match="this is a demand without quotes"):
        read_quotes(file, catalogue=catalogue)
