"""An API's cost over scenarios: its price, its walk, requests and tokens; the provider is responsible for latency and memory."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.options.api import api_options
from aigc_bench.plan.records.demand import Constraints
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.costs import cost_of
from aigc_bench.plan.risk.probabilities import sampled_option, with_probabilities
from aigc_bench.plan.risk.scenarios import Middle, ScenarioContext
from aigc_bench.plan.sizing.fleets import grown
from tests.plan.risk.cases import DRIFTS, a_ground, about, uncertain_demand, uncertain_rules, uncertain_service
from tests.plan.risk.test_cost import SCENARIOS, SEED, a_scenario, mean_of_a_walk, one_draw, share_within

SERVICE = uncertain_service(input_tokens=about(400.0, "tokens/request", down=0.5, up=2.0))
DEMAND = uncertain_demand(services=(SERVICE,), jobs=(), constraints=Constraints(budget_usd_per_year=1e9))


@pytest.fixture(scope="module")
def option() -> Option:
    (found,) = api_options(DEMAND, catalogue=load_catalogue(with_user_files=False), on=date(2026, 11, 1))
    return found


def test_a_provider_is_responsible_for_latency_and_memory_but_not_for_the_budget(option: Option) -> None:
    context = a_ground(DEMAND)
    found = with_probabilities(sampled_option(option, context), context)
    assert (found.p_slo, found.p_oom, found.p_budget) == (None, None, 1.0)


def test_at_the_central_value_of_all_inputs_the_cost_of_an_api_is_that_of_the_plan(option: Option) -> None:
    cost = cost_of(option, ScenarioContext(demand=DEMAND, rules=uncertain_rules(), scenarios=Middle(), drifts=DRIFTS))
    assert cost.tco[0] == pytest.approx(option.tco_usd.value)
    assert cost.per_unit["chat"][0] == pytest.approx(option.usd_per_unit["chat"].value)


def test_the_interval_of_an_api_holds_80_percent_of_independent_scenarios(option: Option) -> None:
    random, truth = np.random.default_rng(SEED), []
    price = option.costs[0].inputs["price of a request"]
    assert SERVICE.input_tokens is not None
    weight = DRIFTS.output_over_input
    planned = SERVICE.input_tokens.value + weight * SERVICE.items_per_request.value
    for _ in range(SCENARIOS):
        scenario = a_scenario(DEMAND, random)
        service = scenario.services[0]
        size = (service.input_tokens.value + weight * service.items_per_request.value) / planned
        walk = mean_of_a_walk(one_draw(DRIFTS.api, random).value, random, years=3.0, locked_years=0.25)
        requests = service.arrival.peak_requests_per_s.value * service.arrival.duty.value * grown(scenario.growth)[1].value
        truth.append(one_draw(price, random).value * walk * size * requests * 365.25 * 24 * 3600 * DEMAND.finance.life_years)
    context = a_ground(DEMAND)
    assert 0.76 <= share_within(with_probabilities(sampled_option(option, context), context).tco_usd, truth) <= 0.84
    assert math.isclose(float(np.median(truth)), float(np.median(sampled_option(option, context).cost.tco)), rel_tol=0.1)
