"""The machine card: what the probes of a run measured of the machine, factor by factor, and the machine as an accelerator.

Every figure is what was achieved, with the interval of its trials, and no peak of a datasheet: a model that takes the card for
its accelerator must not discount these peaks once more for the efficiency of large products. Invalid numbers are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aigc_bench.analyze.reason_codes import verdict
from aigc_bench.analyze.rows import analyses, rows_of
from aigc_bench.catalog.fact import Confidence
from aigc_bench.catalog.loader import usable_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate, MetricRow, Record
from aigc_bench.core.run_records import AcceleratorInfo, System
from aigc_bench.measure.store import Run, load_run
from aigc_bench.workloads import probe_disk, probe_gemm
from aigc_bench.workloads._probing import ELEMENT_BYTES

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

PROBES = (
    "probe_gemm",
    "probe_memory",
    "probe_launch",
    "probe_transfer",
    "probe_collective",
    "probe_disk",
    "probe_idle",
)
SINGLE_TRIAL = 0.2
"""Half-width given to a figure of one trial: step times of two-threaded CPU runs vary by 17-25 % between processes."""
SMALLEST_SLOPE = 1e-18
"""Seconds per byte that count as none: 1e18 B/s lie beyond any link."""
WIDEST = 4.0
"""Two or three trials may have a Student-t interval that reaches below 0: it is cut at a quarter and four times the value."""


class GemmPoint(Record):
    """One product ``(m, k) x (k, n)`` on a roofline: ``flops_per_s`` achieved at ``intensity`` FLOP per byte of its operands."""

    case: str
    m: int
    k: int
    n: int
    precision: str
    threads: int | None = None
    flops_per_s: Estimate

    @property
    def flops(self) -> int:
        """FLOPs of one product: two for each multiply-add."""
        return 2 * self.m * self.k * self.n

    @property
    def num_bytes(self) -> int:
        """Bytes of both operands and the result, each moved once."""
        return ELEMENT_BYTES[self.precision] * (self.m * self.k + self.k * self.n + self.m * self.n)

    @property
    def intensity(self) -> float:
        """FLOP per byte, the abscissa of the roofline (Williams et al. 2009)."""
        return self.flops / self.num_bytes


class Collective(Record):
    """All-reduce over ``devices``: seconds = ``alpha_s`` + ``beta_s_per_byte`` x bytes of a device's message (Hockney 1994)."""

    devices: int
    alpha_s: Estimate
    beta_s_per_byte: Estimate

    @property
    def bus_bytes_per_s(self) -> Estimate:
        """Bytes a device sends per second in a ring, 2 (n - 1) / n of its message: "busbw" of NVIDIA's nccl-tests."""
        sent = 2 * (self.devices - 1) / self.devices
        return _derived(self.beta_s_per_byte, lambda beta: sent / beta, unit="B/s")


class MachineCard(Record):
    """What a machine achieved. What was not probed is ``None`` or not in the mapping, with the reason in ``absent`` by
    probe (and by precision, ``probe_gemm/bf16``).

    ``disk`` is keyed by ``PRESET/CACHE`` (``sequential-read/direct``), ``launch_s`` by ``ENGINE/PRESET``, ``transfer`` by preset.
    """

    name: str
    run: str
    as_of: str
    backend: str
    accelerator_id: str | None = None
    memory_bytes: int
    peak_flops: Mapping[str, Estimate]
    gemm: tuple[GemmPoint, ...] = ()
    memory_bandwidth: Estimate | None = None
    cache_bandwidth: Estimate | None = None
    launch_s: Mapping[str, Estimate] = {}
    transfer: Mapping[str, Estimate] = {}
    collective: Collective | None = None
    disk: Mapping[str, Estimate] = {}
    idle_power_w: Estimate | None = None
    busy_power_w: Estimate | None = None
    idle_utilization: Estimate | None = None
    temperature_c: Estimate | None = None
    absent: Mapping[str, str] = {}


class ProbedAccelerator(AcceleratorSpec):
    """A measured machine as an accelerator: which machine it is (``machine_name``), and the backend that was probed."""

    machine: str
    backend: str


def machine_name(run: Run) -> str:
    """What a run was measured on: an accelerator by its id in the catalogue or its name, a CPU as ``host:ID``."""
    devices = run.info.system.accelerators if _backend(run) != "cpu" else ()
    # A CPU's name does not tell two machines apart; the host's id does.
    return (devices[0].catalog_id or devices[0].name) if devices else f"host:{run.info.system.host_id}"


def _backend(run: Run) -> str:
    """The accelerator backend that the run's cases used, ``cpu`` where there is none."""
    return next((case.backend for case in run.info.cases if case.backend != "cpu"), "cpu")


