"""docs/planning.md says what the code does: formulae, sources, cost lines and gaps are the code's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.core import registry
from aigc_bench.plan.demand.arrival_rates import from_hourly, from_users
from aigc_bench.plan.demand.site_and_limits import demand_table
from aigc_bench.plan.explain.plan_trail import trail_of
from aigc_bench.plan.factors.base import all_factors
from aigc_bench.plan.planner import NOT_INCLUDED
from aigc_bench.plan.records.demand import Growth
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.sizing.fleets import REQUIRED, grown
from tests.plan.build import exact

PAGE = Path(__file__).resolve().parents[2] / "docs" / "planning.md"
TEXT = " ".join(PAGE.read_text().split())


@pytest.mark.parametrize("name", list(all_factors()))
def test_every_factor_stands_with_its_formula_and_its_source(name: str) -> None:
    factor = registry.load("factors", name)
    assert f"### {factor.title}" in PAGE.read_text()
    assert f"`{factor.formula}`" in TEXT
    assert f"Source: {factor.source}." in TEXT


def test_no_other_factor_is_described() -> None:
    part = PAGE.read_text().split("<!-- factors -->")[1].split("<!-- /factors -->")[0]
    titles = [line.removeprefix("### ") for line in part.splitlines() if line.startswith("### ")]
    assert titles == [registry.load("factors", name).title for name in all_factors()]


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    names = ("examples/chat-70b.toml", "examples/sdxl-studio.toml")
    return [api.plan(name, accelerators=["h100_sxm_80gb", "l40s"]) for name in names]


def test_every_cost_line_of_a_plan_stands_with_its_formula(plans: list[Plan]) -> None:
    for line in {line.formula for plan in plans for option in plan.options for line in option.costs}:
        assert f"`{line}`" in TEXT, line


def test_the_formulae_of_loads_and_totals_are_those_that_explain_them(plans: list[Plan]) -> None:
    owned = next(one for one in plans[0].options if one.kind == "owned" and one.machine)
    trail, at = trail_of(plans[0], owned), f"options.{owned.rank}"
    keys = ("loads.chat.peak", "loads.chat.accelerators_busy_at_peak", "loads.chat.mean_machines", "energy_kwh_per_year",
            "tco_usd", "usd_per_unit.chat", "num_spares", "carbon_operation_kg", "carbon_making_kg")  # fmt: skip
    for key in keys:
        formula = trail[f"{at}.{key}"].formula
        assert formula is not None
        words = formula.removeprefix("the fewest servers ") if key == "num_spares" else formula.partition("; interval:")[0]
        assert words in TEXT, formula
    assert REQUIRED in TEXT


def test_the_formulae_of_arrivals_and_growth_are_those_of_the_code() -> None:
    one = exact(1.0, "ratio")
    users = from_users(users=one, active_share=one, requests_per_minute=one, peak_factor=one, duty=one)
    hourly = from_hourly([1.0] * 24, peak_factor=one, source="test")
    assert users.formula in TEXT
    assert hourly.formula in TEXT
    last, mean = grown(Growth(per_year=exact(0.2, "fraction"), horizon_years=3))
    assert last.source in TEXT
    assert (mean.source or "").partition(": ")[2] in TEXT


def test_every_table_of_a_demand_and_every_gap_is_named() -> None:
    for name, field in demand_table().model_fields.items():
        if name in ("service", "batch", "training", "rag", "post_training", "dataset", "quote", "owned"):
            assert f"`[[{name}]]`" in TEXT
        elif name in ("site", "colocation", "finance", "constraints"):
            assert f"`[{name}]`" in TEXT
        else:
            assert f"`{name}`" in TEXT, field
    assert all(words in TEXT.lower() for words in NOT_INCLUDED)
