"""Metrics of a trial from its sensors: energy, power, utilisation, temperature, clocks, memory. Pure functions over series.

A CPU trial on a machine with accelerators is judged by their sensors too, and its device energy is theirs, said by the note
``device_not_used``: the number is the sensor's, the work was not the device's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from aigc_bench.analyze.energy import Energy, energy_of, idle_power, total
from aigc_bench.analyze.raw_inputs import over, raw
from aigc_bench.analyze.readings import Readings, Series
from aigc_bench.analyze.timing import Quantity, burst_to_sustained
from aigc_bench.core.derivation import Derivation
from aigc_bench.core.messages import message
from aigc_bench.core.records import TrialResult, Window
from aigc_bench.measure.device_names import parents
from aigc_bench.measure.store import Run

_MEANS: Mapping[str, tuple[str, str]] = {
    # metric: (reading, reason where it is missing)
    "accelerator_utilization": ("gpu_utilization", "no_utilization_sensor"),
    "memory_controller_utilization": ("memory_controller_utilization", "no_utilization_sensor"),
    "sm_clock_mean": ("sm_clock_hz", "no_clock_sensor"),
}
_PEAKS: Mapping[str, tuple[str, str]] = {
    "temperature_max": ("temperature_c", "no_temperature_sensor"),
    "power_peak": ("power_w", "no_power_sensor"),
    "memory_device_peak": ("memory_used_bytes", "no_memory_counter"),
}


_OF_WHOLE_GPU = frozenset({"throttle_reasons", "temperature_c", "sm_clock_hz", "memory_clock_hz"})
"""What an instance of MIG shares with its GPU, which alone reports it; power and energy are shared with other instances, too."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A finished trial with everything that its numbers and verdicts are computed from."""

    run: Run
    trial: TrialResult
    readings: Readings
    devices: tuple[str, ...]
    """Return the accelerators to judge: those that the trial used, or all of the machine where it used none."""
    uses_accelerator: bool
    idle_w: Mapping[str, float | None]
    typical_reference_s: float | None
    """Seconds of the run's typical reference kernel (``drift.py``); ``None`` where it was not timed."""

    @property
    def window(self) -> Window:
        """The measured stretch; scenes are made of finished trials only."""
        assert self.trial.window is not None, "a scene needs a finished trial"
        return self.trial.window

    def accelerator(self, device: str, metric: str) -> Series:
        """An accelerator's readings in the window; where a slow sensor gave none, the ones on either side of it.

        Throttle reasons, temperature and clocks of a MIG instance are its GPU's.
        """
        series = self.readings.accelerator(device, metric)
        if not len(series) and metric in _OF_WHOLE_GPU and device in self.parents:
            series = self.readings.accelerator(self.parents[device], metric)
        return self._near(series)

    @cached_property
    def parents(self) -> Mapping[str, str]:
        """The GPU of each instance of MIG, by UUIDs."""
        return parents(self.run.info.system.accelerators)

    def host(self, metric: str, *, device: str = "host") -> Series:
        """The host's or worker's readings in the window, else those on either side."""
        return self._near(self.readings.of_host(metric, device=device))

    def _near(self, series: Series) -> Series:
        inside = series.between(self.window.start_s, self.window.end_s)
        # Slow fields are read every 5 s: a short window may hold no reading of them.
        return inside if len(inside) else series.around(self.window.start_s, self.window.end_s)

    def rise(self, metric: str) -> float | None:
        """How much a cumulative counter of the host rose over the window, from the reading before it to the one after."""
        series = self.readings.of_host(metric).around(self.window.start_s, self.window.end_s)
        return float(series.value[-1] - series.value[0]) if len(series) >= 2 else None

    def energy_of(self, device: str) -> Energy:
        """Energy of one accelerator or CPU package over the window."""
        source = "rapl" if device in self.readings.packages() else None
        counter = self.readings.get("rapl", device, "energy_j") if source else self.readings.accelerator(device, "energy_j")
        # RAPL has counters only.
        power = Series.empty() if source else self.readings.accelerator(device, "power_w")
        return energy_of(counter, power, start_s=self.window.start_s, end_s=self.window.end_s, idle_w=self.idle_w.get(device))

    @cached_property
    def energy(self) -> Energy:
        """Energy of the judged accelerators; of the CPU packages where there are none."""
        return total([self.energy_of(device) for device in self.devices or self.readings.packages()])

    @cached_property
    def host_energy(self) -> Energy:
        """Energy of the CPU packages and their memory."""
        return total([self.energy_of(package) for package in self.readings.packages()])