def has_probes(run: Run) -> bool:
    """Whether the run holds any probe."""
    return any(case.workload in PROBES for case in run.info.cases)


def machine_card(run: Run, *, rows: Sequence[MetricRow] | None = None) -> MachineCard:
    """The card of a run's machine; ``rows`` are its metric rows where the caller has them already.

    A run that probed an accelerator gives the accelerator's card with its host's disk, any other one the CPU's. Raises
    ``UsageError`` where the run holds no probe.
    """
    if not has_probes(run):
        raise UsageError(
            message("{path}: holds no probe, so it has no machine card.", path=run.path),
            message("Make one: aigc-bench run --profile probes"),
        )
    found = _Found(run, rows_of(analyses(run)) if rows is None else rows)
    devices = [info for info in run.info.system.accelerators if found.backend != "cpu"]
    system = run.info.system
    gemm = tuple(_gemm(case, rate) for case, rate in found.rates("probe_gemm"))
    memory = list(found.rates("probe_memory"))
    return MachineCard(
        name=devices[0].name if devices else system.cpu_model,
        run=run.info.id,
        as_of=datetime.fromtimestamp(run.info.created_s, tz=UTC).date().isoformat(),
        backend=found.backend,
        accelerator_id=devices[0].catalog_id if devices else None,
        memory_bytes=_capacity_bytes(system, devices),
        peak_flops=_peaks(gemm),
        gemm=gemm,
        # Arrays that fit a cache measure the cache: they have a line of their own.
        memory_bandwidth=_best(rate for case, rate in memory if not case.preset.endswith("-cached")),
        cache_bandwidth=_best(rate for case, rate in memory if case.preset.endswith("-cached")),
        launch_s={
            f"{case.engine}/{case.preset}": _derived(rate, lambda per_s: 1 / per_s, unit="s")
            for case, rate in found.rates("probe_launch")
        },
        transfer={case.preset: rate for case, rate in found.rates("probe_transfer")},
        collective=collective_of(found.times("probe_collective")),
        disk={f"{case.preset}/{_cache(case)}": rate for case, rate in found.rates("probe_disk", any_backend=True)},
        # Without an idle probe the run's own baseline, taken before its first trial.
        idle_power_w=found.best("probe_idle", "power_mean") or found.best("probe_gemm", "power_idle"),
        busy_power_w=found.best("probe_gemm", "power_mean"),
        idle_utilization=_share(found.best("probe_idle", found.utilization)),
        temperature_c=found.best("probe_gemm", "temperature_max"),
        absent=found.absent(),
    )


def accelerator_from_run(run: Run, *, catalogue: Catalogue | None = None) -> ProbedAccelerator:
    """The run's machine as a row of the catalogue with basis ``measured``; raises ``UsageError`` where probes are missing.

    Peaks and bandwidth are those achieved. Of a part that the catalogue knows, only what no probe can measure is kept (form
    factor, TDP, links, price); a dtype that was not probed has no peak.
    """
    card = machine_card(run)
    if not card.peak_flops or card.memory_bandwidth is None:
        lacking = "probe_memory" if card.peak_flops else "probe_gemm"
        raise UsageError(
            message(
                "{path}: {lacking} gave no valid number ({reason}).",
                path=run.path,
                lacking=lacking,
                reason=card.absent.get(lacking, message("not in this run")),
            ),
            message("An accelerator needs its FLOP/s and its bandwidth: aigc-bench run --profile probes"),
        )
    known = (usable_catalogue() if catalogue is None else catalogue).accelerators.get(card.accelerator_id or "")
    bandwidth = card.memory_bandwidth
    link = card.collective.bus_bytes_per_s if card.collective else None
    measured = {
        "id": f"@{card.run}",
        "machine": machine_name(run),
        "backend": card.backend,
        "name": card.name,
        "source": message("probes of run {run}; form, TDP, links and price: {source}", run=card.run, source=known.source)
        if known
        else message("probes of run {run}", run=card.run),
        "as_of": card.as_of,
        "basis": "measured",
        "confidence": _confidence([bandwidth, *card.peak_flops.values()]),
        "note": message("peaks and bandwidth as achieved, not a datasheet's"),
        "peak_flops": {dtype: peak.value for dtype, peak in card.peak_flops.items()},
        "memory_bytes": card.memory_bytes,
        "usable_memory_bytes": card.memory_bytes,
        "memory_bandwidth_bytes_per_s": bandwidth.value,
        "ranges": {
            **{f"peak_flops.{dtype}": (peak.low, peak.high) for dtype, peak in card.peak_flops.items()},
            "memory_bandwidth_bytes_per_s": (bandwidth.low, bandwidth.high),
        },
        **({"idle_w": card.idle_power_w.value, "idle_source": card.idle_power_w.source} if card.idle_power_w else {}),
        **({"scale_up_bytes_per_s": link.value} if link else {}),
    }
    # Measured keys come second and win over the catalogue's.
    kept = known.model_dump() if known else {}
    return ProbedAccelerator.model_validate({**kept, **measured})


