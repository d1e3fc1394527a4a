"""How well this machine is predicted: the `cpu` profile's cases after probes alone, and after calibration with half of the cases.

    python benchmarks/prediction_here.py [--threads N | --run RUN | --probes RUN --cpu RUN] [--halves N] [--seed N] [--json]

Without a run it makes one (about five minutes) that holds the probes and the cases of profile `cpu`: their trials are shuffled,
so that a machine whose neighbours come and go is the same machine to both; where they never go, two threads wait for each other and
one thread (--threads 1) is more informative. Every case is predicted with its interval; a random
half of the cases then calibrates the prediction of the others, N times with a fixed seed. Memory is judged by family and mode,
and by whether something was said to fit that did not. Exit 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import aigc_bench as ab
from aigc_bench.analyze.rows import metric_rows
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core import registry
from aigc_bench.core.records import PROBE_PREFIX, Case, MetricRow, Record
from aigc_bench.measure.profiles import Profile, find_profile
from aigc_bench.measure.store import Run
from aigc_bench.predict.fitting.posterior import Observation, Posterior, fit
from aigc_bench.predict.fitting.random_effects import spreads
from aigc_bench.predict.machine_card import accelerator_from_run
from aigc_bench.predict.model import predict_case
from aigc_bench.predict.validation.own_runs import observations

PROBES_BOUND, HALF_BOUND, MEMORY_BOUND = 0.25, 0.12, 0.08
UNUSED = ("probe_disk",)
"""Probes that no model here waits for."""


class Scored(Record):
    """One metric of one case: what was said, and what was measured."""

    case: str
    mode: str
    metric: str
    predicted: float
    low: float
    high: float
    measured: float

    @property
    def error(self) -> float:
        """Relative to what was measured."""
        return self.predicted / self.measured - 1

    @property
    def is_covered(self) -> bool:
        """Whether the 80 % interval holds the measured value."""
        return self.low <= self.measured <= self.high


class Here:
    """This machine's probes and cases, each made into observations once."""

    def __init__(self, probes: Run, cpu: Run) -> None:
        self.catalogue = load_catalogue()
        self.spec = accelerator_from_run(probes, catalogue=self.catalogue)
        self.rows = {(row.case, row.metric): row for row in metric_rows(cpu, catalogue=self.catalogue)}
        self.cases = [case for case in cpu.info.cases if (case.id, "step_time") in self.rows and not is_probe(case.id)]
        found = [one for run in {probes.path: probes, cpu.path: cpu}.values() for one in self._observed(run)]
        self.probed = [one for one in found if is_probe(one.case)]
        self.own = [one for one in found if not is_probe(one.case)]
        self.libraries = {name for case in cpu.info.cases for name in registry.load("workloads", case.workload).imports(case)}

    def _observed(self, run: Run) -> Iterator[Observation]:
        return observations(run, spec=self.spec, catalogue=self.catalogue)

    def posterior(self, calibrating: Sequence[Case] = ()) -> Posterior:
        """After the probes, and the cases that calibrate."""
        names = {case.id for case in calibrating}
        chosen: list[Observation] = [*self.probed, *(one for one in self.own if one.case in names)]
        return fit(chosen, spreads=spreads())

    def scores(self, posterior: Posterior, cases: Sequence[Case], *, metrics: Sequence[str]) -> Iterator[Scored]:
        """Predicted against measured."""
        for case in cases:
            found = predict_case(case, self.spec, catalogue=self.catalogue, posterior=posterior, libraries=self.libraries)
            for row in found:
                measured = self.rows.get((case.id, row.metric))
                if row.metric in metrics and measured is not None and measured.value:
                    yield _scored(row, measured.value)

    def false_fits(self, posterior: Posterior) -> list[str]:
        """Cases said to fit into 5 % less than they were measured to take."""
        wrong = []
        for case in self.cases:
            measured = self.rows[case.id, "memory_host_peak"].value
            assert measured is not None, "a finished case has a memory peak"
            tight = self.spec.model_copy(update={"usable_memory_bytes": int(0.95 * measured)})
            rows = predict_case(case, tight, catalogue=self.catalogue, posterior=posterior, libraries=self.libraries)
            if not {"may_not_fit", "does_not_fit"} & set(rows[0].reasons):
                wrong.append(case.id)
        return wrong


def is_probe(case_id: str) -> bool:
    """Whether a case measures the machine itself."""
    return case_id.startswith(PROBE_PREFIX)


def probes_and_cases(*, threads: int | None) -> Profile:
    """Profiles `probes` and `cpu` as one, its trials shuffled among each other; ``threads`` for all that do not say."""
    probes, cpu = find_profile("probes"), find_profile("cpu")
    chosen = [case for case in (*probes.cases, *cpu.cases) if case.workload not in UNUSED]
    cases = dict.fromkeys(case.model_copy(update={"threads": case.threads or threads}).model_dump_json() for case in chosen)
    return cpu.model_copy(
        update={"name": "prediction-here", "budget_s": None, "cases": tuple(map(Case.model_validate_json, cases))}
    )


