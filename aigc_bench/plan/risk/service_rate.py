"""Sample the demand, and the rate at which a machine serves it, in every scenario.

Of a service its peak, its mean, the size of a request, growth::

    peak        the product of what the peak rate was computed from (users, active share, ... , peak factor), each sampled
    duty        mean over peak; where the hourly profile is known the mean is fixed, so a higher peak factor lowers the duty
    growth      (1 + g)^years at the end, (f - 1) / ln f in the mean over the horizon

The service rate, with one common error for one engine with one load on one accelerator::

    a request of a served language model   TTFT x prompt ratio + the rest x answer ratio, over the speed
    its throughput                         requests in flight x answer / that time (Little's law)
    requests in flight                     as planned, or fewer: room / (cache x length ratio)
    a request of other families            time x size ratio over the speed; items/s do not depend on the size

The speed is the predicted throughput's interval over its value. Ratios are sampled sizes over planned sizes. With a full
cache a step reads as many bytes for fewer requests, so the time per token stays (decoding is memory-bound).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_bench.core.identity import Same
from aigc_bench.core.messages import message
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.records.demand import Growth, Job, Service
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.scenarios import DemandSamples, ScenarioContext, Scenarios
from aigc_bench.plan.stats.distributions import Array

PEAK_FACTOR = message("peak factor")


def demand_samples(service: Service, scenarios: Scenarios) -> DemandSamples:
    """Return the demand of a service before growth."""
    key = Same(service)
    if key not in scenarios.demands:
        scenarios.demands[key] = _demand_samples(service, scenarios)
    return scenarios.demands[key]


def _demand_samples(service: Service, scenarios: Scenarios) -> DemandSamples:
    arrival, of = service.arrival, f" of {service.name}"
    peak = np.full(scenarios.num, arrival.peak_requests_per_s.value)
    # The product of its parts, each with its own stream: services share none, since each has its own users; stages of a chain do.
    shared = f" of {service.chain or service.name}"
    parts = arrival.parts or {"requests a second": arrival.peak_requests_per_s}
    for name, part in parts.items():
        peak = peak * scenarios.ratio(f"{name}{shared}", part)
    duty = scenarios.of(message("mean over peak{of}", of=shared), arrival.duty)
    if arrival.hourly is not None and PEAK_FACTOR in parts:
        # The hours are given, so only the height of the peak above them is uncertain.
        duty = np.minimum(1.0, arrival.duty.value / scenarios.ratio(f"{PEAK_FACTOR}{shared}", parts[PEAK_FACTOR]))
    prompt = np.ones(scenarios.num)
    if service.input_tokens is not None:
        prompt = scenarios.ratio(message("prompt length{of}", of=of), service.input_tokens)
    answer = scenarios.ratio(
        message("{item}s per request{of}", item=service.item, of=of),
        service.items_per_request,
        stream=f"{service.item}s a request{of}",
    )
    return DemandSamples(requests_per_s=peak, duty=duty, answer=answer, prompt=prompt)


def items_per_year(service: Service, context: ScenarioContext) -> Array:
    """Return the items of the horizon's mean year, of shape (scenarios,)."""
    samples = demand_samples(service, context.scenarios)
    items = samples.requests_per_s * samples.answer * service.items_per_request.value
    return np.asarray(items * samples.duty * mean_growth(context) * SECONDS_PER_YEAR)


def growth_samples(scenarios: Scenarios, growth: Growth) -> Array:
    """Return the growth per year in every scenario, as a fraction."""
    return scenarios.of(message("growth per year"), growth.per_year, stream="growth a year")


def growth_after(context: ScenarioContext, years: float | None = None) -> Array:
    """Return rates after some years over those of today; at the end of the horizon where ``years`` is ``None``."""
    growth = context.demand.growth
    if growth is None:
        return np.ones(context.scenarios.num)
    # At least a hundredth of the demand is left: the logarithm of 0 is not defined.
    rate = np.maximum(growth_samples(context.scenarios, growth), -0.99)
    return np.asarray((1 + rate) ** (growth.horizon_years if years is None else years))


def mean_growth(context: ScenarioContext) -> Array:
    """Return the mean rate over the horizon over that of today, (f - 1) / ln f, of shape (scenarios,)."""
    last = growth_after(context)
    found = np.ones_like(last)
    log = np.log(last)
    # (f - 1) / ln f tends to 1 without growth.
    np.divide(last - 1, log, out=found, where=np.abs(log) > 1e-9)
    return np.where(last > 1, found, 1.0)


@dataclass(frozen=True, kw_only=True)
class ServiceRate:
    """Items/s of one machine, seconds of a request without queueing, and concurrent requests of a replica."""

    items_per_s: Array
    service_s: Array | None
    ttft_s: Array | None
    tpot_s: Array | None
    slots: Array | None


def speed_of(workload: Service | Job, capability: Capability, machine: Machine, scenarios: Scenarios) -> Array:
    """Return the throughput over its central value."""
    # One error for one engine on one accelerator: buying or renting it makes it no faster.
    where = f"{machine.accelerator or machine.name}, {capability.engine or 'torch'}"
    return np.maximum(
        scenarios.ratio(message("speed of {name} on {where}", name=workload.name, where=where), capability.throughput), 1e-9
    )


def service_rate_of(
    service: Service,
    capability: Capability,
    *,
    machine: Machine,
    samples: DemandSamples,
    scenarios: Scenarios,
    rules: Rules,
    alone_s: float | None,
) -> ServiceRate:
    """Return the service rate of a service; ``alone_s`` is a request's time where the capability does not state it."""
    speed = speed_of(service, capability, machine, scenarios)
    whole = capability.service_s.value if capability.service_s else alone_s
    if whole is None or capability.ttft_s is None:
        return ServiceRate(
            items_per_s=capability.throughput.value * speed,
            service_s=None if whole is None else whole * samples.answer / speed,
            ttft_s=None,
            tpot_s=None,
            slots=None if capability.slots is None else np.full(scenarios.num, capability.slots),
        )
    # Prefill grows with the prompt, decoding with the answer.
    first = min(capability.ttft_s.value, whole)
    longer = (first * samples.prompt + (whole - first) * samples.answer) / whole
    room = _cache_share(service, capability, machine=machine, samples=samples, rules=rules)
    return ServiceRate(
        # Little's law: items/s = requests in flight x items of one / its time.
        items_per_s=capability.throughput.value * speed * samples.answer / longer * room,
        service_s=whole * longer / speed,
        ttft_s=capability.ttft_s.value * samples.prompt / speed,
        tpot_s=capability.tpot_s.value / speed if capability.tpot_s else None,
        slots=None if capability.slots is None else capability.slots * room,
    )


def _cache_share(service: Service, capability: Capability, *, machine: Machine, samples: DemandSamples, rules: Rules) -> Array:
    """Return the requests that the cache holds over the planned number, at most 1."""
    everything = np.ones_like(samples.answer)
    if capability.device_memory_bytes is None or capability.params_bytes is None or machine.device_memory_bytes is None:
        return everything
    room = machine.device_memory_bytes.value * rules.usable_memory.value - capability.params_bytes
    # Memory besides the weights, most of it the KV cache of the planned requests.
    cache = capability.device_memory_bytes.value - capability.params_bytes
    if cache <= 0 or room <= 0:
        return everything
    # On average a request in flight has half of its answer.
    prompt, answer = service.input_tokens.value if service.input_tokens else 0.0, service.items_per_request.value / 2
    longer = (prompt * samples.prompt + answer * samples.answer) / (prompt + answer)
    return np.asarray(np.minimum(everything, np.maximum(room, cache) / (cache * longer)))
