"""Traffic of training between servers, from the bytes of one step and the time that the step takes.

    sharded      6 P (G - 1) / G                      per server and step: P parameters are gathered twice and their gradients
                                                      scattered once, two bytes each, in rings through the G servers of a replica
    replicas     2 w P min(1, m / n) (R - 1) / R      gradients of w bytes summed over R groups of servers that hold the same
                                                      shards; m accelerators of a server hold m / n of a replica of n
    adapters     only their own gradients are summed
    traffic      bytes / seconds of a step / accelerators of a server

Within a server the accelerators' own links carry the ring, so each byte passes the server's network cards once. Weights of experts
are gathered like all others; the planned recipe has no stages of a pipeline, whose activations would come on top.
Sources: ``predict.closed_form.collectives``; Rajbhandari et al. 2020 (ZeRO), Zhao et al. 2023 (PyTorch FSDP).
"""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.records.demand import Job
from aigc_bench.plan.records.machine import Capability, Load, Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.checkpoints import stall_of
from aigc_bench.plan.sizing.stored_data import checkpoint_bytes
from aigc_bench.plan.stats.estimates import ceil, counted, named, over, plus, scaled, times
from aigc_bench.predict.closed_form.collectives import all_reduce_bytes, sharded_step_bytes

SHARDED_ENGINE = "llm-foundry"
"""The recipe whose ranks hold shards of all weights; others keep a copy on every rank."""
ADAPTER_SHARE = 0.01
"""Parameters of low-rank adapters over those of the model (rank 16 on all projections), general knowledge."""
_WIDE = frozenset({"fp32", "tf32"})
BITS_PER_BYTE = 8


class Spread(Record):
    """The servers of a training job: ``servers`` in all, ``per_replica`` of one replica, each with ``share`` of its shards."""

    servers: int
    per_replica: int
    share: float

    @property
    def groups(self) -> int:
        """Return the groups of servers that hold the same weights."""
        return max(1, self.servers // self.per_replica)


def spread_of(load: Load, machine: Machine) -> Spread:
    """Return how the whole replicas of a load lie over servers."""
    size, ranks = machine.machines_per_server.value, load.machines_per_replica
    machines = ceil(load.busy_machines.value / ranks) * ranks
    return Spread(servers=ceil(machines / size), per_replica=max(1, ceil(ranks / size)), share=min(1.0, size / ranks))


def step_bytes(job: Job, capability: Capability, spread: Spread) -> float:
    """Return the bytes that one server sends and receives in each direction during one step."""
    params = capability.num_params or 0.0
    trained = params * (ADAPTER_SHARE if job.adapter else 1.0)
    width = 4.0 if capability.precision in _WIDE else 2.0
    if capability.engine != SHARDED_ENGINE:
        return all_reduce_bytes(width * trained, spread.servers)
    summed = all_reduce_bytes(width * trained * spread.share, spread.groups)
    return sharded_step_bytes(params, spread.per_replica) + summed


def step_time(capability: Capability) -> Estimate | None:
    """Return seconds of one training step: predicted, or measured."""
    return capability.service_s or capability.step_latency_s


def training_bits_per_s(job: Job, load: Load, capability: Capability, machine: Machine) -> Estimate | None:
    """Return bit/s between servers for each accelerator of a training job; ``None`` where it has no such traffic.

    Parameters that were not counted are no traffic that could be stated.
    """
    spread, seconds = spread_of(load, machine), step_time(capability)
    if job.mode != "train" or spread.servers <= 1 or seconds is None or not capability.num_params:
        return None
    number = load.derived.get("num_params")
    moved = step_bytes(job, capability, spread)
    words = message(
        "6 x parameters x (G - 1) / G + 2 x width x parameters x share x (R - 1) / R; {servers} servers, G = {of_replica} of "
        "a replica, R = {groups} groups",
        servers=spread.servers,
        of_replica=spread.per_replica,
        groups=spread.groups,
    )
    # Proportional to the parameters, whatever the layout: the factor is the formula's.
    factor = f"{{0}} * {moved / capability.num_params!r}"
    each = counted(moved, "B/step", words, arithmetic=factor, inputs=(number,)) if number else counted(moved, "B/step", words)
    rate = over(each, seconds, unit="B/s")
    per_accelerator = over(rate, machine.machines_per_server, unit="B/s")
    return named(scaled(per_accelerator, BITS_PER_BYTE, unit="bit/s"), message("bytes of a step / its time / accelerators"))


def feeding_bits_per_s(job: Job, capability: Capability) -> Estimate:
    """Return bit/s that each accelerator of a job reads of its data set and writes of its results."""
    sizes = job.bytes_per_item if job.response_bytes is None else plus(job.bytes_per_item, job.response_bytes)
    return scaled(times(capability.throughput, sizes, unit="B/s"), BITS_PER_BYTE, unit="bit/s")


def checkpoint_bits_per_s(job: Job, load: Load, capability: Capability, rules: Rules) -> Estimate | None:
    """Return bit/s that each accelerator writes while a checkpoint stalls its job; ``None`` where there are no checkpoints."""
    if job.mode != "train" or not capability.num_params or load.busy_machines.value <= 0:
        return None
    ranks = load.machines_per_replica
    writers = ceil(load.busy_machines.value / ranks) * ranks
    whole = over(checkpoint_bytes(capability, job, rules), stall_of(job, rules), unit="B/s")
    return scaled(whole, BITS_PER_BYTE / writers, unit="bit/s")
