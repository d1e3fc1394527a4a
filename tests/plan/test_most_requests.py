"""The most that a budget, a power feed or a rack carries: accepted there, refused a little above, and more for a larger limit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.most_requests import FINE
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import MostRequests, Plan
from aigc_bench.report.plan.plan_report import render_plan

EXAMPLE = Path(__file__).parents[2] / "examples" / "budget-200k.toml"
FEW = ("l40s", "rtx_pro_6000_bw_server")


@cache
def demand() -> Demand:
    return read_demand(EXAMPLE, catalogue=load_catalogue(with_user_files=False))


@cache
def plan(budget_usd: float = 200_000.0) -> Plan:
    limits = demand().constraints.model_copy(update={"budget_usd": budget_usd})
    return api.plan(demand().model_copy(update={"constraints": limits}), accelerators=FEW)


def most_of(found: Plan) -> MostRequests:
    assert found.most is not None
    return found.most


def test_what_is_found_keeps_the_limits_and_a_little_more_does_not() -> None:
    best, found = plan().recommended, most_of(plan())
    assert best is not None and best.accepted and best.capex_usd.value <= 200_000
    assert found.next_scale / found.scale <= FINE + 0.05
    peak = demand().services[0].arrival.peak_requests_per_s.value
    assert found.peak_requests_per_s["assistant"] == pytest.approx(found.scale * peak)
    assert found.users["assistant"] == pytest.approx(found.scale * 1000)
    assert found.binding


def test_a_larger_budget_carries_more() -> None:
    assert most_of(plan()).scale < most_of(plan(400_000.0)).scale


def test_what_no_limit_bounds_is_left_out_with_the_key_that_would() -> None:
    assert all(one.kind == "owned" for one in plan().options if one.accepted)
    assert any("renting is left out" in words and "budget_usd_per_year" in words for words in most_of(plan()).left_out)


def test_the_screen_the_page_and_json_say_how_much_it_is() -> None:
    from aigc_bench.cli.plan_screen import screen

    view = plan_view(plan())
    assert "times the stated demand" in " ".join(screen(view).split())
    assert "The most within the limits" in render_plan(view, version="1")
    assert contract(view)["most"]["scale"] == most_of(plan()).scale


def test_without_a_limit_there_is_no_most(tmp_path: Path) -> None:
    file = tmp_path / "demand.toml"
    text = EXAMPLE.read_text()
    file.write_text(text[: text.index("[site]")])
    with pytest.raises(UsageError, match="goal = 'most requests' needs a limit"):
        read_demand(file, catalogue=load_catalogue(with_user_files=False))
    file.write_text(text.replace('"most requests"', '"most money"'))
    with pytest.raises(UsageError, match="goal = 'most money'"):
        read_demand(file, catalogue=load_catalogue(with_user_files=False))
