"""The nouns of a plan: what is replicated (Machine), what a factor says (Assessment), a way to meet the demand (Option), the Plan.

What is asked is in ``plan.demand``. Head-room is a plain fraction, ``1 - required / available``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aigc_bench.core.records import Estimate, Mode, Record, Verdict
from aigc_bench.plan.certainty.records import Certainty
from aigc_bench.plan.demand import CoolingMethod, Demand, OptionKind
from aigc_bench.plan.money.opex import CostLine
from aigc_bench.plan.replay.outcome import Replay
from aigc_bench.plan.site.room import Room

FactorVerdict = Literal["ok", "tight", "short", "unknown", "provider"]
"""``provider``: somebody else answers for it, such as a cloud for its cooling."""
Placement = Literal["pooled", "shared", "dedicated"]
"""Every machine carries every load; each machine carries one load at a time, jobs by night; each load has its own machines."""


class Rules(Record):
    """Shares and sizes that every plan uses, each with its source; made from the catalogue by ``plan.rules``."""

    usable_memory: Estimate
    usable_storage: Estimate
    link_goodput: Estimate
    checkpoint_bytes_per_param: Estimate
    checkpoints_kept: Estimate
    checkpoint_stall_s: Estimate
    hours_between_interruptions: Estimate
    restart_s: Estimate
    dataset_copies: Estimate
    beside_load: Estimate
    ups_efficiency: Estimate
    machine_availability: Estimate
    target_utilisation: Estimate
    off_peak_share: Estimate
    job_goodput: Estimate


class Capability(Record):
    """What one machine was seen to do in one case; ``throughput`` is items/s of the whole machine.

    ``power_w`` and ``power_peak_w`` are of one device (an accelerator's board, or the CPU packages), where a sensor read them.
    A replica takes ``machines_per_replica`` machines and holds ``slots`` requests at once, each for ``service_s``; then throughput
    is of one of these machines, too. ``power_cap`` is the power limit over the default one. ``batch_times_s`` are (requests,
    seconds) of whole batches up to its own, where known; ``machines_at_least`` what a simulation asked for beyond formulae.
    ``cores_per_device`` are the CPU cores that the data pipeline kept busy beside one busy accelerator, where it was measured.
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
    """The unit that is replicated: the measured machine, and what a purchasable server is compared with it.

    ``machines_per_server`` is how many machines like this one a catalogue server stands for (1 where it is such a server).
    ``*_power_w`` are of one server at the wall, ``host_cores`` the CPU cores of an accelerator's share. ``inlet_limit_c`` is the
    warmest air that it may be supplied with.
    """

    name: str
    server: str
    accelerator: str | None = None
    machines_per_server: Estimate
    capabilities: tuple[Capability, ...]
    host_memory_bytes: Estimate | None = None
    host_cores: Estimate | None = None
    device_memory_bytes: Estimate | None = None
    network_bits_per_s: Estimate | None = None
    disk_bytes: Estimate | None = None
    devices_per_server: int = 0
    peak_power_w: Estimate
    full_power_w: Estimate
    idle_power_w: Estimate
    design_heat_w: Estimate
    rack_units: int | None = None
    weight_kg: float | None = None
    cooling: CoolingMethod = "air"
    inlet_limit_c: Estimate | None = None
    price_usd: Estimate
    embodied_kg: Estimate
    notes: tuple[str, ...] = ()


class Assessment(Record):
    """One factor's word on an option. ``headroom`` is ``1 - required / available``; ``None`` where either is unknown.

    ``inputs`` are the named Estimates that the formula was fed with, so that the number can be computed again by hand.
    """

    factor: str
    title: str
    required: Estimate | None = None
    available: Estimate | None = None
    unit: str
    headroom: float | None = None
    verdict: FactorVerdict
    why: str
    formula: str
    source: str
    inputs: Mapping[str, Estimate] = Field(default_factory=dict)


class Load(Record):
    """What one service or job asks of machines like this one: ``busy_machines`` at its peak and in the mean of the year.

    ``lost_share`` of a training job's time goes into checkpoints and interruptions.
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


class Pool(Record):
    """Machines that share loads: how many they need, and how many of the serving ones are theirs."""

    loads: tuple[str, ...]
    required_machines: Estimate
    available_machines: Estimate


class Fleet(Record):
    """The pools of an option and the servers that hold them; a spare stands in for any server that fails.

    ``margin`` of the ``serving`` ones are there for what is not known of demand and speed.
    """

    pools: tuple[Pool, ...]
    serving: int
    spares: int
    margin: int = 0

    @property
    def num_servers(self) -> int:
        """Servers bought."""
        return self.serving + self.spares


class Option(Record):
    """One way to meet the demand, with what every factor says about it. A refused option stays, with its reasons.

    ``num_machines`` counts the machines that carry the loads; ``num_servers`` is what is bought or rented, spares and margin
    included. ``is_unsure``: no margin makes it keep SLOs and deadlines as surely as is asked.
    ``tco_usd`` and ``carbon_kg`` are over the life of the servers. ``parts`` are the options that a mixed one is made of.
    """

    rank: int
    kind: OptionKind = "owned"
    term: str = "purchase"
    provider: str | None = None
    placement: Placement
    accelerator: str | None
    server: str | None
    machine: Machine | None = None
    loads: tuple[Load, ...] = ()
    room: Room | None = None
    parts: tuple[Option, ...] = ()
    num_machines: Estimate
    num_servers: int
    num_spares: int
    num_margin: int = 0
    is_unsure: bool = False
    num_accelerators: int
    num_racks: int | None
    pools: tuple[Pool, ...]
    accepted: bool
    reasons: tuple[str, ...] = ()
    factors: Mapping[str, Assessment]
    bottleneck: str | None
    next_bottleneck: str | None
    capex_usd: Estimate
    opex_usd_per_year: Estimate
    tco_usd: Estimate
    costs: tuple[CostLine, ...]
    usd_per_unit: Mapping[str, Estimate]
    energy_kwh_per_year: Estimate | None
    carbon_kg: Estimate | None
    carbon_kg_per_unit: Mapping[str, Estimate]
    p_slo: float | None = None
    p_budget: float | None = None
    p_oom: float | None = None
    replay: Replay | None = None


class Assumption(Record):
    """A figure the plan rests on that nobody measured here, under the name that explains it."""

    key: str
    title: str
    value: Estimate


class Unplanned(Record):
    """A service or job that is not in the plan, and why."""

    name: str
    reason: str


class Refusal(Record):
    """Something that was looked at and never became an option, and why."""

    accelerator: str
    reason: str


class Plan(Record):
    """The answer: options by rank, the loads they carry, and everything they rest on."""

    schema_version: int = 1
    demand: Demand
    rules: Rules
    machine: Machine | None = None
    options: tuple[Option, ...]
    num_candidates: int = 0
    refused: tuple[Refusal, ...] = ()
    recommendation: int | None
    assumptions: tuple[Assumption, ...]
    unplanned: tuple[Unplanned, ...] = ()
    not_included: tuple[str, ...] = ()
    certainty: Certainty | None = None
    notes: tuple[str, ...] = ()
    """What a reader must know of it, such as invalid measurements that were left out."""
    method: str

    @property
    def loads(self) -> tuple[Load, ...]:
        """What the demand asks of the recommended option, or of the best of the refused ones."""
        option = self.recommended or next(iter(self.options), None)
        return option.loads if option else ()

    @property
    def recommended(self) -> Option | None:
        """The recommended option, or ``None`` where no option is accepted."""
        return next((option for option in self.options if option.rank == self.recommendation), None)
