"""How fast a load runs in every world: one error for everything that an engine does with one load on one accelerator.

    a request of a served language model   TTFT x prompt ratio + the rest x answer ratio, over the speed
    its throughput                         requests in flight x answer / that time (Little's law)
    requests in flight                     as planned, or fewer: room / (cache x length ratio)
    a request of other families            time x size ratio over the speed; items a second do not depend on the size

The speed is the predicted throughput's interval over its value. Ratios are of what is asked over what was planned with. With a full
cache a step reads as many bytes for fewer requests, so the time per token stays (decoding is bound by memory).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.demand_samples import Asked
from aigc_bench.plan.risk.scenarios import Worlds
from aigc_bench.plan.stats.distributions import Array


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Items a second of one machine, seconds of a request that waits for nobody, and requests that a replica holds at once."""

    items_per_s: Array
    service_s: Array | None
    ttft_s: Array | None
    tpot_s: Array | None
    slots: Array | None


def speed_of(wish: Service | Job, able: Capability, machine: Machine, worlds: Worlds) -> Array:
    """Throughput over its middle value."""
    where = f"{machine.accelerator or machine.name}, {able.engine or 'torch'}"
    return np.maximum(worlds.ratio(f"speed of {wish.name} on {where}", able.throughput), 1e-9)


def pace_of(
    service: Service, able: Capability, *, machine: Machine, asked: Asked, worlds: Worlds, rules: Rules, alone_s: float | None
) -> Pace:
    """The pace of a service; ``alone_s`` is a request's time where the capability does not tell it."""
    speed = speed_of(service, able, machine, worlds)
    whole = able.service_s.value if able.service_s else alone_s
    if whole is None or able.ttft_s is None:
        return Pace(
            items_per_s=able.throughput.value * speed,
            service_s=None if whole is None else whole * asked.answer / speed,
            ttft_s=None,
            tpot_s=None,
            slots=None if able.slots is None else np.full(worlds.num, able.slots),
        )
    first = min(able.ttft_s.value, whole)
    longer = (first * asked.prompt + (whole - first) * asked.answer) / whole
    room = _cache_share(service, able, machine=machine, asked=asked, rules=rules)
    return Pace(
        items_per_s=able.throughput.value * speed * asked.answer / longer * room,
        service_s=whole * longer / speed,
        ttft_s=able.ttft_s.value * asked.prompt / speed,
        tpot_s=able.tpot_s.value / speed if able.tpot_s else None,
        slots=None if able.slots is None else able.slots * room,
    )


def _cache_share(service: Service, able: Capability, *, machine: Machine, asked: Asked, rules: Rules) -> Array:
    """Requests that the cache holds over those planned with, at most 1."""
    everything = np.ones_like(asked.answer)
    if able.device_memory_bytes is None or able.params_bytes is None or machine.device_memory_bytes is None:
        return everything
    room = machine.device_memory_bytes.value * rules.usable_memory.value - able.params_bytes
    cache = able.device_memory_bytes.value - able.params_bytes
    if cache <= 0 or room <= 0:
        return everything
    prompt, answer = service.input_tokens.value if service.input_tokens else 0.0, service.items_per_request.value / 2
    longer = (prompt * asked.prompt + answer * asked.answer) / (prompt + answer)
    return np.asarray(np.minimum(everything, np.maximum(room, cache) / (cache * longer)))
