"""The single list of reason codes: severity, the metrics concerned, meaning and remedy of each.

An ``invalid`` reason makes the numbers it concerns unusable, a ``suspect`` one uncertain; a ``note`` informs, and an ``absent`` one
states why a value is missing. Neither of the last two lowers a verdict. ``docs/method.md`` is checked against this list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from aigc_bench.analyze.metric import Kind, Metric
from aigc_bench.core.messages import joined, message
from aigc_bench.core.records import Verdict

Severity = Literal["invalid", "suspect", "note", "absent"]

_SPEED: tuple[Kind, ...] = ("speed", "latency", "share")
_DEVICE: tuple[Kind, ...] = (*_SPEED, "energy", "use")
_ENERGY: tuple[Kind, ...] = ("energy",)
_ALL: tuple[Kind, ...] = (*_DEVICE, "memory", "spread", "quality")


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason code: its severity, the kinds of metric it concerns, its meaning and its remedy."""

    code: str
    severity: Severity
    concerns: tuple[Kind, ...]
    meaning: str
    remedy: str


def _reason(code: str, severity: Severity, concerns: tuple[Kind, ...], meaning: str, remedy: str) -> Reason:
    return Reason(code=code, severity=severity, concerns=concerns, meaning=meaning, remedy=remedy)


_COOL = message("Improve airflow or lower the inlet temperature, let the device cool, run again.")
_QUIET = message("Stop the other work on this machine, or measure on a dedicated machine.")
_LONGER = message("Use --level default or rigorous.")
_SENSOR = message("See `aigc-bench doctor` for what the sensor needs.")

