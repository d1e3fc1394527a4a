"""Where the data of services and jobs lie: on the servers' own disks, or on storage that all of them share.

What is kept and moved::

    answers      requests/s at the peak x duty x growth at the horizon x 86,400 x answer bytes x days of retention
    results      items of a run x result bytes x retained runs (runs per day x days of retention, at least one)
    reading      items x bytes of one / (window x goodput), summed over the jobs
    writing      parameters x bytes of a checkpoint per parameter / stall of one, summed over the training jobs

Rates grow over the horizon, so storage is sized for its end. Source: the planner's capacity rule.

Where it lies::

    own disks    system and weights of each server; data too, where they fit:
                 (answers + results + data sets) / servers + job files (items x bytes x copies, checkpoints kept), which lie whole
                 on each server
    shared       all data, where they do not fit, or where a training job spans servers: a checkpoint on the disk of one server
                 is lost with it. The servers' disks are a cache then
    drives       a server whose data sheet names no disks is sold with empty bays: its drives are ordered for what lies on it

Checkpoint sizes as published (105 GB at 8B, 912 GB at 70B, 5.29 TB at 405B parameters).
"""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.messages import message
from aigc_bench.core.records import Basis, Estimate, Record
from aigc_bench.plan.records.demand import Demand, Growth, Job, Service
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.site.storage_system import DRIVE_BYTES
from aigc_bench.plan.sizing.checkpoints import stall_of
from aigc_bench.plan.sizing.fleets import grown, job_load, num_params
from aigc_bench.plan.stats.estimates import assumed, bounded, ceil, estimate, named, over, scaled, stated, times, zero

SECONDS_PER_DAY = 86400.0


def retained_answers(service: Service, growth: Growth | None) -> Estimate:
    """Return the bytes of the answers that are stored at the end of the horizon."""
    last, _ = grown(growth)
    mean = times(service.arrival.peak_requests_per_s, service.arrival.duty, last, unit="request/s")
    # Growth at the end, not the mean: disks have to hold the last day's retention.
    a_day = scaled(mean, SECONDS_PER_DAY, unit="request/day")
    return times(a_day, service.response_bytes, service.kept_days, unit="B")


def retained_results(job: Job) -> Estimate | None:
    """Return the bytes of the results that are stored together; ``None`` where a job stores none."""
    if job.response_bytes is None or job.kept_days is None or job.kept_days.high <= 0:
        return None
    daily = stated(job.runs_per_day, f"demand.jobs.{job.name}.runs_per_day", unit="run/day")
    # The results of the latest run exist in any case.
    runs = bounded(scaled(job.kept_days, daily, unit="runs"), floor=1.0)
    return times(job.items, job.response_bytes, runs, unit="B")


def read_bytes_per_s(demand: Demand, rules: Rules) -> float:
    """Return bytes/s that the jobs read while their windows are open."""
    # All jobs together, as if their windows coincided: the storage has to feed the worst night.
    return sum(job.items.value * job.bytes_per_item.value / (job.window_s * rules.job_goodput.value) for job in demand.jobs)


def written_bytes_per_s(demand: Demand, machine: Machine, rules: Rules) -> float:
    """Return bytes/s of checkpoints, each written within its allowed stall.

    Capabilities of the machine are in the demand's order, services first.
    """
    abilities = machine.capabilities[len(demand.services) :]
    return sum(
        (capability.num_params or 0.0) * rules.checkpoint_bytes_per_param.value / stall_of(job, rules).value
        for job, capability in zip(demand.jobs, abilities, strict=False)
        if job.mode == "train"
    )


SYSTEM_AND_SOFTWARE = assumed(
    30e9,
    low=15e9,
    high=60e9,
    unit="B",
    source=message("operating system, drivers and a torch environment; unverified (general knowledge)"),
)
MOST_DRIVES = 8
"""Bays for 2.5-inch drives of a usual server with accelerators (Dell R760xa: 8, Lenovo SR685a V3: 16)."""


class StoredData(Record):
    """Bytes by name. ``system`` lies on each server, ``spread`` over all of them together, ``whole`` on each that runs the job.

    ``spans_servers``: a training job runs on several servers together.
    """

    system: Mapping[str, Estimate]
    spread: Mapping[str, Estimate]
    whole: Mapping[str, Estimate]
    spans_servers: bool = False

    @property
    def shared_bytes(self) -> float:
        """Return the bytes of all data, each once."""
        return sum(part.value for part in (*self.spread.values(), *self.whole.values()))

    def on_each(self, machines: Estimate, size: Estimate) -> dict[str, Estimate]:
        """Return the data on the disks of one server, by name, where servers of ``size`` with all those machines hold them."""
        # A pool of less than a server still has that server's disks.
        servers = bounded(over(machines, size, unit="servers"), floor=1.0)
        return {name: over(part, servers, unit="B") for name, part in self.spread.items()} | dict(self.whole)

    def bytes_on_each(self, num_servers: float) -> float:
        """Return the bytes of system, weights and data on each of the servers."""
        spread = sum(part.value for part in self.spread.values()) / max(1.0, num_servers)
        return self.system_bytes + spread + sum(part.value for part in self.whole.values())

    @property
    def system_bytes(self) -> float:
        """Return the bytes of system and weights on one server."""
        return sum(part.value for part in self.system.values())


