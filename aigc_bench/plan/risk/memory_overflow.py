"""The probability that a load runs out of memory: its predicted peak against the usable memory, both lognormal by their intervals.

Loads that occupy memory one at a time are taken as independent of each other; on pooled machines the memory factor's own sum of
all resident loads is compared. The method is the predictor's (``predict.model.probability_to_fit``), with its cap below 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.scenario_context import capability_of
from aigc_bench.plan.stats.estimates import times
from aigc_bench.predict.fitting.posterior import Z_80, LogEstimate
from aigc_bench.predict.model import probability_to_fit


def p_out_of_memory(option: Option, rules: Rules) -> float | None:
    """Return the probability that some load of the option does not fit; ``None`` where no peak or no memory size is known."""
    fits = [_fit(need, size, rules) for need, size in _needs(option)]
    return 1 - math.prod(fits) if fits else None


def _needs(option: Option) -> Iterator[tuple[Estimate, Estimate]]:
    """Yield each peak memory need with the memory size it is compared with."""
    for part in option.parts:
        yield from _needs(part)
    machine, memory = option.machine, option.factors.get("memory")
    if machine is None or memory is None:
        return
    places = (("device", machine.device_memory_bytes), ("host", machine.host_memory_bytes))
    for place, size in places:
        if size is None or size.value <= 0:
            continue
        resident = memory.inputs.get(f"{place} memory required")
        if option.placement == "pooled":
            peaks = [resident]
        else:
            capabilities = [capability_of(option, load) for load in option.loads if load.rate_items_per_s.value > 0]
            peaks = [getattr(capability, f"{place}_memory_bytes") for capability in capabilities if capability is not None]
        yield from ((peak, size) for peak in peaks if peak is not None and peak.value > 0)


def _fit(need: Estimate, size: Estimate, rules: Rules) -> float:
    deviation = max(math.log(need.high / need.value), math.log(need.value / need.low) if need.low > 0 else 0.0) / Z_80
    usable = times(size, rules.usable_memory, unit="B")
    return probability_to_fit(LogEstimate(mean=math.log(need.value), deviation=deviation, slopes={}), usable)
