"""The one registry of metrics: id, name, unit, formula, what n means, source. A number printed anywhere is one of these.

Same word, same formula: TPOT here leaves the first token out, ITL counts tokens and not chunks, throughput divides all the items of
the window by the wall time of the window, and MFU divides by the dense peak of the dtype.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from aigc_bench.analyze.metric import TRIALS, Metric
from aigc_bench.analyze.model_metrics import MODEL_METRICS
from aigc_bench.analyze.pipeline_metrics import PIPELINE_METRICS
from aigc_bench.analyze.quality_metrics import QUALITY_METRICS
from aigc_bench.analyze.serving_metrics import serving_metrics
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.messages import filled, message

STEPS = message("fewest steps of any trial")
REPEATS = message("fewest stage repeats of any trial")
READINGS = message("fewest sensor readings in the window of any trial")

PERCENTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


def _percentiles(family: str, *, name: str, of: str, source: str, labels: Iterable[str]) -> list[Metric]:
    return [
        Metric(
            id=f"{family}_{label}",
            name=message("{name} {label}", name=name, label=label),
            unit="s",
            formula=message("{label} over the window's {of}", label=label, of=of),
            n_means=STEPS,
            source=source,
            kind="latency",
            better="lower",
            # Tails vary more from run to run, and every test costs the others power.
            is_compared=(family, label) == ("latency", "p50"),
        )
        for label in labels
    ]


_STEP = message("steps of the time from a step's first event to its last")
_REQUEST = message("requests (one step each) of the time from a request's start to its last item")

_SPEED = [
    Metric(
        id="throughput",
        name=message("Throughput"),
        unit="{item}s/s",
        formula=message("items finished in the window / wall time of the window"),
        kind="speed",
        better="higher",
        is_compared=True,
    ),
    Metric(
        id="throughput_useful",
        name=message("Useful throughput"),
        unit="{item}s/s",
        formula=message("throughput x share of items that are not padding"),
        kind="speed",
        better="higher",
    ),
    Metric(
        id="throughput_drift_corrected",
        name=message("Throughput, corrected for drift"),
        unit="{item}s/s",
        formula=message("throughput x time of the reference kernel around the window / its median in the run; CPU cases"),
        source="aigc_bench/measure/reference.py",
        kind="speed",
        better="higher",
    ),
    Metric(
        id="flops_rate",
        name="Achieved FLOP/s",
        unit="FLOP/s",
        formula=message("counted FLOPs of a step x steps / wall time of the window"),
        source="torch.utils.flop_counter",
        kind="speed",
        better="higher",
    ),
    Metric(
        id="mfu",
        name="MFU",
        unit="fraction",
        formula=message("achieved FLOP/s / (devices x dense peak FLOP/s of the dtype); of a CPU threads x clock x FLOPs a cycle"),
        source=message("Chowdhery et al. 2022 (PaLM), appendix B"),
        kind="speed",
        better="higher",
    ),
    Metric(
        id="mbu",
        name="MBU",
        unit="fraction",
        formula=message(
            "parameter bytes / median decode time / (devices x peak memory bandwidth); without the KV cache, so a lower bound"
        ),
        source=message("Databricks 2023, LLM inference performance engineering"),
        kind="speed",
        better="higher",
    ),
    Metric(
        id="burst_to_sustained",
        name=message("Burst over sustained"),
        unit="ratio",
        formula=message(
            "step rate of the first 5 s after warm-up / step rate of the window's last half, once |dT/dt| <= 1 C per 30 s"
        ),
        kind="speed",
    ),
]

_LATENCY = [
    Metric(
        id="step_time",
        name=message("Step time"),
        unit="s",
        formula=message("median over the window's {step}", step=_STEP),
        n_means=STEPS,
        kind="latency",
        better="lower",
        is_compared=True,
    ),
    *_percentiles("step_time", name=message("Step time"), of=_STEP, source="aigc-bench", labels=("p90", "p95", "p99", "p99.9")),
    *_percentiles(
        "latency", name=message("End-to-end latency"), of=_REQUEST, source=message("MLPerf Inference rules"), labels=PERCENTILES
    ),
    Metric(
        id="ttft",
        name="TTFT",
        unit="s",
        formula=message("median over requests of (moment of the first token - start of the request)"),
        n_means=STEPS,
        source=message("MLPerf Inference v4.0, server scenario"),
        kind="latency",
        better="lower",
        is_compared=True,
    ),
    Metric(
        id="tpot",
        name="TPOT",
        unit="s",
        formula=message("median over requests of (end of the request - its first token) / further tokens of a sequence"),
        n_means=STEPS,
        source=message("MLPerf Inference v4.0; aiperf; vLLM benchmark_serving"),
        kind="latency",
        better="lower",
        is_compared=True,
    ),
    *(
        Metric(
            id=f"itl_{label}",
            name=f"ITL {label}",
            unit="s",
            formula=message("{label} over decode repeats of a repeat's time / tokens of a sequence that it made", label=label),
            n_means=REPEATS,
            source=message("aiperf; vLLM benchmark_serving"),
            kind="latency",
            better="lower",
        )
        for label in ("p50", "p99")
    ),
    Metric(
        id="rtf",
        name="RTF",
        unit="s/audio-second",
        formula=message(
            "wall time of the window / steps / seconds of audio of one sequence of the batch; below 1 keeps up with a listener"
        ),
        source=message("the inverse of RTFx (Open ASR Leaderboard, Srivastav et al. 2025, arXiv 2510.06961) at batch 1"),
        kind="latency",
        better="lower",
    ),
    Metric(
        id="denoising_step_time",
        name=message("Denoising step time"),
        unit="s",
        formula=message("median over denoise repeats of a repeat's time"),
        n_means=REPEATS,
        kind="latency",
        better="lower",
        is_compared=True,
    ),
    Metric(
        id="stage_time",
        name=message("Time in {stage}"),
        unit="s",
        formula=message("median over steps of the sum of the stage's repeats in a step"),
        n_means=STEPS,
        kind="latency",
        better="lower",
    ),
    Metric(
        id="time_to_ready",
        name=message("Time to ready"),
        unit="s",
        formula=message(
            "sum of a trial's start, import, build and first-step (compile) times before its warm-up; in no other metric"
        ),
        kind="spread",
        better="lower",
    ),
]

_SHARES = [
    Metric(
        id="stage_share",
        name=message("Share of {stage}"),
        unit="fraction",
        formula=message("time in the stage / time in all stages, over the window"),
        n_means=STEPS,
        kind="share",
    ),
    Metric(
        id="launch_gap",
        name=message("Launch gap"),
        unit="fraction",
        formula=message("1 - sum of the steps' device times / wall time of the window"),
        kind="share",
        better="lower",
    ),
    Metric(
        id="useful_fraction",
        name=message("Useful share of items"),
        unit="fraction",
        formula=message("items that are not padding / items computed"),
        kind="share",
        better="higher",
    ),
    Metric(
        id="trial_cv",
        name=message("Trial CV"),
        unit="fraction",
        formula=message("sample standard deviation of the trials' median step times / their mean"),
        kind="spread",
        better="lower",
    ),
]

_MEMORY = [
    Metric(
        id="memory_allocated_peak",
        name=message("Peak memory allocated"),
        unit="B",
        formula=message("peak bytes in tensors since the end of warm-up"),
        source="torch.cuda.max_memory_allocated",
        kind="memory",
        better="lower",
    ),
    Metric(
        id="memory_reserved_peak",
        name=message("Peak memory reserved"),
        unit="B",
        formula=message("peak bytes held by the caching allocator since the end of warm-up"),
        source="torch.cuda.max_memory_reserved",
        kind="memory",
        better="lower",
    ),
    Metric(
        id="memory_device_peak",
        name=message("Peak memory of the device"),
        unit="B",
        formula=message("largest reading of memory used in the window, of the fullest device, all processes"),
        n_means=READINGS,
        source="nvmlDeviceGetMemoryInfo",
        kind="memory",
        better="lower",
    ),
    Metric(
        id="memory_host_peak",
        name=message("Peak memory of the host process"),
        unit="B",
        formula=message("high-water mark of the worker's resident set (VmHWM), read by the worker itself"),
        source="proc(5)",
        kind="memory",
        better="lower",
    ),
    Metric(
        id="p_fits",
        name=message("Probability of fitting in memory"),
        unit="fraction",
        formula=message("probability that the predicted peak is within what the device or host offers; predicted, never measured"),
        kind="memory",
        better="higher",
    ),
]

_ENERGY = [
    Metric(
        id="energy_gross",
        name=message("Energy, gross"),
        unit="J",
        formula=message("rise of the energy counter between the window's edges, else the integral of power; summed over devices"),
        source=message("nvmlDeviceGetTotalEnergyConsumption; powercap RAPL"),
        kind="energy",
    ),
    Metric(
        id="energy_net",
        name=message("Energy, net"),
        unit="J",
        formula=message("energy_gross - idle power x wall time of the window"),
        kind="energy",
    ),
    Metric(
        id="energy_per_item",
        name=message("Energy per {item}"),
        unit="J/{item}",
        formula=message("energy_gross / items finished in the window"),
        kind="energy",
        better="lower",
        is_compared=True,
    ),
    Metric(
        id="energy_per_item_net",
        name=message("Net energy per {item}"),
        unit="J/{item}",
        formula=message("energy_net / items finished in the window"),
        kind="energy",
        better="lower",
    ),
    Metric(
        id="energy_host",
        name=message("Energy of the CPU packages"),
        unit="J",
        source=message("powercap RAPL"),
        kind="energy",
        formula=message("rise of the package energy counters between the window's edges, summed"),
    ),
    Metric(
        id="power_mean",
        name=message("Mean power"),
        unit="W",
        formula=message("energy_gross / wall time of the window"),
        kind="energy",
    ),
    Metric(
        id="power_peak",
        name=message("Peak power"),
        unit="W",
        formula=message("largest power reading of any one device in the window"),
        n_means=READINGS,
        source="NVML_FI_DEV_POWER_INSTANT",
        kind="energy",
    ),
    Metric(
        id="power_idle",
        name=message("Idle power"),
        unit="W",
        formula=message("mean power over the run's idle window, before its first trial; summed over devices"),
        kind="energy",
    ),
]

_USE = [
    Metric(
        id="accelerator_utilization",
        name=message("Accelerator utilisation"),
        unit="fraction",
        formula=message("mean over the window of the share of time in which a kernel ran; mean over devices"),
        n_means=READINGS,
        source="nvmlDeviceGetUtilizationRates",
        kind="use",
    ),
    Metric(
        id="memory_controller_utilization",
        name=message("Memory-controller utilisation"),
        unit="fraction",
        formula=message("mean over the window of the share of time in which device memory was read or written; mean over devices"),
        n_means=READINGS,
        source="nvmlDeviceGetUtilizationRates",
        kind="use",
    ),
    Metric(
        id="temperature_max",
        name=message("Highest temperature"),
        unit="C",
        formula=message("largest reading of any one device in the window"),
        n_means=READINGS,
        source="nvmlDeviceGetTemperature",
        kind="use",
    ),
    Metric(
        id="sm_clock_mean",
        name=message("Mean SM clock"),
        unit="Hz",
        formula=message("mean over the window; mean over devices"),
        n_means=READINGS,
        source="nvmlDeviceGetClockInfo",
        kind="use",
    ),
    Metric(
        id="cpu_utilization",
        name=message("CPU utilisation of the machine"),
        unit="fraction",
        formula=message("mean over the window of busy time / time of the usable cores"),
        n_means=READINGS,
        source="/proc/stat",
        kind="use",
    ),
    Metric(
        id="worker_cpu_utilization",
        name=message("CPU cores used by the worker"),
        unit="cores",
        formula=message("CPU time of the worker and its data loader's processes in the window / wall time of the window"),
        source="getrusage(2)",
        kind="use",
    ),
]

_SERVING = [
    Metric(id=name, name=title, unit=unit, formula=formula, n_means="requests", kind=kind, better=better)
    for name, title, unit, formula, kind, better in serving_metrics()
]

_QUALITY = [
    Metric(id=name, name=title, unit=unit, formula=formula, source="aigc_bench/measure/quality.py", kind="quality")
    for name, title, unit, formula in QUALITY_METRICS
]
_PIPELINE = [Metric(**row._asdict(), n_means=STEPS if row.kind == "share" else TRIALS) for row in PIPELINE_METRICS]
_MODEL = [Metric(**row._asdict()) for row in MODEL_METRICS]
_EVERY = (*_SPEED, *_LATENCY, *_SHARES, *_PIPELINE, *_MEMORY, *_MODEL, *_ENERGY, *_USE, *_SERVING, *_QUALITY)
METRICS: Mapping[str, Metric] = {metric.id: metric for metric in _EVERY}
"""id -> metric, in the order in which they are printed. ``stage_time`` and ``stage_share`` are families: ``stage_time.decode``."""


def metric_of(metric_id: str, *, item: str = "item") -> Metric:
    """The metric of that id with its stage and item filled in; raises ``UnknownNameError``."""
    family, _, stage = metric_id.partition(".") if metric_id.startswith(("stage_time.", "stage_share.")) else (metric_id, "", "")
    if family not in METRICS:
        raise UnknownNameError("metric", metric_id, known=METRICS)
    found = METRICS[family]
    return replace(
        found,
        id=metric_id,
        name=filled(found.name, stage=stage or message("a stage"), item=item),
        unit=found.unit.replace("{item}", item),
    )