def _scored(row: MetricRow, measured: float) -> Scored:
    assert row.value is not None and row.low is not None and row.high is not None, "a prediction has an interval"
    return Scored(
        case=row.case, mode=row.mode, metric=row.metric, predicted=row.value, low=row.low, high=row.high, measured=measured
    )


def halves(cases: Sequence[Case], *, count: int, seed: int) -> Iterator[tuple[list[Case], list[Case]]]:
    """Random halves: those that calibrate, and the others."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        order = [cases[int(index)] for index in generator.permutation(len(cases))]
        yield order[: len(order) // 2], order[len(order) // 2 :]


def median_error(scores: Sequence[Scored]) -> float:
    """Median absolute relative error."""
    return statistics.median(abs(score.error) for score in scores)


def study(here: Here, *, num_halves: int, seed: int) -> dict[str, object]:
    """All figures."""
    after_probes = here.posterior()
    times = list(here.scores(after_probes, here.cases, metrics=["step_time"]))
    memory = list(here.scores(after_probes, here.cases, metrics=["memory_host_peak"]))
    medians, pooled = [], []
    for calibrating, others in halves(here.cases, count=num_halves, seed=seed):
        scores = list(here.scores(here.posterior(calibrating), others, metrics=["step_time"]))
        medians.append(median_error(scores))
        pooled += scores
    everything = here.posterior(here.cases)
    return {
        "times": times,
        "memory": memory,
        "median_error_after_probes": median_error(times),
        "median_error_after_half": statistics.median(medians),
        "median_error_after_half_p90": float(np.quantile(medians, 0.9)),
        "coverage_after_probes": statistics.mean(score.is_covered for score in times),
        "coverage_after_half": statistics.mean(score.is_covered for score in pooled),
        "worst_memory_error": max(abs(score.error) for score in memory),
        "worst_memory_error_after_all": max(
            abs(score.error) for score in here.scores(everything, here.cases, metrics=["memory_host_peak"])
        ),
        "false_fits": here.false_fits(after_probes),
        "num_halves": num_halves,
        "seed": seed,
    }


def report(found: dict[str, object]) -> None:
    """Print the figures for a reader."""
    for title, key, scale, unit in (("time of a step", "times", 1e3, "ms"), ("peak of the process", "memory", 1e-6, "MB")):
        print(f"\n{title}, after the probes alone ({unit}): predicted (80 % interval), measured, error")
        scores = found[key]
        assert isinstance(scores, list)
        for score in scores:
            value, low, high, measured = (figure * scale for figure in (score.predicted, score.low, score.high, score.measured))
            outside = "" if score.is_covered else " *"
            print(f"  {score.case:60} {value:8.1f} ({low:7.1f} - {high:7.1f}) {measured:8.1f} {score.error:+7.1%}{outside}")
    print(f"\nmedian error of a step after probes alone  {found['median_error_after_probes']:.1%} (bound {PROBES_BOUND:.0%})")
    print(
        f"... of the other half after calibration    {found['median_error_after_half']:.1%} (bound {HALF_BOUND:.0%}; median of"
        f" {found['num_halves']} random halves, p90 {found['median_error_after_half_p90']:.1%})"
    )
    print(f"80 % intervals hold                        {found['coverage_after_probes']:.0%}, {found['coverage_after_half']:.0%}")
    print(
        f"largest memory error, after probes         {found['worst_memory_error']:.1%} (bound {MEMORY_BOUND:.0%}),"
        f" after all cases {found['worst_memory_error_after_all']:.1%}"
    )
    print(f"false fits                                 {found['false_fits'] or 'none'}")


def main() -> int:
    """Measure or read, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, metavar="RUN", help="a run that holds both, as this script makes it")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the new run goes, to be read again with --run")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the new run (default all cores)")
    parser.add_argument("--probes", type=Path, metavar="RUN", help="a run of profile probes")
    parser.add_argument("--cpu", type=Path, metavar="RUN", help="a run of profile cpu on the same machine")
    parser.add_argument("--halves", type=int, default=20, help="random halves (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the halves (default 0)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    if (given.probes is None) != (given.cpu is None):
        parser.error("--probes and --cpu go together")
    with tempfile.TemporaryDirectory() as folder:
        if given.probes:
            runs = (ab.load(given.probes), ab.load(given.cpu))
        else:
            both = (
                ab.load(given.run)
                if given.run
                else ab.run(probes_and_cases(threads=given.threads), out=given.keep or Path(folder) / "run")
            )
            runs = (both, both)
        found = study(Here(*runs), num_halves=given.halves, seed=given.seed)
    if given.json:
        print(json.dumps(found, default=lambda record: record.model_dump(), indent=2))
    else:
        report(found)
    is_met = (
        found["median_error_after_probes"] <= PROBES_BOUND  # type: ignore[operator]
        and found["median_error_after_half"] <= HALF_BOUND  # type: ignore[operator]
        and found["worst_memory_error"] <= MEMORY_BOUND  # type: ignore[operator]
        and not found["false_fits"]
    )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
