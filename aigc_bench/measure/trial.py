"""One trial, inside its worker process: build, count, warm up, measure. Any failure becomes the trial's status."""

from __future__ import annotations

import contextlib
import gc
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from aigc_bench.accelerators.base import Backend
from aigc_bench.core import registry
from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.messages import message
from aigc_bench.core.named_code import load_permitted
from aigc_bench.core.records import Case, Failure, Memory, Quality, ReferenceKernel, Stage, Status, TrialResult, Work
from aigc_bench.engines.base import CannotExecute, Engine
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.data_pipeline import DataPipeline
from aigc_bench.measure.flops import count_flops
from aigc_bench.measure.followers import RankLost
from aigc_bench.measure.protocol import Emit, TrialRequest, TrialStage, measured_event, result_event
from aigc_bench.measure.quality import ALLOWED_ERROR, Prepared, compare, could_not, learns, watch
from aigc_bench.measure.ranks import ALONE, Ranks, gather
from aigc_bench.measure.reference import timed_kernel
from aigc_bench.measure.tensors import widen
from aigc_bench.measure.threads import place_threads
from aigc_bench.measure.window import MeasuredWindow, WindowPlan, measure, plan_window, run_step, warm_up
from aigc_bench.workloads.base import Program, Setup, Workload

# tf32 is stored as fp32: the backend's switches alone make it tf32.
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
DETAIL_LINES = 30
QualityCheck = Callable[[], Quality | None]
"""Judges a measured trial's results; ``None`` where there is nothing to judge."""


def run_trial(request: TrialRequest, emit: Emit, *, import_s: float = 0.0) -> None:
    """Run the trial and emit its result; nothing is raised but ``KeyboardInterrupt`` and ``SystemExit``.

    What was measured is emitted before the results are checked: a check that dies or hangs does not lose it.
    """
    started_s = request.clock.now_s()
    backend: Backend | None = None
    check: QualityCheck | None = None

    def finished(fields: Mapping[str, Any]) -> TrialResult:
        return TrialResult(
            case=request.case.id,
            trial=request.trial,
            attempt=request.attempt,
            started_s=started_s,
            finished_s=request.clock.now_s(),
            pid=os.getpid(),
            **fields,
        )

    def end_without(lost: RankLost) -> None:
        # The main thread waits in a collective, from which no exception reaches it.
        emit(result_event(finished(_failed(lost, backend=None))))
        os._exit(0)

    try:
        parts = _Parts.of(request)
        backend = parts.backend
        reason = unsupported(request.case, workload=parts.workload, engine=parts.engine, backend=backend)
        if reason is not None:
            fields: dict[str, Any] = {"status": "unsupported", "error": Failure(kind="unsupported", message=reason)}
        else:
            with gather(request, rank=0, on_lost=end_without) as ranks:
                measured, check = _measure(request, parts=parts, ranks=ranks, emit=ranks.through(emit), import_s=import_s)
            fields = {"status": "ok", **measured}
    except Exception as error:
        fields = _failed(error, backend=backend)
    trial = finished(fields)
    if check is not None and trial.status == "ok":
        emit(measured_event(trial))
        trial = trial.model_copy(update={"quality": check(), "finished_s": request.clock.now_s()})
    emit(result_event(trial))


def unsupported(case: Case, *, workload: Workload, engine: Engine, backend: Backend) -> str | None:
    """Return why this machine cannot run the case as written, or ``None``; a setting is never silently replaced."""
    if case.scenario == "server":
        return message("the runner drives offline and single_stream; a server is predicted, not run")
    workload.validate(case)
    absence = backend.absence()
    if absence is not None:
        return absence.reason
    return backend.unsupported(case) or engine.unsupported(case) or workload.unsupported(case)


