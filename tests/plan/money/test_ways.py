"""Owning, colocating, renting and calling in the same worlds."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Estimate
from aigc_bench.plan.interval import estimate
from aigc_bench.plan.money.ways import Call, Purchase, Rent, compare_ways
from tests.plan.money.test_worlds import TARIFFS, TERMS, USE

HOURS = 365.25 * 24


def about(value: float, spread: float = 0.0, unit: str = "usd") -> Estimate:
    ends = {"low": value / (1 + spread), "high": value * (1 + spread)}
    return estimate(value, **ends, unit=unit, basis="assumed", source="a test")


OWNED = Purchase(name="owned", kind="owned", use=USE, prices=TARIFFS, terms=TERMS)


def rent(usd: float, *, utilisation: float = 0.5, spread: float = 0.0, name: str = "rented", term: str = "on_demand") -> Rent:
    return Rent.model_validate(
        {
            "name": name,
            "term": term,
            "usd_per_accelerator_h": about(usd, spread),
            "num_accelerators": 64,
            "utilisation": about(utilisation, unit="fraction"),
        }
    )


def test_exact_ways_rank_by_their_cost_and_the_dearer_is_regretted_by_the_difference() -> None:
    call = Call(name="called", usd_per_unit=about(0.04), units_per_year=about(1e7))
    cheap, dear = compare_ways((rent(2.0), call))
    assert (cheap.name, cheap.kind, cheap.p_cheapest, cheap.regret_usd_per_year) == ("called", "api", 1.0, 0.0)
    assert dear.usd_per_year.value == pytest.approx(64 * HOURS * 2.0 * 0.5)
    assert dear.regret_usd_per_year == pytest.approx(64 * HOURS - 4e5)


def test_a_reserved_rent_pays_for_idle_hours() -> None:
    elastic, reserved = compare_ways((rent(2.0, utilisation=0.5), rent(2.0, utilisation=0.5, name="held", term="reserved_1y")))
    assert (elastic.name, reserved.name) == ("rented", "held")
    assert reserved.usd_per_year.value == pytest.approx(2 * elastic.usd_per_year.value)


def test_ways_that_cost_the_same_share_the_win() -> None:
    assert [cost.p_cheapest for cost in compare_ways((rent(2.0, name="a"), rent(2.0, name="b")))] == [0.5, 0.5]
    assert compare_ways(()) == ()


def test_wide_prices_leave_the_choice_open_and_say_how_open() -> None:
    found = {cost.name: cost for cost in compare_ways((OWNED, rent(6.0, spread=1.0)))}
    assert sum(cost.p_cheapest for cost in found.values()) == pytest.approx(1.0)
    assert all(0.05 < cost.p_cheapest < 0.95 and cost.regret_usd_per_year > 0 for cost in found.values())


@given(st.floats(0.5, 10), st.floats(1, 3))
def test_a_dearer_rent_never_makes_renting_win_more_often(usd: float, factor: float) -> None:
    def win(price: float) -> float:
        return next(cost.p_cheapest for cost in compare_ways((OWNED, rent(price, spread=0.5)), num=500) if cost.kind == "cloud")

    assert win(usd) >= win(usd * factor)


def test_planning_a_purchase_imports_neither_torch_nor_pandas() -> None:
    modules = "money.ways, aigc_bench.plan.money.break_even, aigc_bench.plan.money.cash_flow, aigc_bench.plan.site.room"
    program = f"import sys, aigc_bench.plan.{modules}; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "transformers", "diffusers", "pandas", "scipy"}
