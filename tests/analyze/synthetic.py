"""Runs made of arithmetic, written through the real store: what analysis, reports and plans are tested on.

``make_run(tmp_path / "run")`` is a healthy CPU run of one GPT case. Everything else is a keyword::

    make_run(folder, cases=[make_case(workload="bert")], step_s=0.1, noise=0.01, trials=5,
             devices=(GPU,), telemetry={("nvml", GPU, "power_w"): 300.0, ("nvml", GPU, "energy_j"): lambda t: 300.0 * t})

``telemetry`` maps (source, device, metric) to a constant or a function of the seconds since the run's start; each is sampled every
``period_s`` over the whole run. ``step_s`` is a number or a function of (case, trial).
``failures`` maps (case id, trial) to a status.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aigc_bench.core.records import Case, Failure, HostUse, Memory, Samples, Stage, Steps, TrialResult, Warmup, Window, Work
from aigc_bench.core.run_records import AcceleratorInfo, RunInfo, SamplerReport, SensorStatus, System
from aigc_bench.measure.store import Run, RunWriter, load_run

CREATED_S = 1_800_000_000.0
"""Start of every synthetic run, Unix seconds."""
GPU = "GPU-00000000-0000-0000-0000-000000000000"
IDLE_S = 6.0
STARTUP_S = 1.0
WARMUP_STEPS = 10

Signal = float | None | Callable[[float], float | None]
Signals = Mapping[tuple[str, str, str], Signal]

STAGES: dict[tuple[str, str], tuple[Stage, ...]] = {
    ("gpt", "infer"): (Stage(name="prefill", items=1), Stage(name="decode", repeats=15, items=1)),
    ("transformer", "infer"): (Stage(name="encode"), Stage(name="decode", repeats=16, items=1)),
    ("latent_diffusion", "infer"): (Stage(name="text_encode"), Stage(name="denoise", repeats=8), Stage(name="vae_decode", items=1)),
}
TRAINING = (Stage(name="forward"), Stage(name="backward"), Stage(name="optimizer", items=1))
ITEMS = {"gpt": "token", "transformer": "token", "latent_diffusion": "image", "dcgan": "image", "vae": "image", "bert": "sample"}


def make_case(**changes: Any) -> Case:
    """A GPT inference case, with the given changes."""
    return Case(**{"workload": "gpt", "preset": "gpt2-124m", "mode": "infer", "batch_size": 1, **changes})


def make_work(case: Case) -> Work:
    """Plausible work for any family: the stages that its name suggests, one item a batch entry."""
    stages = STAGES.get((case.workload, case.mode), TRAINING if case.mode == "train" else (Stage(name="forward", items=1),))
    scaled = tuple(stage.model_copy(update={"items": stage.items * case.batch_size}) for stage in stages)
    return Work(
        item=ITEMS.get(case.workload, "sample"),
        stages=scaled,
        num_params=1000,
        params_bytes=4000,
        flops={s.name: 10**9 for s in scaled},
    )


def make_trial(
    case: Case, *, trial: int, started_s: float, step_s: Sequence[float], work: Work, devices: tuple[str, ...]
) -> TrialResult:
    """A finished trial whose steps last ``step_s`` each, split evenly over the stages' repeats, back to back."""
    ready_s = started_s + STARTUP_S
    window_s = ready_s + WARMUP_STEPS * step_s[0]
    starts = [0.0]
    for duration_s in step_s:
        starts.append(starts[-1] + duration_s)
    return TrialResult(
        case=case.id,
        trial=trial,
        status="ok",
        started_s=started_s,
        finished_s=window_s + starts[-1] + 0.2,
        pid=4242,
        devices=devices,
        time_to_ready_s={"start": 0.1, "build": 0.9},
        warmup=Warmup(
            num_steps=WARMUP_STEPS, duration_s=WARMUP_STEPS * step_s[0], converged=True, step_duration_s=(step_s[0],) * WARMUP_STEPS
        ),
        window=Window(
            start_s=window_s, end_s=window_s + starts[-1], wall_s=starts[-1], num_steps=len(step_s), stop_reason="converged"
        ),
        work=work,
        samples=make_samples(work, step_s=step_s),
        steps=Steps(start_s=tuple(starts[:-1]), duration_s=tuple(step_s)),
        memory=Memory(host_peak_bytes=2**30),
        host=HostUse(cpu_s=starts[-1]),
        check={"finite": True},
    )


def make_samples(work: Work, *, step_s: Sequence[float]) -> Samples:
    """Every stage repeat of every step, each an equal part of its step."""
    repeats = [(index, repeat) for index, stage in enumerate(work.stages) for repeat in range(stage.repeats)]
    columns: dict[str, list[Any]] = {name: [] for name in Samples.model_fields}
    moment = 0.0
    for step, duration_s in enumerate(step_s):
        part = duration_s / len(repeats)
        for index, repeat in repeats:
            for name, value in zip(columns, (step, index, repeat, moment, part), strict=True):
                columns[name].append(value)
            moment += part
    return Samples(**{name: tuple(values) for name, values in columns.items()})