def accelerator_at(reference: str, *, catalogue: Catalogue | None = None) -> ProbedAccelerator:
    """The accelerator that ``@RUN`` names; raises ``UsageError`` where it is no run or lacks probes."""
    return accelerator_from_run(run_at(reference), catalogue=catalogue)


def run_at(reference: str) -> Run:
    """The run that ``@RUN`` names, RUN being a run directory: what ``--accelerator @RUN`` takes."""
    return load_run(Path(reference.removeprefix("@")))


def collective_of(times: Iterable[tuple[Case, int, Estimate]]) -> Collective | None:
    """The line through (bytes, seconds of one all-reduce) of the largest number of devices; ``None`` for fewer than two sizes.

    Weighted by 1 / seconds squared, so that every size counts by its relative error; the ends of the interval are the lines
    through all low and all high ends.
    """
    points = list(times)
    # Alpha and beta depend on the number of devices: rings of different lengths are no points of one line.
    devices = max((case.devices for case, _, _ in points), default=0)
    chosen = [(size, time) for case, size, time in points if case.devices == devices]
    if len({size for size, _ in chosen}) < 2:
        return None
    sizes = [size for size, _ in chosen]
    values, lows, highs = ([getattr(time, end) for _, time in chosen] for end in ("value", "low", "high"))
    lines = [_line(sizes, times) for times in (values, lows, highs)]
    reasons = tuple(dict.fromkeys(code for _, time in chosen for code in time.reasons))

    def part(index: int, unit: str) -> Estimate:
        ends = [line[index] for line in lines]
        source = message("step times of probe_collective, {num_sizes} sizes", num_sizes=len(sizes))
        return Estimate(value=ends[0], low=min(ends), high=max(ends), unit=unit, basis="measured", source=source, reasons=reasons)

    return Collective(devices=devices, alpha_s=part(0, "s"), beta_s_per_byte=part(1, "s/B"))


def estimate_of(row: MetricRow) -> Estimate | None:
    """A measured row as an Estimate that keeps its reasons; ``None`` where it has no value or its verdict is invalid."""
    if row.value is None or row.verdict == "invalid":
        return None
    low = row.value * (1 - SINGLE_TRIAL) if row.low is None else row.low
    high = row.value * (1 + SINGLE_TRIAL) if row.high is None else row.high
    return Estimate(
        value=row.value,
        low=min(row.value, max(low, row.value / WIDEST)),
        high=max(row.value, min(high, row.value * WIDEST)),
        # Metrics count items (FLOPs, bytes) per second, the card has units.
        unit={"FLOPs/s": "FLOP/s", "bytes/s": "B/s"}.get(row.unit, row.unit),
        basis="measured",
        source=message("{metric} of {case}", metric=row.metric, case=row.case),
        reasons=row.reasons,
    )


class _Found:
    """A run's probes by case, with the numbers of its rows."""

    def __init__(self, run: Run, rows: Sequence[MetricRow]) -> None:
        self._run = run
        self._rows = {(row.case, row.metric): row for row in rows}
        used = [case.backend for case in run.info.cases if case.workload in PROBES]
        self.backend = next((backend for backend in used if backend != "cpu"), "cpu")
        self.utilization = "cpu_utilization" if self.backend == "cpu" else "accelerator_utilization"

    def cases(self, workload: str, *, any_backend: bool = False) -> list[Case]:
        """The run's cases of one probe on the card's device."""
        return [c for c in self._run.info.cases if c.workload == workload and (any_backend or c.backend == self.backend)]

    def estimate(self, case: Case, metric: str) -> Estimate | None:
        """A number of one case."""
        row = self._rows.get((case.id, metric))
        return None if row is None else estimate_of(row)

    def rates(self, workload: str, *, any_backend: bool = False) -> Iterable[tuple[Case, Estimate]]:
        """Throughput of every case that has one above zero."""
        for case in self.cases(workload, any_backend=any_backend):
            rate = self.estimate(case, "throughput")
            if rate is not None and rate.value > 0:
                yield case, rate

    def best(self, workload: str, metric: str) -> Estimate | None:
        """The highest value of one metric over a probe's cases, ``None`` where no case has it."""
        found = (self.estimate(case, metric) for case in self.cases(workload))
        return _best(value for value in found if value is not None)

    def times(self, workload: str) -> Iterable[tuple[Case, int, Estimate]]:
        """Every case with the items and the seconds of one repeat."""
        for case in self.cases(workload):
            step = self.estimate(case, "step_time")
            if step is not None:
                stage = registry.load("workloads", workload).stages(case)[0]
                # A step repeats the collective; the card is about one.
                yield case, stage.items, _scaled(step, 1 / stage.repeats)

    def absent(self) -> dict[str, str]:
        """Why a probe, or a precision of ``probe_gemm``, gave no number: the reason of its trials, or that the run has none."""
        absent = {}
        for workload in PROBES:
            cases = self.cases(workload, any_backend=workload == "probe_disk")
            absent[workload] = self._why(cases)
            for precision in dict.fromkeys(case.precision for case in cases if workload == "probe_gemm"):
                absent[f"{workload}/{precision}"] = self._why([case for case in cases if case.precision == precision])
        return {name: why for name, why in absent.items() if why is not None}

    def _why(self, cases: Sequence[Case]) -> str | None:
        """Why none of the cases has a throughput, ``None`` where one has."""
        if not cases:
            return message("not probed in this run")
        if any((case.id, "throughput") in self._rows for case in cases):
            return None
        errors = (trial.error for case in cases for trial in self._run.trials_of(case.id))
        return next((error.message for error in errors if error is not None), message("no trial finished"))