def stored_data(demand: Demand, abilities: Mapping[str, Capability], *, machine: Machine, rules: Rules) -> StoredData:
    """Return all that the loads with those abilities store, by the names of services and jobs, and the demand's data sets."""
    spread, whole, spans = dict[str, Estimate](), dict[str, Estimate](), False
    for service in demand.services:
        if service.name in abilities and service.kept_days.high > 0:
            spread[message("answers kept, {load}", load=service.name)] = retained_answers(service, demand.growth)
    for data in demand.datasets:
        spread[message("data set {name}, in its copies", name=data.name)] = times(data.size_bytes, data.copies, unit="B")
    for job in demand.jobs:
        if job.name not in abilities:
            continue
        whole |= _job_files(job, abilities[job.name], rules)
        results = retained_results(job)
        if results is not None:
            spread[message("results kept, {load}", load=job.name)] = results
        spans |= job.mode == "train" and servers_of_job(job, abilities[job.name], machine=machine, rules=rules) > 1
    return StoredData(system=_system(abilities, machine), spread=spread, whole=whole, spans_servers=spans)


def in_order(demand: Demand, machine: Machine) -> dict[str, Capability]:
    """Return the capabilities of a machine of the catalogue by load: they are in the demand's order, services first."""
    names = [*(one.name for one in demand.services), *(one.name for one in demand.jobs)]
    return dict(zip(names, machine.capabilities, strict=False))


def servers_of_job(job: Job, capability: Capability, *, machine: Machine, rules: Rules) -> int:
    """Return the servers that a job runs on, in whole replicas; 0 for an empty job."""
    busy = job_load(job, capability, rules=rules).busy_machines.value
    machines = ceil(busy / capability.machines_per_replica) * capability.machines_per_replica
    return ceil(machines / machine.machines_per_server.value)


def is_shared(data: StoredData, *, disk_bytes: float | None, num_servers: float, rules: Rules) -> bool:
    """Return whether data lie on shared storage; ``disk_bytes`` are raw, of one server, those of full bays where ``None``."""
    if data.shared_bytes == 0:
        return False
    raw = MOST_DRIVES * DRIVE_BYTES if disk_bytes is None else disk_bytes
    return data.spans_servers or data.bytes_on_each(num_servers) > raw * rules.usable_storage.value


def drives_needed(data: StoredData, *, num_servers: float, rules: Rules) -> int:
    """Return the drives to order for each server whose own disks are not known: for what lies on it, at least one."""
    shared = is_shared(data, disk_bytes=None, num_servers=num_servers, rules=rules)
    needed = data.system_bytes if shared else data.bytes_on_each(num_servers)
    return min(MOST_DRIVES, max(1, ceil(needed / rules.usable_storage.value / DRIVE_BYTES)))


def server_disk_bytes(machine: Machine) -> Estimate | None:
    """Return raw bytes on the disks of one server; ``None`` where they are not known."""
    if machine.disk_bytes is None:
        return None
    return named(times(machine.disk_bytes, machine.machines_per_server, unit="B"), message("disks of one server"))


def _system(abilities: Mapping[str, Capability], machine: Machine) -> dict[str, Estimate]:
    """Return system, software and one copy of each load's weights."""
    parts = {message("system and software"): SYSTEM_AND_SOFTWARE}
    for name, can in abilities.items():
        # A case that did not count its parameters leaves them out of the sum.
        if can.params_bytes:
            basis: Basis = "measured" if can.throughput.basis == "measured" else "modelled"
            # Weights are of one accelerator; a server stores the shards of one replica, and those that it runs of a larger one.
            shards = min(float(can.machines_per_replica), max(1.0, machine.machines_per_server.value))
            source = message("parameters of {case}", case=can.case)
            parts[message("weights, {load}", load=name)] = estimate(can.params_bytes * shards, unit="B", basis=basis, source=source)
    return parts


def _job_files(job: Job, capability: Capability, rules: Rules) -> dict[str, Estimate]:
    """Return a job's data set with its copies and the checkpoints of a training job, as the demand states, else as the rules do."""
    files = {message("data set, {load}", load=job.name): times(job.items, job.bytes_per_item, rules.dataset_copies, unit="B")}
    if capability.num_params and job.mode == "train":
        kept = job.checkpoints.kept or rules.checkpoints_kept
        files[message("checkpoints, {load}", load=job.name)] = times(checkpoint_bytes(capability, job, rules), kept, unit="B")
    return files


def checkpoint_bytes(capability: Capability, job: Job, rules: Rules) -> Estimate:
    """Return the bytes of one checkpoint: 13 to 15 a parameter as published, weights and the state of the optimizer."""
    number = num_params(job.name, capability)
    return scaled(rules.checkpoint_bytes_per_param, number, unit="B") if number else zero("B")
