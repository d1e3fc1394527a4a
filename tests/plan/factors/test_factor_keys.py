"""What a factor asks of a demand, a site and a colocation is declared in its own file, with its unit, range, default and title."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from aigc_bench.plan.demand import schema
from aigc_bench.plan.factors.base import all_factors
from aigc_bench.plan.records.demand import Colocation, Site
from aigc_bench.plan.records.factor_keys import IN_SI, AmountKey, SiteKey, colocation_keys, site_keys, title_of_key

PLAN = Path(schema.__file__).parents[1]
READ = re.compile(r'\.amount\("([^"]+)"\)')


def test_every_amount_that_the_planner_reads_is_declared_by_a_factor() -> None:
    read = {name for file in PLAN.rglob("*.py") for name in READ.findall(file.read_text(encoding="utf-8"))}
    assert {"power_w", "rack_power_w", "rack_cooling_w", "store_bytes"} <= read
    assert read <= {key.stored_as for key in site_keys()}


def test_no_key_of_a_factor_is_declared_a_second_time_in_a_record_of_the_file_or_of_the_plan() -> None:
    assert not {key.name for key in site_keys()} & set(schema.WrittenSite.model_fields)
    assert not {key.stored_as for key in site_keys()} & set(Site.model_fields)
    assert not {key.name for key in colocation_keys()} & set(schema.WrittenColocation.model_fields)
    assert not {key.stored_as for key in colocation_keys()} & set(Colocation.model_fields)


def declared(table: str) -> dict[str, set[str]]:
    """Names of the keys that each factor declares for a table."""
    keys = {name: getattr(factor, table) for name, factor in all_factors().items()}
    return {name: {key.name for key in found} for name, found in keys.items() if found}


def test_each_of_these_factors_declares_its_own_keys() -> None:
    assert declared("site_keys") == {
        "power": {"power_kw", "rack_kw"},
        "cooling": {"rack_cooling_kw", "inlet_c"},
        "network": {"uplink_gbit_per_s"},
        "storage": {"store_tb", "store_gb_per_s"},
        "water": {"water_m3_per_day", "water_usd_per_m3", "wue_l_per_kwh", "wue_hot_day_ratio"},
    }
    assert declared("colocation_keys") == {"power": {"power_kw", "rack_kw"}, "network": {"uplink_gbit_per_s"}}


def test_what_applies_in_a_colocation_instead_of_a_limit_of_the_site_is_a_limit_of_the_site() -> None:
    limits = {key.stored_as for key in site_keys()}
    replaced = {name for key in colocation_keys() for name in key.replaces}
    assert replaced == {"power_w", "rack_power_w", "rack_cooling_w", "egress_bits_per_s"}
    assert replaced <= limits


PLAIN: Mapping[str, object] = {"name": "feed_kw", "title": "feed", "meaning": "rating of the feed", "low": 1, "high": 10}


@pytest.mark.parametrize("unit", IN_SI)
def test_an_amount_with_a_field_is_stored_in_si_and_one_without_as_it_is_written(unit: str) -> None:
    in_plan = AmountKey(**{**PLAIN, "unit": unit, "field": "feed"})
    assert (in_plan.stored_as, in_plan.stored_unit, in_plan.scale) == ("feed", *IN_SI[unit])
    as_written = AmountKey(**{**PLAIN, "unit": unit})
    assert (as_written.stored_as, as_written.stored_unit, as_written.scale) == ("feed_kw", unit, 1.0)


def test_the_unit_of_a_name_is_the_unit_of_its_number() -> None:
    """``power_w`` holds watts: a key in another unit than SI is stored under a field of its own."""
    for key in (*site_keys(), *colocation_keys()):
        assert bool(key.field) == (key.unit in IN_SI) or key.field == key.name, key.name


def test_a_title_is_of_the_table_that_has_the_key() -> None:
    assert title_of_key("site", "power_w") == title_of_key("colocation", "power_w") == "IT power"
    assert title_of_key("colocation", "store_bytes") is None
    assert title_of_key("finance", "power_w") is None


def test_a_provider_has_nothing_that_only_an_own_building_has() -> None:
    own = {key.name for key in site_keys() if isinstance(key, SiteKey) and key.only_own}
    assert own == {"uplink_gbit_per_s", "store_tb", "store_gb_per_s", "inlet_c"}
