"""Compute: can the fleet serve the peak within its target utilisation, and do its CPU cores keep the accelerators fed?

Cores load, decode, tokenise, augment and launch. A host with too few of them stalls its accelerators, so an accelerator
counts for no more than the share ``cores available / cores needed``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import digits
from aigc_bench.plan.factors._vector_search import cores_left
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough, judge, scarcest
from aigc_bench.plan.records.machine import Capability, Pool
from aigc_bench.plan.records.plan import Assessment
from aigc_bench.plan.sizing.fleets import mean_utilisation, off_peak_share
from aigc_bench.plan.stats.estimates import GENERAL, assumed, over, times, zero


def _cores(value: float, low: float, high: float, why: str) -> Estimate:
    return assumed(value, low=low, high=high, unit="cores", source=message("{of}; {general}", of=why, general=GENERAL))


BY_ITEM: Mapping[str, Estimate] = {
    "token": _cores(2, 1, 4, message("one core drives the accelerator, another schedules and tokenises")),
    "sequence": _cores(2, 1, 4, message("one core drives the accelerator, another tokenises")),
    "image": _cores(4, 1, 12, message("images are decoded, resized and encoded on the host")),
    "audio-second": _cores(3, 1, 8, message("sound is decoded and resampled on the host")),
    "video-second": _cores(8, 2, 24, message("video is decoded and encoded on the host")),
}
"""Cores per busy accelerator by item, where they were not measured."""
OTHERWISE = _cores(2, 1, 8, message("one core drives the accelerator, another feeds it"))


def cores_needed(capabilities: Iterable[Capability]) -> Estimate | None:
    """Return the cores per accelerator of the load that needs most; ``None`` where none needs any."""
    needed = [capability.cores_per_device or BY_ITEM.get(capability.item, OTHERWISE) for capability in capabilities]
    # The most demanding load counts and not the sum: an accelerator works for one load at a time.
    return max((one for one in needed if one.low > 0), key=lambda one: one.value, default=None)


class ComputeFactor(Factor):
    """Machines required at the peak against machines in service that CPU cores can feed, in the scarcest pool."""

    title = "Compute"
    order = 10
    unit = "machines"
    formula = message(
        "required = max(sum of peak rate / throughput / utilisation, off-peak share of it + sum of job items / "
        "(throughput x window x goodput), of training / (1 - lost)); available = machines of that pool, x host cores / required "
        "cores if that is less"
    )
    source = message("utilisation law U = X * S (Denning and Buzen 1978); spares by k-of-n binomial (Barlow and Proschan 1965)")

    def assess(self, context: Context) -> Assessment:
        """Assess the pool with the least head-room."""
        inputs = {message("busy machines, {name}", name=load.name): load.busy_machines for load in context.loads}
        inputs[message("target utilisation")] = context.rules.target_utilisation
        inputs[message("off-peak share")] = off_peak_share(context.demand, rules=context.rules)
        inputs[message("availability of one server")] = context.rules.machine_availability
        inputs[message("mean utilisation of all servers")] = mean_utilisation(
            context.loads, num_servers=context.servers, machine=context.machine
        )
        if not context.pools:
            return self.conclude(required=zero(self.unit), available=zero(self.unit), why=message("no load"), inputs=inputs)
        pool = min(context.pools, key=lambda pool: _headroom(pool))
        pairs = {message("machines"): (pool.required_machines, pool.available_machines)}
        host_cores, cores = context.machine.host_cores, cores_needed(context.capability(load) for load in context.loads_of(pool))
        why = _why(context, pool)
        host_cores = None if host_cores is None else cores_left(context, host_cores)
        if host_cores is not None and cores is not None:
            fed = over(times(pool.available_machines, host_cores, unit="cores"), cores, unit=self.unit)
            # An accelerator that waits for its CPU cores counts only for the share that they can feed.
            pairs[message("cores")] = (pool.required_machines, fed)
            inputs |= {
                message("CPU cores that an accelerator requires"): cores,
                message("CPU cores of an accelerator's share"): host_cores,
            }
            verb = message("do not suffice") if cores.value > host_cores.value else "suffice"
            why = message(
                "{why}; {host_cores:.3g} CPU cores per accelerator {verb}, {cores:.3g} required ({basis})",
                why=why,
                host_cores=host_cores.value,
                verb=verb,
                cores=cores.value,
                basis=cores.basis,
            )
        # None is scarcest where nothing is required; then the machines are shown.
        required, available = pairs[scarcest(pairs) or "machines"]
        return self.conclude(required=required, available=available, why=why, inputs=inputs)

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return the machines that would suffice; a looser SLO or deadline needs fewer."""
        return message("{enough}, a looser SLO or a longer deadline would change that", enough=enough(found))


def _headroom(pool: Pool) -> float:
    headroom, verdict = judge(pool.required_machines, pool.available_machines)
    if headroom is None:
        # Nothing available for what is required is scarcer than any shortage.
        return -math.inf if verdict == "short" else 0.0
    return headroom


def _why(context: Context, pool: Pool) -> str:
    """Name the largest load, and what the spares are for."""
    largest = max(context.loads_of(pool), key=lambda load: load.busy_machines.value)
    # A pool of empty loads must not divide by zero.
    share = largest.busy_machines.value / max(sum(load.busy_machines.value for load in context.loads_of(pool)), 1e-300)
    spare = context.fleet.spares
    return message(
        "{name} takes {share} % of the busy machines; {spare} of {num_servers} servers are spares for "
        "{availability:.5g} % availability",
        name=largest.name,
        share=digits(100 * share),
        spare=spare,
        num_servers=context.num_servers,
        availability=100 * context.demand.availability,
    )


factor = ComputeFactor()