def follow(request: TrialRequest, emit: Emit, *, rank: int, port: int) -> int:
    """Run the trial as one of the ranks besides 0; returns the exit code, 1 after a failure that was emitted."""
    backend: Backend | None = None
    try:
        parts = _Parts.of(request)
        backend = parts.backend
        with gather(request, rank=rank, port=port) as ranks:
            _measure(request, parts=parts, ranks=ranks, emit=emit, import_s=0.0)
    except Exception as error:
        traceback.print_exc()
        failed = _failed(error, backend=backend)
        emit({"event": "failed", "status": failed["status"], "error": failed["error"].model_dump(mode="json")})
        return 1
    return 0


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The registered things a case names."""

    workload: Workload
    engine: Engine
    backend: Backend

    @classmethod
    def of(cls, request: TrialRequest) -> _Parts:
        load_permitted(request.code)
        case = request.case
        return cls(
            workload=registry.load("workloads", case.workload),
            engine=registry.load("engines", case.engine),
            backend=registry.load("accelerators", case.backend),
        )


def _measure(
    request: TrialRequest, *, parts: _Parts, ranks: Ranks, emit: Emit, import_s: float
) -> tuple[dict[str, Any], QualityCheck | None]:
    case, rule, backend = request.case, request.rule, parts.backend
    _enter(emit, "building")
    ready: dict[str, float] = {"import_s": import_s}
    device = backend.select(case, ranks.rank)
    prepared = Prepared()
    with _timed(ready, "build_s"):
        setup = make_setup(case, device=device, engine=parts.engine, ranks=ranks, prepared=prepared)
        model = _stepping(parts.workload.build(case, setup), parts.engine)
    own = _work_of(model, case, parts=parts, prepared=prepared)
    data = _data_pipeline(case, setup, model, backend=backend, ranks=ranks, ready=ready)
    program, work = (model, own) if data is None else (data.program, data.work(own))
    quality: Quality | None = None
    with torch.inference_mode() if case.mode == "infer" else contextlib.nullcontext():
        _enter(emit, "warm-up")
        with _timed(ready, "first_step_s"):
            run_step(program, work.stages, backend, step=0)
            backend.synchronize()
        is_bound = backend.is_forkable and place_threads(torch.get_num_threads())  # the first step has made OpenMP's teams
        flops = request.flops
        if flops is None:
            with _timed(ready, "count_s"):
                flops = count_flops(model, own.stages)  # the data pipeline's stages compute nothing
                backend.release_memory()
        if request.is_judged and case.mode == "train":
            with _timed(ready, "quality_s"):
                quality = _learns(model, own, case=case, backend=backend, ranks=ranks, scaler=setup.scaler)
        warmup = warm_up(program, work.stages, backend, rule=rule, ranks=ranks)
        backend.reset_peak_memory()  # not the peaks of compiling, tuning and counting
        _enter(emit, "measuring")
        plan = plan_window(warmup, rule=rule, scenario=case.scenario, ranks=ranks)
        before = parts.engine.report()
        window = _Window(program=program, stages=work.stages, plan=plan, clock=request.clock, data=data)
        measured, reference = _run_with_reference(window, backend)
    _enter(emit, "finishing")
    fields = {
        "devices": backend.device_ids(case),
        "time_to_ready_s": ready,
        "warmup": warmup,
        "window": measured.window,
        "steps": measured.steps,
        "samples": measured.samples,
        "work": _counted(work, model, flops=flops, replicas=case.devices),
        "memory": _memory(backend),
        "host": measured.host,
        "reference": reference,
        "pipeline": None if data is None else data.close(),
        "check": dict(program.check()),
        "environment": {**_environment(is_bound=is_bound), **_of_engine(before, parts.engine.report())},
    }
    fields["quality"] = quality
    if not (request.is_judged and case.mode == "infer" and ranks.rank == 0):
        return fields, None
    # The list is the last reference to the program: `judge` empties it, to make room for the fp32 twin.
    common: dict[str, Any] = {"workload": parts.workload, "engine": parts.engine, "backend": backend}
    return fields, partial(judge, case, [model], prepared=prepared, device=device, **common)


def _stepping(program: Program, engine: Engine) -> Program:
    """The program whose every step begins with the engine's own."""

    def begin(step: int) -> None:
        engine.begin_step()
        program.begin(step)

    return replace(program, begin=begin)


