"""No figure without a source, a date and a word on how sure it is; and the tables agree with one another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aigc_bench.catalog.loader import KINDS, load_catalogue
from aigc_bench.catalog.table_reader import DATA, columns, parse_csv, read_cells, to_record
from aigc_bench.catalog.tables import TABLES

CATALOGUE = load_catalogue(with_user_files=False)
FACTS = [name for name, table in TABLES.items() if "source" in table.record.model_fields]
LEAST_ROWS = {
    "accelerators": 90, "usable_memory": 17, "servers": 28, "measured_power": 42, "power_caps": 36, "network": 57, "storage": 32,
    "cooling": 64, "carbon": 388, "cpus": 20, "vcpu_power": 20, "datasets": 3,
}  # fmt: skip


@pytest.mark.parametrize(("table", "least"), LEAST_ROWS.items())
def test_no_table_has_lost_rows(table: str, least: int) -> None:
    assert len(read_cells(TABLES[table])) >= least


@pytest.mark.parametrize("table", FACTS)
def test_every_row_has_source_date_confidence_and_basis(table: str) -> None:
    for row_id, cells in read_cells(TABLES[table]).items():
        assert len(cells["source"]) >= 4, row_id
        assert re.fullmatch(r"\d{4}(-\d\d){0,2}(/\d{4}(-\d\d){0,2})?", cells["as_of"]), row_id
        assert cells["as_of"][:4] <= "2026", row_id
        assert cells["confidence"] in ("high", "medium", "low"), row_id
        assert cells["basis"] in ("datasheet", "assumed"), row_id


@pytest.mark.parametrize("table", FACTS)
def test_a_source_that_is_not_verified_is_assumed_with_low_confidence(table: str) -> None:
    for row_id, cells in read_cells(TABLES[table]).items():
        if "unverified" in cells["source"]:
            assert (cells["basis"], cells["confidence"]) == ("assumed", "low"), row_id


def test_every_price_has_its_own_source_and_date_and_an_unverified_one_is_assumed() -> None:
    priced = [row for rows in (CATALOGUE.accelerators, CATALOGUE.servers, CATALOGUE.network) for row in rows.values() if row.price]
    assert len(priced) > 100
    for row in priced:
        assert row.price is not None
        assert row.price.source and row.price.as_of
        assert (row.price.basis == "assumed") == ("unverified" in row.price.source), row.id


def test_an_idle_figure_says_where_it_was_read() -> None:
    for spec in CATALOGUE.accelerators.values():
        assert (spec.idle_w is None) == (spec.idle_source is None), spec.id


@pytest.mark.parametrize("table", TABLES)
def test_files_hold_only_known_columns_and_unique_ids(table: str) -> None:
    text = (DATA / f"{table}.csv").read_text(encoding="utf-8")
    rows = parse_csv(text)
    assert set(rows[0]) <= set(columns(TABLES[table]))
    assert len(read_cells(TABLES[table])) == len(rows)


@pytest.mark.parametrize("table", TABLES)
def test_every_row_becomes_a_record_that_survives_a_round_trip(table: str) -> None:
    record_type = TABLES[table].record
    for row_id, cells in read_cells(TABLES[table]).items():
        record, mistakes = to_record(cells, table=TABLES[table])
        assert not mistakes, row_id
        assert record is not None
        assert record_type.model_validate_json(record.model_dump_json()) == record


def test_no_source_is_cut_off_or_names_a_private_file() -> None:
    for path in sorted(Path(DATA).iterdir()):
        text = path.read_text(encoding="utf-8")
        found = re.search(r"stored file|web page \((?=[;,\"\n])", text)
        assert found is None, f"{path.name}: {found}"


def test_references_between_tables_resolve() -> None:
    known = set(CATALOGUE.accelerators)
    assert {server.gpu_id for server in CATALOGUE.servers.values() if server.gpu_id} <= known
    assert {row.gpu_id for row in CATALOGUE.measured_power.values() if row.gpu_id} <= known
    assert {offer.gpu_id for offer in CATALOGUE.cloud_prices.values()} <= known
    assert {row.accelerator_id for row in CATALOGUE.carbon.values() if row.accelerator_id} <= known
    assert {cells["accelerator_id"] for cells in read_cells(TABLES["aliases"]).values()} <= known
    assert {cells["id"] for cells in read_cells(TABLES["usable_memory"]).values()} <= known
    assert {cells["id"] for cells in read_cells(TABLES["accelerator_ranges"]).values()} <= known
    assert {cells["column"] for cells in read_cells(TABLES["accelerator_ranges"]).values()} <= set(TABLES["accelerators"].columns)
    regions = read_cells(TABLES["regions"]).values()
    assert {cells["power_id"] for cells in regions} - {""} <= set(CATALOGUE.power)
    assert {cells["carbon_id"] for cells in regions} - {""} <= set(CATALOGUE.carbon)


def test_the_credits_are_kept() -> None:
    text = (DATA / "README.md").read_text(encoding="utf-8")
    owed = (
        "Epoch AI",
        "aiconfigurator",
        "LiteLLM",
        "Hugging Face",
        "Cloud Carbon Footprint",
        "Ember",
        "codecarbon",
        "Lawrence Berkeley",
    )
    assert [name for name in owed if name not in text] == []


def test_the_readme_names_every_file() -> None:
    text = (DATA / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in sorted(DATA.glob("*.csv")) if f"`{path.name}`" not in text] == []
    assert {path.stem for path in DATA.glob("*.csv")} == set(TABLES)


def test_every_table_but_the_joined_ones_can_be_found_a_row() -> None:
    joined = {"usable_memory", "accelerator_ranges", "aliases", "regions"}
    assert set(KINDS) == set(TABLES) - joined
    for kind in KINDS:
        name = next(iter(CATALOGUE.rows(kind)))
        assert CATALOGUE.get(kind, name).id == name
