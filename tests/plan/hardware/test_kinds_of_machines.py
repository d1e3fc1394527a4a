"""Several kinds of machines side by side: worth it only where they save enough, and told part by part."""

from __future__ import annotations

from functools import cache

import pytest

from aigc_bench.core.records import Estimate
from aigc_bench.plan.options.mixed import combined, worth_mixing
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.records.plan import Option
from tests.plan.build import make_demand, make_machine, make_rules, plan_on


@cache
def plain() -> Option:
    return plan_on(make_demand(jobs=()), machine=make_machine(), rules=make_rules()).options[0]


def option(usd: float, **changes: object) -> Option:
    cost = Estimate(value=usd, low=usd, high=usd, unit="usd", basis="assumed")
    return plain().model_copy(update={"tco_usd": cost, "accepted": True, "reasons": (), **changes})


@pytest.mark.parametrize(("usd", "is_worth"), [(50.0, True), (90.0, True), (91.0, False), (120.0, False)])
def test_mixing_must_save_a_tenth_of_one_kind(usd: float, is_worth: bool) -> None:
    (found,) = worth_mixing([option(usd)], [option(100.0), option(10.0, accepted=False)])
    assert found.accepted == is_worth
    assert is_worth or "not worth running" in found.reasons[0]


def test_where_one_kind_carries_not_all_mixing_is_all_there_is() -> None:
    (found,) = worth_mixing([option(100.0)], [option(10.0, accepted=False)])
    assert found.accepted


def test_every_part_is_described_with_its_own_verb() -> None:
    rented = option(5.0, kind="cloud", term="on_demand", server="a cloud", accelerator="x", num_servers=2, num_accelerators=2)
    bought = option(5.0, server="a tower", accelerator="y", num_servers=1, num_accelerators=4)
    assert describe(combined([rented, bought])) == "rent 2 x a cloud (2 x x, on demand) and buy 1 x a tower (4 x y)"