def _of_engine(before: Mapping[str, int | str], after: Mapping[str, int | str]) -> dict[str, int | str]:
    """What the engine reported, and how often it compiled again within the window, in which nothing may be compiled."""
    counts = [report.get("recompilations") for report in (before, after)]
    inside = [count for count in counts if isinstance(count, int)]
    return {**after, **({"recompilations_in_window": inside[1] - inside[0]} if len(inside) == 2 else {})}


def _data_pipeline(
    case: Case, setup: Setup, program: Program, *, backend: Backend, ranks: Ranks, ready: dict[str, float]
) -> DataPipeline | None:
    if case.pipeline is None:
        return None
    with _timed(ready, "data_s"):
        return DataPipeline(case, setup, program, backend=backend, ranks=ranks)


def _memory(backend: Backend) -> Memory:
    allocated, reserved = backend.peak_memory()
    return Memory(allocated_bytes=allocated, reserved_bytes=reserved, host_peak_bytes=host_peak_bytes())


def _work_of(program: Program, case: Case, *, parts: _Parts, prepared: Prepared) -> Work:
    """The work of a step as the workload declares it; raises ``CannotExecute`` where the engine found nothing to do."""
    reason = parts.engine.idle_reason(prepared.executed)
    if reason is not None:
        raise CannotExecute(reason)
    own = parts.workload.work(case)
    assert set(program.stages) == {stage.name for stage in own.stages}, f"{case.workload} declares other stages than it builds"
    return own


@dataclass(frozen=True, kw_only=True)
class _Window:
    """Everything that one window needs."""

    program: Program
    stages: tuple[Stage, ...]
    plan: WindowPlan
    clock: Clock
    data: DataPipeline | None

    def run(self, backend: Backend) -> MeasuredWindow:
        """Measure the window and the cost of its data pipeline."""
        if self.data is not None:
            self.data.start_window()
        measured = measure(self.program, self.stages, backend, plan=self.plan, clock=self.clock)
        if self.data is not None:
            self.data.end_window()
        return measured


def _run_with_reference(window: _Window, backend: Backend) -> tuple[MeasuredWindow, ReferenceKernel | None]:
    """The window, and on a host the fixed kernel's times right before and right after it."""
    if not backend.is_forkable:
        return window.run(backend), None
    before_s = timed_kernel()
    measured = window.run(backend)
    return measured, ReferenceKernel(before_s=before_s, after_s=timed_kernel())


def _learns(
    program: Program, work: Work, *, case: Case, backend: Backend, ranks: Ranks, scaler: torch.amp.GradScaler | None
) -> Quality:
    started = time.perf_counter()

    def run() -> None:
        run_step(program, work.stages, backend, step=0)
        backend.synchronize()

    run()
    step_s = time.perf_counter() - started
    return learns(program, run, step_s=step_s, seed=case.seed, ranks=ranks, started=started, scaler=scaler)


def judge(
    case: Case,
    program: list[Program],
    *,
    workload: Workload,
    engine: Engine,
    backend: Backend,
    prepared: Prepared,
    device: torch.device,
) -> Quality | None:
    """Judge an inference case by its reference. ``program`` is emptied where the reference is built anew, to make room for it.

    A program without modules (a probe) has nothing to judge: ``None``.
    """
    if not prepared.built:
        return None
    started = time.perf_counter()
    # The same weights, run by other kernels; there is no need for a second copy.
    is_own_reference = case.precision in ("fp32", "tf32") and case.engine == "torch-eager"
    # Added, not in quadrature: both may err in one direction.
    limit = ALLOWED_ERROR[case.precision] + engine.added_error
    try:
        with torch.inference_mode():
            calls = watch(program[0], workload.stages(case), prepared.executed)
        references = prepared.built
        if not is_own_reference:
            program.clear()
            prepared.built, prepared.executed = [], []
            gc.collect()
            backend.release_memory()
            references = _rebuilt(case, workload=workload, device=device)
        return compare(calls, references, limit=limit, started=started)
    except Exception as error:
        return could_not(error, backend=backend, started=started)