def _capacity_bytes(system: System, devices: Sequence[AcceleratorInfo]) -> int:
    """Memory of the device, or of the host within its limit."""
    # A cgroup's limit may lie below the machine's memory, or be absent (None).
    host_bytes = min(filter(None, (system.memory_limit_bytes, system.memory_bytes)))
    return (devices[0].memory_bytes if devices else None) or host_bytes


def _gemm(case: Case, rate: Estimate) -> GemmPoint:
    m, k, n = probe_gemm.shape(case)
    return GemmPoint(case=case.id, m=m, k=k, n=n, precision=case.precision, threads=case.threads, flops_per_s=rate)


def _cache(case: Case) -> str:
    cache: str = probe_disk.workload.options(case).cache
    return cache


def _peaks(points: Iterable[GemmPoint]) -> dict[str, Estimate]:
    """Return the highest rate of each precision over all shapes and thread counts."""
    peaks: dict[str, Estimate] = {}
    for point in points:
        if point.precision not in peaks or point.flops_per_s.value > peaks[point.precision].value:
            peaks[point.precision] = point.flops_per_s
    return peaks


def _best(estimates: Iterable[Estimate]) -> Estimate | None:
    """The highest of some estimates, ``None`` of none."""
    return max(estimates, key=lambda estimate: estimate.value, default=None)


def _share(estimate: Estimate | None) -> Estimate | None:
    """A share whose interval ends at 0 and 1."""
    if estimate is None:
        return None
    return estimate.model_copy(update={"low": max(0.0, estimate.low), "high": max(estimate.value, min(1.0, estimate.high))})


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    """The estimate and its interval times a positive factor."""
    return _derived(estimate, lambda value: value * factor, unit=estimate.unit)


def _derived(estimate: Estimate, change: Callable[[float], float], *, unit: str) -> Estimate:
    """A monotonic function of an estimate, its interval with it."""
    # A falling function (1 / x) exchanges the ends.
    ends = sorted((change(estimate.low), change(estimate.high)))
    return estimate.model_copy(update={"value": change(estimate.value), "low": ends[0], "high": ends[1], "unit": unit})


def _line(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float]:
    """(alpha, beta) in s and s per unit of size: the line of least relative squares among those with neither below 0.

    Weighted least squares with weights 1 / time^2; at a bound the other coefficient is the best one there (a quadratic form of two
    variables has its constrained minimum on the edge that the free one crosses).
    """
    weights = [1 / time**2 for time in times]
    total = sum(weights)
    mean_size = sum(w * x for w, x in zip(weights, sizes, strict=True)) / total
    mean_time = sum(w * y for w, y in zip(weights, times, strict=True)) / total
    spread = sum(w * (x - mean_size) ** 2 for w, x in zip(weights, sizes, strict=True))
    slope = sum(w * (x - mean_size) * (y - mean_time) for w, x, y in zip(weights, sizes, times, strict=True)) / spread
    alpha = mean_time - slope * mean_size
    # A negative latency is noise: then the best line through the origin, which leaves out the constant.
    if alpha < 0:
        return 0.0, sum(w * x * y for w, x, y in zip(weights, sizes, times, strict=True)) / sum(
            w * x**2 for w, x in zip(weights, sizes, strict=True)
        )
    # Times that fall with the size are noise, too: then the best constant. Above 0, since ``bus_bytes_per_s`` divides by it.
    return (alpha, slope) if slope > SMALLEST_SLOPE else (mean_time, SMALLEST_SLOPE)


def _confidence(estimates: Iterable[Estimate]) -> Confidence:
    """``high`` where every figure is valid, ``low`` where one is suspect."""
    return "high" if all(verdict(estimate.reasons) == "valid" for estimate in estimates) else "low"
