"""Which measured case each load of a demand runs as, and why one cannot be planned."""

from __future__ import annotations

import pytest

from aigc_bench.plan.options.measured_options import best_for, loads_of
from aigc_bench.plan.records.demand import Growth, Slo
from aigc_bench.plan.records.machine import Capability
from tests.plan.build import exact, make_capability, make_demand, make_job, make_machine, make_rules, make_service

RULES = make_rules()


def case(name: str, *, tokens_per_s: float, floor_s: float, **changes: object) -> Capability:
    """A case in which the service's request of 100 tokens, 20 a step, takes ``floor_s``."""
    plain = {"throughput": exact(tokens_per_s, "tokens/s"), "step_latency_s": exact(floor_s / 5, "s")}
    return make_capability(case=name, **{**plain, **changes})


QUICK, FAST = case("quick", tokens_per_s=40, floor_s=1.0), case("fast", tokens_per_s=90, floor_s=4.0)


@pytest.mark.parametrize(
    ("latency_s", "chosen"), [(None, "fast"), (5.0, "fast"), (4.0, "fast"), (3.9, "quick"), (1.0, "quick"), (0.5, "quick")]
)
def test_the_fastest_case_in_time_is_taken_else_the_quickest(latency_s: float | None, chosen: str) -> None:
    service = make_service(slo=Slo(latency_s=latency_s))
    for order in ([QUICK, FAST], [FAST, QUICK]):
        assert best_for(service, order).case == chosen


def test_ties_are_broken_by_name() -> None:
    twins = [case(name, tokens_per_s=40, floor_s=1.0) for name in ("b", "a")]
    assert best_for(make_service(slo=Slo(latency_s=9.0)), twins).case == "a"
    assert best_for(make_service(slo=Slo(latency_s=0.1)), twins).case == "a"


def test_a_case_whose_step_was_not_timed_is_taken_to_be_in_time() -> None:
    untimed = case("untimed", tokens_per_s=95, floor_s=1.0, step_latency_s=None)
    assert best_for(make_service(slo=Slo(latency_s=0.1)), [QUICK, untimed]).case == "untimed"


def test_services_and_jobs_find_the_cases_of_their_family_mode_and_preset() -> None:
    able = (
        FAST,
        case("other preset", tokens_per_s=900, floor_s=0.1, preset="large"),
        case("training", tokens_per_s=25, floor_s=1.0, mode="train"),
        case("better training", tokens_per_s=30, floor_s=9.0, mode="train"),
        case("another family", tokens_per_s=9000, floor_s=0.1, workload="bert"),
    )
    machine = make_machine(capabilities=able)
    loads, unplanned = loads_of(make_demand(services=(make_service(preset="small"),)), machine=machine, rules=RULES)
    assert ([load.case for load in loads], unplanned) == (["fast", "better training"], ())
    anything, _ = loads_of(make_demand(jobs=()), machine=machine, rules=RULES)
    assert [load.case for load in anything] == ["other preset"]


def test_a_service_is_sized_for_the_growth_of_the_demand() -> None:
    growth = Growth(per_year=exact(1.0, "fraction/year"), horizon_years=1.0)
    (today,), (later,) = (
        loads_of(make_demand(jobs=(), growth=one), machine=make_machine(), rules=RULES)[0] for one in (None, growth)
    )
    assert later.busy_machines.value == pytest.approx(2 * today.busy_machines.value)


def test_a_load_without_a_case_names_the_missing_run() -> None:
    demand = make_demand(services=(make_service(preset="large"),), jobs=(make_job(workload="bert"),))
    loads, unplanned = loads_of(demand, machine=make_machine(), rules=RULES)
    assert loads == ()
    assert [(one.name, one.reason) for one in unplanned] == [
        ("chat", "no finished case of gpt/large in mode infer; run one on this machine"),
        ("training", "no finished case of bert in mode train; run one on this machine"),
    ]


def test_invalid_cases_are_planned_with_only_where_they_are_named() -> None:
    hot = case("hot", tokens_per_s=90, floor_s=1.0, verdict="invalid", reasons=("throttled", "busy_host"))
    demand = make_demand(jobs=())
    loads, unplanned = loads_of(demand, machine=make_machine(capabilities=(hot,)), rules=RULES)
    assert loads == ()
    assert (
        unplanned[0].reason == "every case of gpt in mode infer is invalid (busy_host, throttled): measure again, or name the case"
    )
    named, _ = loads_of(demand, machine=make_machine(capabilities=(hot,)), rules=RULES, with_invalid=("hot",))
    assert [load.case for load in named] == ["hot"]
    beside, _ = loads_of(demand, machine=make_machine(capabilities=(hot, QUICK)), rules=RULES)
    assert [load.case for load in beside] == ["quick"]
    silent = hot.model_copy(update={"reasons": ()})
    _, why = loads_of(demand, machine=make_machine(capabilities=(silent,)), rules=RULES)
    assert "(no reason given)" in why[0].reason
