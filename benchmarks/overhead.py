"""What measuring costs: ratios within one run, interleaved pairs, each figure next to its target.

    python benchmarks/overhead.py [--quick]

    sampler on over off    throughput of a GPT-2-124M forward on two threads, median over pairs, order alternating
    sampler's CPU share    of one core, at its own rates with 8 GPUs that are faked below NVML
    sampler's lateness     p99 of its deadlines, nothing else of ours running
    harness over bare      median step time in a measured window over that of a hand-written loop, same program and process
    a further case         from the request to the first sample in a forked process, model building, warm-up and first step apart

``--quick`` takes fewer pairs. Always exits with 0: on a shared machine the figures depend on the other load as well.
"""

from __future__ import annotations

import gc
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from aigc_bench.measure.launcher import WORKER_ENVIRONMENT, Launcher  # noqa: E402

os.environ.update(WORKER_ENVIRONMENT)

from aigc_bench.core import registry  # noqa: E402
from aigc_bench.core.records import Case, TrialResult  # noqa: E402
from aigc_bench.core.run_records import SamplerReport  # noqa: E402
from aigc_bench.measure.clock import Clock  # noqa: E402
from aigc_bench.measure.protocol import TrialRequest  # noqa: E402
from aigc_bench.measure.sampler_client import SamplerClient  # noqa: E402
from aigc_bench.measure.stopping import LEVELS  # noqa: E402

NUM_GPUS = 8
GPT2 = Case(
    workload="gpt",
    preset="gpt2-124m",
    mode="infer",
    threads=min(2, len(os.sched_getaffinity(0))),
    settings={"prompt_len": 96, "max_new_tokens": 1},
)
SMALL = Case(workload="vae", preset="mlp-784-400-20", mode="train", batch_size=128, threads=1)
NO_WARMUP = replace(LEVELS["quick"], warmup_min_s=0.05, warmup_cap_s=0.1, window_min_s=0.1, window_cap_s=0.2)


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long to look."""

    num_pairs: int
    forwards: int
    idle_s: float
    num_blocks: int
    block_steps: int
    num_trials: int


FULL = Effort(num_pairs=96, forwards=2, idle_s=20.0, num_blocks=100, block_steps=30, num_trials=10)
QUICK = Effort(num_pairs=4, forwards=2, idle_s=4.0, num_blocks=20, block_steps=30, num_trials=3)


def main() -> int:
    """Measure and print each figure next to its target."""
    effort = QUICK if "--quick" in sys.argv[1:] else FULL
    load = os.getloadavg()[0]
    print(f"load of the last minute {load:.1f} on {len(os.sched_getaffinity(0))} cores; medians over interleaved pairs")
    with tempfile.TemporaryDirectory() as folder:
        with _fake_gpus(Path(folder), has_counter=True):
            report = _idle_sampler(Path(folder), duration_s=effort.idle_s)
            _show(
                "sampler's CPU share, 8 GPUs at 10 Hz",
                _fraction(report.cpu_fraction),
                "<= 1 % of a core",
                _at_most(report.cpu_fraction, 0.01),
            )
            _show("sampler's lateness, p99", _milliseconds(report.late_p99_s), "<= 5 ms", _at_most(report.late_p99_s, 0.005))
            ratios = _sampler_ratios(Path(folder), effort)
            ratio = statistics.median(ratios)
            _show("GPT-2-124M forward, sampler on over off", f"{ratio:.4f}", ">= 0.99", ratio >= 0.99)
            _interval_told(ratios)
        with _fake_gpus(Path(folder), has_counter=False, num=1):
            lone = _idle_sampler(Path(folder), duration_s=effort.idle_s)
            _show("sampler's CPU share, 1 GPU, no counter, 100 Hz", _fraction(lone.cpu_fraction), "no target", None)
        cost_s = _cost_of_a_case(Path(folder), effort)
        _show("a further case, to its first sample", _milliseconds(cost_s), "<= 500 ms", cost_s <= 0.5)
    steps, walls = _harness_ratios(effort)
    step, wall = statistics.median(steps), statistics.median(walls)
    _show("harness's median step over a bare loop's", f"{step:.4f}", "within 1 %", abs(step - 1) <= 0.01)
    _interval_told(steps)
    _show("harness's wall time a step over a bare loop's", f"{wall:.4f}", "no target", None)
    return 0


def _show(name: str, figure: str, target: str, is_met: bool | None) -> None:
    word = {True: "pass", False: "fail", None: ""}[is_met]
    print(f"{name:<48} {figure:>10}   {target:<18} {word}", flush=True)


def _interval_told(ratios: Sequence[float]) -> None:
    low, high = _median_interval(ratios)
    print(f"    95 % interval of that median over {len(ratios)} pairs: {low:.4f} to {high:.4f}", flush=True)


def _fraction(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.2f} %"


def _milliseconds(value: float | None) -> str:
    return "unknown" if value is None else f"{1e3 * value:.2f} ms"


def _at_most(value: float | None, limit: float) -> bool:
    return value is not None and value <= limit


@contextmanager
def _fake_gpus(folder: Path, *, has_counter: bool, num: int = NUM_GPUS) -> Iterator[None]:
    """GPUs below the real NVML binding, for the sampler that is started within."""
    from tests.fake_nvml import FakeGpu, FakeNvml

    extra: dict[str, Any] = {} if has_counter else {"energy_j": "unsupported"}
    fake = FakeNvml.build(folder, *(FakeGpu(uuid=f"GPU-{index}", series=extra) for index in range(num)))
    before = {name: os.environ.get(name) for name in fake.env}
    os.environ.update(fake.env)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _idle_sampler(folder: Path, *, duration_s: float) -> SamplerReport:
    """Return what a sampler reports of itself after a while on an idle machine."""
    sampler = SamplerClient(spool=folder / "telemetry.csv", clock=Clock.start())
    sampler.start()
    time.sleep(duration_s)
    return sampler.stop()


def _sampler_ratios(folder: Path, effort: Effort) -> list[float]:
    """Throughput with a running sampler over that with a stopped one: the same process, paused by SIGSTOP in every other leg."""
    program, stages = _built(GPT2)
    sampler = SamplerClient(spool=folder / "telemetry.csv", clock=Clock.start())
    sampler.start()
    assert sampler.pid is not None, "the sampler has just been started"
    sampler.watch(os.getpid())
    step = _counter()
    _run(program, stages, step=step())
    ratios = []
    try:
        for pair in range(effort.num_pairs):
            seconds: dict[bool, float] = {}
            for is_on in (True, False) if pair % 2 else (False, True):
                os.kill(sampler.pid, signal.SIGCONT if is_on else signal.SIGSTOP)
                time.sleep(0.15)
                start_ns = time.perf_counter_ns()
                for _ in range(effort.forwards):
                    _run(program, stages, step=step())
                seconds[is_on] = (time.perf_counter_ns() - start_ns) / 1e9
            ratios.append(seconds[False] / seconds[True])
    finally:
        os.kill(sampler.pid, signal.SIGCONT)
        sampler.stop()
    return ratios


def _median_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the median by order statistics (the normal approximation of the binomial): no shape is assumed."""
    ordered, middle, width = sorted(values), (len(values) - 1) / 2, 0.98 * len(values) ** 0.5
    return ordered[max(0, round(middle - width))], ordered[min(len(ordered) - 1, round(middle + width))]