def make_system(*, devices: tuple[str, ...] = ("host",), **changes: Any) -> System:
    """A small machine; every device but ``host`` is an H100."""
    gpus = tuple(
        AcceleratorInfo(
            index=i, name="NVIDIA H100 80GB HBM3", uuid=uuid, backend="cuda", catalog_id="h100-sxm", memory_bytes=80 * 2**30
        )
        for i, uuid in enumerate(device for device in devices if device != "host")
    )
    plain: dict[str, Any] = {"host_id": "synthetic", "os": "Linux", "kernel": "6.1", "cpu_model": "Synthetic CPU", "num_cores": 2}
    return System(
        **{
            **plain,
            "num_usable_cores": 2.0,
            "memory_bytes": 8 * 2**30,
            "accelerators": gpus,
            "software": {"torch": "2.13"},
            **changes,
        }
    )


def make_run(
    folder: Path,
    *,
    cases: Sequence[Case] | None = None,
    step_s: float | Callable[[Case, int], float] = 0.1,
    trials: int = 3,
    num_steps: int = 50,
    noise: float = 0.0,
    devices: tuple[str, ...] = ("host",),
    telemetry: Signals | None = None,
    period_s: float = 0.1,
    failures: Mapping[tuple[str, int], str] | None = None,
    change: Callable[[TrialResult], TrialResult] = lambda trial: trial,
    system: System | None = None,
    seed: int = 0,
    work: Callable[[Case], Work] = make_work,
) -> Run:
    """Write a run of ``cases`` x ``trials`` to ``folder`` and load it. ``change`` may alter each trial before it is written."""
    chosen = tuple([make_case()] if cases is None else cases)
    generator = random.Random(seed)
    writer = RunWriter(folder)
    moment = CREATED_S + IDLE_S
    for trial in range(trials):
        for case in chosen:
            mean_s = step_s(case, trial) if callable(step_s) else step_s
            steps = [mean_s * max(0.1, 1 + generator.gauss(0, noise)) if noise else mean_s for _ in range(num_steps)]
            result = make_trial(case, trial=trial, started_s=moment, step_s=steps, work=work(case), devices=devices)
            status = (failures or {}).get((case.id, trial))
            result = change(_failed(result, status=status) if status else result)
            writer.append(result)
            moment = result.finished_s + 0.1
    _spool(writer.spool, signals=telemetry or {}, end_s=moment - CREATED_S, period_s=period_s)
    writer.write_info(
        RunInfo(
            id=folder.name,
            profile="synthetic",
            profile_hash="0" * 8,
            level="quick",
            command=("aigc-bench", "run"),
            created_s=CREATED_S,
            finished_s=moment,
            num_trials=trials,
            cases=chosen,
            system=system or make_system(devices=devices),
            sensors=tuple(_sensors(telemetry or {})),
            sampler=SamplerReport(num_samples=100, late_p99_s=0.001, cpu_fraction=0.004),
            versions={"aigc-bench": "0.1.0"},
        )
    )
    writer.close()
    return load_run(folder)


def _failed(result: TrialResult, *, status: str) -> TrialResult:
    error = Failure(
        kind={"oom": "OutOfMemoryError", "timeout": "Timeout"}.get(status, "RuntimeError"), message=f"made to end in {status}"
    )
    empty = dict.fromkeys(("warmup", "window", "work", "samples", "steps", "memory", "host"))
    return result.model_copy(update={**empty, "status": status, "error": error})


def _spool(file: Path, *, signals: Signals, end_s: float, period_s: float) -> None:
    """Write the sampler's CSV: every signal at every period, ``nan`` where the sensor did not answer."""
    lines = []
    for tick in range(int(end_s / period_s) + 2):
        time_s = tick * period_s
        for (source, device, metric), signal in signals.items():
            value = signal(time_s) if callable(signal) else signal
            lines.append(f"{CREATED_S + time_s!r},{source},{device},{metric},{'' if value is None else repr(float(value))}")
    file.write_text("\n".join(lines) + "\n" if lines else "")


def _sensors(signals: Signals) -> Iterable[SensorStatus]:
    for source in ("nvml", "host", "rapl"):
        mine = [key for key in signals if key[0] == source]
        yield SensorStatus(
            source=source,
            available=bool(mine),
            reason=None if mine else "not part of this synthetic run",
            devices=tuple(sorted({device for _, device, _ in mine})),
            metrics=tuple(sorted({metric for _, _, metric in mine})),
        )