def _rebuilt(case: Case, *, workload: Workload, device: torch.device) -> list[torch.nn.Module]:
    """The case's modules once more, from the same seed and therefore with the same weights, in fp32 and eager."""
    eager = registry.load("engines", "torch-eager")
    plain = case.model_copy(update={"engine": "torch-eager"})
    prepared = Prepared()
    workload.build(plain, make_setup(plain, device=device, engine=eager, prepared=prepared))
    for module in prepared.built:
        widen(module)
    return prepared.built


def make_setup(
    case: Case, *, device: torch.device, engine: Engine, ranks: Ranks = ALONE, prepared: Prepared | None = None
) -> Setup:
    """Precision, seed and engine of the case, as a workload needs them to build; ranks differ in their inputs.

    ``prepared`` takes the modules that are executed.
    """
    dtype = DTYPES[case.precision]
    training = case.mode == "train"
    # Weights from the global generator, the same in every rank; inputs from one that differs by rank.
    torch.manual_seed(case.seed)
    mixed = training and dtype is not torch.float32

    noted = Prepared() if prepared is None else prepared

    def autocast() -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(device.type, dtype=dtype) if mixed else contextlib.nullcontext()

    return Setup(
        device=device,
        dtype=dtype,
        training=training,
        generator=torch.Generator().manual_seed(case.seed + ranks.rank),
        autocast=autocast,
        prepare=noted.through(lambda module: engine.prepare(ranks.wrap(module), case=case)),
        fed=None if case.pipeline is None else [],
        # Small gradients vanish in fp16; bf16 has fp32's range and needs no scaling.
        scaler=torch.amp.GradScaler(device.type) if mixed and dtype is torch.float16 else None,
    )


def host_peak_bytes() -> int | None:
    """Peak resident memory of this process since it started or ``reset_host_peak`` (VmHWM), in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def reset_host_peak() -> None:
    """Let VmHWM start from what is resident now; a kernel that refuses leaves the peak as it was."""
    with contextlib.suppress(OSError):
        # 5 resets the high-water mark alone (proc(5)); a forked worker has inherited its server's.
        Path("/proc/self/clear_refs").write_text("5")


def _enter(emit: Emit, stage: TrialStage) -> None:
    emit({"event": "stage", "stage": stage})


@contextlib.contextmanager
def _timed(into: dict[str, float], key: str) -> Any:
    start_ns = time.perf_counter_ns()
    yield
    into[key] = (time.perf_counter_ns() - start_ns) / 1e9


def _counted(work: Work, program: Program, *, flops: Any, replicas: int) -> Work:
    # By identity: modules may share weights, such as an embedding and its head.
    parameters = {id(p): p for module in program.modules for p in module.parameters()}.values()
    return work.model_copy(
        update={
            "flops": flops,
            "replicas": replicas,
            "num_params": sum(getattr(p, "num_weights", p.numel()) for p in parameters),
            "params_bytes": sum(p.numel() * p.element_size() for p in parameters),
        }
    )


def _environment(*, is_bound: bool) -> dict[str, str | int | None]:
    return {
        "threads_bound": is_bound,
        "threads": torch.get_num_threads(),
        "wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _failed(error: Exception, *, backend: Backend | None) -> dict[str, Any]:
    """Return status and message of a trial that raised: one line for a user's mistake, else the last lines of the traceback."""
    if isinstance(error, RankLost):
        return {"status": error.status, "error": error.failure}
    if isinstance(error, CannotExecute):
        return {"status": "unsupported", "error": Failure(kind="unsupported", message=str(error))}
    if isinstance(error, AigcBenchError):
        return {"status": "error", "error": Failure(kind=type(error).__name__, message=str(error))}
    lines = traceback.format_exception(error)
    is_oom = backend is not None and backend.is_out_of_memory(error)
    status: Status = "oom" if is_oom or isinstance(error, MemoryError) else "error"
    message = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return {
        "status": status,
        "error": Failure(
            kind=type(error).__name__, message=message[:500], detail="\n".join("".join(lines).splitlines()[-DETAIL_LINES:])
        ),
    }