def _harness_ratios(effort: Effort) -> tuple[list[float], list[float]]:
    """(median step time, wall time a step) of our window over those of a loop written by hand, blocks of steps alternating."""
    from aigc_bench.measure.window import WindowPlan, measure

    program, stages = _built(SMALL)
    gc.freeze()  # as the fork server does before a worker begins
    backend = registry.load("accelerators", "cpu")
    count = effort.block_steps
    fixed = replace(LEVELS["quick"], window_min_steps=count, window_cap_steps=count, window_min_s=0.0, window_cap_s=3600.0)
    step_ratios, wall_ratios = [], []
    for block in range(effort.num_blocks + 2):
        found: dict[bool, tuple[float, float]] = {}
        for is_bare in (True, False) if block % 2 else (False, True):
            if is_bare:
                found[True] = _bare_loop(program, stages, count=count, first=block * count)
            else:
                plan = WindowPlan(rule=fixed, steps_ahead=4, first_step=block * count)
                measured = measure(program, stages, backend, plan=plan, clock=Clock.start())
                found[False] = (statistics.median(measured.steps.duration_s), measured.window.wall_s / measured.window.num_steps)
        if block >= 2:
            step_ratios.append(found[False][0] / found[True][0])
            wall_ratios.append(found[False][1] / found[True][1])
    return step_ratios, wall_ratios


def _bare_loop(program: Any, stages: Any, *, count: int, first: int) -> tuple[float, float]:
    """What one would write without a harness."""
    durations = []
    loop_start_ns = time.perf_counter_ns()
    for index in range(count):
        start_ns = time.perf_counter_ns()
        _run(program, stages, step=first + index)
        durations.append((time.perf_counter_ns() - start_ns) / 1e9)
    return statistics.median(durations), (time.perf_counter_ns() - loop_start_ns) / 1e9 / count


def _cost_of_a_case(folder: Path, effort: Effort) -> float:
    """Median seconds of a forked trial that are ours: from the request to the window, less building, first step and warm-up."""
    imports = registry.load("workloads", SMALL.workload).imports(SMALL)
    launcher = Launcher(imports=list(imports), log=folder / "workers.log")
    costs = []
    try:
        launcher.prepare()
        for number in range(effort.num_trials + 1):
            clock = Clock.start()
            request = TrialRequest(case=SMALL, trial=number, rule=NO_WARMUP, clock=clock, log=str(folder / "workers.log"))
            asked_s = clock.now_s()
            outcome = launcher.run(request, is_forked=True, on_started=lambda pid: None, on_stage=lambda stage: None)
            costs.append(_own_cost_s(outcome.trial, asked_s=asked_s))
    finally:
        launcher.close()
    return statistics.median(costs[1:])


def _own_cost_s(trial: TrialResult | None, *, asked_s: float) -> float:
    if trial is None or trial.window is None or trial.warmup is None:
        raise SystemExit(f"the trial gave nothing: {trial and trial.error}")
    ready = trial.time_to_ready_s
    return trial.window.start_s - asked_s - ready["build_s"] - ready["first_step_s"] - trial.warmup.duration_s


def _built(case: Case) -> tuple[Any, Any]:
    """The case's program in this process, and its stages."""
    import torch

    from aigc_bench.measure.trial import make_setup

    workload, backend = registry.load("workloads", case.workload), registry.load("accelerators", "cpu")
    device = backend.select(case)
    program = workload.build(case, make_setup(case, device=device, engine=registry.load("engines", "torch-eager")))
    torch.set_grad_enabled(case.mode == "train")
    return program, workload.work(case).stages


def _run(program: Any, stages: Any, *, step: int) -> None:
    program.begin(step)
    for stage in stages:
        for repeat in range(stage.repeats):
            program.stages[stage.name](repeat)


def _counter() -> Callable[[], int]:
    numbers = iter(range(1 << 30))
    return lambda: next(numbers)


if __name__ == "__main__":
    sys.exit(main())
