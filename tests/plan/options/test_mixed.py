"""Options side by side as one: sums, the scarcest factor, and when a mixture is offered at all."""

from __future__ import annotations

import pytest

from aigc_bench.plan.options.mixed import combined
from aigc_bench.plan.options.wording import what
from aigc_bench.plan.planner import only
from aigc_bench.plan.records.plan import Option
from tests.plan.demands import HANDFUL, JOBS, SERVICES, demand_of, plan_of, text_of


@pytest.fixture(scope="module")
def parts() -> tuple[Option, Option]:
    """Chat on the cheapest accepted H100, speech on the cheapest accepted L4, both bought."""
    found = []
    for name, accelerator in (("chat", "h100_sxm_80gb"), ("speech", "l4")):
        plan = plan_of(text_of(name, amount=5), accelerators=(accelerator,))
        found.append(next(one for one in plan.options if one.kind == "owned" and one.accepted))
    return found[0], found[1]


def test_a_mixture_is_told_by_its_parts_and_adds_them_up(parts: tuple[Option, Option]) -> None:
    whole = combined(parts)
    assert whole.server == f"{parts[0].num_servers} x {parts[0].server} + {parts[1].num_servers} x {parts[1].server}"
    assert whole.accelerator == "h100_sxm_80gb + l4"
    assert whole.tco_usd.value == pytest.approx(sum(part.tco_usd.value for part in parts))
    assert whole.num_racks == sum(part.num_racks or 0 for part in parts)
    assert set(whole.usd_per_unit) == {"chat", "speech"}
    assert what(whole) == " and ".join(what(part) for part in parts)
    assert whole.accepted and whole.machine is None


def test_the_part_with_least_room_speaks_for_every_factor(parts: tuple[Option, Option]) -> None:
    whole = combined(parts)
    for name, factor in whole.factors.items():
        known = [part.factors[name].headroom for part in parts]
        assert factor.headroom == min(one for one in known if one is not None)
    assert whole.bottleneck is not None
    assert whole.factors[whole.bottleneck].headroom == min(
        one.headroom for one in whole.factors.values() if one.headroom is not None
    )


def test_a_mixture_with_a_refused_part_or_a_reason_is_refused(parts: tuple[Option, Option]) -> None:
    refused = parts[1].model_copy(update={"accepted": False, "reasons": ("money: too dear",)})
    assert not combined((parts[0], refused)).accepted
    assert "money: too dear" in combined((parts[0], refused)).reasons
    assert not combined(parts, reasons=("space: one room",)).accepted


def test_carbon_that_one_part_does_not_know_is_not_known_of_the_whole(parts: tuple[Option, Option]) -> None:
    dark = parts[1].model_copy(update={"carbon_kg": None})
    assert combined((parts[0], dark)).carbon_kg is None


def test_a_part_is_the_demand_with_one_load_and_data_stay_with_the_first() -> None:
    text = 'name = "two"\n' + SERVICES["chat"].format(rate=5, slo=2) + JOBS["books"].format(items=1000)
    demand = demand_of(text + '[[dataset]]\nname = "data"\nsize_gb = 1\n')
    first, second = (only(demand, wish) for wish in (demand.services[0], demand.jobs[0]))
    assert (len(first.services), len(first.jobs), len(first.datasets)) == (1, 0, 1)
    assert (len(second.services), len(second.jobs), len(second.datasets)) == (0, 1, 0)


def test_one_load_alone_is_never_mixed() -> None:
    assert not [one for one in plan_of(text_of("chat", amount=5), accelerators=HANDFUL).options if one.parts]
