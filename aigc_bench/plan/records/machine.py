"""Record machines, what each can do, the loads that they carry, and the pools and fleets of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Mode, Record, Verdict
from aigc_bench.plan.records.demand import CoolingMethod


class Capability(Record):
    """Performance of one machine in one case; ``throughput`` is items/s of the whole machine.

    ``power_w`` and ``power_peak_w`` are of one device (an accelerator's board, or the CPU packages), where a sensor read them.
    A replica takes ``machines_per_replica`` machines and holds ``slots`` requests, each for ``service_s``; then throughput
    is of one of these machines, too. ``power_cap`` is the power limit over the default one. ``batch_times_s`` are (requests,
    seconds) of whole batches up to its own, where known; ``machines_at_least`` the machines that a simulation required beyond the
    formulae. ``cores_per_device`` are the CPU cores that the data pipeline used per busy accelerator, where measured.
    """

    case: str
    workload: str
    preset: str
    mode: Mode
    item: str
    throughput: Estimate
    items_per_step: float | None = None
    batch_size: int = 1
    step_latency_s: Estimate | None = None
    host_memory_bytes: Estimate | None = None
    device_memory_bytes: Estimate | None = None
    params_bytes: float | None = None
    num_params: float | None = None
    power_w: Estimate | None = None
    power_peak_w: Estimate | None = None
    engine: str | None = None
    precision: str | None = None
    machines_per_replica: int = 1
    slots: float | None = None
    service_s: Estimate | None = None
    ttft_s: Estimate | None = None
    tpot_s: Estimate | None = None
    power_cap: float = 1.0
    batch_times_s: tuple[tuple[float, float], ...] = ()
    cores_per_device: Estimate | None = None
    machines_at_least: int = 0
    verdict: Verdict = "valid"
    reasons: tuple[str, ...] = ()


class Machine(Record):
    """The unit that is replicated: the measured machine, and its ratio to a server that can be bought.

    ``machines_per_server`` is how many of these machines a catalogue server equals (1 where it is such a server).
    ``*_power_w`` are of one server at the wall, ``host_cores`` the CPU cores of an accelerator's share, ``network_bits_per_s`` its
    part of the front-end ports and ``fabric_bits_per_s`` of the compute NICs (``None``: it has none). ``inlet_limit_c`` is the
    highest allowed inlet air temperature. ``needs_rack`` is false of desktops.
    """

    name: str
    server: Sentence
    accelerator: str | None = None
    machines_per_server: Estimate
    capabilities: tuple[Capability, ...]
    host_memory_bytes: Estimate | None = None
    host_cores: Estimate | None = None
    device_memory_bytes: Estimate | None = None
    network_bits_per_s: Estimate | None = None
    fabric_bits_per_s: Estimate | None = None
    disk_bytes: Estimate | None = None
    devices_per_server: int = 0
    peak_power_w: Estimate
    full_power_w: Estimate
    idle_power_w: Estimate
    design_heat_w: Estimate
    rack_units: int | None = None
    needs_rack: bool = True
    weight_kg: float | None = None
    cooling: CoolingMethod = "air"
    inlet_limit_c: Estimate | None = None
    price_usd: Estimate
    embodied_kg: Estimate
    notes: tuple[Sentence, ...] = ()


Placement = Literal["pooled", "shared", "dedicated"]
"""``pooled``: each machine carries all loads. ``shared``: one at a time, jobs by night. ``dedicated``: one load per machine."""


class Load(Record):
    """The load of one service or job on this kind of machine: ``busy_machines`` at its peak and in the mean of the year.

    ``lost_share`` of a training job's time goes into checkpoints and interruptions. ``derived`` are its counts as Estimates that
    know how they were computed, by key.
    """

    name: str
    case: str
    item: str
    rate_items_per_s: Estimate
    busy_machines: Estimate
    mean_machines: Estimate
    items_per_year: Estimate
    latency_s: Estimate | None = None
    latency_slo_s: float | None = None
    lost_share: Estimate | None = None
    machines_per_replica: int = 1
    machines_for_wait: int = 0
    p_slo: float | None = None
    derived: Mapping[str, Estimate] = Field(default_factory=dict, exclude=True, repr=False)


class Pool(Record):
    """Machines that share loads: how many they need, and how many of the serving machines belong to them."""

    loads: tuple[str, ...]
    required_machines: Estimate
    available_machines: Estimate


class Fleet(Record):
    """The pools of an option and the servers that hold them; a spare can replace any server that fails.

    ``margin`` of the ``serving`` ones are the safety margin for uncertain demand and speed. ``derived`` are the counts as
    Estimates that know how they were computed, by key.
    """

    pools: tuple[Pool, ...]
    serving: int
    spares: int
    margin: int = 0
    derived: Mapping[str, Estimate] = Field(default_factory=dict, exclude=True, repr=False)

    @property
    def num_servers(self) -> int:
        """Servers bought."""
        return self.serving + self.spares


class Unplanned(Record):
    """A service or job that is not in the plan, and why."""

    name: str
    reason: Sentence
