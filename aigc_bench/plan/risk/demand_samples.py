"""Demand of a service in every scenario: its peak, its mean, the size of a request, growth.

peak        the product of what the peak rate was computed from (users, active share, ... , peak factor), each sampled
duty        mean over peak; where the hourly profile is known the mean is fixed, so a higher peak factor lowers the duty
growth      (1 + g)^years at the end, (f - 1) / ln f in the mean over the horizon
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.records.demand import Service
from aigc_bench.plan.risk.scenario_context import ScenarioContext
from aigc_bench.plan.risk.scenarios import Scenarios
from aigc_bench.plan.stats.distributions import Array

PEAK_FACTOR = "peak factor"


@dataclass(frozen=True, kw_only=True)
class DemandSamples:
    """A service in every scenario: requests/s at today's peak, mean over peak, answer and prompt over their central sizes."""

    requests_per_s: Array
    duty: Array
    answer: Array
    prompt: Array


def demand_samples(service: Service, scenarios: Scenarios) -> DemandSamples:
    """Return the demand of a service before growth."""
    arrival, of = service.arrival, f" of {service.name}"
    peak = np.full(scenarios.num, arrival.peak_requests_per_s.value)
    parts = arrival.parts or {"requests a second": arrival.peak_requests_per_s}
    for name, part in parts.items():
        peak = peak * scenarios.ratio(f"{name}{of}", part)
    duty = scenarios.of(f"mean over peak{of}", arrival.duty)
    if arrival.hourly is not None and PEAK_FACTOR in parts:
        duty = np.minimum(1.0, arrival.duty.value / scenarios.ratio(f"{PEAK_FACTOR}{of}", parts[PEAK_FACTOR]))
    prompt = np.ones(scenarios.num)
    if service.input_tokens is not None:
        prompt = scenarios.ratio(f"prompt length{of}", service.input_tokens)
    answer = scenarios.ratio(f"{service.item}s a request{of}", service.items_per_request)
    return DemandSamples(requests_per_s=peak, duty=duty, answer=answer, prompt=prompt)


def items_per_year(service: Service, context: ScenarioContext) -> Array:
    """Return the items of the horizon's mean year."""
    samples = demand_samples(service, context.scenarios)
    items = samples.requests_per_s * samples.answer * service.items_per_request.value
    return np.asarray(items * samples.duty * mean_growth(context) * SECONDS_PER_YEAR)


def growth_after(context: ScenarioContext, years: float | None = None) -> Array:
    """Return rates after some years over those of today; at the end of the horizon where ``years`` is ``None``."""
    growth = context.demand.growth
    if growth is None:
        return np.ones(context.scenarios.num)
    rate = np.maximum(context.scenarios.of("growth a year", growth.per_year), -0.99)
    return np.asarray((1 + rate) ** (growth.horizon_years if years is None else years))


def mean_growth(context: ScenarioContext) -> Array:
    """Return the mean rate over the horizon over that of today."""
    last = growth_after(context)
    found = np.ones_like(last)
    log = np.log(last)
    np.divide(last - 1, log, out=found, where=np.abs(log) > 1e-9)
    return np.where(last > 1, found, 1.0)
