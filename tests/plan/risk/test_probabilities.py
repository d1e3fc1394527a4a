"""P(SLO), P(within budget) and P(out of memory) are monotonic as they must be, and independent of the other options."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.plan.options.mixed import combined
from aigc_bench.plan.records.demand import Constraints, Slo
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.fleet_service import p_out_of_memory, serves
from aigc_bench.plan.risk.probabilities import p_within, sampled_option, with_probabilities
from tests.plan.build import exact
from tests.plan.risk.cases import (
    a_ground,
    about,
    an_option,
    rent_offer,
    served,
    uncertain_demand,
    uncertain_job,
    uncertain_machine,
    uncertain_rules,
    uncertain_service,
)  # fmt: skip


def p_slo(option: Option, *, slo: Slo | None = None, more_servers: int = 0) -> float:
    demand = uncertain_demand(services=(uncertain_service(slo=slo or Slo(latency_s=10.0)),))
    found = serves(option, a_ground(demand), more_servers=more_servers)
    assert found is not None
    return float(np.mean(found))


@settings(max_examples=25)
@given(looser=st.floats(2.0, 20.0), stricter=st.floats(0.2, 1.0))
def test_p_slo_falls_with_a_stricter_latency(looser: float, stricter: float) -> None:
    option = an_option()
    assert p_slo(option, slo=Slo(latency_s=looser * stricter)) <= p_slo(option, slo=Slo(latency_s=looser))


def test_p_slo_falls_with_a_higher_percentile() -> None:
    option = an_option()
    found = [p_slo(option, slo=Slo(latency_s=6.0, percentile=share)) for share in (0.5, 0.9, 0.99, 0.999)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_p_slo_rises_with_more_servers() -> None:
    option = an_option()
    found = [p_slo(option, more_servers=more) for more in range(0, 40, 4)]
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] <= 1


def test_a_latency_below_that_of_a_lone_request_is_met_in_hardly_any_scenario() -> None:
    assert p_slo(an_option(), slo=Slo(latency_s=0.5)) < 0.01


def test_deadlines_count_like_slos() -> None:
    easy = uncertain_demand(services=(), jobs=(uncertain_job(),))
    hard = uncertain_demand(services=(), jobs=(uncertain_job(items=about(4_000_000.0, "tokens")),))
    option = an_option(easy)
    relaxed, pressed = (serves(option, a_ground(one)) for one in (easy, hard))
    assert relaxed is not None and pressed is not None
    assert np.mean(relaxed) > 0.5 > np.mean(pressed)


def test_jobs_share_the_night_with_the_replicas_that_services_need() -> None:
    both = uncertain_demand()
    job_alone = uncertain_demand(services=())
    option = an_option(job_alone)
    beside = an_option(both).model_copy(update={"pools": option.pools})
    alone, shared = serves(option, a_ground(job_alone)), serves(beside, a_ground(both))
    assert alone is not None and shared is not None and np.mean(shared) <= np.mean(alone)


@settings(max_examples=25)
@given(budget=st.floats(1e4, 1e6), more=st.floats(1.0, 3.0))
def test_p_budget_rises_with_the_budget(budget: float, more: float) -> None:
    cost = sampled_option(an_option(), a_ground()).cost
    few, many = (p_within(cost, Constraints(budget_usd=usd, budget_usd_per_year=usd)) for usd in (budget, budget * more))
    assert few is not None and many is not None and few <= many


def test_p_budget_is_one_half_at_the_middle_and_unknown_without_a_budget() -> None:
    cost = sampled_option(an_option(), a_ground()).cost
    assert p_within(cost, Constraints(budget_usd=float(np.median(cost.capex)))) == pytest.approx(0.5, abs=0.01)
    assert p_within(cost, Constraints()) is None


def with_peak(num_bytes: float) -> Option:
    capability = served(device_memory_bytes=about(num_bytes, "B", down=1.0, up=1.06))
    machine = uncertain_machine()
    return an_option(machine=machine.model_copy(update={"capabilities": (capability, machine.capabilities[1])}))


def test_p_out_of_memory_rises_with_memory_and_is_never_certain() -> None:
    found = [p_out_of_memory(with_peak(gigabytes * 1e9), uncertain_rules()) for gigabytes in (5, 12, 13.5, 14.2, 15, 18)]
    known = [one for one in found if one is not None]
    assert known == sorted(known) and len(known) == len(found)
    assert 0 < known[0] < 0.01 and 0.3 < known[3] < 0.7 and 0.9 < known[-1] < 1


def test_p_out_of_memory_is_unknown_where_no_peak_is() -> None:
    machine = uncertain_machine(device_memory_bytes=None, host_memory_bytes=None)
    assert p_out_of_memory(an_option(machine=machine), uncertain_rules()) is None


def test_longer_texts_than_planned_leave_fewer_requests_in_the_cache() -> None:
    full = {
        "ttft_s": about(0.5, "s"),
        "tpot_s": about(0.02, "s"),
        "slots": 16.0,
        "params_bytes": 2e9,
        "throughput": about(640.0, "tokens/s"),
    }
    machine = uncertain_machine()
    little, much = (
        machine.model_copy(update={"capabilities": (served(**full, device_memory_bytes=exact(size, "B")), machine.capabilities[1])})
        for size in (4e9, 14.3e9)
    )
    service = uncertain_service(input_tokens=about(500.0, "tokens", down=0.5, up=3.0))
    demand = uncertain_demand(services=(service,), jobs=())
    roomy, tight = (serves(an_option(demand, machine=one), a_ground(demand)) for one in (little, much))
    assert roomy is not None and tight is not None and np.mean(tight) < np.mean(roomy)


def test_a_mixed_option_serves_where_all_its_parts_do_and_costs_their_sum() -> None:
    serving, training = uncertain_demand(jobs=()), uncertain_demand(services=())
    parts = [an_option(serving), an_option(training, offer=rent_offer())]
    whole, context = combined(parts), a_ground()
    capability = [serves(part, context) for part in parts]
    found = serves(whole, context)
    assert found is not None and all(one is not None for one in capability)
    assert np.array_equal(found, np.logical_and(*capability))
    assert sampled_option(whole, context).cost.tco == pytest.approx(sum(sampled_option(part, context).cost.tco for part in parts))
    found = with_probabilities(sampled_option(whole, context), context)
    assert all(part.p_slo is not None for part in found.parts)


def test_other_options_and_their_order_change_nothing() -> None:
    bought, hired = an_option(), an_option(offer=rent_offer())
    alone, after = a_ground(), a_ground()
    sampled_option(hired, after)
    first, second = sampled_option(bought, alone), sampled_option(bought, after)
    assert np.array_equal(first.cost.tco, second.cost.tco) and np.array_equal(first.serves, second.serves)


def test_few_scenarios_are_the_first_of_many() -> None:
    few, many = sampled_option(an_option(), a_ground(num=256)), sampled_option(an_option(), a_ground())
    assert np.array_equal(few.cost.tco, many.cost.tco[:256])
