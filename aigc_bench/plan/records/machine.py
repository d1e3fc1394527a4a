"""The replicated unit: a machine, and its capability in each case."""

from __future__ import annotations

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
