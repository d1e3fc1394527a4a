"""Options side by side as one: sums, the scarcest factor, and when a mixture is offered at all."""

from __future__ import annotations

import pytest

from aigc_bench.core.records import Estimate
from aigc_bench.plan.options.mixed import combined, summed_rent
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.records.plan import Option, Rent
from aigc_bench.plan.search.loads_on_hosts import only
from aigc_bench.plan.stats.estimates import assumed
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
    assert describe(whole) == " and ".join(describe(part) for part in parts)
    assert whole.accepted and whole.machine is None


def test_numbers_of_a_mixture_are_sums_and_its_lists_those_of_its_parts_in_order(parts: tuple[Option, Option]) -> None:
    unequal = (parts[0].model_copy(update={"num_spares": 3, "num_margin": 2, "misses_confidence": True}), parts[1])
    whole = combined(unequal)
    for name in ("num_servers", "num_spares", "num_margin", "num_accelerators"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in unequal), name
    for name in ("num_machines", "capex_usd", "opex_usd_per_year", "tco_usd", "energy_kwh_per_year", "carbon_kg"):
        for end in ("value", "low", "high"):
            assert getattr(getattr(whole, name), end) == pytest.approx(
                sum(getattr(getattr(part, name), end) for part in unequal)
            ), name
    for name in ("loads", "pools", "costs"):
        assert getattr(whole, name) == (*getattr(unequal[0], name), *getattr(unequal[1], name)), name
    assert whole.parts == unequal and whole.misses_confidence and whole.room is None
    assert (whole.rank, whole.placement, whole.kind, whole.term) == (0, "dedicated", "owned", parts[0].term)
    assert whole.carbon_kg_per_unit == {**unequal[0].carbon_kg_per_unit, **unequal[1].carbon_kg_per_unit}
    tightest = sorted((one.headroom, name) for name, one in whole.factors.items() if one.headroom is not None)
    assert [whole.bottleneck, whole.next_bottleneck] == [name for _, name in tightest[:2]]


def test_a_rented_part_makes_the_mixture_a_cloud_one_and_names_its_provider_once(parts: tuple[Option, Option]) -> None:
    rented = parts[1].model_copy(update={"kind": "cloud", "provider": "a", "term": "on_demand", "num_racks": None})
    for whole in (combined((parts[0], rented)), combined((rented, parts[0]))):
        assert (whole.kind, whole.provider, whole.num_racks) == ("cloud", "a", parts[0].num_racks)
        assert set(whole.term.split(" + ")) == {"purchase", "on_demand"}
    assert combined((rented, rented)).term == "on_demand"
    assert combined((rented, rented.model_copy(update={"provider": "b"}))).provider == "a + b"
    assert combined((rented, rented)).num_racks is None and combined(parts).provider is None


def test_the_part_with_least_room_speaks_for_every_factor(parts: tuple[Option, Option]) -> None:
    whole = combined(parts)
    for name, factor in whole.factors.items():
        known = [room for part in parts if (room := part.factors[name].headroom) is not None]
        assert factor.headroom == min(known, default=None)
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
    first, second = (only(demand, workload) for workload in (demand.services[0], demand.jobs[0]))
    assert (len(first.services), len(first.jobs), len(first.datasets)) == (1, 0, 1)
    assert (len(second.services), len(second.jobs), len(second.datasets)) == (0, 1, 0)


def test_one_load_alone_is_never_mixed() -> None:
    assert not [one for one in plan_of(text_of("chat", amount=5), accelerators=HANDFUL).options if one.parts]


def test_where_no_part_knows_its_room_the_first_that_is_not_left_to_a_provider_speaks(parts: tuple[Option, Option]) -> None:
    def told(part: Option, verdict: str) -> Option:
        dark = {"headroom": None, "verdict": verdict, "why": f"{verdict} of {part.accelerator}"}
        return part.model_copy(update={"factors": {name: one.model_copy(update=dark) for name, one in part.factors.items()}})

    theirs, ours = told(parts[0], "provider"), told(parts[1], "unknown")
    for pair in ((theirs, ours), (ours, theirs)):
        whole = combined(pair)
        assert {one.why for one in whole.factors.values()} == {"unknown of l4"}
        assert (whole.bottleneck, whole.next_bottleneck) == (None, None)
    assert {one.why for one in combined((theirs, told(parts[1], "provider"))).factors.values()} == {"provider of h100_sxm_80gb"}


def a_rent(provider: str | None, *, size: float, most: int, mean: float, hourly: float) -> Rent:
    """A rent of ``mean`` instances of ``size`` accelerators in two years, at one price an hour."""

    def each(value: float, unit: str) -> Estimate:
        return assumed(value, low=value / 2, high=value * 2, unit=unit, source="s")

    return Rent(
        provider=provider,
        region=provider and f"{provider} region",
        term="on_demand",
        instance=provider and f"{provider} {size:g}x",
        accelerators_per_instance=each(size, "accelerators"),
        instances_at_most=most,
        instances_mean=each(mean, "instances"),
        usd_per_instance_hour=each(hourly, "usd/h"),
        usd_per_accelerator_hour=each(hourly / size, "usd/h"),
        usd_per_year=each(mean * hourly * 8760, "usd/year"),
        instances_by_year=(each(mean / 2, "instances"), each(mean * 3 / 2, "instances")),
        years=(1.0, 1.0),
    )


def test_rents_of_several_kinds_are_summed_and_their_prices_weighted_by_what_is_paid() -> None:
    small, large = a_rent("a", size=1, most=5, mean=3, hourly=2.0), a_rent("b", size=8, most=2, mean=1, hourly=20.0)
    whole = summed_rent([small, large])
    assert whole is not None
    assert (whole.provider, whole.region, whole.instance, whole.term) == (
        "a + b",
        "a region + b region",
        "a 1x + b 8x",
        "on_demand",
    )
    assert (whole.instances_at_most, whole.instances_mean.value) == (7, pytest.approx(4))
    assert whole.usd_per_year.value == pytest.approx(small.usd_per_year.value + large.usd_per_year.value)
    assert whole.usd_per_instance_hour.value == pytest.approx((3 * 2.0 + 1 * 20.0) / 4)
    assert whole.instances_mean.value * whole.usd_per_instance_hour.value * 8760 == pytest.approx(whole.usd_per_year.value)
    assert whole.accelerators_per_instance.value == pytest.approx((3 * 1 + 1 * 8) / 4)
    # An hour of an accelerator is weighted by accelerators: 3 of the one kind, 8 of the other.
    assert whole.usd_per_accelerator_hour.value == pytest.approx((3 * 2.0 + 8 * 2.5) / 11)
    assert [year.value for year in whole.instances_by_year] == pytest.approx([2, 6])
    assert whole.years == (1.0, 1.0) and whole.lines == (small, large)


def test_rents_that_are_not_paid_are_weighted_by_what_is_reserved() -> None:
    small, large = a_rent("a", size=1, most=6, mean=0, hourly=2.0), a_rent(None, size=8, most=2, mean=0, hourly=20.0)
    whole = summed_rent([small, large])
    assert whole is not None
    assert whole.usd_per_instance_hour.value == pytest.approx((6 * 2.0 + 2 * 20.0) / 8)
    assert (whole.provider, whole.region, whole.instance) == ("a", "a region", "a 1x")


def test_one_rent_stays_as_it_is_and_none_is_none() -> None:
    alone = a_rent(None, size=1, most=5, mean=3, hourly=2.0)
    assert summed_rent([alone]) is alone
    assert summed_rent([]) is None