_LIST = (
    _reason(
        "throttled", "invalid", _DEVICE, message("heat or a hardware brake slowed a device in more than 1 % of the window"), _COOL
    ),
    _reason(
        "power_capped",
        "note",
        _DEVICE,
        message("the power limit held the clock down in more than 1 % of the window"),
        message("Normal at full load; compare the power limit with its default."),
    ),
    _reason(
        "throttle_unknown",
        "suspect",
        _SPEED,
        message("the device used does not report throttle reasons, so a throttled trial would look healthy"),
        _SENSOR,
    ),
    _reason(
        "warmup_not_converged",
        "suspect",
        _DEVICE,
        message("the step time was not steady when the warm-up reached its cap"),
        _LONGER,
    ),
    _reason(
        "host_bound",
        "suspect",
        _SPEED,
        message(
            "no step was under way in more than 5 % of the window, "
            "or the device waited at most launches: the host is the bottleneck"
        ),
        message("Use a larger batch, torch-compile, or a faster CPU."),
    ),
    _reason(
        "cuda_graphs_skipped",
        "suspect",
        _SPEED,
        message("some parts could not be captured as CUDA graphs and ran as plain compiled code"),
        message("See logs/workers.log for why; compare with the engine torch-compile."),
    ),
    _reason(
        "compiled_in_window",
        "suspect",
        _SPEED,
        message("a part of the model was compiled again within the window"),
        message("Fix the shapes of the model's inputs; see logs/workers.log."),
    ),
    _reason(
        "graph_breaks",
        "note",
        _SPEED,
        message("the compiler split the model where it could not follow it; the parts between run eagerly"),
        message("The trial's `environment` has the number and the first cause."),
    ),
    _reason("short_window", "suspect", _SPEED, message("the window has fewer than 5 steps or lasts under 0.9 s"), _LONGER),
    _reason(
        "window_not_converged", "note", _SPEED, message("the window reached its cap before the mean was known to 1 %"), _LONGER
    ),
    _reason(
        "wrong_result",
        "invalid",
        _ALL,
        message(
            "outputs, greedy tokens or images differ from the fp32 reference by more than the precision explains,"
            " or the training loss did not fall on a repeated batch"
        ),
        message("Look at the case's quality numbers; try engine torch-eager, another precision or another version of the library."),
    ),
    _reason(
        "quality_unknown",
        "note",
        ("quality",),
        message("the correctness check of the case could not be made"),
        message("See the reason in the report's section on correctness."),
    ),
    _reason(
        "check_failed",
        "suspect",
        _ALL,
        message("the workload's own check of its output failed (not finite, or out of range)"),
        message("Look at the case's check values; try another precision."),
    ),
    _reason(
        "above_peak",
        "invalid",
        _SPEED,
        message("more than the dense peak: the FLOP count, the peak or the clock is wrong"),
        message("Report it with the run directory."),
    ),
    _reason(
        "clock_assumed",
        "note",
        ("speed",),
        message(
            "the kernel states no highest clock of this processor: its dense peak assumes 4.2 GHz, so the true MFU may be higher"
        ),
        message("Measure on the machine itself, not in a virtual machine, where cpufreq states the clock."),
    ),
    _reason(
        "energy_sources_disagree",
        "suspect",
        _ENERGY,
        message("energy counter and integrated power differ by more than 5 %"),
        message("Measure longer; distrust the device's power sensor."),
    ),
    _reason(
        "energy_sources_differ",
        "note",
        _ENERGY,
        message("energy counter and integrated power differ by more than 2 %"),
        message("Measure longer."),
    ),
    _reason(
        "energy_estimated",
        "suspect",
        _ENERGY,
        message("the window is shorter than 10 s, about 100 refreshes of the energy counter"),
        _LONGER,
    ),
    _reason(
        "energy_undersampled",
        "suspect",
        _ENERGY,
        message("the load changed faster than power was sampled: the integral's standard error is above 1 %"),
        _LONGER,
    ),
    _reason(
        "counter_reset",
        "suspect",
        _ENERGY,
        message(
            "the energy counter fell without a known wrap: the missing part is interpolated, "
            "one that falls all the time is not used"
        ),
        message("Run again; the driver may have been reloaded."),
    ),
    _reason(
        "sensor_in_phase",
        "suspect",
        _ENERGY,
        message("the step period is near a multiple of the power sensor's, so samples may all see the same part of a step"),
        message("Change the batch size a little, or use a device with an energy counter."),
    ),
    _reason(
        "device_not_used",
        "note",
        ("energy", "use"),
        message("the sensors are of an accelerator that this case did not use"),
        message("Compare it with a case that does."),
    ),
    _reason(
        "clock_varied",
        "note",
        _SPEED,
        message("the SM clock varied by more than 10 % within the window"),
        message("Lock the clocks (nvidia-smi -lgc) for repeatable numbers."),
    ),
    _reason(
        "preflight_failed",
        "suspect",
        _DEVICE,
        message("before the first trial a device was throttled by heat or a power brake, or reported uncorrected memory errors"),
        message("See the report's health check and `aigc-bench doctor`."),
    ),
    _reason("foreign_process", "suspect", _DEVICE, message("another process computed on the device during the window"), _QUIET),
    _reason("busy_host", "suspect", _SPEED, message("other processes used more than 10 % of the CPU during the window"), _QUIET),
    _reason(
        "noisy_host",
        "suspect",
        _SPEED,
        message("more tasks were runnable than the machine has cores, or the reference kernel's p90 lay 10 % above its median"),
        _QUIET,
    ),
    _reason(
        "reference_shifted",
        "suspect",
        _SPEED,
        message(
            "the reference kernel ran over 5 % slower around this window than around the run's typical one: the machine was slower"
        ),
        joined(" ", (_QUIET, message("Compare `throughput_drift_corrected`."))),
    ),
    _reason(
        "waited_for_core",
        "suspect",
        _SPEED,
        message("the worker's threads were runnable without a core for more than 5 % of the window, summed over threads"),
        joined(" ", (_QUIET, message("Set fewer `threads` if other work must continue."))),
    ),
    _reason(
        "steal",
        "suspect",
        _SPEED,
        message("the hypervisor gave more than 1 % of the CPU time to other virtual machines"),
        message("Use a dedicated host."),
    ),
    _reason(
        "cgroup_throttled",
        "suspect",
        _SPEED,
        message("the container's CPU limit stopped the worker for more than 1 % of the window"),
        message("Raise the CPU limit or set fewer threads."),
    ),
    _reason(
        "swapping",
        "suspect",
        _SPEED,
        message("the machine swapped more than 1 MiB during the window"),
        message("Use a smaller case or more memory."),
    ),
    _reason(
        "unstable",
        "suspect",
        ("speed", "latency", "energy"),
        message("the trials' CV is above 5 %"),
        joined(" ", (message("See the reasons about the host."), _LONGER)),
    ),
    _reason(
        "few_trials",
        "suspect",
        ("speed", "latency", "energy"),
        message("fewer than 3 trials finished, so the spread is uncertain"),
        message("Finish the run with --resume."),
    ),
    _reason("trials_failed", "suspect", _ALL, message("some trials of the case failed"), message("See the case's errors.")),
    _reason(
        "telemetry_lost",
        "suspect",
        ("energy", "use"),
        message("the sampler lost more than 1 % of its samples, or was killed and started again"),
        message("Leave a core to the sampler."),
    ),
    _reason(
        "no_telemetry", "note", _DEVICE, message("no sensor was read during the window, so its conditions are unknown"), _SENSOR
    ),
    _reason(
        "n_too_small",
        "absent",
        _ALL,
        message("too few values for this percentile: p90 needs 10, p99 needs 100, p99.9 needs 1000"),
        _LONGER,
    ),
    _reason(
        "peak_unknown",
        "absent",
        _SPEED,
        message("the dense peak or the bandwidth of this device and dtype is unknown"),
        message("Name the device's catalogue row, or add one."),
    ),
    _reason(
        "flops_not_counted", "absent", _SPEED, message("the FLOPs of a step were not counted"), message("See the case's notes.")
    ),
    _reason(
        "bytes_unknown",
        "absent",
        _SPEED,
        message("the bytes that a decode step reads are unknown"),
        message("Not available for mixture-of-experts models."),
    ),
    _reason(
        "window_too_short",
        "absent",
        _SPEED,
        message("burst over sustained needs a window of 15 s"),
        message("Use --level rigorous."),
    ),
    _reason(
        "temperature_not_steady",
        "absent",
        _SPEED,
        message("the device still warmed by more than 1 C per 30 s"),
        message("Use --level rigorous."),
    ),
    _reason("no_accelerator", "absent", _ALL, message("no accelerator was read in this run"), _SENSOR),
    _reason("no_power_sensor", "absent", _ENERGY, message("no sensor of this machine reports power or energy"), _SENSOR),
    _reason("no_energy_counter", "absent", _ENERGY, message("the device has no total-energy counter"), _SENSOR),
    _reason("no_cpu_energy_counter", "absent", _ENERGY, message("the kernel offers no RAPL counter"), _SENSOR),
    _reason("counter_frozen", "absent", _ENERGY, message("the energy counter never moved"), _SENSOR),
    _reason(
        "energy_not_bracketed",
        "absent",
        _ENERGY,
        message("no reading before the window's start or after its end"),
        message("Run again; the sampler started late or died."),
    ),
    _reason("few_power_samples", "absent", _ENERGY, message("fewer than 20 power samples in the window"), _LONGER),
    _reason(
        "power_samples_missing",
        "absent",
        _ENERGY,
        message("a gap of more than 3 periods and 0.3 s between power samples"),
        message("Leave a core to the sampler."),
    ),
    _reason(
        "no_idle_baseline",
        "absent",
        _ENERGY,
        message("idle power was not read for a second before the first trial"),
        message("Leave the machine idle before the run."),
    ),
    _reason("no_utilization_sensor", "absent", ("use",), message("the device does not report its utilisation"), _SENSOR),
    _reason("no_clock_sensor", "absent", ("use",), message("the device does not report its clock"), _SENSOR),
    _reason("no_temperature_sensor", "absent", ("use", "speed"), message("no temperature was read"), _SENSOR),
    _reason(
        "no_memory_counter", "absent", ("memory",), message("this kind of device has no such counter"), message("None needed.")
    ),
    _reason("no_host_sensor", "absent", ("use",), message("the host's CPU time was not read"), _SENSOR),
)

REASONS: Mapping[str, Reason] = {reason.code: reason for reason in _LIST}
_SEVERITIES = ("invalid", "suspect", "note", "absent")
_RANK = {reason.code: (_SEVERITIES.index(reason.severity), index) for index, reason in enumerate(_LIST)}


def ordered(codes: Iterable[str]) -> tuple[str, ...]:
    """The codes once each, worst severity first, then in the order of ``REASONS``."""
    return tuple(sorted(set(codes), key=_RANK.__getitem__))


def verdict(codes: Iterable[str]) -> Verdict:
    """``invalid`` or ``suspect`` where one of the codes is, else ``valid``."""
    severities = {REASONS[code].severity for code in codes}
    if "invalid" in severities:
        return "invalid"
    return "suspect" if "suspect" in severities else "valid"


def concerning(codes: Iterable[str], *, metric: Metric) -> tuple[str, ...]:
    """Those of the codes that concern a metric."""
    return tuple(code for code in codes if metric.kind in REASONS[code].concerns)
