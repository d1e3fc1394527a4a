"""A demand may name the providers and regions of rents, and where its data may be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.placement.residency import countries_of, country_of_grid, why_not_at_site, why_not_called, why_not_rented
from aigc_bench.plan.records.demand import Constraints

DEMAND = """
name = "chat"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = 5
input_tokens = 500
output_tokens = 200
[constraints]
"""
IN_EU = Constraints(data_residency="EU")


@pytest.mark.parametrize(
    ("region", "countries"),
    [
        ("us/eu", {"US", "EU"}), ("europe-west2", {"GB"}), ("europe-west4", {"EU"}), ("FIN", {"FI"}), ("us-east Dallas LZ", {"US"}),
        ("ca/us/no", {"CA", "US", "NO"}), ("paris", {"FR"}), ("global", set()), ("", set()), (None, set()),
    ],
)  # fmt: skip
def test_a_region_names_its_countries_or_none(region: str | None, countries: set[str]) -> None:
    assert countries_of(region) == countries


def test_the_catalogue_has_no_region_of_a_country_that_is_taken_for_another() -> None:
    catalogue = load_catalogue(with_user_files=False)
    europe = {row.region for row in catalogue.cloud_prices.values() if why_not_rented(None, row.region, IN_EU) is None}
    assert {"FIN", "us/eu", "paris", "europe-west4", "stockholm"} <= europe
    assert not europe & {"us", "us-east-1", "cn", "global", "norway", "community cloud", None}


def test_what_states_no_region_and_what_lies_elsewhere_is_refused_with_its_reason() -> None:
    assert "states no region in EU" in (why_not_rented("x", None, IN_EU) or "")
    assert "US is not in EU" in (why_not_rented("x", "us-east-1", IN_EU) or "")
    assert why_not_rented("x", "norway", Constraints(data_residency="EEA")) is None
    assert why_not_called("mistral", IN_EU) is None and why_not_called("openai", IN_EU) is not None
    assert why_not_called("vertex_ai", IN_EU) is None and why_not_called("bedrock", Constraints(data_residency="CH")) is not None


def test_the_own_site_has_to_lie_there_too() -> None:
    catalogue = load_catalogue(with_user_files=False)
    germany, texas = (country_of_grid(catalogue.grid_row(name)) for name in ("germany", "us-texas"))
    assert (germany, texas) == ("DE", "US")
    assert why_not_at_site(germany, IN_EU) is None and why_not_at_site(None, IN_EU) is None
    assert why_not_at_site(texas, IN_EU) is not None


def test_regions_and_providers_leave_only_rents_that_match(tmp_path: Path) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(f'{DEMAND}data_residency = "eu"\nwithout = ["owned", "colocated"]\n')
    plan = api.plan(file, accelerators=["h100_sxm_80gb", "a100_sxm_80gb"])
    rented = [one for one in plan.options if one.kind == "cloud"]
    assert rented and all(part.provider not in ("aws", "azure", "lambda") for one in rented for part in (one.parts or (one,)))
    file.write_text(f'{DEMAND}providers = ["Verda"]\n')
    plan = api.plan(file, accelerators=["h100_sxm_80gb", "a100_sxm_80gb"])
    assert {one.provider for one in plan.options if one.kind == "cloud"} <= {"verda"}
    assert not [one for one in plan.options if one.kind == "api"]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ('providers = ["verdda"]', "verda"),
        ('regions = ["atlantis"]', "atlantis"),
        ('data_residency = "Mars"', "EU"),
    ],
)
def test_an_unknown_name_is_refused_with_what_is_known(tmp_path: Path, key: str, told: str) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(f"{DEMAND}{key}\n")
    with pytest.raises(UsageError) as caught:
        read_demand(file, catalogue=load_catalogue(with_user_files=False))
    assert told in "\n".join(caught.value.lines) and "constraints" in "\n".join(caught.value.lines)
