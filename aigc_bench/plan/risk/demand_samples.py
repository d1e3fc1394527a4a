"""What a service asks in every world: its peak, its mean, the size of a request, growth.

peak        the product of what the peak rate was computed from (users, active share, ... , peak factor), each drawn
duty        mean over peak; where the hours of a day are known the mean is known, so a higher peak factor lowers it
growth      (1 + g)^years at the end, (f - 1) / ln f in the mean over the horizon
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.records.demand import Service
from aigc_bench.plan.risk.scenario_context import Ground
from aigc_bench.plan.risk.scenarios import Worlds
from aigc_bench.plan.stats.distributions import Array

PEAK_FACTOR = "peak factor"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A service in every world: requests a second at today's peak, mean over peak, answer and prompt over their middle sizes."""

    requests_per_s: Array
    duty: Array
    answer: Array
    prompt: Array


def asked(service: Service, worlds: Worlds) -> Asked:
    """What a service asks before growth."""
    arrival, of = service.arrival, f" of {service.name}"
    peak = np.full(worlds.num, arrival.peak_requests_per_s.value)
    parts = arrival.parts or {"requests a second": arrival.peak_requests_per_s}
    for name, part in parts.items():
        peak = peak * worlds.ratio(f"{name}{of}", part)
    duty = worlds.of(f"mean over peak{of}", arrival.duty)
    if arrival.hourly is not None and PEAK_FACTOR in parts:
        duty = np.minimum(1.0, arrival.duty.value / worlds.ratio(f"{PEAK_FACTOR}{of}", parts[PEAK_FACTOR]))
    prompt = np.ones(worlds.num)
    if service.input_tokens is not None:
        prompt = worlds.ratio(f"prompt length{of}", service.input_tokens)
    answer = worlds.ratio(f"{service.item}s a request{of}", service.items_per_request)
    return Asked(requests_per_s=peak, duty=duty, answer=answer, prompt=prompt)


def items_per_year(service: Service, ground: Ground) -> Array:
    """Items of the mean year of the horizon."""
    wish = asked(service, ground.worlds)
    items = wish.requests_per_s * wish.answer * service.items_per_request.value
    return np.asarray(items * wish.duty * mean_growth(ground) * SECONDS_PER_YEAR)


def growth_after(ground: Ground, years: float | None = None) -> Array:
    """Rates after some years over those of today; at the end of the horizon where no years are given."""
    growth = ground.demand.growth
    if growth is None:
        return np.ones(ground.worlds.num)
    rate = np.maximum(ground.worlds.of("growth a year", growth.per_year), -0.99)
    return np.asarray((1 + rate) ** (growth.horizon_years if years is None else years))


def mean_growth(ground: Ground) -> Array:
    """Mean rate over the horizon over that of today."""
    last = growth_after(ground)
    found = np.ones_like(last)
    log = np.log(last)
    np.divide(last - 1, log, out=found, where=np.abs(log) > 1e-9)
    return np.where(last > 1, found, 1.0)
