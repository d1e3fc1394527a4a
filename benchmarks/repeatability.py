"""How far repeated trials of the same case scatter on this machine, before and after, and what makes the restless ones so.

    python benchmarks/repeatability.py [--only GLOB]     run the `cpu` profile's cases both ways
    python benchmarks/repeatability.py RUN               read a run that is there already (no "before")

    before      what a plain script does: threads as OpenMP and the scheduler please, one warm-up step, the mean of one second
    after       our trials: passive waiting, bound threads, warm-up until the step settles, the median of a window with a stop rule
    corrected   the same, divided by the shift of the reference kernel that was timed around each window

Each is the CV over fresh processes. Both sides go round all cases before any gets its next process, so that both meet the machine's
drift alike; they run one after the other, so that a neighbour who comes and goes shows as well.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aigc_bench as ab  # noqa: E402
from aigc_bench.analyze.drift import shift  # noqa: E402
from aigc_bench.analyze.reason_codes import REASONS  # noqa: E402
from aigc_bench.analyze.rows import CaseAnalysis, analyses  # noqa: E402
from aigc_bench.analyze.statistics import coefficient_of_variation, grade  # noqa: E402
from aigc_bench.core import registry  # noqa: E402
from aigc_bench.core.records import Case  # noqa: E402
from aigc_bench.measure.profiles import find_profile  # noqa: E402
from aigc_bench.measure.runner import select_cases  # noqa: E402
from aigc_bench.measure.store import load_run  # noqa: E402

NUM_PROCESSES = 3
PLAIN_S = 1.0
HOST_CODES = (
    "throttled",
    "cgroup_throttled",
    "steal",
    "swapping",
    "busy_host",
    "waited_for_core",
    "noisy_host",
    "reference_shifted",
    "warmup_not_converged",
    "window_not_converged",
)
WAITING = ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT")


def main(words: Sequence[str]) -> int:
    """Run or read, and print one line for each case."""
    if words and words[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    if words and words[0] == "--plain":
        return _plain([Case.model_validate(case) for case in json.loads(words[1])])
    if words and not words[0].startswith("--"):
        _print(analyses(load_run(words[0])), before={})
        return 0
    only = words[1:2] if words and words[0] == "--only" else ()
    cases = select_cases(find_profile("cpu"), only=only)
    print(f"{len(cases)} cases, {NUM_PROCESSES} processes each, both ways; load {os.getloadavg()[0]:.1f}", flush=True)
    before = _before(cases)
    with tempfile.TemporaryDirectory() as folder:
        run = ab.run("cpu", only=only, out=Path(folder) / "run")
        _print(analyses(run), before=before)
    return 0


def _before(cases: Sequence[Case]) -> dict[str, list[float]]:
    """Mean step time of each plain process of each case, in seconds."""
    plain = {name: value for name, value in os.environ.items() if name not in WAITING}
    command = [sys.executable, __file__, "--plain", json.dumps([case.model_dump(mode="json") for case in cases])]
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"the plain side failed: {done.stderr.strip()[-300:]}", flush=True)
    found: dict[str, list[float]] = {case.id: [] for case in cases}
    for line in done.stdout.splitlines():
        name, _, seconds = line.rpartition(" ")
        found[name].append(float(seconds))
    return found


def _plain(cases: Sequence[Case]) -> int:
    """Import once, then fork a process for each repetition of each case, round by round, as our own trials are."""
    import importlib

    import torch
    import torch._dynamo

    for name in {name for case in cases for name in registry.load("workloads", case.workload).imports(case)}:
        importlib.import_module(name)
    for case in [case for _ in range(NUM_PROCESSES) for case in cases]:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            with torch.inference_mode(case.mode == "infer"):
                print(case.id, _plain_mean_s(case), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
    return 0


def _plain_mean_s(case: Case) -> float:
    """One warm-up step, then the mean of the steps that fit."""
    from aigc_bench.measure.trial import make_setup
    from aigc_bench.measure.window import run_step

    workload, backend = registry.load("workloads", case.workload), registry.load("accelerators", "cpu")
    setup = make_setup(case, device=backend.select(case), engine=registry.load("engines", case.engine))
    program, stages = workload.build(case, setup), workload.work(case).stages
    run_step(program, stages, backend, step=0)
    durations: list[float] = []
    while sum(durations) < PLAIN_S or len(durations) < 3:
        start_ns = time.perf_counter_ns()
        run_step(program, stages, backend, step=len(durations) + 1)
        durations.append((time.perf_counter_ns() - start_ns) / 1e9)
    return statistics.fmean(durations)


def _print(found: Sequence[CaseAnalysis], *, before: dict[str, list[float]]) -> None:
    width = max(len(analysis.case.id) for analysis in found)
    print(f"{'trial CV':<{width}}  {'before':>7}  {'after':>7}  {'corrected':>9}  grade     reasons")
    advice: dict[str, None] = {}
    columns: list[tuple[float | None, ...]] = []
    for analysis in found:
        values = (before.get(analysis.case.id, []), analysis.values("step_time"), _corrected(analysis))
        columns.append(tuple(coefficient_of_variation(one) for one in values))
        reasons = [code for code in HOST_CODES if code in analysis.reasons]
        label = grade(columns[-1][1]) or "one trial"
        if label in ("C", "unstable"):
            advice |= dict.fromkeys(_advice(reasons))
        listed = ", ".join(reasons) or ("no reason found" if label == "unstable" else "")
        print(f"{analysis.case.id:<{width}}  {_percents(columns[-1])}  {label:<8}  {listed}")
    medians = tuple(_median(column) for column in zip(*columns, strict=True))
    print(f"{'median over the cases':<{width}}  {_percents(medians)}")
    for line in advice:
        print(f"- {line}")


def _corrected(analysis: CaseAnalysis) -> list[float]:
    """Median step time of each trial as the run's fastest reference kernel found the machine."""
    pairs = ((one["step_time"].value, shift(scene)) for one, scene in zip(analysis.quantities, analysis.scenes, strict=True))
    return [step_s / (1 + slower) for step_s, slower in pairs if step_s is not None and slower is not None]


def _advice(reasons: Sequence[str]) -> Iterator[str]:
    for code in reasons:
        yield f"{code}: {REASONS[code].meaning}. {REASONS[code].remedy}"
    if not reasons:
        yield "No reason was found on the host: set `threads = 1` in the profile, or take more trials with --level rigorous."


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _percents(values: Sequence[float | None]) -> str:
    return "  ".join(f"{_percent(value):>{width}}" for value, width in zip(values, (7, 7, 9), strict=True))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
