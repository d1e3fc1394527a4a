"""Water: WUE by cooling and climate, the hottest day against the limit of the site, the mean day and its price."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.explain.plan_trail import explain, trail_of
from aigc_bench.plan.factors.base import Limits
from aigc_bench.plan.factors.water import factor
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.demand import CoolingMethod, Site
from aigc_bench.plan.records.plan import Assessment, Option, Plan
from aigc_bench.report.plan.plan_report import render_plan
from tests.plan.build import exact, make_demand, make_site
from tests.plan.factors.test_factors import option_of

CATALOGUE = load_catalogue(with_user_files=False)
WUE = {
    "wue_l_per_kwh": exact(0.5, "L/kWh"),
    "wue_hot_day_ratio": exact(2.0, "ratio"),
    "water_usd_per_m3": exact(4.0, "USD/m3"),
}
DEMAND = """
name = "a chat"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = 20
input_tokens = 800
output_tokens = 200
[site]
region = "arizona"
"""


def judged(**changes: Any) -> tuple[Option, Assessment]:
    """An owned option at a site with a WUE of 0.5 L/kWh, twice that on the hottest day."""
    keys = {name: value for name, value in (WUE | changes).items() if value is not None}
    option = option_of(demand=make_demand(site=make_site(of_factors=keys)))
    return option, option.factors["water"]


def default_wue(region: str | None, cooling: CoolingMethod = "air") -> float:
    """The WUE that a site has by default."""
    site: Site = make_site(region=region, cooling=cooling)
    key = next(key for key in factor.site_keys if key.name == "wue_l_per_kwh")
    assert key.default is not None
    found = key.default(CATALOGUE, site)
    assert found is not None and found.basis == "assumed" and found.low < found.value < found.high
    return found.value


def test_the_hottest_day_is_required_and_the_mean_day_is_reported_by_hand() -> None:
    option, found = judged(water_m3_per_day=exact(1.0, "m3/day"))
    peak_kw, kwh = option.num_servers * 1.2, option.energy_kwh_per_year
    assert kwh is not None and found.required is not None
    assert found.required.value == pytest.approx(peak_kw * 24 * 0.5 * 2 / 1000)
    assert found.inputs["water on a mean day"].value == pytest.approx(kwh.value / 365.25 * 0.5 / 1000)
    assert found.headroom == pytest.approx(1 - found.required.value / 1.0)
    assert found.inputs["water on a mean day"].value < found.required.value


def test_a_site_that_states_no_limit_is_no_open_question_and_its_use_is_reported() -> None:
    option, found = judged()
    assert (found.verdict, found.available, found.headroom) == ("ok", None, None)
    assert found.required is not None
    assert found.why.startswith("no limit is stated (site.water_m3_per_day)")
    assert option.accepted
    assert not [reason for reason in option.reasons if "water" in reason]
    assert "water" not in (option.bottleneck, option.next_bottleneck)


def test_a_limit_with_an_unknown_wue_is_unknown_and_without_a_limit_nothing_is() -> None:
    _, limited = judged(water_m3_per_day=exact(1.0, "m3/day"), wue_l_per_kwh=None)
    assert limited.verdict == "unknown"
    assert "state site.wue_l_per_kwh" in limited.why
    assert judged(wue_l_per_kwh=None)[1].verdict == "ok"


def test_a_shortage_refuses_the_option_and_names_the_water_that_would_suffice() -> None:
    option, found = judged(water_m3_per_day=exact(0.01, "m3/day"))
    assert (found.verdict, option.accepted, option.bottleneck) == ("short", False, "water")
    reason = next(reason for reason in option.reasons if reason.startswith("water: "))
    assert "site.water_m3_per_day" in reason and "site.wue_l_per_kwh" in reason
    assert reason.endswith("would change that")
    limits = Limits(site=make_site(), table="site")
    suffices = float(factor.remedy(found, limits).split()[0])
    roomy, again = judged(water_m3_per_day=exact(suffices * 1.01, "m3/day"))
    assert again.verdict == "ok"
    assert roomy.accepted


def test_a_dry_site_takes_no_water_and_pays_none() -> None:
    option, found = judged(wue_l_per_kwh=exact(0.0, "L/kWh"), water_m3_per_day=exact(0.0, "m3/day"))
    assert found.verdict == "ok"
    assert next(line for line in option.costs if line.key == "water").usd_per_year.value == 0


def test_a_year_of_water_is_paid_by_the_cubic_metre() -> None:
    option, _ = judged()
    line = next(line for line in option.costs if line.key == "water")
    assert option.energy_kwh_per_year is not None
    assert line.usd_per_year.value == pytest.approx(option.energy_kwh_per_year.value * 0.5 / 1000 * 4)
    assert not [line for line in judged(water_usd_per_m3=None)[0].costs if line.key == "water"]


def test_wue_follows_climate_and_warm_water_needs_less() -> None:
    cold, temperate, dry, humid = (default_wue(region) for region in ("sweden", "germany", "arizona", "singapore"))
    assert cold < temperate < dry <= humid
    for region in ("sweden", "germany", "arizona", "singapore", None):
        assert default_wue(region, "direct_liquid") < default_wue(region, "air")
    assert default_wue("us") == default_wue(None), "a country of many climates is of none"
    assert default_wue("no such place") == default_wue(None)


PUBLISHED = {
    "sweden": (0.02, 0.05),
    "germany": (0.01,),
    "us-arizona": (1.52,),
    "singapore": (0.02, 1.68),
    "indonesia": (2.75,),
    "japan": (0.91,),
}


@pytest.mark.parametrize(("region", "published"), PUBLISHED.items())
def test_published_figures_lie_within_the_interval_of_their_climate(region: str, published: tuple[float, ...]) -> None:
    key = next(key for key in factor.site_keys if key.name == "wue_l_per_kwh")
    assert key.default is not None
    found = key.default(CATALOGUE, make_site(region=region))
    assert found is not None
    assert all(found.low <= one <= found.high for one in published)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("water") / "demand.toml"
    path.write_text(f"{DEMAND}water_m3_per_day = 20\nwater_usd_per_m3 = 5\n")
    return api.plan(path, accelerators=["l40s", "h100_sxm_80gb"])


def test_it_is_in_table_page_json_and_bill_and_its_numbers_are_explained(plan: Plan) -> None:
    owned = next(one for one in plan.options if one.kind == "owned" and not one.parts)
    trail, at = trail_of(plan, owned), f"options.{owned.rank}"
    inputs = f"{at}.factors.water.inputs"
    for key in (
        f"{at}.factors.water.required",
        f"{at}.factors.water.available",
        f"{inputs}.water_on_a_mean_day",
        f"{at}.costs.water",
    ):
        assert trail.recomputed(key) == pytest.approx(trail[key].value.value), key
    assert trail[f"{at}.factors.water.available"].value.value == 20
    assert "demand.site.water_m3_per_day" in trail.reach([f"{at}.factors.water.available"])
    assert "demand.site.wue_l_per_kwh" in trail.reach([f"{at}.costs.water"])
    assert "Water required" in explain(plan, f"{at}.factors.water.required")
    assert "<h3>Water" in render_plan(plan_view(plan), version="test")
    for one in contract(plan_view(plan))["options"]:
        assert one["factors"]["water"]["verdict"] == ("ok" if one["kind"] == "owned" else "provider")
        assert [line["key"] for line in one["costs"]].count("water") == (one["kind"] == "owned")


def test_water_for_fewer_servers_than_required_leaves_the_options_of_providers(tmp_path: Path) -> None:
    path = tmp_path / "dry.toml"
    path.write_text(f"{DEMAND}water_m3_per_day = 0\n")
    found = api.plan(path, accelerators=["l40s"])
    assert not [one for one in found.options if one.kind == "owned" and one.accepted]
    assert found.recommended is not None and found.recommended.kind != "owned"
    path.write_text(f"{DEMAND}water_m3_per_day = -1\n")
    with pytest.raises(UsageError, match="water_m3_per_day = -1: must be 0 or between"):
        read_demand(path, catalogue=CATALOGUE)
