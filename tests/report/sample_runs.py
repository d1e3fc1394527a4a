"""Runs that look like real ones: six families in training and inference, with failures, a throttled case and telemetry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from aigc_bench.core.records import Case, Failure, Memory, TrialResult
from aigc_bench.measure.store import Run
from tests.analyze.synthetic import GPU, Signal, make_case, make_run, make_system

FAMILIES: Mapping[str, tuple[str, float, float]] = {
    "gpt": ("gpt2-124m", 0.24, 1.10),
    "bert": ("base", 0.09, 0.52),
    "transformer": ("base", 0.31, 0.44),
    "dcgan": ("64", 0.012, 0.11),
    "vae": ("mlp-784-400-20", 0.0013, 0.0047),
    "latent_diffusion": ("sd-1.5", 4.30, 9.80),
}
"""family -> preset, seconds of an inference step, seconds of a training step."""
OOM_CASE = "latent_diffusion/sd-1.5/train/fp32/b1"
ERROR_CASE = "dcgan/64/train/fp32/b16"
TRACE = """Traceback (most recent call last):
  File "worker.py", line 88, in run
    program.stages[stage](repeat)
  File "graph.py", line 12, in lower
    raise InductorError("<script>alert('x')</script> & a shape it cannot lower")"""


def cases(backend: str = "cpu") -> list[Case]:
    """Twelve cases: every family in inference and training."""
    batch = {"bert": 8, "dcgan": 16, "vae": 128}
    return [
        make_case(workload=family, preset=preset, mode=mode, batch_size=batch.get(family, 1), backend=backend)
        for family, (preset, _, _) in FAMILIES.items()
        for mode in ("infer", "train")
    ]


def step_s(case: Case, trial: int) -> float:
    """A plausible step time, a little different in each trial."""
    _, infer_s, train_s = FAMILIES[case.workload]
    return (infer_s if case.mode == "infer" else train_s) * (1 + 0.006 * math.sin(7 * trial + len(case.id)))


def with_reasons(trial: TrialResult) -> TrialResult:
    """Memory that differs from case to case, and the failures' own words."""
    if trial.memory is not None:
        size = 2**20 * (180 + 37 * (sum(map(ord, trial.case)) % 90))
        memory = Memory(host_peak_bytes=size, allocated_bytes=size // 2 if trial.devices != ("host",) else None)
        return trial.model_copy(update={"memory": memory})
    kind, message = ("OutOfMemoryError", "needed 15.1 GiB, 7.8 GiB were free")
    if trial.case == ERROR_CASE:
        kind, message = ("InductorError", "<script>alert('x')</script> & a shape it cannot lower")
    return trial.model_copy(update={"error": Failure(kind=kind, message=message, detail=TRACE)})


FAILURES = {(case, trial): status for case, status in ((OOM_CASE, "oom"), (ERROR_CASE, "error")) for trial in range(3)}


def host_signals() -> dict[tuple[str, str, str], Signal]:
    """CPU utilisation of machine and worker, and the worker's memory."""
    return {
        ("host", "host", "cpu_utilization"): lambda t: 0.53 + 0.02 * math.sin(t / 3) + 0.01 * math.sin(13 * t),
        ("host", "worker", "cpu_utilization"): lambda t: 1.0 + 0.02 * math.sin(t / 3),
        ("host", "worker", "rss_bytes"): lambda t: 2**20 * (700 + 400 * (1 - math.exp(-(t % 6)))),
    }


def gpu_signals() -> dict[tuple[str, str, str], Signal]:
    """One device: utilisation, power, energy counter, temperature, clock, throttling for a stretch of the run."""
    return {
        ("nvml", GPU, "power_w"): lambda t: 90.0 if t < 6 else 520 + 60 * math.sin(t),
        ("nvml", GPU, "energy_j"): lambda t: 90.0 * min(t, 6) + (520 * (t - 6) - 60 * (math.cos(t) - math.cos(6)) if t > 6 else 0),
        ("nvml", GPU, "gpu_utilization"): lambda t: 0.02 if t < 6 else 0.95 + 0.04 * math.sin(3 * t),
        ("nvml", GPU, "temperature_c"): lambda t: 34 + 38 * (1 - math.exp(-t / 20)),
        ("nvml", GPU, "sm_clock_hz"): lambda t: 345e6 if t < 6 else 1.98e9 - (3e8 if 20 < t < 26 else 0),
        ("nvml", GPU, "memory_used_bytes"): lambda t: 2**30 * (1 if t < 6 else 22 + 4 * math.sin(t / 5)),
        ("nvml", GPU, "throttle_reasons"): lambda t: 64.0 if 20 < t < 26 else 0.0,
    }


def cpu_run(folder: Path, *, num_steps: int = 24) -> Run:
    """A CPU run with host sensors, one case out of memory and one that raised."""
    return make_run(
        folder,
        cases=cases(),
        step_s=step_s,
        num_steps=num_steps,
        noise=0.02,
        telemetry=host_signals(),
        period_s=0.2,
        failures=FAILURES,
        change=with_reasons,
        system=make_system(cpu_model="Intel Xeon Platinum 8481C @ 2.70 GHz", memory_limit_bytes=6 * 2**30),
    )


def gpu_run(folder: Path, *, num_steps: int = 60) -> Run:
    """A run on one GPU, twenty times faster, throttled for a stretch."""
    return make_run(
        folder,
        cases=cases("cuda"),
        step_s=lambda case, trial: step_s(case, trial) / 20,
        num_steps=num_steps,
        noise=0.01,
        devices=(GPU,),
        telemetry=host_signals() | gpu_signals(),
        period_s=0.1,
        failures=FAILURES,
        change=with_reasons,
    )
