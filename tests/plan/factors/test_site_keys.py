"""What a factor asks of a site is declared in its own file, with its unit, range, default and title."""

from __future__ import annotations

import re
from pathlib import Path

from aigc_bench.plan.demand import schema
from aigc_bench.plan.factors.base import all_factors
from aigc_bench.plan.records.demand import Site, site_keys, stored_keys

PLAN = Path(schema.__file__).parents[1]
READ = re.compile(r'\.amount\("([^"]+)"\)')


def test_every_amount_that_the_planner_reads_is_declared_by_a_factor() -> None:
    read = {name for file in PLAN.rglob("*.py") for name in READ.findall(file.read_text(encoding="utf-8"))}
    assert {"power_w", "rack_power_w", "rack_cooling_w", "store_bytes"} <= read
    assert read <= set(stored_keys())


def test_no_key_of_a_factor_is_declared_a_second_time_in_the_record_of_the_site() -> None:
    assert not set(site_keys()) & set(schema.WrittenSite.model_fields)
    assert not set(stored_keys()) & set(Site.model_fields)


def test_each_of_these_factors_declares_its_own_keys() -> None:
    own = {name: {key.name for key in factor.keys} for name, factor in all_factors().items() if factor.keys}
    assert own == {
        "power": {"power_kw", "rack_kw"},
        "cooling": {"rack_cooling_kw", "inlet_c"},
        "network": {"uplink_gbit_per_s"},
        "storage": {"store_tb", "store_gb_per_s"},
        "water": {"water_m3_per_day", "water_usd_per_m3", "wue_l_per_kwh", "wue_hot_day_ratio"},
    }


def test_a_key_in_another_unit_than_si_says_which_and_by_how_much() -> None:
    for key in stored_keys().values():
        assert (key.scale == 1.0) == (not key.stored_unit), key.name
