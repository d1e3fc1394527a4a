"""The nouns of the catalogue: frozen facts in SI units, each with its source, its date and how far to trust it.

``basis`` of a fact is ``datasheet`` (a third party's document: vendor, registry, publication), ``assumed`` (general
knowledge, no document at hand) or ``measured`` (this user's own machine, see a machine card). Dense peaks only: a figure
with structured sparsity never enters a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from aigc_bench.catalog.fact import Celsius, Count, Date, Fact, FactBasis, NonNegative, Number, Positive, Text, check_rising
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record

CoolingMethod = Literal["air", "rear_door", "direct_liquid", "immersion"]
# tf32 is a format of tensor cores on fp32 data; parts without it lack the key.
DTYPES = ("fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4")
"""Keys of ``AcceleratorSpec.peak_flops``, in the order in which peaks usually rise."""


def _known_dtypes(peaks: Mapping[str, float]) -> Mapping[str, float]:
    unknown = sorted(set(peaks) - set(DTYPES))
    if unknown:
        raise ValueError(message("unknown dtype {unknown}; known: {dtypes}", unknown=", ".join(unknown), dtypes=", ".join(DTYPES)))
    return peaks


PeakFlops = Annotated[Mapping[str, Positive], AfterValidator(_known_dtypes)]


class Price(Record):
    """A price in USD as a dated spread; ``low`` and ``high`` are ``None`` where only one figure is known.

    ``kind`` says which price it is: the market price of a new one at that date, the vendor's own at release (``list``), or second
    hand; ``None`` where the source does not say.
    """

    low: Positive | None = None
    mid: Positive
    high: Positive | None = None
    as_of: Date
    source: Text
    kind: Literal["new", "list", "used"] | None = None
    basis: FactBasis = "datasheet"

    @model_validator(mode="after")
    def _ordered(self) -> Price:
        # Only figures that are given are compared; prices are above 0, so ``or`` replaces None alone.
        if (self.low or self.mid) > self.mid or (self.high or self.mid) < self.mid:
            raise ValueError(
                message("price low {low}, mid {mid}, high {high} must rise", low=self.low, mid=self.mid, high=self.high)
            )
        return self

    def estimate(self, *, spread: float, unit: str = "usd") -> Estimate:
        """The price as an interval; a missing bound is ``spread`` (a fraction) away from the middle."""
        low = self.mid * (1 - spread) if self.low is None else self.low
        high = self.mid * (1 + spread) if self.high is None else self.high
        return _estimate(self.mid, low=low, high=high, unit=unit, basis=self.basis, source=f"{self.source}, {self.as_of}")


class Quantity(Fact):
    """A fact that is one number with its unit and, where known, its range. ``value`` is ``None`` for a pure range."""

    kind: Text
    name: Text
    low: Number | None = None
    value: Number | None = None
    high: Number | None = None
    unit: Text

    @model_validator(mode="after")
    def _ordered(self) -> Quantity:
        known = [number for number in (self.low, self.value, self.high) if number is not None]
        if not known:
            raise ValueError(message("needs a value or a range"))
        if known != sorted(known):
            raise ValueError(
                message("low {low}, value {value}, high {high} must rise", low=self.low, value=self.value, high=self.high)
            )
        return self

    def estimate(self, *, spread: float = 0.0) -> Estimate:
        """The number as an interval; a missing bound is ``spread`` (a fraction) away, a missing value the middle."""
        low, value, high = self.low, self.value, self.high
        if value is None:
            # A pure range has no better middle; of one bound the bound itself.
            value = (low + high) / 2 if low is not None and high is not None else (high if low is None else low)
        assert value is not None, "a quantity has a value or a bound"
        # abs(): temperatures can be negative.
        low = value - abs(value) * spread if low is None else low
        high = value + abs(value) * spread if high is None else high
        return _estimate(value, low=low, high=high, unit=self.unit, basis=self.basis, source=f"{self.source}, {self.as_of}")


class CoolingFact(Quantity):
    """Cooling: inlet classes, heat per rack by method, PUE by system, flow rules, equipment, capex."""


class PowerFact(Quantity):
    """Power: PUE, WUE, efficiencies, electricity prices by region, rack PDUs, colocation."""


class CarbonFact(Quantity):
    """Carbon: grid intensity by region, embodied carbon of accelerators and servers, lifetimes."""

    accelerator_id: str | None = None


class ExchangeOrTax(Quantity):
    """The USD that one unit of a currency costs (``name``: ISO 4217), or the VAT rate of a country (``name``: ISO 3166)."""

    kind: Literal["exchange_rate", "vat"]


class Constant(Quantity):
    """A planning constant: value, low, high, unit, and whether it was measured, published, or assumed (by others)."""

    low: Number
    value: Number
    high: Number
    status: Literal["measured", "datasheet", "published", "assumed"]


class AcceleratorSpec(Fact):
    """One accelerator: dense peaks in FLOP/s by dtype, bytes, bytes/s and watts.

    ``memory_bytes`` is the nominal size (a vendor's "80 GB" is 80 GiB), ``usable_memory_bytes`` what the driver reports.
    ``scale_up_bytes_per_s`` is one direction (vendors print both). ``ranges`` holds the figures on which sources
    disagree, by field (``memory_bytes``) or peak (``peak_flops.fp4``). A measured machine is a spec of basis ``measured``.
    """

    name: Text
    vendor: str | None = None
    arch: str | None = None
    form_factor: str | None = None
    compute_capability: str | None = None
    release_year: Annotated[int, Field(ge=1990, le=2100)] | None = None
    num_multiprocessors: Count | None = None
    peak_flops: PeakFlops = Field(default_factory=dict)
    memory_bytes: Annotated[int, Field(gt=0)]
    usable_memory_bytes: Annotated[int, Field(gt=0)] | None = None
    memory_type: str | None = None
    memory_bandwidth_bytes_per_s: Positive
    l2_bytes: Count | None = None
    tdp_w: Positive | None = None
    idle_w: NonNegative | None = None
    idle_source: str | None = None
    interconnect: str | None = None
    # Bytes/s in one direction, of all links of the device together.
    scale_up_bytes_per_s: Positive | None = None
    pcie_gen: Count | None = None
    pcie_lanes: Count | None = None
    mig_max: Count | None = None
    price: Price | None = None
    ranges: Mapping[str, tuple[float, float]] = Field(default_factory=dict)
    second_source: str | None = None

    @model_validator(mode="after")
    def _draws_more_at_work(self) -> AcceleratorSpec:
        check_rising(self, ("idle_w", "tdp_w"))
        return self

    def peak(self, dtype: str) -> float | None:
        """Dense peak FLOP/s of ``dtype``, ``None`` where it is unknown or the part lacks it; never with sparsity."""
        return self.peak_flops.get(dtype)

    def peak_range(self, dtype: str) -> tuple[float, float] | None:
        """Lowest and highest dense peak that sources give; both ends alike where they agree."""
        peak = self.peak(dtype)
        return None if peak is None else self.ranges.get(f"peak_flops.{dtype}", (peak, peak))

    @property
    def is_on_chip(self) -> bool:
        """Whether its only memory is on the chip (Groq, Cerebras): one model lies on many, so one's roofline is no answer."""
        return (self.memory_type or "").startswith("SRAM")

    @property
    def has_scale_up_link(self) -> bool:
        """Whether devices are joined by a link of their own rather than by the host's PCIe."""
        # Cards list PCIe as their interconnect, which is the host's and not a link of their own.
        return self.scale_up_bytes_per_s is not None and not (self.interconnect or "PCIe").startswith("PCIe")


class UsableMemory(Fact):
    """Bytes a driver reports for one accelerator, next to its nominal size."""

    nominal_bytes: Annotated[int, Field(gt=0)]
    reported_bytes: Annotated[int, Field(gt=0)]


class AcceleratorRange(Fact):
    """A figure of one accelerator on which sources disagree, in the unit of its column in accelerators.csv."""

    column: Text
    low: Positive
    high: Positive

    @model_validator(mode="after")
    def _ordered(self) -> AcceleratorRange:
        if self.low > self.high:
            raise ValueError(message("low {low} and high {high} must rise", low=self.low, high=self.high))
        return self


class ServerSpec(Fact):
    """A server: watts, heat, air, weight, parts and price. ``gpu_id`` is a row of the accelerators, ``None`` without.

    ``cpu_cores`` are the physical cores of all its processors, ``None`` where the row does not name them. ``needs_rack`` is false
    of towers and desktops. ``onboard_nic_enough``: its own ports carry its requests, ``None`` where the row does not say.
    """

    name: Text
    vendor: str | None = None
    gpu_id: str | None = None
    gpu_count: Annotated[int, Field(ge=0, le=10_000)]
    rack_units: Positive | None = None
    max_power_w: Positive | None = None
    typical_power_w: Positive | None = None
    idle_power_w: Positive | None = None
    heat_w: Positive | None = None
    airflow_m3_per_s: Positive | None = None
    weight_kg: Positive | None = None
    psu: str | None = None
    psu_redundancy: str | None = None
    cpu: str | None = None
    cpu_cores: Count | None = None
    ram_bytes: Annotated[int, Field(gt=0)] | None = None
    nics: str | None = None
    num_compute_nics: Count | None = None
    compute_nic_bytes_per_s: Positive | None = None
    num_frontend_nics: Count | None = None
    frontend_nic_bytes_per_s: Positive | None = None
    onboard_nic_enough: bool | None = None
    needs_rack: bool = True
    local_storage: str | None = None
    cooling: CoolingMethod = "air"
    cooling_detail: str | None = None
    inlet_low_c: Celsius | None = None
    inlet_high_c: Celsius | None = None
    price: Price | None = None

    @model_validator(mode="after")
    def _is_a_machine(self) -> ServerSpec:
        if self.gpu_id is not None and self.gpu_count < 1:
            raise ValueError(
                message(
                    "gpu_count {gpu_count} of a server with {gpu_id} must be 1 or more",
                    gpu_count=self.gpu_count,
                    gpu_id=self.gpu_id,
                )
            )
        for names in (("idle_power_w", "typical_power_w", "max_power_w"), ("inlet_low_c", "inlet_high_c")):
            check_rising(self, names)
        return self

    @property
    def design_heat_w(self) -> float | None:
        """The heat to size cooling for: the larger of the nameplate and the vendor's own heat figure."""
        known = [watts for watts in (self.max_power_w, self.heat_w) if watts is not None]
        # The vendor's heat can exceed the nameplate (DGX H100: 38,557 BTU/h = 11.3 kW at 10.2 kW).
        return max(known) if known else None


class MeasuredPower(Fact):
    """Wall-meter power of a whole server under one benchmark (MLPerf power), without PUE."""

    system: Text
    submitter: Text
    benchmark: Text
    scenario: Text
    mode: Text
    gpu_id: str | None = None
    gpu_count: Count | None = None
    mean_power_w: Positive
    p95_power_w: Positive | None = None
    peak_power_w: Positive | None = None
    floor_power_w: Positive | None = None
    num_samples: Count | None = None
    throughput: Positive | None = None
    throughput_unit: str | None = None
    method: Text


class PowerCap(Fact):
    """What one power limit did to throughput and draw, as fractions of those at the default limit; ends are P10 and P90."""

    accelerator_id: Text
    workload: Literal["training", "prefill", "decode"]
    limit_w: Positive
    default_limit_w: Positive
    throughput_low: Positive | None = None
    throughput_fraction: Positive
    throughput_high: Positive | None = None
    power_low: Positive | None = None
    power_fraction: Positive | None = None
    power_high: Positive | None = None
    num_runs: Annotated[int, Field(gt=0)]

    @model_validator(mode="after")
    def _is_ordered(self) -> PowerCap:
        for names in (
            ("throughput_low", "throughput_fraction", "throughput_high"),
            ("power_low", "power_fraction", "power_high"),
            ("limit_w", "default_limit_w"),
        ):
            check_rising(self, names)
        return self


class NetworkItem(Fact):
    """A link, NIC, switch, cable or transceiver. ``bytes_per_s`` is per direction; of a switch, the sum over its ports.

    A link needs one ``cable``, plugs included, or two ``transceiver`` and a fibre. ``protocol`` is ``None`` of what carries both.
    """

    kind: Literal["pcie", "scale_up", "fabric", "nic", "switch", "cable", "transceiver"]
    name: Text
    bytes_per_s: Positive
    num_ports: Count | None = None
    port_bytes_per_s: Positive | None = None
    protocol: Literal["ethernet", "infiniband"] | None = None
    latency_s: Positive | None = None
    typical_power_w: Positive | None = None
    max_power_w: Positive | None = None
    rack_units: Positive | None = None
    weight_kg: Positive | None = None
    reach_m: Positive | None = None
    price: Price | None = None


class StorageItem(Fact):
    """A storage device, system or cloud service, a design rule, or what one accelerator requires of storage."""

    kind: Literal["device", "local_array", "design_rule", "workload_need", "system", "cloud"]
    name: Text
    read_bytes_per_s: Positive | None = None
    write_bytes_per_s: Positive | None = None
    read_iops: Positive | None = None
    latency_s: Positive | None = None
    capacity_bytes: Positive | None = None
    power_w: Positive | None = None
    low_usd_per_byte: Positive | None = None
    mid_usd_per_byte: Positive | None = None
    high_usd_per_byte: Positive | None = None
    usd_per_byte_month: Positive | None = None
    usd_per_byte_egress: Positive | None = None


class ApiPrice(Fact):
    """Price of a commercial API in USD per ``unit`` (``1M tokens``, ``image``, ``second``, ``1M characters`` ...).

    ``quality`` is our reading of the vendor's own tiers (mini, flash, turbo; plain; pro, ultra, high), not a measurement.
    ``open_model`` names the model with open weights that is hosted, as the planner names it; ``None`` for a vendor's own.
    """

    provider: Text
    model: Text
    modality: Text
    open_model: Text | None = None
    quality: Literal["small", "medium", "large"] | None = None
    unit: Text
    input_usd: Positive | None = None
    output_usd: Positive | None = None
    deprecation_date: Date | None = None
    vendor_page: str | None = None


class CpuSpec(Fact):
    """A server processor. The server watts are of a whole SPECpower system with ``num_sockets`` of them."""

    name: Text
    vendor: Text
    cores_per_socket: Annotated[int, Field(gt=0)]
    num_sockets: Annotated[int, Field(gt=0)] = 1
    tdp_w_per_socket: Positive | None = None
    server_full_w: Positive | None = None
    server_idle_w: Positive | None = None
    server_memory_bytes: Annotated[int, Field(gt=0)] | None = None
    power_system: str | None = None
    power_source: str | None = None
    power_as_of: Date | None = None
    memory_channels: Count | None = None
    memory_bandwidth_bytes_per_s_per_socket: Positive | None = None
    pcie_gen: Count | None = None
    pcie_lanes: Count | None = None
    launch_price_usd: Positive | None = None


class VcpuPower(Fact):
    """Watts of one virtual CPU of a cloud by microarchitecture, at full load and idle."""

    name: Text
    full_w_per_vcpu: Positive
    idle_w_per_vcpu: Positive


class DatasetProfile(Fact):
    """Size and shape of a public data set, for sizing storage and ingest."""

    name: Text
    sample: Text
    num_samples: Count | None = None
    total_bytes: Positive
    mean_sample_bytes: Positive | None = None
    sample_format: Text
    sample_rate_hz: Positive | None = None
    duration_s: Positive | None = None
    num_words: Count | None = None


class Alias(Record):
    """Another spelling of an accelerator: as users type it, drivers report it, or published tables print it."""

    id: Text
    name: Text
    accelerator_id: Text
    scope: Literal["any", "driver", "published"] = "any"
    note: str | None = None


class RegionAlias(Record):
    """A spelling of a region (``de``, ``aws-us-east-1``) and the rows that hold its electricity price and grid."""

    id: Text
    power_id: str | None = None
    carbon_id: str | None = None


def _estimate(value: float, *, low: float, high: float, unit: str, basis: FactBasis, source: str) -> Estimate:
    return Estimate(value=value, low=min(low, value), high=max(high, value), unit=unit, basis=basis, source=source)
