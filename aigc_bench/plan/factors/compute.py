"""Compute: does the fleet finish what arrives, with the utilisation that latency allows, and do its hosts keep it fed?"""

from __future__ import annotations

from aigc_bench.core.units import digits
from aigc_bench.plan.factors.base import Context, Factor, judge, scarcest
from aigc_bench.plan.hardware.host_cores import cores_needed
from aigc_bench.plan.records.assessment import Assessment
from aigc_bench.plan.records.loads import Pool
from aigc_bench.plan.sizing.fleets import mean_utilisation, off_peak_share
from aigc_bench.plan.stats.estimates import over, times, zero


class Compute(Factor):
    """Machines' worth of work at the peak against machines in service, in the scarcest pool, as far as CPU cores feed them."""

    title = "Compute"
    unit = "machines"
    formula = (
        "required = max(sum of peak rate / throughput / utilisation, off-peak share of it + sum of job items / "
        "(throughput x window x goodput), of training / (1 - lost)); available = machines of that pool, x cores there / cores "
        "asked where that is less"
    )
    source = "utilisation law U = X * S (Denning and Buzen 1978); spares by k-of-n binomial (Barlow and Proschan 1965)"

    def assess(self, context: Context) -> Assessment:
        """The pool with the least head-room speaks for the option."""
        inputs = {f"busy machines, {load.name}": load.busy_machines for load in context.loads}
        inputs["target utilisation"] = context.rules.target_utilisation
        inputs["off-peak share"] = off_peak_share(context.demand, rules=context.rules)
        inputs["availability of one server"] = context.rules.machine_availability
        inputs["mean utilisation of all servers"] = mean_utilisation(
            context.loads, num_servers=context.num_servers, machine=context.machine
        )
        if not context.pools:
            return self.conclude(required=zero(self.unit), available=zero(self.unit), why="nothing is asked", inputs=inputs)
        pool = min(context.pools, key=lambda pool: _headroom(pool))
        pairs = {"machines": (pool.required_machines, pool.available_machines)}
        there, asked = context.machine.host_cores, cores_needed(context.capability(load) for load in context.loads_of(pool))
        why = _why(context, pool)
        if there is not None and asked is not None:
            fed = over(times(pool.available_machines, there, unit="cores"), asked, unit=self.unit)
            pairs["cores"] = (pool.required_machines, fed)
            inputs |= {"CPU cores that an accelerator asks": asked, "CPU cores of an accelerator's share": there}
            words = "too few to feed them all" if asked.value > there.value else "enough"
            cores = f"{there.value:.3g} CPU cores an accelerator"
            why = f"{why}; {cores} are {words}, {asked.value:.3g} are asked ({asked.basis})"
        required, available = pairs[scarcest(pairs) or "machines"]
        return self.conclude(required=required, available=available, why=why, inputs=inputs)


def _headroom(pool: Pool) -> float:
    headroom, _ = judge(pool.required_machines, pool.available_machines)
    return 0.0 if headroom is None else headroom


def _why(context: Context, pool: Pool) -> str:
    """The largest load in words, and what the spares are for."""
    largest = max(context.loads_of(pool), key=lambda load: load.busy_machines.value)
    share = largest.busy_machines.value / max(sum(load.busy_machines.value for load in context.loads_of(pool)), 1e-300)
    spare = context.fleet.spares
    return (
        f"{largest.name} is {digits(100 * share)} % of the busy machines; {spare} of {context.num_servers} servers are spares for "
        f"{100 * context.demand.availability:.5g} % availability"
    )


factor = Compute()