def scenes(
    run: Run, trials: tuple[TrialResult, ...], *, readings: Readings, typical_reference_s: float | None
) -> tuple[Scene, ...]:
    """One scene for each finished trial."""
    idle_w = idle_powers(run, readings=readings)
    return tuple(
        Scene(
            run=run,
            trial=trial,
            readings=readings,
            devices=_used(trial) or readings.accelerators(),
            uses_accelerator=bool(_used(trial)),
            idle_w=idle_w,
            typical_reference_s=typical_reference_s,
        )
        for trial in trials
        if trial.status == "ok" and trial.window is not None and trial.window.num_steps > 0
    )


def idle_powers(run: Run, *, readings: Readings) -> Mapping[str, float | None]:
    """Idle watts of each accelerator and package, over the run's idle window."""
    window = idle_window(run)
    if window is None:
        return {}
    start_s, end_s = window
    found = {}
    for device in readings.accelerators():
        counter, power = readings.accelerator(device, "energy_j"), readings.accelerator(device, "power_w")
        found[device] = idle_power(counter, power, start_s=start_s, end_s=end_s)
    for package in readings.packages():
        found[package] = idle_power(readings.get("rapl", package, "energy_j"), Series.empty(), start_s=start_s, end_s=end_s)
    return found


def idle_window(run: Run) -> tuple[float, float] | None:
    """The stretch that the run kept idle for its baseline; in a run that marked none, the one before its first trial."""
    if run.info.idle_window_s is not None:
        return run.info.idle_window_s
    return (run.info.created_s, min(trial.started_s for trial in run.trials)) if run.trials else None


def _used(trial: TrialResult) -> tuple[str, ...]:
    return tuple(device for device in trial.devices if device not in ("host", "cpu"))


def sensed(scene: Scene) -> Iterator[Quantity]:
    """Every quantity that follows from sensors and memory counters; one without a sensor is ``None`` with its reason."""
    yield from _energies(scene)
    for metric, (reading, reason) in _MEANS.items():
        yield _over_devices(scene, metric, reading=reading, reason=reason, reduce=_mean_of_means)
    for metric, (reading, reason) in _PEAKS.items():
        yield _over_devices(scene, metric, reading=reading, reason=reason, reduce=_highest)
    yield _burst(scene)
    yield from _memory(scene.trial)
    yield from _host(scene)


def _energies(scene: Scene) -> Iterator[Quantity]:
    energy, host = scene.energy, scene.host_energy
    unused = () if scene.uses_accelerator or not scene.devices else ("device_not_used",)
    work, wall_s = scene.trial.work, scene.window.wall_s
    items = work.items_per_step * scene.window.num_steps if work else 0
    reasons = energy.reasons + unused
    # Gross energy needs no idle baseline.
    gross_reasons = tuple(reason for reason in reasons if reason != "no_idle_baseline")
    values: list[tuple[str, float | None, float, tuple[str, ...]]] = [
        ("energy_gross", energy.gross_j, 1.0, gross_reasons),
        ("energy_net", energy.net_j, 1.0, reasons),
        ("energy_per_item", energy.gross_j, items, gross_reasons),
        ("energy_per_item_net", energy.net_j, items, reasons),
        ("power_mean", energy.gross_j, wall_s, gross_reasons),
    ]
    for metric, joules, divisor, why in values:
        value = None if joules is None or divisor <= 0 else joules / divisor
        how = None if joules is None else _of_energy(metric, energy, divisor=divisor, wall_s=wall_s)
        yield Quantity(metric=metric, value=value, reasons=why, derivation=how)
    idle_reasons = () if energy.idle_w is not None else ("no_power_sensor" if energy.gross_j is None else "no_idle_baseline",)
    yield Quantity(metric="power_idle", value=energy.idle_w, reasons=idle_reasons)
    host_reasons = tuple(reason for reason in host.reasons if reason != "no_idle_baseline")
    blind = () if scene.readings.packages() else ("no_cpu_energy_counter",)
    yield Quantity(metric="energy_host", value=host.gross_j, reasons=blind or host_reasons)


