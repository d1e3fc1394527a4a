"""Scenarios as they are shipped are answered: whoever begins with one begins with a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.demand.manual import new_demand, scenario_names
from aigc_bench.plan.planner import plan_demand
from tests.plan.demands import HANDFUL, catalogue


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_as_it_is_shipped_has_an_answer(name: str, tmp_path: Path) -> None:
    """A ranking of 500 was 500 steps, 194 ms where 100 were asked, and its answers filled 97 disks: nothing was recommended."""
    demand = read_demand(new_demand(name, out=tmp_path / "mine.toml"), catalogue=catalogue())
    plan = plan_demand(demand, catalogue=catalogue(), accelerators=HANDFUL)
    assert plan.recommendation == 1
    assert not plan.unplanned
