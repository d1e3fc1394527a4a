"""Machines that are there already are kept, added to or retired, by what either course costs over the life."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.owned import Owned, OwnedPlan
from aigc_bench.plan.records.plan import Plan
from aigc_bench.report.plan.plan_report import render_plan

EXAMPLE = Path(__file__).parents[2] / "examples" / "extend-a100.toml"
FEW = ("rtx_pro_5000_bw_48gb",)


@cache
def demand() -> Demand:
    found = read_demand(EXAMPLE, catalogue=load_catalogue(with_user_files=False))
    # Named, as no more than two of their towers are recommended otherwise.
    return found.model_copy(update={"constraints": found.constraints.model_copy(update={"accelerators": FEW})})


@cache
def plan() -> Plan:
    return api.plan(demand(), accelerators=FEW)


def planned(*owned: Owned, rate: float = 1.0) -> Plan:
    services = tuple(
        one.model_copy(
            update={
                "arrival": one.arrival.model_copy(
                    update={
                        "peak_requests_per_s": one.arrival.peak_requests_per_s.model_copy(
                            update={end: getattr(one.arrival.peak_requests_per_s, end) * rate for end in ("value", "low", "high")}
                        )
                    }
                )
            }
        )
        for one in demand().services
    )
    return api.plan(demand().model_copy(update={"owned": owned, "services": services}), accelerators=FEW)


def owned_of(found: Plan) -> OwnedPlan:
    assert found.owned is not None
    return found.owned


def test_what_is_there_carries_a_share_and_the_rest_is_planned() -> None:
    (fleet,) = owned_of(plan()).fleets
    assert fleet.decision == "keep" and 0 < fleet.share < 1
    before = demand().services[0].arrival.peak_requests_per_s.value
    assert plan().demand.services[0].arrival.peak_requests_per_s.value == pytest.approx(before * (1 - fleet.share))
    assert fleet.share == pytest.approx(fleet.owned.num_servers / fleet.needed_servers)  # type: ignore[operator]


def test_keeping_costs_electricity_and_what_is_added_less_the_resale() -> None:
    found, best = owned_of(plan()), plan().recommended
    (fleet,) = found.fleets
    assert best and found.keep_usd and fleet.running_usd_per_year
    years = demand().finance.life_years
    expected = fleet.running_usd_per_year.value * years + best.tco_usd.value - fleet.later_usd.value
    assert found.keep_usd.value == pytest.approx(expected, rel=1e-3)
    assert found.replace_usd is not None and found.keep_usd.value < found.replace_usd.value


def test_the_headline_on_screen_page_and_json_names_what_is_kept_and_what_is_added() -> None:
    from aigc_bench.cli.plan_screen import screen

    view = plan_view(plan())
    text, page, found = screen(view), render_plan(view, version="1"), contract(view)
    assert text.splitlines()[2].startswith("Keep 4 x NVIDIA A100")
    assert "What is there already" in page
    assert found["recommendation"]["what"].startswith("keep 4 x NVIDIA A100")
    assert found["owned"]["fleets"][0]["owned"]["num_accelerators"] == 4


def test_machines_that_carry_everything_are_kept_and_nothing_is_added() -> None:
    there = demand().owned[0].model_copy(update={"num_accelerators": 32})
    found = planned(there)
    assert owned_of(found).is_complete
    best = found.recommended
    assert best is not None and best.term == "kept" and best.capex_usd.value == 0
    assert [line.key for line in best.costs if line.usd_per_year.value > 0 and line.key in ("space", "hardware")] == []
    assert "add nothing" in owned_of(found).verdict


def test_machines_that_carry_nothing_are_retired_with_the_loss_in_the_books() -> None:
    old = Owned(accelerator="v100_sxm2_16gb", num_accelerators=8, per_server=8, year=2016, book_value_usd=50_000)
    found = planned(old)
    (fleet,) = owned_of(found).fleets
    assert fleet.decision == "retire" and fleet.share == 0 and fleet.reasons
    assert fleet.write_off_usd == pytest.approx(50_000 - fleet.resale_usd.value)
    # The plan is that of the demand without them.
    assert found.demand.services == demand().services


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('accelerator = "a100"\ncount = 12\nyear = 2023', "count = 12 does not fill servers of"),
        ('accelerator = "a101"\ncount = 4\nyear = 2023', "a101"),
        ('accelerator = "a100"\ncount = 8\nyear = 23', "year = 23"),
        ('accelerator = "a100"\ncount = 8', "year is missing"),
        ('accelerator = "a100"\ncount = 8\nyear = 2023\nserver = "dgx_h100"', "does not hold"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, table: str, told: str) -> None:
    file = tmp_path / "demand.toml"
    text = EXAMPLE.read_text()
    start, end = text.index("[[owned]]"), text.index("[site]")
    file.write_text(f"{text[:start]}[[owned]]\n{table}\n\n{text[end:]}")
    with pytest.raises(UsageError) as caught:
        read_demand(file, catalogue=load_catalogue(with_user_files=False))
    lines = "\n".join(caught.value.lines)
    assert told in lines and "owned 1" in lines