def _of_energy(metric: str, energy: Energy, *, divisor: float, wall_s: float) -> Derivation:
    """Return what an energy or a mean power of the window was computed from."""
    way = message("{source} over {num_samples} readings", source=energy.source, num_samples=energy.num_samples)
    gross = raw(message("energy of the window, all devices"), energy.gross_j or 0.0, "J", source=way)
    wall = raw(message("wall time of the window"), wall_s, "s")
    if metric == "power_mean":
        return over("{0} / {1}", gross, wall)
    if metric == "energy_gross":
        return over("{0}", gross)
    items = raw(message("items of the window"), divisor, "items")
    if metric == "energy_per_item" or energy.idle_w is None:
        return over("{0} / {1}", gross, items)
    idle = raw(message("idle power"), energy.idle_w, "W", source=message("recorded before the first trial"))
    if metric == "energy_net":
        return over("{0} - {1} * {2}", gross, idle, wall)
    return over("({0} - {1} * {2}) / {3}", gross, idle, wall, items)


def _over_devices(scene: Scene, metric: str, *, reading: str, reason: str, reduce: Callable[[list[Series]], float]) -> Quantity:
    if not scene.devices:
        missing = "no_power_sensor" if metric == "power_peak" else "no_accelerator"
        return Quantity(metric=metric, value=None, n=0, reasons=(missing,))
    series = [scene.accelerator(device, reading) for device in scene.devices]
    if any(len(one) == 0 for one in series):
        return Quantity(metric=metric, value=None, n=0, reasons=(reason,))
    unused = () if scene.uses_accelerator else ("device_not_used",)
    return Quantity(metric=metric, value=reduce(series), n=min(len(one) for one in series), reasons=unused)


def _mean_of_means(series: list[Series]) -> float:
    return sum(float(one.value.mean()) for one in series) / len(series)


def _highest(series: list[Series]) -> float:
    return max(float(one.value.max()) for one in series)


def _burst(scene: Scene) -> Quantity:
    if not scene.uses_accelerator:
        return Quantity(metric="burst_to_sustained", value=None, reasons=("no_temperature_sensor",))
    temperatures = [scene.accelerator(device, "temperature_c") for device in scene.devices]
    # The hottest device decides whether all are steady.
    hottest = max(temperatures, key=lambda series: float(series.value.max()) if len(series) else 0.0)
    return burst_to_sustained(scene.trial, hottest)


def _memory(trial: TrialResult) -> Iterator[Quantity]:
    memory = trial.memory
    values = (
        ("memory_allocated_peak", memory.allocated_bytes if memory else None),
        ("memory_reserved_peak", memory.reserved_bytes if memory else None),
        ("memory_host_peak", memory.host_peak_bytes if memory else None),
    )
    for metric, value in values:
        yield Quantity(metric=metric, value=value, reasons=() if value is not None else ("no_memory_counter",))


def _host(scene: Scene) -> Iterator[Quantity]:
    machine = scene.host("cpu_utilization")
    if len(machine):
        yield Quantity(metric="cpu_utilization", value=float(machine.value.mean()), n=len(machine))
    else:
        yield Quantity(metric="cpu_utilization", value=None, n=0, reasons=("no_host_sensor",))
    yield Quantity(
        metric="worker_cpu_utilization",
        value=worker_cores(scene),
        reasons=() if worker_cores(scene) is not None else ("no_host_sensor",),
    )


def others_share(scene: Scene) -> float | None:
    """Return the share of the usable cores' time that other programs used in the window; ``None`` where the host was not read.

    A worker's own time is rank 0's; its other ranks do the same work and are taken to need as much.
    """
    busy, own = scene.host("cpu_utilization").value, worker_cores(scene)
    if not busy.size or own is None:
        return None
    replicas = scene.trial.work.replicas if scene.trial.work else 1
    # The two are read at different moments, so that an idle machine may come out below zero.
    return max(0.0, float(busy.mean()) - own * replicas / _counted_cores(scene))


def _counted_cores(scene: Scene) -> float:
    """Return the cores that the host's CPU utilisation is a share of: all that the process may run on, quota or not."""
    system = scene.run.info.system
    # Utilisation is over the cores of the mask, whereas usable cores may be a quota's.
    is_quota = system.details.get("cgroup_cpu_limit") == system.num_usable_cores
    return system.num_cores if is_quota else system.num_usable_cores


def worker_cores(scene: Scene) -> float | None:
    """Cores the worker kept busy: its own CPU time and its data loader's over the window, else the sampler's view of it."""
    cpu_s = scene.trial.host.cpu_s if scene.trial.host else None
    if cpu_s is not None:
        loader_s = scene.trial.pipeline.workers_cpu_s if scene.trial.pipeline else None
        return (cpu_s + (loader_s or 0.0)) / scene.window.wall_s
    seen = scene.host("cpu_utilization", device="worker")
    return float(seen.value.mean()) if len(seen) else None
