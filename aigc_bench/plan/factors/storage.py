"""Storage: do weights, stored responses, data sets and checkpoints fit on a machine's disk?"""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.records import Basis, Estimate
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough
from aigc_bench.plan.records.assessment import Assessment
from aigc_bench.plan.records.loads import Load, Pool
from aigc_bench.plan.sizing.retention import retained_answers, retained_results
from aigc_bench.plan.stats.estimates import assumed, estimate, named, over, scaled, times, total

SYSTEM_AND_SOFTWARE = assumed(
    30e9,
    low=15e9,
    high=60e9,
    unit="B",
    source=message("operating system, drivers and a torch environment; unverified (general knowledge)"),
)


class StorageFactor(Factor):
    """Bytes stored on the disk of the fullest machine against its usable size."""

    title = "Storage"
    order = 40
    unit = "B"
    formula = message(
        "required = system + weights + mean requests/day x growth x response bytes x days kept / machines + job items x bytes x "
        "copies + checkpoints kept x bytes per parameter x parameters + results of the runs kept / machines; "
        "available = disk x usable share"
    )
    source = message(
        "capacity rule of the planner; checkpoint sizes as published (105 GB at 8B, 912 GB at 70B, 5.29 TB at 405B parameters)"
    )

    def assess(self, context: Context) -> Assessment:
        """Assess the pool that stores most; weights that were not counted make its required bytes a lower bound."""
        parts = [_retained(context, pool) for pool in context.pools]
        fullest = max(parts, key=lambda named_parts: sum(part.value for part in named_parts.values()), default={})
        required = named(total(list(fullest.values()), unit="B"), message("sum of what is stored on one machine"))
        disk, inputs = context.machine.disk_bytes, fullest | _rates(context)
        if disk is None:
            return self.conclude(required=required, available=None, why=UNKNOWN, inputs=inputs)
        available = times(disk, context.rules.usable_storage, unit="B")
        inputs |= {"disk": disk, message("usable share of the disk"): context.rules.usable_storage}
        largest = max(fullest, key=lambda name: fullest[name].value, default="nothing")
        return self.conclude(
            required=required, available=available, why=message("largest part: {largest}", largest=largest), inputs=inputs
        )

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return the disk that would suffice."""
        return message(
            "disks of {enough} per machine, or a shorter retention of responses (kept) would change that", enough=enough(found)
        )


UNKNOWN = message("the size of this machine's disk is not recorded; `df` on the run's folder or the server's data sheet states it")


def _retained(context: Context, pool: Pool) -> dict[str, Estimate]:
    """Return the bytes stored on one machine of the pool, by name."""
    parts = {message("system and software"): SYSTEM_AND_SOFTWARE}
    for load in context.loads_of(pool):
        weights = context.capability(load).params_bytes
        # A case that did not count its parameters leaves them out of the sum.
        if weights:
            can = context.capability(load).throughput.basis
            basis: Basis = "measured" if can == "measured" else "modelled"
            parts[f"weights, {load.name}"] = estimate(
                weights, unit="B", basis=basis, source=message("parameters of {case}", case=load.case)
            )
        parts |= _answers(context, pool, load) | _job_files(context, load) | _results(context, pool, load)
    return parts


def _answers(context: Context, pool: Pool, load: Load) -> dict[str, Estimate]:
    """Return the stored responses at the end of the horizon, spread over the pool's machines."""
    service = context.service(load)
    if service is None or service.kept_days.high <= 0:
        return {}
    return {
        message("answers kept, {load}", load=load.name): over(
            retained_answers(service, context.demand.growth), pool.available_machines, unit="B"
        )
    }


def _job_files(context: Context, load: Load) -> dict[str, Estimate]:
    """Return a job's data set with its copies and the checkpoints of a training job, as the demand states, else as the rules do."""
    job, rules = context.job(load), context.rules
    if job is None:
        return {}
    # A data set lies whole on each machine of a job, in the copies that the rules say; only answers and results are spread.
    files = {message("data set, {load}", load=load.name): times(job.items, job.bytes_per_item, rules.dataset_copies, unit="B")}
    num_params = context.capability(load).num_params
    if num_params and job.mode == "train":
        # 13 to 15 bytes per parameter as published: weights and the state of the optimizer.
        size = scaled(rules.checkpoint_bytes_per_param, load.derived.get("num_params", num_params), unit="B")
        files[f"checkpoints, {load.name}"] = times(size, job.checkpoints.kept or rules.checkpoints_kept, unit="B")
    return files


def _results(context: Context, pool: Pool, load: Load) -> dict[str, Estimate]:
    """Return the stored results of a job's runs, spread over the pool's machines."""
    job = context.job(load)
    everything = retained_results(job) if job else None
    return (
        {}
        if everything is None
        else {message("results kept, {load}", load=load.name): over(everything, pool.available_machines, unit="B")}
    )


def _rates(context: Context) -> dict[str, Estimate]:
    """Return the bytes/s that one machine reads while it trains: throughput x bytes per item."""
    rates = {}
    for load in context.loads:
        job = context.job(load)
        if job is not None:
            ingest = times(context.capability(load).throughput, job.bytes_per_item, unit="B/s")
            rates[f"ingest of one machine, {load.name}"] = ingest
    return rates


factor = StorageFactor()
